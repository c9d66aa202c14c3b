"""The tabs of the page that looks inside networks; only the open one is drawn. Importing this loads TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from fer_core.model_store import StoredModel
from fer_core.ui.feature_maps import ChosenFace
from fer_core.ui.feature_maps_activation import activation_tab
from fer_core.ui.feature_maps_architecture import architecture_tab
from fer_core.ui.feature_maps_attention import attention_tab
from fer_core.ui.feature_maps_networks import OpenNetwork, open_networks

_OPEN_TAB = "feature-maps-tab"


@dataclass(frozen=True)
class _Tab:
    title: str
    show: Callable[[Sequence[OpenNetwork]], None]


_TABS = (
    _Tab("Activation maps", activation_tab),
    _Tab("Where it looks", attention_tab),
    _Tab("Architecture", architecture_tab),
)


def show_tabs(models: Sequence[StoredModel], face: ChosenFace) -> None:
    """All tabs for one face and one to three models."""
    networks = open_networks(models, face)
    places = st.tabs([tab.title for tab in _TABS], key=_OPEN_TAB, on_change="rerun")
    for place, tab in zip(places, _TABS, strict=True):
        if place.open:
            with place:
                tab.show(networks)
