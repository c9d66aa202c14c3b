"""What the convolutions of a network answer a face with, and what the first of them looks for.

The maps of a convolution are those of the activation that follows it, where one does; see
:func:`fer_core.explain.layers.shown_layer`.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from fer_core.errors import ModelError
from fer_core.explain.layers import CONVOLUTIONS, convolutions
from fer_core.explain.probing import as_input, check_places, layer_called, probe


def feature_maps(
    model: keras.Model, face: np.ndarray, layer_names: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """The maps of several layers in one pass of one face.

    Args:
        model: ``(N, S, S, 1) ->`` anything, a plain graph of layers.
        face: ``(S, S) uint8`` grey.
        layer_names: layers whose output has places; of a convolution, what it is shown as. All convolutions if left out.

    Returns:
        ``{name as given: (H, W, C) float32}``, in the order given.

    Raises:
        ModelError: the model has no such layer, a layer has no places, or the face has the wrong size.
    """
    shown = {layer.name: layer.shown_as for layer in convolutions(model)}
    names = list(shown) if layer_names is None else list(layer_names)
    outputs = probe(model, [shown.get(name, name) for name in names])(as_input(model, face[None]), training=False)
    tensors = outputs if isinstance(outputs, list) else [outputs]
    for name, tensor in zip(names, tensors, strict=True):
        check_places(tensor, name)
    return {
        name: keras.ops.convert_to_numpy(tensor)[0].astype(np.float32)
        for name, tensor in zip(names, tensors, strict=True)
    }


def strongest(maps: np.ndarray, n: int) -> np.ndarray:
    """The channels that answer most, by their mean absolute value, which after a ReLU is the mean activation.

    Args:
        maps: ``(H, W, C) float``.
        n: how many; all of them if there are fewer.

    Returns:
        ``(min(n, C),) int64``, strongest first, equal ones in their order.
    """
    return np.argsort(-np.abs(maps).mean(axis=(0, 1)), kind="stable")[:n]


def scaled_map(values: np.ndarray) -> np.ndarray:
    """One map ``(H, W) float`` as ``(H, W) uint8``, its least value 0 and its greatest 255; all 0 if it is flat."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    return np.rint((values.astype(np.float64) - low) / (high - low) * 255).astype(np.uint8)


def first_kernels(model: keras.Model) -> np.ndarray:
    """The kernels of the first convolution, each scaled on its own for show.

    Returns:
        ``(k, k, C_in, N) float32`` in 0..1; 0.5 is a weight of zero, the largest weight by size is 0 or 1.

    Raises:
        ModelError: the model has no convolution, or another form than :func:`describe_layers` takes.
    """
    described = convolutions(model)
    if not described:
        raise ModelError(f"{model.name} has no convolution whose kernels could be shown.")
    layer = layer_called(model, described[0].name)
    assert isinstance(layer, CONVOLUTIONS)
    kernels = next(weight for weight in layer.get_weights() if weight.ndim == 4)
    largest = np.abs(kernels).max(axis=(0, 1, 2), keepdims=True)
    return (0.5 + 0.5 * kernels / np.where(largest > 0, largest, 1)).astype(np.float32)
