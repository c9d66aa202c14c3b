"""The tabs of the page that looks inside networks; only the open one is drawn. Importing this loads TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence

from fer_core.model_store import StoredModel
from fer_core.ui.feature_maps import ChosenFace
from fer_core.ui.feature_maps_activation import activation_tab
from fer_core.ui.feature_maps_architecture import architecture_tab
from fer_core.ui.feature_maps_attention import attention_tab
from fer_core.ui.feature_maps_networks import open_networks
from fer_core.ui.page import show_open_tab

_OPEN_TAB = "feature-maps-tab"


_TABS = {
    "Activation maps": activation_tab,
    "Where it looks": attention_tab,
    "Architecture": architecture_tab,
}


def show_tabs(models: Sequence[StoredModel], face: ChosenFace) -> None:
    """All tabs for one face and one to three models."""
    networks = open_networks(models, face)
    show_open_tab(_TABS, _OPEN_TAB, networks)
