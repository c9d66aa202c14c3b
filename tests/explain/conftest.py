"""The networks that are looked into: every architecture of the registry once, and small ones made by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from fer_core.labels import FER2013
from fer_core.models import get_architecture, list_architectures
from fer_core.store.store import StoredModel

SIDE = 12
"""Of the faces of networks made by hand."""


@pytest.fixture(params=list_architectures(), scope="session")
def network(request) -> keras.Model:
    """Each architecture with one head, working on 48 pixels as they are."""
    keras.utils.set_random_seed(1)
    return get_architecture(request.param).build((FER2013,), working_size=48)


@pytest.fixture(scope="session")
def shipped_network(shipped: StoredModel) -> keras.Model:
    """The network that the repository ships, from its file."""
    return keras.saving.load_model(shipped.keras_path, compile=False, safe_mode=True)


@pytest.fixture(scope="session")
def faces() -> np.ndarray:
    """Three images of 48 pixels."""
    return np.random.default_rng(0).integers(0, 256, (3, 48, 48)).astype(np.uint8)


@pytest.fixture(scope="session")
def by_hand() -> keras.Model:
    """Convolution with ReLU, all places in one dense layer: the gradient of a logit to the maps is the dense kernel."""
    keras.utils.set_random_seed(3)
    image = keras.Input((SIDE, SIDE, 1))
    scaled = keras.layers.Rescaling(1 / 255)(image)
    maps = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="maps")(scaled)
    flat = keras.layers.Flatten()(maps)
    return keras.Model(image, {"fer2013": keras.layers.Dense(3, name="logits")(flat)}, name="by_hand")


@pytest.fixture(scope="session")
def small_face() -> np.ndarray:
    """One image for the networks made by hand."""
    return np.random.default_rng(1).integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
