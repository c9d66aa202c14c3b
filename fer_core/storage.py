"""Where files live, and how they are written: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

_PACKAGE = Path(__file__).resolve().parent
STUDIO = _PACKAGE / "studio" if (_PACKAGE / "studio").is_dir() else _PACKAGE.parent
"""Where ``Home.py``, ``pages`` and ``artifacts`` lie: the repository, or a folder of the package that a wheel installed."""
ARTIFACTS = STUDIO / "artifacts"
"""Where the models and samples lie that ship with the package."""


def _write_arrays(path: Path, **groups: list[np.ndarray]) -> None:
    """Numbered arrays per group into one file, which appears whole or not at all."""
    temporary = path.with_suffix(".part.npz")
    arrays = {f"{group}_{i}": array for group, members in groups.items() for i, array in enumerate(members)}
    np.savez(temporary, **arrays)  # type: ignore[arg-type]  # the stub takes them for allow_pickle
    os.replace(temporary, path)


CACHE_VARIABLE = "FER_CORE_CACHE"
"""Environment variable that overrides where parsed data sets are cached."""


def cache_folder() -> Path:
    """Where parsed data sets are kept: ``$FER_CORE_CACHE`` or the user's cache folder."""
    override = os.environ.get(CACHE_VARIABLE)
    return Path(override) if override else user_cache_path("fer_core")
