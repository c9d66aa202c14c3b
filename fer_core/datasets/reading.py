"""One door to every data set: the format is told from the path, and the first read is cached by content."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

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
    """Read FER2013 from wherever its user keeps it.

    Args:
        path: the csv in any of its packings, a folder that holds it, or a folder of class folders.
        votes: FER+'s ``fer2013new.csv``; if left out, one beside the csv is used.

    Raises:
        DatasetError: nothing readable is there; the message says what was found and what was expected.
    """
    source = Path(path).expanduser()
    if not source.exists():
        raise DatasetError(f"{source}: there is nothing at this path, expected fer2013.csv or a folder of classes.")
    if source.is_dir():
        packed = sorted(p for p in source.iterdir() if p.name.lower().startswith("fer2013.") and is_csv_source(p))
        if not packed:
            return read_folders(source)
        source = packed[0]
    if not is_csv_source(source):
        raise DatasetError(f"{source.name}: expected a .csv, .csv.gz, .csv.xz, .zip or .tar.gz, or a folder.")
    dataset = _cached_csv(source)
    votes_path = Path(votes).expanduser() if votes else source.parent / VOTES_FILE
    if votes and not votes_path.exists():
        raise DatasetError(f"{votes_path}: there is no file of FER+ votes at this path.")
    if votes_path.exists():
        dataset = replace(dataset, votes=read_ferplus_votes(votes_path, len(dataset)))
    return dataset


def _cached_csv(source: Path) -> FaceDataset:
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    folder = cache_folder() / f"fer2013-v{_CACHE_VERSION}-{digest}"
    names = ("images", "labels", "splits")
    try:
        images, labels, splits = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in names)
        return FaceDataset("FER2013", images, labels, splits, FER2013)
    except (OSError, ValueError):  # not cached yet, or a damaged cache, which is written anew
        dataset = read_fer2013_csv(source)
    _write_cache(folder, {name: getattr(dataset, name) for name in names})
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
