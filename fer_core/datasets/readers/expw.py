"""ExpW, Expression in-the-Wild (Zhang et al. 2018, IJCV, arXiv:1609.06426): 91,793 faces on photos of the web.

``label.lst`` has one line a face, without a header: ``image_name face_id_in_image face_box_top face_box_left
face_box_right face_box_bottom face_box_confidence expression_label``. Mind the order of the box. The labels 0 to 6 are
angry, disgust, fear, happy, sad, surprise, neutral, which is FER2013's order.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_core.datasets.dataset import DATASET_SIDE, FaceDataset, Split
from fer_core.datasets.readers.image_files import decode_grey, resized
from fer_core.errors import DatasetError
from fer_core.labels import FER2013

LABEL_FILE = "label.lst"
_COLUMNS = 8
# As published (data/label/label.lst, data/image/origin/), and with less around it.
_LABEL_PLACES = (LABEL_FILE, f"label/{LABEL_FILE}", f"data/{LABEL_FILE}", f"data/label/{LABEL_FILE}")
_IMAGE_PLACES = ("image/origin", "image", "origin", ".")
_TENTHS = (*[Split.TRAINING] * 8, Split.VALIDATION, Split.TEST)


@dataclass(frozen=True)
class _Face:
    row: int
    """Line of the label file, counted from 1."""
    image: str
    top: int
    left: int
    right: int
    bottom: int
    confidence: float
    label: int


def find_label_file(path: Path) -> Path | None:
    """ExpW's ``label.lst``: the path itself, or where it lies in the folder of that path; ``None`` without one."""
    if path.is_dir():
        return next((path / place for place in _LABEL_PLACES if (path / place).is_file()), None)
    return path if path.suffix.lower() == ".lst" else None


def read_expw(
    path: Path, min_confidence: float | None = None, progress: Callable[[float], None] = lambda _: None
) -> FaceDataset:
    """ExpW's faces, cut out by their boxes, in the order of the label file.

    ExpW comes without splits. Here the photo's name decides (:func:`split_of_image`), so that all faces of one photo are in
    one split.

    Args:
        path: ``label.lst`` or a folder that holds it; the photos lie in ``image/origin``, ``image`` or ``origin`` of the
            same folder (of its parent, where the file lies in ``label``), or beside it.
        min_confidence: leave out faces whose detector confidence is below it; public code on ExpW takes 60 or 80.
        progress: called with the share of the photos that is read, 0..1; an exception that it raises ends the work.

    Returns:
        48x48 images (boxes cut at the border of the photo, squeezed if they are not square) and labels of
        ``FER2013``.

    Raises:
        DatasetError: no label file, a damaged row, a photo that is missing or no image, a box outside of its photo; the
            message names file and row, what was found and what was expected.
    """
    label_file = _need_label_file(path)
    faces = _read_faces(label_file)
    folder = _image_folder(label_file, faces[0])
    faces = [face for face in faces if min_confidence is None or face.confidence >= min_confidence]
    if not faces:
        raise DatasetError(f"{label_file.name}: found no face of confidence {min_confidence:g} or more.")
    positions: dict[str, list[int]] = {}
    for position, face in enumerate(faces):
        positions.setdefault(face.image, []).append(position)
    images = np.empty((len(faces), DATASET_SIDE, DATASET_SIDE), np.uint8)
    # Every photo is decoded once, however many faces are on it.
    for done, (name, present) in enumerate(positions.items(), start=1):
        where = _where(label_file, faces[present[0]])
        photo = decode_grey(_existing(folder / name, where).read_bytes(), f"{where}: {name}", "a photo")
        for position in present:
            images[position] = _cut(photo, faces[position], label_file)
        progress(done / len(positions))
    labels = np.array([face.label for face in faces], np.int64)
    splits = np.array([split_of_image(face.image) for face in faces])
    return FaceDataset("ExpW", images, labels, splits, FER2013)


def split_of_image(name: str) -> Split:
    """The split of all faces on a photo: SHA-256 of its name, modulo ten, 0-7 training, 8 validation, 9 test."""
    return _TENTHS[int.from_bytes(hashlib.sha256(name.encode()).digest()) % 10]


def digest(path: Path) -> str:
    """A digest of one ExpW on the disk: content of the label file, sizes and times of change of its photos.

    Raises:
        DatasetError: see :func:`read_expw`; a photo is missing or a row is damaged.
    """
    label_file = _need_label_file(path)
    faces = _read_faces(label_file)
    folder = _image_folder(label_file, faces[0])
    known = hashlib.sha256(label_file.read_bytes())
    for face in {face.image: face for face in faces}.values():
        about = _existing(folder / face.image, _where(label_file, face)).stat()
        known.update(f"{about.st_size} {about.st_mtime_ns}\n".encode())
    return known.hexdigest()


def _need_label_file(path: Path) -> Path:
    label_file = find_label_file(path)
    if label_file is None:
        raise DatasetError(f"{path.name}: found no {LABEL_FILE}, expected ExpW's {LABEL_FILE} and image/origin/.")
    return label_file


def _image_folder(label_file: Path, first: _Face) -> Path:
    root = label_file.parent.parent if label_file.parent.name == "label" else label_file.parent
    for place in _IMAGE_PLACES:
        if (root / place / first.image).is_file():
            return root / place
    raise DatasetError(
        f"{_where(label_file, first)}: there is no {first.image} in {root.name}, expected it in image/origin, image, "
        f"origin or the folder itself."
    )


def _existing(photo: Path, where: str) -> Path:
    if not photo.is_file():
        raise DatasetError(f"{where}: there is no {photo.name}, expected it in {photo.parent}.")
    return photo


def _where(label_file: Path, face: _Face) -> str:
    return f"{label_file.name}, row {face.row}"


def _read_faces(label_file: Path) -> list[_Face]:
    with label_file.open(encoding="utf-8", errors="replace") as file:
        faces = [_parse_row(line, row, label_file.name) for row, line in enumerate(file, start=1) if line.strip()]
    if not faces:
        raise DatasetError(f"{label_file.name}: found an empty file, expected one row of {_COLUMNS} columns a face.")
    return faces


def _parse_row(line: str, row: int, file_name: str) -> _Face:
    where = f"{file_name}, row {row}"
    columns = line.rsplit(maxsplit=_COLUMNS - 1)  # from the right, since a name may hold blanks
    if len(columns) != _COLUMNS:
        raise DatasetError(
            f"{where}: found {len(columns)} columns, expected {_COLUMNS} (image_name face_id_in_image face_box_top "
            "face_box_left face_box_right face_box_bottom face_box_confidence expression_label)."
        )
    name, _, *box, confidence, label = columns
    name = name.strip()
    if name != Path(name).name or "\\" in name:
        raise DatasetError(f"{where}: found image {name[:60]!r}, expected a file name without a folder.")
    try:
        top, left, right, bottom = (int(edge) for edge in box)
    except ValueError:
        raise DatasetError(f"{where}: found box {' '.join(box)[:60]!r}, expected four whole numbers.") from None
    if top >= bottom or left >= right:
        raise DatasetError(
            f"{where}: found a box of top {top}, left {left}, right {right}, bottom {bottom}, expected top above bottom "
            "and left before right."
        )
    if label not in map(str, range(len(FER2013))):
        raise DatasetError(f"{where}: found label {label[:40]!r}, expected a number from 0 to {len(FER2013) - 1}.")
    certainty = _finite(confidence)
    if certainty is None:
        raise DatasetError(f"{where}: found confidence {confidence[:40]!r}, expected a number.")
    return _Face(row, name, top, left, right, bottom, certainty, int(label))


def _finite(word: str) -> float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _cut(photo: np.ndarray, face: _Face, label_file: Path) -> np.ndarray:
    high, wide = photo.shape
    cut = photo[max(0, face.top) : max(0, face.bottom), max(0, face.left) : max(0, face.right)]
    if not cut.size:
        raise DatasetError(
            f"{_where(label_file, face)}: found a box of top {face.top}, left {face.left}, right {face.right}, bottom "
            f"{face.bottom}, expected one on the {wide}x{high} pixels of {face.image}."
        )
    return resized(cut, DATASET_SIDE)
