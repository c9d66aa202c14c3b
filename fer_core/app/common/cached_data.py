"""Data sets that people name by path: read once for all sessions, and again once their files changed."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from fer_core.datasets import FaceDataset, read_dataset
from fer_core.datasets.load import source_stamp


@dataclass(frozen=True)
class ReadData:
    """A data set and what was said while it was read."""

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
    """Where all sessions find what was read from a path as its files are now: empty until somebody puts it there."""
    return _place(path, source_stamp(path))


@st.cache_resource(show_spinner=False, max_entries=2)
def _place(path: str, stamp: str) -> list[ReadData]:
    return []
