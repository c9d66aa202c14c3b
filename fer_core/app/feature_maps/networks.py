"""The networks that the page looks into, with everything about them that is kept between two runs of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_core.app.common.cached_data import kept
from fer_core.app.common.selection import model_titles
from fer_core.app.feature_maps.face import MAX_NETWORKS, ChosenFace
from fer_core.explain.feature_maps import feature_maps, first_kernels
from fer_core.explain.layers import LayerDescription, describe_layers
from fer_core.explain.methods import Method, explain
from fer_core.explain.probing import as_input, open_network, probabilities
from fer_core.explain.sanity import randomised_twin
from fer_core.plots.model_styles import ModelStyle, model_styles
from fer_core.store.store import ModelStore, StoredModel

TWIN_SEED = 0
"""Of the random weights."""


@dataclass(frozen=True)
class OpenNetwork:
    """A network with the face that it is shown."""

    stored: StoredModel
    style: ModelStyle
    face: np.ndarray
    """``(S, S) uint8`` grey, of the network's own input size."""

    @property
    def name(self) -> str:
        """The model's name in the store."""
        return self.stored.name

    @property
    def title(self) -> str:
        """The model's title on the page."""
        return self.style.title

    @property
    def stamp(self) -> str:
        """What tells the network from others and from its earlier versions."""
        return _stamp(self.stored)

    @property
    def model(self) -> Any:
        """The Keras network."""
        return _network(self.stored)

    @property
    def layers(self) -> list[LayerDescription]:
        """Every layer, in the order in which they run."""
        return _layers(self.stored)

    @property
    def convolutions(self) -> list[LayerDescription]:
        """The layers that are convolutions, in the order in which they run."""
        return [layer for layer in self.layers if layer.is_convolution]

    @property
    def maps(self) -> dict[str, np.ndarray]:
        """The output of each convolution for the face, ``(H, W, C) float32`` by its name."""
        return _maps(self.stored, self.face)

    @property
    def kernels(self) -> np.ndarray:
        """The kernels of the first convolution, see :func:`fer_core.explain.feature_maps.first_kernels`."""
        return first_kernels(self.model)

    def probabilities(self, head: str) -> np.ndarray:
        """The probabilities of a head for the face, ``(classes,) float32``."""
        return _probabilities(self.stored, self.face, head)

    def attribution(self, method: Method, head: str, class_index: int, randomised: bool = False) -> np.ndarray:
        """What in the face speaks for a class, ``(S, S) float32``; or what would with random weights."""
        return _attribution(self.stored, self.face, method, head, class_index, randomised)


def open_networks(models: Sequence[StoredModel], face: ChosenFace) -> list[OpenNetwork]:
    """The chosen models with the face, each in its own colour."""
    titles = model_titles(models)
    styles = model_styles([m.name for m in models], ModelStore().names(), titles)
    return [OpenNetwork(m, styles[m.name], face.pixels(m.card.input_size)) for m in models]


def _stamp(model: StoredModel) -> str:
    return f"{model.folder}:{model.keras_path.stat().st_mtime_ns}"


_BY_STAMP: Any = {StoredModel: _stamp}


@kept(MAX_NETWORKS + 1, hash_funcs=_BY_STAMP, show_spinner="Opening the network…")
def _network(stored: StoredModel) -> Any:
    return open_network(stored)


@kept(16, hash_funcs=_BY_STAMP)
def _layers(stored: StoredModel) -> list[LayerDescription]:
    return describe_layers(_network(stored))


@kept(2 * MAX_NETWORKS, hash_funcs=_BY_STAMP, show_spinner="Running the face through the network…")
def _maps(stored: StoredModel, face: np.ndarray) -> dict[str, np.ndarray]:
    return feature_maps(_network(stored), face)


@kept(64, hash_funcs=_BY_STAMP)
def _probabilities(stored: StoredModel, face: np.ndarray, head: str) -> np.ndarray:
    model = _network(stored)
    return probabilities(model, as_input(model, face[None]), head)[0]


@kept(MAX_NETWORKS, hash_funcs=_BY_STAMP, show_spinner="Drawing random weights for the sanity check…")
def _twin(stored: StoredModel) -> Any:
    return randomised_twin(_network(stored), TWIN_SEED)


@kept(128, hash_funcs=_BY_STAMP)  # 9 kB each
def _attribution(
    stored: StoredModel, face: np.ndarray, method: Method, head: str, class_index: int, randomised: bool
) -> np.ndarray:
    model = _twin(stored) if randomised else _network(stored)
    return explain(method, model, face, head, class_index)
