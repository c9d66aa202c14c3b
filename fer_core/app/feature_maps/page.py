"""The tabs of *Feature Maps*."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import streamlit as st

from fer_core.app.feature_maps.face import ChosenFace
from fer_core.store.store import StoredModel


def feature_map_tabs(models: Sequence[StoredModel], face: ChosenFace) -> None:
    """All tabs for a choice of networks and a face; the first run in a process starts TensorFlow and says so."""
    if "tensorflow" in sys.modules:
        from fer_core.app.feature_maps import tabs as feature_maps_tabs
    else:
        with st.spinner("Starting TensorFlow, once for this session of the studio; this takes several seconds…"):
            from fer_core.app.feature_maps import tabs as feature_maps_tabs
    feature_maps_tabs.show_tabs(models, face)
