"""CK+ (Lucey et al. 2010, CVPR Workshops, pp. 94-101) as ``CK+48``: peak frames of posed expressions, 48x48 grey.

The archive holds ``CK+48/<emotion>/S010_004_00000017.png``: subject, sequence, frame. Nothing is unpacked to the disk, and
nothing is decompressed beyond the bounds below.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import numpy as np

from fer_core.datasets.dataset import DATASET_SIDE, FaceDataset, Split
from fer_core.datasets.readers.archives import Limits, open_files, zip_names
from fer_core.datasets.readers.image_files import decode_face
from fer_core.errors import DatasetError
from fer_core.labels import CKPLUS, parse_emotion
from fer_core.media.suffixes import DATASET_IMAGE_SUFFIXES

# The public archive: 1.8 MB packed, 981 members of at most 1.9 KB, 1.7 MB in all. The bounds leave room for other
# encodings and for more frames a sequence (CK+ has 10,708), and keep a hostile archive small.
_LIMITS = Limits(archive_bytes=32 << 20, files=20_000, file_bytes=64 << 10, total_bytes=64 << 20)
_SUBJECT = re.compile(r"(S\d{3})_")
_LAYOUT = "CK+48/<emotion>/S010_004_00000017.png"
_DEPTHS = ("*/*", "*/*/*")  # with no and with one folder above the class folders


def is_ckplus_source(path: Path) -> bool:
    """Whether a zip or a folder holds images in class folders whose names begin with a CK+ subject."""
    if path.is_dir():
        return any(_is_face(PurePosixPath(file.name)) for depth in _DEPTHS for file in path.glob(depth))
    if path.suffix.lower() != ".zip":
        return False
    if path.name.lower().startswith("ck"):
        return True
    try:
        return any(_is_face(name) for name in zip_names(path, path.name))
    except DatasetError:
        return False


def read_ckplus(path: Path) -> FaceDataset:
    """CK+48 from its zip or from the unpacked folder, in the order of its sorted names.

    CK+ comes without splits: every row is ``TRAINING`` until it is divided (:mod:`fer_core.datasets.splits`). Frames of one
    subject are nearly identical, so the subjects are read as well.

    Args:
        path: the zip, or a folder; the class folders lie in it or one folder deeper.

    Returns:
        48x48 images, labels of ``CKPLUS``, and subjects such as ``S010``.

    Raises:
        DatasetError: a damaged or oversized archive, no images, an unknown class folder, a name without a subject,
            an unreadable image or one of another size; the message names the file, what was found and what was expected.
    """
    faces: dict[PurePosixPath, tuple[np.ndarray, int, str]] = {}
    with open_files(path, path.name, DATASET_IMAGE_SUFFIXES, _LIMITS) as files:
        for file in files:
            where = f"{path.name}/{file.name}"
            if not 2 <= len(file.name.parts) <= 3:
                raise DatasetError(f"{where}: found an image outside of a class folder, expected {_LAYOUT}.")
            face = decode_face(file.read(), where, DATASET_SIDE)
            faces[file.name] = face, _label_of(file.name, where), _subject_of(file.name, where)
    if not faces:
        raise DatasetError(f"{path.name}: found no .png or .jpg, expected {_LAYOUT}.")
    tops = sorted({str(name.parents[1]) for name in faces})
    if len(tops) > 1:
        raise DatasetError(f"{path.name}: found class folders in {', '.join(tops)[:80]}, expected them in one place.")
    images, labels, subjects = zip(*(faces[name] for name in sorted(faces)), strict=True)
    splits = np.full(len(faces), Split.TRAINING)
    return FaceDataset("CK+", np.stack(images), np.array(labels, np.int64), splits, CKPLUS, subjects=np.array(subjects))


def _is_face(name: PurePosixPath) -> bool:
    return name.suffix.lower() in DATASET_IMAGE_SUFFIXES and _SUBJECT.match(name.name) is not None


def _label_of(name: PurePosixPath, where: str) -> int:
    folder = name.parent.name
    try:
        return CKPLUS.index(parse_emotion(folder))
    except ValueError:
        raise DatasetError(
            f"{where}: found a folder for label {folder!r}, expected one of {', '.join(CKPLUS.emotions)}."
        ) from None


def _subject_of(name: PurePosixPath, where: str) -> str:
    match = _SUBJECT.match(name.name)
    if match is None:
        raise DatasetError(f"{where}: found a name without a subject, expected one such as S010_004_00000017.png.")
    return match[1]
