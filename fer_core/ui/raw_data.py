"""Data sets that people name by path: read once for all sessions."""

from __future__ import annotations

import streamlit as st

from fer_core.datasets import FaceDataset, read_dataset


@st.cache_resource(show_spinner="Reading the data…", max_entries=2)
def cached_dataset(path: str) -> FaceDataset:
    """The data set at a path; raises :class:`fer_core.errors.DatasetError` as :func:`read_dataset` does."""
    return read_dataset(path)
