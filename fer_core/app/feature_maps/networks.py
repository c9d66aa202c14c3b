"""Networks opened for the page that looks into them, and what is kept of them between two runs of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from fer_core.app.common.selection import model_titles
from fer_core.app.feature_maps.face import MOST_NETWORKS, ChosenFace
from fer_core.explain.feature_maps import feature_maps, first_kernels
from fer_core.explain.layers import LayerDescription, describe_layers
from fer_core.explain.methods import Method, explain
from fer_core.explain.probing import as_input, open_network, probabilities
from fer_core.explain.sanity import randomised_twin
from fer_core.plots.model_styles import ModelStyle, model_styles
from fer_core.store.card import ModelCard
from fer_core.store.store import ModelStore, StoredModel

TWIN_SEED = 0


NetworkKey = tuple[str, str]
"""Name and the state of the folder: what everything about a network is kept by."""


@dataclass(frozen=True)
class OpenNetwork:
    """A network with the face that it is shown."""

    key: NetworkKey
    stored: StoredModel
    style: ModelStyle
    face: np.ndarray
    """``(S, S) uint8`` grey, of the network's own input size."""

    @property
    def name(self) -> str:
        """Of the model in the store."""
        return self.key[0]

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self.stored.card

    @property
    def title(self) -> str:
        """For people."""
        return self.style.title

    @property
    def model(self) -> Any:
        """The Keras network."""
        return _network(self.key)

    @property
    def layers(self) -> list[LayerDescription]:
        """Every layer, in the order in which they run."""
        return _layers(self.key)

    @property
    def convolutions(self) -> list[LayerDescription]:
        """Those over places."""
        return [layer for layer in self.layers if layer.is_convolution]

    @property
    def maps(self) -> dict[str, np.ndarray]:
        """What each convolution answers the face with, ``(H, W, C) float32`` by its name."""
        return _maps(self.key, self.face)

    @property
    def kernels(self) -> np.ndarray:
        """Of the first convolution, see :func:`fer_core.explain.feature_maps.first_kernels`."""
        return first_kernels(self.model)

    def probabilities(self, head: str) -> np.ndarray:
        """What a head says of the face, ``(classes,) float32``."""
        return _probabilities(self.key, self.face, head)

    def attribution(self, method: Method, head: str, class_index: int, randomised: bool = False) -> np.ndarray:
        """Where it looks for a class, ``(S, S) float32``; or where it would look with random weights."""
        return _attribution(self.key, self.face, method, head, class_index, randomised)


def open_networks(models: Sequence[StoredModel], face: ChosenFace) -> list[OpenNetwork]:
    """The chosen models with the face, each of its own colour."""
    titles = model_titles(models)
    styles = model_styles([m.name for m in models], ModelStore().names(), titles)
    return [OpenNetwork(_key(m), m, styles[m.name], face.pixels(m.card.input_size)) for m in models]


def _key(model: StoredModel) -> NetworkKey:
    return model.name, f"{model.folder}:{model.keras_path.stat().st_mtime_ns}"


@st.cache_resource(show_spinner="Opening the network…", max_entries=MOST_NETWORKS + 1)
def _network(key: NetworkKey) -> Any:
    return open_network(ModelStore().load(key[0]))


@st.cache_resource(show_spinner=False, max_entries=16)
def _layers(key: NetworkKey) -> list[LayerDescription]:
    return describe_layers(_network(key))


@st.cache_resource(show_spinner="Running the face through the network…", max_entries=2 * MOST_NETWORKS)
def _maps(key: NetworkKey, face: np.ndarray) -> dict[str, np.ndarray]:
    return feature_maps(_network(key), face)


@st.cache_resource(show_spinner=False, max_entries=64)
def _probabilities(key: NetworkKey, face: np.ndarray, head: str) -> np.ndarray:
    model = _network(key)
    return probabilities(model, as_input(model, face[None]), head)[0]


@st.cache_resource(show_spinner="Drawing random weights for the sanity check…", max_entries=MOST_NETWORKS)
def _twin(key: NetworkKey) -> Any:
    return randomised_twin(_network(key), TWIN_SEED)


@st.cache_resource(show_spinner=False, max_entries=128)  # 9 kB each
def _attribution(
    key: NetworkKey, face: np.ndarray, method: Method, head: str, class_index: int, randomised: bool
) -> np.ndarray:
    model = _twin(key) if randomised else _network(key)
    return explain(method, model, face, head, class_index)
