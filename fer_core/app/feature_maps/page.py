"""The tabs of *Feature Maps*, of which only the open one is drawn."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext

import streamlit as st

from fer_core.app.common.page import show_open_tab
from fer_core.app.feature_maps.face import ChosenFace
from fer_core.store.store import StoredModel

_STARTING = "Starting TensorFlow, once for this session of the studio; this takes several seconds…"


def feature_map_tabs(models: Sequence[StoredModel], face: ChosenFace) -> None:
    """All tabs for one to three models and a face; the first run in a process starts TensorFlow and says so."""
    with nullcontext() if "tensorflow" in sys.modules else st.spinner(_STARTING):
        from fer_core.app.feature_maps.activation import activation_tab
        from fer_core.app.feature_maps.architecture import architecture_tab
        from fer_core.app.feature_maps.attribution import attribution_tab
        from fer_core.app.feature_maps.networks import open_networks
    tabs = {"Activation maps": activation_tab, "Where it looks": attribution_tab, "Architecture": architecture_tab}
    show_open_tab(tabs, "feature-maps-tab", open_networks(models, face))
