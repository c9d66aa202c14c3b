"""Data sets kept as folders of classes, ``happy/*.jpg``, below folders of splits or without, unpacked or as a zip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from fer_core.datasets.dataset import DATASET_SIDE, NO_LABEL, FaceDataset, Split
from fer_core.datasets.readers.archives import DataFile, open_files
from fer_core.datasets.readers.image_files import decode_face, decode_grey, resized
from fer_core.errors import DatasetError
from fer_core.labels import CKPLUS, FER2013, FERPLUS, Emotion, LabelSet, parse_emotion
from fer_core.media.suffixes import DATASET_IMAGE_SUFFIXES

UNLABELLED = "unlabelled"
"""Name of the folder of faces that nobody has given an emotion yet."""
_NAMED = 6
"""Names listed in a message."""
_LAYOUT = "<emotion>/*.jpg, or train/<emotion>/*.jpg beside test/ and validation/"

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


class UnknownClassError(DatasetError):
    """Classes whose names are no emotions; the caller may pass their ``meanings`` and read again."""

    def __init__(self, source: str, names: Sequence[str]) -> None:
        self.names = tuple(names)
        """As they are spelled, in order."""
        super().__init__(
            f"{source}: found {'classes' if len(names) > 1 else 'a class'} called {in_words(names)}, expected names of "
            f"emotions ({', '.join(FERPLUS.emotions)}); rename what you want to read, or say what it means."
        )


def in_words(names: Sequence[str]) -> str:
    """``'a', 'b' and 7 more``, for a message."""
    shown = ", ".join(repr(name[:40]) for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


def emotions_of(found: Iterable[str], meanings: Mapping[str, Emotion | None], source: str) -> dict[str, Emotion | None]:
    """The emotion of each class name, or ``None`` for a class to leave out.

    Args:
        found: names of folders or columns.
        meanings: of names that are no emotions.
        source: name of the data set, for the message.

    Raises:
        UnknownClassError: a name is no emotion and has no meaning given.
    """
    known: dict[str, Emotion | None] = {}
    unknown = []
    for name in sorted(set(found)):
        if name in meanings:
            known[name] = meanings[name]
            continue
        try:
            known[name] = parse_emotion(name)
        except ValueError:
            unknown.append(name)
    if unknown:
        raise UnknownClassError(source, unknown)
    return known


def label_set_for(emotions: Iterable[Emotion]) -> LabelSet:
    """FER2013's classes where they are enough, else a set with contempt: CK+'s, or FER+'s where there is neutral too."""
    wanted = set(emotions)
    return next(label_set for label_set in (FER2013, CKPLUS, FERPLUS) if wanted <= set(label_set.emotions))


def read_folders(
    source: Path,
    meanings: Mapping[str, Emotion | None] | None = None,
    progress: Callable[[float], None] = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> FaceDataset:
    """A data set kept as ``<emotion>/<image>`` or ``<split>/<emotion>/<image>``, with any folders above.

    Without splits every row is ``TRAINING``, as in CK+. Images of other sizes than 48x48 are made grey and resized, squeezed
    if they are not square. With splits and a first image of 48x48 pixels, the source is taken for unpacked FER2013, and any
    other size for damage.

    Args:
        source: the folder, or a zip of it; names of splits and emotions count in any case and in their usual synonyms.
        meanings: of other class names, ``None`` to leave a class out.
        progress: called with the share of the images that is read, 0..1; an exception that it raises ends the work.
        note: called with a sentence about each thing that was changed or left out.

    Raises:
        UnknownClassError: a class has another name.
        DatasetError: no images in class folders, none with a label, an image that is unreadable, out of bounds or, of
            FER2013, of another size; see :mod:`fer_core.datasets.readers.archives` for what else is refused.
    """
    name = source.name if source.is_dir() else source.stem
    with open_files(source, source.name, DATASET_IMAGE_SUFFIXES) as files:
        chosen, splits = _layout(files, source.name, note)
        emotions = emotions_of(
            {folder for file in chosen if (folder := file.name.parent.name).lower() != UNLABELLED},
            meanings or {},
            source.name,
        )
        left_out = [folder for folder, emotion in emotions.items() if emotion is None]
        if left_out:
            note(f"Left out, as asked: {in_words(left_out)}.")
        kept = [index for index, file in enumerate(chosen) if file.name.parent.name not in left_out]
        label_set = label_set_for(emotion for emotion in emotions.values() if emotion)
        label_of = {folder: label_set.index(emotion) for folder, emotion in emotions.items() if emotion}
        if not label_of:
            raise DatasetError(
                f"{source.name}: found no image with a label, expected folders named {', '.join(label_set.emotions)}."
            )
        images = _decoded([chosen[index] for index in kept], source.name, bool(splits), progress, note)
    labels = [label_of.get(chosen[index].name.parent.name, NO_LABEL) for index in kept]
    rows = [splits[index] if splits else Split.TRAINING for index in kept]
    if not splits:
        note("It has no folders for splits, so every face counts as training.")
    return FaceDataset(name, images, np.array(labels, np.int64), np.array(rows), label_set)


def _layout(files: list[DataFile], source: str, note: Callable[[str], None]) -> tuple[list[DataFile], list[Split]]:
    """The images in class folders, and the split of each; no splits where there are no folders for them."""
    in_splits = [file for file in files if _split_of(file.name) is not None]
    in_classes = in_splits or [file for file in files if len(file.name.parts) > 1]
    if not in_classes:
        found = f"{len(files):,} images outside of class folders" if files else "no images"
        raise DatasetError(f"{source}: found {found}, expected {_LAYOUT}.")
    # The folder that holds the class folders, or those of the splits.
    tops = sorted({file.name.parents[2 if in_splits else 1] for file in in_classes})
    if len(tops) > 1:
        where = in_words([str(top) for top in tops])
        raise DatasetError(f"{source}: found class folders in {where}, expected them in one place.")
    if len(files) > len(in_classes):
        where = "folders called train, validation or test" if in_splits else "class folders"
        note(f"Passed over: images outside of {where} ({len(files) - len(in_classes):,}).")
    if not in_splits:
        return in_classes, []
    _need_one_folder_per_split({file.name.parts[-3] for file in in_splits}, source)
    return in_splits, [split for file in in_splits if (split := _split_of(file.name)) is not None]


def _split_of(name: PurePosixPath) -> Split | None:
    return _SPLIT_OF_FOLDER.get(name.parts[-3].lower()) if len(name.parts) > 2 else None


def _need_one_folder_per_split(folders: Iterable[str], source: str) -> None:
    by_split: dict[Split, str] = {}
    for folder in sorted(folders):
        other = by_split.setdefault(_SPLIT_OF_FOLDER[folder.lower()], folder)
        if other != folder:
            split = _SPLIT_OF_FOLDER[folder.lower()]
            raise DatasetError(f"{source}: both {other} and {folder} look like the {split} split, expected one.")


def _decoded(
    files: list[DataFile],
    source: str,
    has_splits: bool,
    progress: Callable[[float], None],
    note: Callable[[str], None],
) -> np.ndarray:
    """All images as ``(N, 48, 48) uint8``."""
    images = np.empty((len(files), DATASET_SIDE, DATASET_SIDE), np.uint8)
    of_other_size = squeezed = 0
    strict = False
    for row, file in enumerate(files):
        where = f"{source}/{file.name}"
        if strict:
            images[row] = decode_face(file.read(), where, DATASET_SIDE)
        else:
            image = decode_grey(file.read(), where, "a picture of a face")
            strict = has_splits and not row and image.shape == (DATASET_SIDE, DATASET_SIDE)
            of_other_size += image.shape != (DATASET_SIDE, DATASET_SIDE)
            squeezed += image.shape[0] != image.shape[1]
            images[row] = resized(image, DATASET_SIDE)
        if row % 64 == 0:
            progress(row / len(files))
    progress(1.0)
    if of_other_size:
        squares = f"; {squeezed:,} of them are no squares and were squeezed into one" if squeezed else ""
        note(
            f"{of_other_size:,} of {len(files):,} images were resized to {DATASET_SIDE}x{DATASET_SIDE} pixels{squares}."
        )
    return images
