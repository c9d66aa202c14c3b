"""Which files an archive is made of, and what each is called in the data set."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from fer_core.errors import FerError
from fer_core.media.suffixes import PHOTO_SUFFIXES, VIDEO_SUFFIXES

LIST_SUFFIXES = (".txt", ".lst")
_LONGEST_NAME = 200
"""Bytes of a folder's name; file systems allow 255."""


class ArchiveError(FerError):
    """An archive that cannot be read, or a place that cannot hold its results."""


@dataclass(frozen=True)
class SourceFile:
    """One photo or film of an archive."""

    path: Path
    source: str
    """What it is called in the data set: its path within the only folder that was named, else as it was named."""

    @property
    def is_video(self) -> bool:
        """Whether it is looked at as a film."""
        return self.path.suffix.lower() in VIDEO_SUFFIXES

    @property
    def folder(self) -> str:
        """Name of its folder in a data set partitioned by source, ``source=holiday%2Fbeach.mp4``."""
        name = quote(self.source, safe=" ")
        if len(name) > _LONGEST_NAME:
            digest = hashlib.blake2b(self.source.encode(), digest_size=8).hexdigest()
            name = f"{digest}-{quote(Path(self.source).name[-20:], safe=' ')}"
        return f"source={name}"


def find_sources(arguments: Sequence[str | os.PathLike[str]]) -> list[SourceFile]:
    """The photos and films of folders, glob patterns, list files and file names, each once, in order.

    Args:
        arguments: a folder, whose files count by their suffix; a pattern such as ``photos/**/*.jpg``; a list of paths,
            one a line, in a file ending in ``.txt`` or ``.lst``, relative to that file; or a single file.

    Raises:
        ArchiveError: there is nothing at an argument.
    """
    found: dict[Path, SourceFile] = {}
    alone = len(arguments) == 1
    for argument in arguments:
        for path, source in _expand(Path(argument), alone):
            found.setdefault(path.resolve(), SourceFile(path, source))
    return list(found.values())


def _expand(argument: Path, alone: bool) -> Iterator[tuple[Path, str]]:
    if argument.is_dir():
        for path in sorted(argument.rglob("*")):
            if path.suffix.lower() in (*PHOTO_SUFFIXES, *VIDEO_SUFFIXES) and path.is_file():
                yield path, _label(path.relative_to(argument) if alone else path)
    elif argument.is_file() and argument.suffix.lower() in LIST_SUFFIXES:
        for line in argument.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            if line.strip():
                yield argument.parent / line.strip(), _label(Path(line.strip()))
    elif argument.exists():
        yield argument, _label(argument)
    else:
        matches = sorted(glob.glob(str(argument), recursive=True)) if glob.has_magic(str(argument)) else []
        if not matches:
            raise ArchiveError(f"{argument}: nothing is there; name a folder, a pattern, a list or a file.")
        for match in matches:
            if Path(match).is_file():
                yield Path(match), _label(Path(match))


def _label(path: Path) -> str:
    """The path in words that any table can hold: bytes of its name that are no UTF-8 are spelled out."""
    return os.fsencode(path.as_posix()).decode(errors="backslashreplace")


def content_digest(path: Path) -> str:
    """32 hexadecimal digits that tell a file's content from any other (BLAKE2b).

    Raises:
        ArchiveError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise ArchiveError(f"{path} could not be read ({error.strerror}).") from error
