"""Files of data sets of unknown origin: a zip archive, a folder or a stream is checked before it is read.

Nothing is unpacked to the disk, so no name in an archive can lead anywhere. Names are checked all the same: one that tries
is a sign of a hostile archive.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from fer_core.errors import DatasetError

NESTED = (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".7z", ".rar")
"""File names of archives; an archive inside of another one is not read."""
MAX_DEPTH = 6
"""Levels below a folder that are searched; a split and a class need two, and downloads have one or two above."""
_RATIO_FROM_BYTES = 16 << 20
"""Unpacked size from which on the ratio of packing is checked: small flat pictures pack very well."""
_DIRECTORY_BYTES_PER_FILE = 256
"""A name and the 46 bytes around it, with room for long names (APPNOTE.TXT 6.3.10, sec. 4.3.12)."""
_DRIVE = re.compile(r"[A-Za-z]:")
_ENCRYPTED = 0x1
# Python bounds what it unpacks at a time for these two alone.
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises for damaged and exotically packed archives.
_BROKEN_ZIP = (
    *(zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError),
    *(ValueError, LookupError, OverflowError, RuntimeError),
)


@dataclass(frozen=True)
class Limits:
    """How much of a source is read."""

    archive_bytes: int = 2 << 30
    """Of a zip as it lies on the disk."""
    files: int = 100_000
    """FER2013 has 35,887 faces and ExpW 91,793; so many of 48x48 take 230 MB."""
    file_bytes: int = 25 << 20
    """Of one picture, as :data:`fer_core.media.images.MAX_FILE_BYTES`."""
    total_bytes: int = 2 << 30
    """Of everything in an archive, unpacked."""
    ratio: int = 100
    """Unpacked to packed: numbers as text pack to a quarter, pictures hardly, bombs to a thousandth."""


ARCHIVE_LIMITS = Limits()
MAX_TEXT_BYTES = 1 << 30
"""Of a csv, unpacked: FER2013's has 301 MB."""


@dataclass(frozen=True)
class DataFile:
    """A file of a data set that was found and not yet read."""

    name: PurePosixPath
    """Below its folder or in its archive."""
    read: Callable[[], bytes]
    """Its content; raises :class:`DatasetError` where it is too large, damaged or gone."""


@contextmanager
def open_zip(source: Path | IO[bytes], name: str, limits: Limits = ARCHIVE_LIMITS) -> Iterator[zipfile.ZipFile]:
    """A zip archive whose members are checked by the entries of its directory; none is unpacked.

    Raises:
        DatasetError: it is damaged or encrypted, too large packed or unpacked, holds too many files, packs far better than
            data does, or holds a link or a name that leads out of it or occurs twice.
    """
    with ExitStack() as stack:
        try:
            size = source.stat().st_size if isinstance(source, Path) else source.seek(0, os.SEEK_END)
            if size > limits.archive_bytes:
                raise DatasetError(
                    f"{name}: found an archive of {_size(size)}, expected at most {_size(limits.archive_bytes)}."
                )
            file = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
            guarded = _Guarded(file, name, limits)
            archive = stack.enter_context(zipfile.ZipFile(cast(IO[bytes], guarded)))
            guarded.most = limits.archive_bytes
        except _BROKEN_ZIP as error:
            raise DatasetError(f"{name}: it cannot be unpacked ({error}); expected a whole zip archive.") from error
        _check_members(archive.infolist(), size, name, limits)
        yield archive


class _Guarded:
    """A file that refuses single reads far beyond the size of the largest directory allowed.

    ``zipfile`` makes an object of every entry of the directory before its length can be checked.
    """

    def __init__(self, file: IO[bytes], name: str, limits: Limits) -> None:
        self._file = file
        self._sentence = f"{name}: found far more files in it than the {limits.files:,} that are read."
        self.most = limits.files * _DIRECTORY_BYTES_PER_FILE
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        if size > self.most:
            raise DatasetError(self._sentence)
        return self._file.read(size)

    def seekable(self) -> bool:
        return True


def _check_members(members: list[zipfile.ZipInfo], size: int, name: str, limits: Limits) -> None:
    if len(members) > limits.files:
        raise DatasetError(f"{name}: found {len(members):,} files in it, expected at most {limits.files:,}.")
    total = sum(member.file_size for member in members)
    if total > limits.total_bytes:
        raise DatasetError(f"{name}: it unpacks to {_size(total)}, expected at most {_size(limits.total_bytes)}.")
    if total > _RATIO_FROM_BYTES and total > limits.ratio * size:
        raise DatasetError(
            f"{name}: its {_size(size)} unpack to {_size(total)}, over {limits.ratio} times as much, which no data set "
            "does; it is refused as a zip bomb."
        )
    seen: set[str] = set()
    for member in members:
        where = f"{name}/{member.filename[:120]}"
        parts = _parts(member)
        if parts is None:
            raise DatasetError(f"{where}: found a name that leads out of the archive; such archives are not read.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DatasetError(f"{where}: found a link to another file; pack the files themselves.")
        if member.flag_bits & _ENCRYPTED:
            raise DatasetError(f"{where}: found an encrypted file; pack it without a password.")
        if member.compress_type not in _PACKINGS:
            raise DatasetError(f"{where}: found an unusual way of packing; pack it as an ordinary zip (deflate).")
        if (path := "/".join(parts)) in seen:
            raise DatasetError(f"{where}: found this name twice in the archive, expected it once.")
        seen.add(path)


def _parts(member: zipfile.ZipInfo) -> list[str] | None:
    """Folders and name of a member; ``None`` where they lead out of the archive."""
    parts = member.filename.replace("\\", "/").split("/")
    if parts[0] == "" or ".." in parts or _DRIVE.match(parts[0]):
        return None
    return [part for part in parts if part not in ("", ".")]


def _size(size: int) -> str:
    return f"{size / 2**20:,.0f} MB" if size >= 2**20 else f"{size:,} bytes"


@contextmanager
def open_files(
    source: Path | IO[bytes], name: str, suffixes: Collection[str], limits: Limits = ARCHIVE_LIMITS
) -> Iterator[list[DataFile]]:
    """The files of a kind in a zip archive or below a folder, in the order of their names.

    Hidden files and macOS' doubles of them (``__MACOSX``) do not count.

    Args:
        source: a zip as path or as open file, or the path of a folder.
        name: of the source, for messages.
        suffixes: what names end in, in lower case.
        limits: see :class:`Limits`.

    Raises:
        DatasetError: see :func:`open_zip`; there is none but an archive in the archive; the folder holds too many files.
    """
    if isinstance(source, Path) and source.is_dir():
        yield [
            DataFile(below, _reader_of_path(source / below, f"{name}/{below}", limits))
            for below in sorted(_names_below(source, suffixes, limits))
        ]
        return
    with open_zip(source, name, limits) as archive:
        members = [(_name_of(member), member) for member in _files_of(archive)]
        chosen = [(path, member) for path, member in members if _is_wanted(path, suffixes)]
        if not chosen and (inner := [str(path) for path, _ in members if path.suffix.lower() in NESTED]):
            raise DatasetError(f"{name}: found another archive in it ({inner[0]}); unpack that and name what is in it.")
        chosen.sort(key=lambda pair: pair[0])
        yield [DataFile(path, _reader_of_member(archive, member, f"{name}/{path}", limits)) for path, member in chosen]


def zip_names(source: Path | IO[bytes], name: str) -> list[PurePosixPath]:
    """The names of all files in a zip; raises :class:`DatasetError` as :func:`open_zip`."""
    with open_zip(source, name) as archive:
        return [_name_of(member) for member in _files_of(archive)]


def _files_of(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [member for member in archive.infolist() if not member.filename.endswith("/")]


def _name_of(member: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(member.filename.replace("\\", "/"))


def _is_wanted(name: PurePosixPath, suffixes: Collection[str]) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    return not hidden and name.suffix.lower() in suffixes


def _reader_of_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str, limits: Limits
) -> Callable[[], bytes]:
    def read() -> bytes:
        if member.file_size > limits.file_bytes:
            raise DatasetError(_too_large(where, member.file_size, limits))
        try:
            # With a size, zipfile unpacks no more than that, and then finds that the checksum differs; without one it
            # unpacks up to 2 GB first.
            with archive.open(member) as stream:
                return stream.read(member.file_size)
        except _BROKEN_ZIP as error:
            raise DatasetError(f"{where}: it cannot be unpacked ({error}); expected a whole zip archive.") from error

    return read


def _reader_of_path(path: Path, where: str, limits: Limits) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with path.open("rb") as file:
                data = file.read(limits.file_bytes + 1)
        except OSError as error:
            raise DatasetError(f"{where}: it cannot be opened ({error.strerror}).") from error
        if len(data) > limits.file_bytes:
            raise DatasetError(_too_large(where, path.stat().st_size, limits))
        return data

    return read


def _too_large(where: str, size: int, limits: Limits) -> str:
    return f"{where}: found a file of {_size(size)}, expected at most {_size(limits.file_bytes)}."


def _names_below(root: Path, suffixes: Collection[str], limits: Limits) -> Iterator[PurePosixPath]:
    seen = 0
    for folder, folders, files in os.walk(root, followlinks=True):
        below = PurePosixPath(Path(folder).relative_to(root))
        if len(below.parts) >= MAX_DEPTH:  # which ends a link that leads in circles, too
            folders.clear()
        seen += len(files) + len(folders)
        if seen > 2 * limits.files:  # as many of other kinds are passed over
            raise DatasetError(
                f"{root}: found more than {2 * limits.files:,} files below it; name the folder of the data set itself."
            )
        yield from (below / file for file in files if _is_wanted(below / file, suffixes))


def stamp(source: Path, limits: Limits = ARCHIVE_LIMITS) -> str:
    """A digest of the names, sizes and times of change of a source's files.

    Args:
        source: a file, or a folder with everything below it.
        limits: in a folder with more than twice ``limits.files`` files, the rest do not count.

    Returns:
        Hexadecimal digits; always the same where nothing is at the path.
    """
    known, seen = hashlib.blake2b(digest_size=16), 0
    known.update(_stamp_of(source))
    for folder, folders, files in os.walk(source, followlinks=True):
        folders.sort()
        if len(Path(folder).relative_to(source).parts) >= MAX_DEPTH:
            folders.clear()
        for file in sorted(files):
            known.update(f"{folder}/{file} ".encode(errors="surrogateescape") + _stamp_of(os.path.join(folder, file)))
        seen += len(files)
        if seen > 2 * limits.files:
            break
    return known.hexdigest()


def _stamp_of(path: Path | str) -> bytes:
    try:
        about = os.stat(path)
    except OSError:
        return b"absent"
    return f"{about.st_size} {about.st_mtime_ns}\n".encode()


class _Bounded(io.RawIOBase):
    """A stream that raises once more bytes came out of it than allowed."""

    def __init__(self, stream: Any, most: int, name: str) -> None:
        self._stream = stream
        self._left = most
        self._sentence = f"{name}: found more than {_size(most)} in it, unpacked; expected at most so much."

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise DatasetError(self._sentence)
        buffer[: len(data)] = data
        return len(data)


def bounded(stream: Any, name: str, most: int = MAX_TEXT_BYTES) -> io.BufferedReader:
    """A stream that raises :class:`DatasetError` rather than give more than ``most`` bytes.

    Args:
        stream: any object with ``read``, such as a stream that unpacks.
        name: of the file, for the message.
        most: bytes.
    """
    return io.BufferedReader(_Bounded(stream, most, name), buffer_size=1 << 16)
