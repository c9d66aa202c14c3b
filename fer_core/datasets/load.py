"""One function for every data set: it detects the format, and caches the arrays by the content of the source."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from fer_core.datasets.dataset import FaceDataset
from fer_core.datasets.readers import expw
from fer_core.datasets.readers.archives import stamp, zip_names
from fer_core.datasets.readers.ckplus import is_ckplus_source, read_ckplus
from fer_core.datasets.readers.fer2013 import (
    CSV_NAMES,
    is_csv_source,
    is_votes_file,
    read_fer2013_csv,
    read_ferplus_votes,
)
from fer_core.datasets.readers.folders import in_words, read_folders
from fer_core.datasets.readers.npz import read_npz
from fer_core.errors import DatasetError
from fer_core.labels import FER2013, Emotion
from fer_core.media.suffixes import DATASET_IMAGE_SUFFIXES
from fer_core.storage import atomic_path, cache_folder

VOTES_FILE = "fer2013new.csv"
_EXPECTED = (
    "FER2013's csv (plain, .gz, .xz, .zip or .tar.gz), CK+48.zip, ExpW's label.lst, a zip or folder of folders of classes, "
    "an npz of this studio, or a folder that holds one of them"
)
_CACHE_VERSION = 1
"""Raised whenever the meaning of the cached arrays changes."""
ProgressCallback = Callable[[float], None]
"""Called with the share that is read, 0..1; an exception that it raises ends the work."""
Note = Callable[[str], None]
"""Called with a sentence about each thing that was changed or left out."""


def _ignore(_: object) -> None:
    pass


def read_dataset(
    path: Path | str,
    votes: Path | str | None = None,
    *,
    meanings: Mapping[str, Emotion | None] | None = None,
    progress: ProgressCallback = _ignore,
    note: Note = _ignore,
) -> FaceDataset:
    """Read FER2013, CK+, ExpW or folders of classes; the format follows from the files at the path.

    Args:
        path: FER2013's csv in any of its packings, or a folder that holds it; the zip of CK+48, its unpacked folder, or a
            folder that holds one of them; ExpW's ``label.lst`` or a folder that holds it; a folder or zip of class
            folders (:func:`fer_core.datasets.readers.folders.read_folders`); an npz of
            :func:`fer_core.datasets.readers.npz.as_npz`.
        votes: FER+'s ``fer2013new.csv`` for the rows of FER2013's csv; by default the one beside the csv, if there is one.
        meanings: of class folders whose names are no emotions; ``None`` leaves a class out.
        progress: see :data:`ProgressCallback`; formats that are read in a second do not call it.
        note: see :data:`Note`.

    Raises:
        UnknownClassError: a class folder has another name.
        DatasetError: nothing readable is at the path; the message says what was found and what was expected.
    """
    return _read(Path(path).expanduser().absolute(), votes, _Wishes(meanings or {}, progress, note))


def read_uploads(
    files: Mapping[str, bytes],
    *,
    meanings: Mapping[str, Emotion | None] | None = None,
    progress: ProgressCallback = _ignore,
    note: Note = _ignore,
) -> FaceDataset:
    """Read an uploaded data set: one file, or FER2013's csv and FER+'s votes together.

    The files lie in a temporary folder while they are read, and nothing goes into the cache.

    Args:
        files: content by name.
        meanings: as for :func:`read_dataset`, and so ``progress`` and ``note``.

    Raises:
        DatasetError: as for :func:`read_dataset`, or the files do not belong together.
    """
    wishes = _Wishes(meanings or {}, progress, note, keep=False)
    with tempfile.TemporaryDirectory(prefix="fer_core-") as folder:
        try:
            paths = [_written(Path(folder), name, data) for name, data in files.items()]
        except OSError as error:
            raise DatasetError(f"The upload could not be put aside for reading ({error.strerror}).") from error
        votes = [path for path in paths if path.suffix.lower() == ".csv" and is_votes_file(path)]
        others = [path for path in paths if path not in votes]
        if not others and votes:
            raise DatasetError(f"{votes[0].name} holds FER+'s votes alone; add FER2013's csv, which holds the faces.")
        if len(others) != 1 or len(votes) > 1:
            raise DatasetError(
                f"Found {in_words([path.name for path in paths]) or 'no file'}; expected one data set, and beside "
                f"FER2013's csv {VOTES_FILE} if there is one."
            )
        return _read(others[0], votes[0] if votes else None, wishes)


def _written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / (PurePosixPath(name.replace("\\", "/")).name or "upload")
    if path.exists() or path.name == "..":
        raise DatasetError(f"Found two files called {path.name!r}, expected files of different names.")
    path.write_bytes(data)
    return path


def source_stamp(path: Path | str) -> str:
    """A digest that changes with the files of a data set on the disk, and with the votes beside it."""
    source = Path(path).expanduser()
    return stamp(source) + stamp(source.parent / VOTES_FILE)


@dataclass(frozen=True)
class _Wishes:
    meanings: Mapping[str, Emotion | None]
    progress: ProgressCallback
    note: Note
    keep: bool = True
    """Whether what was parsed goes into the cache."""


def _read(source: Path, votes: Path | str | None, wishes: _Wishes) -> FaceDataset:
    if not source.exists():
        raise DatasetError(f"{source}: there is nothing at this path, expected {_EXPECTED}.")
    csv_source = _csv_in(source)
    if csv_source is None:
        return _read_other(source, wishes)
    dataset = _cached(
        "fer2013",
        "FER2013",
        _digest_of(csv_source),
        lambda: read_fer2013_csv(csv_source, wishes.progress),
        wishes.keep,
    )
    votes_path = Path(votes).expanduser() if votes else csv_source.parent / VOTES_FILE
    if votes and not votes_path.exists():
        raise DatasetError(f"{votes_path}: there is no file of FER+ votes at this path.")
    if votes_path.exists():
        dataset = replace(dataset, votes=read_ferplus_votes(votes_path, len(dataset)))
    return dataset


def _csv_in(source: Path) -> Path | None:
    if source.is_dir():
        stems = tuple(name.removesuffix("csv") for name in CSV_NAMES)
        named = sorted(path for path in source.iterdir() if path.name.lower().startswith(stems) and path.is_file())
        return next((path for path in named if _is_csv(path)), None)
    return source if _is_csv(source) and not is_ckplus_source(source) else None


def _is_csv(path: Path) -> bool:
    """Whether a file holds FER2013's csv; a zip is judged by the names in it, since folders of images come zipped, too."""
    if not is_csv_source(path) or path.suffix.lower() != ".zip":
        return is_csv_source(path)
    names = zip_names(path, path.name)
    if any(name.name.lower() in CSV_NAMES for name in names):
        return True
    return not any(name.suffix.lower() in DATASET_IMAGE_SUFFIXES for name in names)


def _read_other(source: Path, wishes: _Wishes) -> FaceDataset:
    if expw.find_label_file(source) is not None:
        digest = expw.digest(source)
        return _cached("expw", "ExpW", digest, lambda: expw.read_expw(source, progress=wishes.progress), wishes.keep)
    if is_ckplus_source(source):
        return read_ckplus(source)
    suffix = source.suffix.lower()
    if suffix == ".npz":
        return read_npz(source, wishes.meanings)
    if source.is_dir():
        inside = sorted(source.iterdir())
        archives = [path for path in inside if path.suffix.lower() in (".zip", ".npz")]
        if len(archives) == 1 and not any(path.is_dir() for path in inside):
            return _read(archives[0], None, wishes)
    elif suffix != ".zip":
        raise DatasetError(f"{source.name}: expected {_EXPECTED}.")
    return read_folders(source, wishes.meanings, wishes.progress, wishes.note)


def _digest_of(source: Path) -> str:
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cached(kind: str, name: str, digest: str, read: Callable[[], FaceDataset], keep: bool) -> FaceDataset:
    """A data set of FER2013's classes from the cache; if it is not there, read, and with ``keep`` put there."""
    folder = cache_folder() / f"{kind}-v{_CACHE_VERSION}-{digest}"
    arrays = ("images", "labels", "splits")
    try:
        images, labels, splits = (np.load(folder / f"{array}.npy", allow_pickle=False) for array in arrays)
        return FaceDataset(name, images, labels, splits, FER2013)
    except (OSError, ValueError):  # not cached yet, or damaged
        dataset = read()
    if keep:
        _write_cache(folder, {array: getattr(dataset, array) for array in arrays})
    return dataset


def _write_cache(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Each file appears whole or not at all, so that a reader beside us never sees half of one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            with atomic_path(folder / f"{name}.npy") as part, part.open("wb") as file:
                np.save(file, array, allow_pickle=False)
    except OSError:
        return  # a cache that cannot be written costs time, not the answer
