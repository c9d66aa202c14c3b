"""CK+ (Lucey et al. 2010, CVPR Workshops, pp. 94-101) as ``CK+48``: peak frames of posed expressions, 48x48 grey.

The archive holds ``CK+48/<emotion>/S010_004_00000017.png``: subject, sequence, frame. It is read where it lies: nothing is
written to the disk, and nothing is decompressed beyond the bounds below.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from fer_core.datasets.decoding import IMAGE_SUFFIXES, decode_face
from fer_core.datasets.face_dataset import FaceDataset, Split
from fer_core.emotions import CKPLUS, parse_emotion
from fer_core.errors import DatasetError

SIDE = 48
# The public archive: 1.8 MB packed, 981 members of at most 1.9 KB, 1.7 MB in all. The bounds leave room for other
# encodings and for more frames a sequence (CK+ has 10,708), and keep a hostile archive small.
_MAX_ARCHIVE_BYTES = 32 << 20
_MAX_MEMBERS = 20_000
_MAX_MEMBER_BYTES = 64 << 10
_MAX_TOTAL_BYTES = 64 << 20

_SUBJECT = re.compile(r"(S\d{3})_")
_LAYOUT = "CK+48/<emotion>/S010_004_00000017.png"
_DEPTHS = ("*/*", "*/*/*")  # with no and with one folder above the class folders
# What zipfile raises for damaged, encrypted and exotically packed archives.
_BROKEN_ZIP = (
    *(zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError),
    *(ValueError, LookupError, OverflowError, RuntimeError),
)


def is_ckplus_source(path: Path) -> bool:
    """Whether a zip or a folder holds images in class folders whose names begin with a CK+ subject."""
    if path.is_dir():
        return any(_is_face(PurePosixPath(file.name)) for depth in _DEPTHS for file in path.glob(depth))
    if path.suffix.lower() != ".zip":
        return False
    if path.name.lower().startswith("ck"):
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return any(_is_face(PurePosixPath(name)) for name in archive.namelist())
    except _BROKEN_ZIP:
        return False


def read_ckplus(path: Path) -> FaceDataset:
    """CK+48 from its zip or from the unpacked folder, in the order of its sorted names.

    CK+ comes without splits: every row is ``TRAINING`` until a protocol (:mod:`fer_core.datasets.protocols`) says
    otherwise. Frames of one subject are nearly identical, which is why the subjects are read along.

    Args:
        path: the zip, or a folder; the class folders lie in it or one folder deeper.

    Returns:
        48x48 images, labels of ``CKPLUS``, and subjects such as ``S010``.

    Raises:
        DatasetError: a damaged or oversized archive, no images, an unknown class folder, a name without a subject,
            an unreadable image or one of another size; the message names the file, what was found and what was expected.
    """
    files = _unpacked(path) if path.is_dir() else _packed(path)
    faces: dict[PurePosixPath, tuple[np.ndarray, int, str]] = {}
    for name, data in files:
        where = f"{path.name}/{name}"
        if not 2 <= len(name.parts) <= 3:
            raise DatasetError(f"{where}: found an image outside of a class folder, expected {_LAYOUT}.")
        if name in faces:
            raise DatasetError(f"{where}: found this name twice in the archive, expected it once.")
        faces[name] = decode_face(data, where, SIDE), _label_of(name, where), _subject_of(name, where)
    if not faces:
        raise DatasetError(f"{path.name}: found no .png or .jpg, expected {_LAYOUT}.")
    tops = sorted({str(name.parents[1]) for name in faces})
    if len(tops) > 1:
        raise DatasetError(f"{path.name}: found class folders in {', '.join(tops)[:80]}, expected them in one place.")
    images, labels, subjects = zip(*(faces[name] for name in sorted(faces)), strict=True)
    splits = np.full(len(faces), Split.TRAINING)
    return FaceDataset("CK+", np.stack(images), np.array(labels, np.int64), splits, CKPLUS, subjects=np.array(subjects))


def _unpacked(root: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    for depth in ("*", *_DEPTHS):
        for file in root.glob(depth):
            name = PurePosixPath(file.relative_to(root))
            if _is_image(name) and file.is_file():
                yield name, file.read_bytes()


def _packed(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The images of the archive, each with its name there; no member is decompressed before its bounds are checked."""
    if path.stat().st_size > _MAX_ARCHIVE_BYTES:
        raise DatasetError(
            f"{path.name}: found an archive of {path.stat().st_size:,} bytes, expected at most {_MAX_ARCHIVE_BYTES:,}."
        )
    where = path.name
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.filename.endswith("/")]
            if len(members) > _MAX_MEMBERS:
                raise DatasetError(f"{where}: found {len(members):,} files in it, expected at most {_MAX_MEMBERS:,}.")
            total = sum(member.file_size for member in members)
            if total > _MAX_TOTAL_BYTES:
                raise DatasetError(f"{where}: it unpacks to {total:,} bytes, expected at most {_MAX_TOTAL_BYTES:,}.")
            for member in members:
                where = f"{path.name}/{member.filename}"
                name = PurePosixPath(member.filename.replace("\\", "/"))
                if name.is_absolute() or ".." in name.parts:
                    raise DatasetError(f"{where}: found a name that leads out of the archive, expected {_LAYOUT}.")
                if not _is_image(name):
                    continue
                if member.file_size > _MAX_MEMBER_BYTES:
                    raise DatasetError(
                        f"{where}: found a file of {member.file_size:,} bytes, expected at most {_MAX_MEMBER_BYTES:,}."
                    )
                # zipfile stops at the size that the bounds were checked with, whatever the data would unpack to.
                yield name, archive.read(member)
    except _BROKEN_ZIP as error:
        raise DatasetError(f"{where}: it cannot be unpacked ({error}); expected a whole zip archive.") from error


def _is_image(name: PurePosixPath) -> bool:
    """Whether a file counts; macOS' hidden doubles (``__MACOSX/._S010...png``) do not."""
    return name.suffix.lower() in IMAGE_SUFFIXES and not name.name.startswith(".")


def _is_face(name: PurePosixPath) -> bool:
    return _is_image(name) and _SUBJECT.match(name.name) is not None


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
