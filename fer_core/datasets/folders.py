"""Data sets kept as folders: ``train|test|validation/<emotion>/*.jpg|png``, with or without one more folder level."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_core.datasets.decoding import IMAGE_SUFFIXES, decode_face
from fer_core.datasets.face_dataset import FaceDataset, Split
from fer_core.emotions import FER2013, Emotion, parse_emotion
from fer_core.errors import DatasetError

_SPLIT_OF_FOLDER = {
    "train": Split.TRAINING,
    "training": Split.TRAINING,
    "validation": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "val": Split.VALIDATION,
    "publictest": Split.VALIDATION,
    "test": Split.TEST,
    "privatetest": Split.TEST,
}


def _split_folders(root: Path) -> dict[Split, Path]:
    found: dict[Split, Path] = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        split = _SPLIT_OF_FOLDER.get(folder.name.lower())
        if split is None:
            continue
        if split in found:
            raise DatasetError(
                f"{root.name}: both {found[split].name} and {folder.name} look like the {split} split, expected one."
            )
        found[split] = folder
    return found


def read_folders(root: Path, side: int = 48) -> FaceDataset:
    """A data set kept as ``<split>/<emotion>/<image>``, the split folders in ``root`` or one level below it.

    Args:
        root: the folder; names of splits and emotions are taken in any case and in their usual synonyms.
        side: expected width and height of every image in pixels.

    Raises:
        DatasetError: no split folder, an unknown emotion, an unreadable image or one of another size.
    """
    splits = _split_folders(root)
    if not splits:
        nested = [path for path in sorted(root.iterdir()) if path.is_dir() and _split_folders(path)]
        if len(nested) != 1:
            raise DatasetError(
                f"{root.name}: found no folder called train, validation or test, expected "
                "train/<emotion>/*.jpg with at most one folder above."
            )
        return read_folders(nested[0], side)
    images, labels, rows = [], [], []
    for split, folder in splits.items():
        for emotion_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
            label = _label_of(emotion_folder, root)
            for path in sorted(emotion_folder.iterdir()):
                if path.suffix.lower() not in IMAGE_SUFFIXES:
                    continue
                images.append(_read_grey(path, root, side))
                labels.append(label)
                rows.append(split)
    if not images:
        raise DatasetError(f"{root.name}: found no .jpg or .png below {', '.join(f.name for f in splits.values())}.")
    return FaceDataset(root.name, np.stack(images), np.array(labels, np.int64), np.array(rows), FER2013)


def _label_of(folder: Path, root: Path) -> int:
    try:
        emotion = parse_emotion(folder.name)
    except ValueError:
        emotion = Emotion.CONTEMPT
    if emotion not in FER2013.emotions:
        raise DatasetError(
            f"{folder.relative_to(root)}: found a folder for label {folder.name!r}, expected one of "
            f"{', '.join(FER2013.emotions)}."
        )
    return FER2013.index(emotion)


def _read_grey(path: Path, root: Path, side: int) -> np.ndarray:
    return decode_face(path.read_bytes(), str(path.relative_to(root)), side)
