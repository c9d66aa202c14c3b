"""Counts the multiply-adds of a Keras model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def multiply_adds(model: Any, side: int) -> int:
    """Multiply-adds of the convolutions and dense layers for one face, without biases.

    Counted in a forward pass of one face: a shared layer counts as often as it is used, and nested models count, too.

    Args:
        model: a Keras model ``(N, side, side, 1) ->`` anything.
        side: of the face in pixels.
    """
    import keras

    counts: list[int] = []
    with _recorded(model, counts):
        model(keras.ops.zeros((1, side, side, 1)), training=False)
    return sum(counts)


@contextmanager
def _recorded(model: Any, counts: list[int]) -> Iterator[None]:
    """Within it, every call of a counted layer of ``model`` appends its multiply-adds."""

    def record(layer: Any) -> None:
        plain_call = layer.call

        def call(inputs: Any, **options: Any) -> Any:
            outputs = plain_call(inputs, **options)
            counts.append(layer_multiply_adds(layer, outputs.shape[1:]))
            return outputs

        layer.call = call

    chosen = [layer for layer in model._flatten_layers() if _is_counted(layer)]
    for layer in chosen:
        record(layer)
    try:
        yield
    finally:
        for layer in chosen:
            del layer.call


def layer_multiply_adds(layer: Any, output_shape: tuple[int, ...]) -> int:
    """Multiply-adds of one call of a layer that gives ``(H, W, C)`` or ``(F,)``; 0 of kinds that :func:`multiply_adds`
    leaves out.

    At every place of the output each entry of a kernel is multiplied once, depthwise and grouped ones included.
    """
    if not _is_counted(layer):
        return 0
    kernels = [weight.shape for weight in layer.weights if len(weight.shape) > 1]
    return math.prod(output_shape[:-1]) * sum(math.prod(shape) for shape in kernels)


def _is_counted(layer: Any) -> bool:
    from keras import layers

    return isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.Dense))
