"""The tabs of the page that looks inside networks; only the open one is drawn. Importing this loads TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence

from fer_core.app.common.page import show_open_tab
from fer_core.app.feature_maps.activation import activation_tab
from fer_core.app.feature_maps.architecture import architecture_tab
from fer_core.app.feature_maps.attribution import attribution_tab
from fer_core.app.feature_maps.face import ChosenFace
from fer_core.app.feature_maps.networks import open_networks
from fer_core.store.store import StoredModel

_OPEN_TAB = "feature-maps-tab"


_TABS = {
    "Activation maps": activation_tab,
    "Where it looks": attribution_tab,
    "Architecture": architecture_tab,
}


def show_tabs(models: Sequence[StoredModel], face: ChosenFace) -> None:
    """All tabs for one face and one to three models."""
    networks = open_networks(models, face)
    show_open_tab(_TABS, _OPEN_TAB, networks)
