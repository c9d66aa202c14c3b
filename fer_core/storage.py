"""Where files live, and how they are written: whole or not at all."""

from __future__ import annotations

import os
import secrets
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from platformdirs import user_cache_path

_PACKAGE = Path(__file__).resolve().parent
STUDIO = _PACKAGE / "studio" if (_PACKAGE / "studio").is_dir() else _PACKAGE.parent
"""Where ``Home.py``, ``pages`` and ``artifacts`` lie: the repository, or a folder of the package that a wheel installed."""
ARTIFACTS = STUDIO / "artifacts"
"""Where the models and samples lie that ship with the package."""
CACHE_VARIABLE = "FER_CORE_CACHE"
"""Environment variable that overrides where parsed data sets are cached."""


def cache_folder() -> Path:
    """Where parsed data sets are kept: ``$FER_CORE_CACHE`` or the user's cache folder."""
    override = os.environ.get(CACHE_VARIABLE)
    return Path(override) if override else user_cache_path("fer_core")


class DamagedFileError(Exception):
    """A file of arrays that can't be read: cut off, empty or of another format."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path to write to that takes the place of ``path`` once all is written; after an error it is removed.

    Readers see the old file or the new one, never half of one. The path lies in the same folder, which must exist, starts
    with a dot, ends in ``.part`` and belongs to this writer alone.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], compressed: bool = True) -> None:
    """Write arrays as an npz, whole or not at all."""
    save = np.savez_compressed if compressed else np.savez
    with atomic_path(path) as part, part.open("wb") as file:
        save(file, **arrays)  # type: ignore[arg-type]  # the stub takes them for allow_pickle


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz; nothing is unpickled.

    Raises:
        DamagedFileError: there is no such file, or it is damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, KeyError, EOFError, TypeError, BadZipFile, zlib.error) as error:
        raise DamagedFileError(f"{path.name} is missing or damaged ({error})") from error
