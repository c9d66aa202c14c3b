"""Whether an explanation depends on what a network learnt: a map that random weights give too explains nothing.

The model parameter randomisation test of Adebayo et al. 2018, arXiv:1810.03292, sec. 3.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from scipy.stats import rankdata

# What a fresh normalisation layer holds: scale and variance one, everything else that is no kernel zero.
_ONES = ("gamma", "moving_variance")


def randomised_twin(model: keras.Model, seed: int, layers: int | None = None) -> keras.Model:
    """A copy of a network whose weights are drawn anew, layer by layer from the answer down.

    Kernels are drawn as He et al. 2015 (arXiv:1502.01852, eq. 10) start them, biases and normalisation are reset.

    Args:
        model: stays as it is.
        seed: of the draws.
        layers: how many of the last layers with weights are redrawn (the authors' cascade); all if left out.
    """
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    rng = np.random.default_rng(seed)
    weighted = [layer for layer in reversed(twin.layers) if layer.weights]
    for layer in weighted[:layers]:
        layer.set_weights([_redrawn(layer, weight.name, tuple(weight.shape), rng) for weight in layer.weights])
    return twin


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation of two maps of the same shape, -1..1; 0 if one of them is flat.

    Raises:
        ValueError: the shapes differ.
    """
    if one.shape != other.shape:
        raise ValueError(f"expected maps of one shape, got {one.shape} and {other.shape}")
    ranks = [rankdata(values, axis=None) for values in (one, other)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def _redrawn(layer: Any, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if len(shape) < 2:
        return np.ones(shape) if name in _ONES else np.zeros(shape)
    # A depthwise kernel (k, k, channels, multiplier) sums over its window alone.
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D) or name == "depthwise_kernel"
    summed = shape[:2] if depthwise else shape[:-1]
    return rng.normal(0, math.sqrt(2 / math.prod(summed)), shape)
