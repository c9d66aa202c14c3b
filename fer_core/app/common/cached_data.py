"""What all browser sessions share: data sets named by path, and whatever is computed from stored models.

A data set is read again once its files have changed, a result is computed again once its model is stored anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import streamlit as st

from fer_core.curation.summary import DatasetSummary
from fer_core.datasets import FaceDataset, read_dataset
from fer_core.datasets.load import source_stamp
from fer_core.store.store import ModelStore, StoredModel

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ReadData:
    """A data set, and the remarks of its reader."""

    dataset: FaceDataset
    notes: tuple[str, ...]


def cached_dataset(path: str) -> FaceDataset:
    """The data set at a path; raises :class:`fer_core.errors.DatasetError` as :func:`read_dataset` does."""
    place = shared_place(path)
    if not place:
        notes: list[str] = []
        with st.spinner("Reading the data…"):
            dataset = read_dataset(path, note=notes.append)
        place.append(ReadData(dataset, tuple(notes)))
    return place[0].dataset


def shared_place(path: str) -> list[ReadData]:
    """The list that all sessions share for a path and the present state of its files: empty until the data is put there."""
    return _place(path, source_stamp(path))


@st.cache_resource(show_spinner=False, max_entries=2)
def _place(path: str, stamp: str) -> list[ReadData]:
    return []


def stamp_of(model: StoredModel) -> str:
    """What tells a stored model from others, and from its earlier versions."""
    return f"{model.folder}:{(model.folder / 'card.json').stat().st_mtime_ns}"


def kept(max_entries: int, **options: Any) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """A decorator that keeps results for all sessions, by stored model (see :func:`stamp_of`) or by data set.

    Results are not copied, so nobody writes to them. A model that somebody brought along is not accepted: it must not
    outlive the browser session.

    Args:
        max_entries: results that are kept at once.
        options: of ``st.cache_resource``; ``hash_funcs`` of more types are added.
    """
    by = {StoredModel: stamp_of, DatasetSummary: lambda summary: summary.fingerprint, **options.pop("hash_funcs", {})}
    return st.cache_resource(max_entries=max_entries, **{"show_spinner": False, "hash_funcs": by, **options})


def stored_models() -> list[StoredModel]:
    """Every model of the store, listed anew every minute."""
    return _stored_models(str(ModelStore().folder))


@st.cache_resource(ttl=60, show_spinner=False)
def _stored_models(folder: str) -> list[StoredModel]:
    del folder  # one list per store
    return ModelStore().all()
