"""A data set as one file to hand on: an npz of plain arrays, or a zip of class folders; :func:`read_dataset` reads both.

The npz holds ``images`` ``(N, 48, 48) uint8`` grey, ``labels`` ``(N,) int64`` (index into ``label_names``, -1 where there
is none), ``label_names`` ``(C,)`` and ``sources`` ``(N,)`` text: what each face was cut out of. Nothing in it is pickled.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tokenize import TokenError
from typing import Any

import cv2
import numpy as np

from fer_core.datasets.dataset import DATASET_SIDE, NO_LABEL, FaceDataset, Split
from fer_core.datasets.readers.archives import ARCHIVE_LIMITS, open_zip
from fer_core.datasets.readers.folders import UNLABELLED, emotions_of, label_set_for
from fer_core.errors import DatasetError
from fer_core.labels import Emotion

_EXPECTED = f"images (N, {DATASET_SIDE}, {DATASET_SIDE}) uint8, labels (N,) whole numbers and label_names (C,) text"
_MAX_HEADER_BYTES = 10_000
"""Of NumPy's header of an array, which holds its type and shape."""
_MAX_STEM = 40
# Raised by NumPy for damaged headers and data, and by zipfile for a damaged archive.
_BROKEN = (
    *(ValueError, TypeError, OverflowError, MemoryError, RuntimeError, SyntaxError, TokenError, struct.error),
    *(OSError, EOFError, zlib.error, zipfile.BadZipFile),
)


def as_npz(dataset: FaceDataset, sources: Sequence[str]) -> bytes:
    """The data set as an npz file; ``sources`` names the photo of each face."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        images=dataset.images,
        labels=dataset.labels.astype(np.int64),
        label_names=np.array(dataset.label_set.names),
        sources=np.array(sources, dtype=np.str_),
    )
    return buffer.getvalue()


def as_zip(dataset: FaceDataset, sources: Sequence[str]) -> bytes:
    """The data set as a zip of ``<emotion>/<number>-<source>.png``, and ``unlabelled/`` for faces without a label."""
    folders = [*dataset.label_set.names, UNLABELLED]  # the last serves label -1
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # a png is packed already
        for number, (image, label, source) in enumerate(zip(dataset.images, dataset.labels, sources, strict=True)):
            png = cv2.imencode(".png", image)[1].tobytes()
            archive.writestr(f"{folders[label]}/{number:05}-{_plain(source)}.png", png)
    return buffer.getvalue()


def _plain(source: str) -> str:
    """A part of a file name that every system takes."""
    stem = Path(source).stem
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in stem)[:_MAX_STEM].strip("-") or "face"


def read_npz(path: Path, meanings: Mapping[str, Emotion | None] | None = None) -> FaceDataset:
    """A data set that :func:`as_npz` wrote; every row is ``TRAINING``.

    Types and sizes are checked by the arrays' headers before any is read, and nothing is unpickled.

    Args:
        path: the file.
        meanings: of class names that are no emotions, ``None`` to leave a class out.

    Raises:
        UnknownClassError: a class has another name.
        DatasetError: an array is missing, damaged, or of another type or shape; or no face has a label.
    """
    with open_zip(path, path.name) as archive:
        images = _array(archive, "images", "u", path.name)
        labels = _array(archive, "labels", "iu", path.name).astype(np.int64)
        label_names = _array(archive, "label_names", "U", path.name)
    if (
        images.dtype != np.uint8
        or images.shape[1:] != (DATASET_SIDE, DATASET_SIDE)
        or labels.shape != images.shape[:1]
        or label_names.ndim != 1
    ):
        shapes = f"images {images.shape} {images.dtype}, labels {labels.shape} and label_names {label_names.shape}"
        raise DatasetError(f"{path.name}: found {shapes}, expected {_EXPECTED}.")
    names = _texts(label_names, path.name)
    outside = np.flatnonzero((labels < NO_LABEL) | (labels >= len(names)))
    if len(outside):
        raise DatasetError(
            f"{path.name}, row {outside[0]}: found label {labels[outside[0]]}, expected {NO_LABEL} to {len(names) - 1}."
        )
    present = [names[label] for label in np.unique(labels[labels >= 0])]
    emotions = emotions_of(present, meanings or {}, path.name)
    if not any(emotions.values()):
        raise DatasetError(
            f"{path.name}: found {len(labels):,} faces and none with a label, expected some that have one."
        )
    label_set = label_set_for(emotion for emotion in emotions.values() if emotion)
    left_out = [index for index, name in enumerate(names) if name in emotions and emotions[name] is None]
    rows = ~np.isin(labels, left_out)
    index_of = [label_set.index(emotion) if (emotion := emotions.get(name)) else NO_LABEL for name in names]
    labels = np.array([*index_of, NO_LABEL])[labels]  # the last entry serves label -1
    splits = np.full(len(labels), Split.TRAINING)
    return FaceDataset(path.stem, images, labels, splits, label_set).take(rows)


def _texts(array: np.ndarray, source: str) -> list[str]:
    try:
        return [str(text) for text in array.tolist()]
    except (ValueError, SystemError) as error:  # four bytes that are no character
        raise DatasetError(f"{source}/label_names.npy: found what is no text; expected {_EXPECTED}.") from error


def _array(archive: zipfile.ZipFile, name: str, kinds: str, source: str) -> np.ndarray:
    """One array of an npz, read if its header promises as many bytes as there are."""
    where = f"{source}/{name}.npy"
    try:
        member = archive.getinfo(f"{name}.npy")
        with archive.open(member) as file:
            shape, dtype = _header(file)
        size = math.prod(shape) * dtype.itemsize
        if (
            dtype.kind not in kinds
            or not shape
            or shape[0] > ARCHIVE_LIMITS.files
            or abs(member.file_size - size) > _MAX_HEADER_BYTES
        ):
            raise DatasetError(f"{where}: found {dtype} of shape {shape}, expected {_EXPECTED}.")
        with archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except KeyError:
        found = ", ".join(archive.namelist())[:80] or "nothing"
        raise DatasetError(f"{source}: found {found}, expected {_EXPECTED}.") from None
    except _BROKEN as error:
        raise DatasetError(f"{where}: it cannot be read ({error}); expected {_EXPECTED}.") from error


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file, max_header_size=_MAX_HEADER_BYTES)
    return shape, dtype
