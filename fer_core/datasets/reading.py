"""One door to every data set: the format is told from the path, and the first read is cached by content."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from fer_core.datasets import expw
from fer_core.datasets.ckplus import is_ckplus_source, read_ckplus
from fer_core.datasets.face_dataset import FaceDataset
from fer_core.datasets.fer2013_csv import is_csv_source, read_fer2013_csv, read_ferplus_votes
from fer_core.datasets.folders import read_folders
from fer_core.emotions import FER2013
from fer_core.errors import DatasetError

CACHE_VARIABLE = "FER_CORE_CACHE"
"""Environment variable that overrides where parsed data sets are cached."""

VOTES_FILE = "fer2013new.csv"
# Raised whenever the meaning of the cached arrays changes.
_CACHE_VERSION = 1


def cache_folder() -> Path:
    """Where parsed data sets are kept: ``$FER_CORE_CACHE`` or the user's cache folder."""
    override = os.environ.get(CACHE_VARIABLE)
    return Path(override) if override else user_cache_path("fer_core")


def read_dataset(path: Path | str, votes: Path | str | None = None) -> FaceDataset:
    """Read FER2013, CK+ or ExpW from wherever its user keeps it; which one it is shows from what lies there.

    Args:
        path: FER2013's csv in any of its packings, a folder that holds it, or a folder of class folders; the zip of
            CK+48, its unpacked folder, or a folder that holds one of them; ExpW's ``label.lst`` or a folder that holds it.
        votes: FER+'s ``fer2013new.csv`` for the rows of FER2013's csv; if left out, one beside the csv is used.

    Raises:
        DatasetError: nothing readable is there; the message says what was found and what was expected.
    """
    source = Path(path).expanduser()
    if not source.exists():
        raise DatasetError(
            f"{source}: there is nothing at this path, expected fer2013.csv, CK+48.zip, ExpW's {expw.LABEL_FILE}, or a "
            "folder that holds one of them or folders of classes."
        )
    csv_source = _csv_in(source)
    if csv_source is None:
        return _read_other(source)
    dataset = _cached("fer2013", "FER2013", _digest_of(csv_source), lambda: read_fer2013_csv(csv_source))
    votes_path = Path(votes).expanduser() if votes else csv_source.parent / VOTES_FILE
    if votes and not votes_path.exists():
        raise DatasetError(f"{votes_path}: there is no file of FER+ votes at this path.")
    if votes_path.exists():
        dataset = replace(dataset, votes=read_ferplus_votes(votes_path, len(dataset)))
    return dataset


def _csv_in(source: Path) -> Path | None:
    if source.is_dir():
        names = sorted(p for p in source.iterdir() if p.name.lower().startswith("fer2013.") and is_csv_source(p))
        return names[0] if names else None
    return source if is_csv_source(source) and not is_ckplus_source(source) else None


def _read_other(source: Path) -> FaceDataset:
    if expw.find_label_file(source) is not None:
        return _cached("expw", "ExpW", expw.digest(source), lambda: expw.read_expw(source))
    if is_ckplus_source(source):
        return read_ckplus(source)
    if not source.is_dir():
        raise DatasetError(
            f"{source.name}: expected a .csv, .csv.gz, .csv.xz, .zip or .tar.gz, ExpW's {expw.LABEL_FILE}, or a folder."
        )
    inside = sorted(source.iterdir())
    if not any(path.is_dir() for path in inside):
        archives = [path for path in inside if is_ckplus_source(path)]
        if archives:
            return read_ckplus(archives[0])
    return read_folders(source)


def _digest_of(source: Path) -> str:
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cached(kind: str, name: str, digest: str, read: Callable[[], FaceDataset]) -> FaceDataset:
    """A data set of FER2013's classes, from the cache if it is there, else read and put there."""
    folder = cache_folder() / f"{kind}-v{_CACHE_VERSION}-{digest}"
    arrays = ("images", "labels", "splits")
    try:
        images, labels, splits = (np.load(folder / f"{array}.npy", allow_pickle=False) for array in arrays)
        return FaceDataset(name, images, labels, splits, FER2013)
    except (OSError, ValueError):  # not cached yet, or a damaged cache, which is written anew
        dataset = read()
    _write_cache(folder, {array: getattr(dataset, array) for array in arrays})
    return dataset


def _write_cache(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Each file appears whole or not at all, so that a reader beside us never sees half of one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            handle, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
            with os.fdopen(handle, "wb") as file:
                np.save(file, array, allow_pickle=False)
            os.replace(temporary, folder / f"{name}.npy")
    except OSError:
        return  # a cache that cannot be written costs time, not the answer
