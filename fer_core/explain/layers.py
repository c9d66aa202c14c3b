"""What a network is made of, layer by layer: shapes, costs, and how much of the face each layer sees.

Receptive fields and strides follow Araujo, Norris & Sim 2019, "Computing Receptive Fields of Convolutional Neural
Networks", Distill, doi:10.23915/distill.00021: the recurrences of "Single-path networks", and where paths meet, the
region that covers those of all paths ("Arbitrary computation graphs").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from fer_core.errors import ModelError
from fer_core.explain.probing import layer_called
from fer_core.models.counting import layer_multiply_adds

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
POOLINGS = (layers.MaxPooling2D, layers.AveragePooling2D)
GLOBAL_POOLINGS = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
ACTIVATIONS = (layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU)
# Pass on what a convolution found, at less resolution or unchanged; never where a network is asked what it saw.
PASSING = (*POOLINGS, layers.Dropout, layers.SpatialDropout2D, layers.ZeroPadding2D)


@dataclass(frozen=True)
class LayerDescription:
    """One layer of a network."""

    name: str
    kind: str
    """Class of the Keras layer."""
    title: str
    """What it does, in a few words."""
    inputs: tuple[str, ...]
    """Names of the layers that it is fed by."""
    output_shape: tuple[int, ...]
    """``(H, W, C)``, or ``(F,)`` of a vector; with H = W = 1 inside a gate."""
    parameters: int
    multiply_adds: int
    """Of convolutions and dense layers for one face, counted as :func:`fer_core.models.counting.multiply_adds` does."""
    receptive_field: int
    """Side in input pixels of the square that one value depends on, padding included, so that it can exceed the face;
    the side of the face where the layer pools all places or comes after that."""
    stride: float
    """How far apart in input pixels the squares of two neighbouring values lie; 0 where places are gone."""
    sees_all: bool
    """The value depends on the whole face: places are pooled, or a gate (squeeze-and-excitation) before it pooled them."""
    depth: float
    """Convolutions on the longest path up to here, gates left out, as a share of those of the whole network, 0..1."""
    is_convolution: bool
    """A convolution over places; those of gates are none."""
    shown_as: str
    """Of a convolution, the layer whose output is looked at, see :func:`shown_layer`; of others, its own name."""


@dataclass(frozen=True)
class _Field:
    """Which input pixels the value at place ``p`` depends on: ``stride * p + first`` to ``stride * p + last``."""

    first: float
    last: float
    stride: float
    sees_all: bool = False
    convolutions: int = 0
    """On the longest path up to here."""
    has_places: bool = True

    def through(self, kernel: int, stride: int, padding: int) -> _Field:
        """After a window of ``kernel`` values every ``stride``, the first window ``padding`` values outside."""
        first = self.first - padding * self.stride
        last = self.last + (kernel - 1 - padding) * self.stride
        return _Field(first, last, self.stride * stride, self.sees_all, self.convolutions)

    def resized(self, scale: float, reach: float) -> _Field:
        """After resizing to pixels ``scale`` values wide, each mixed from values up to ``reach`` away."""
        centre = (scale - 1) / 2
        first = self.first + (centre - reach) * self.stride
        last = self.last + (centre + reach) * self.stride
        return _Field(first, last, self.stride * scale, self.sees_all, self.convolutions)


def describe_layers(model: keras.Model) -> list[LayerDescription]:
    """Every layer of a functional model, in the order in which they run.

    Args:
        model: of a fixed input size, each layer used once, as every network of the registry is.

    Raises:
        ModelError: it has another form.
    """
    parents = _parents(model)
    side = model.inputs[0].shape[1]
    if side is None:
        raise ModelError(f"{model.name} takes faces of any size; build it for one to look at its layers.")
    fields = _fields(parents, side)
    deepest = max(field.convolutions for field in fields.values()) or 1
    described = []
    for layer, before in parents.items():
        field = fields[layer]
        is_convolution = isinstance(layer, CONVOLUTIONS) and field.has_places
        output_shape = tuple(_outputs(layer)[0].shape[1:])
        described.append(
            LayerDescription(
                name=layer.name,
                kind=type(layer).__name__,
                title=_title(layer, field),
                inputs=tuple(parent.name for parent in before),
                output_shape=output_shape,
                parameters=layer.count_params(),
                multiply_adds=layer_multiply_adds(layer, output_shape),
                receptive_field=math.ceil(field.last - field.first + 1) if field.has_places else side,
                stride=field.stride if field.has_places else 0.0,
                sees_all=field.sees_all,
                depth=field.convolutions / deepest,
                is_convolution=is_convolution,
                shown_as=_shown(layer, _children(parents)).name if is_convolution else layer.name,
            )
        )
    return described


def convolutions(model: keras.Model) -> list[LayerDescription]:
    """The convolutions over places, in the order in which they run; raises as :func:`describe_layers` does."""
    return [layer for layer in describe_layers(model) if layer.is_convolution]


def nearest_in_depth(layers: Sequence[LayerDescription], share: float) -> LayerDescription:
    """The layer nearest to a share of the network's depth, 0..1, of at least one; the later of two equally near."""
    return min(reversed(layers), key=lambda layer: abs(layer.depth - share))


def shown_layer(model: keras.Model, name: str) -> str:
    """The layer whose output is looked at for a convolution.

    That is the activation that follows it, straight or after normalisation, or the convolution itself where it has one
    inside. Where its result is added or gated before the next activation (end of a residual block), or no activation
    follows at all, it is the normalisation or the convolution: what it contributes, of both signs.
    """
    return _shown(layer_called(model, name), _children(_parents(model))).name


def last_map_layer(model: keras.Model) -> str:
    """The last layer whose values still have places, before pooling takes them away: where class activation is read.

    Poolings, dropout and padding at the end are passed over, and so are maps of a single place.

    Raises:
        ModelError: no layer has places.
    """
    parents = _parents(model)
    fields = _fields(parents, model.inputs[0].shape[1] or 1)
    for layer in reversed(parents):
        shape = _outputs(layer)[0].shape
        if fields[layer].has_places and fields[layer].convolutions and not isinstance(layer, PASSING):  # noqa: SIM102
            if None in shape[1:3] or shape[1] * shape[2] > 1:
                return layer.name
    raise ModelError(f"{model.name} has no layer that keeps places, so there is no place it can be said to look at.")


def _parents(model: keras.Model) -> dict[Any, list[Any]]:
    """The layers that feed each layer, in the order in which they run."""
    refused = ModelError(
        f"{model.name} shares layers or nests models; only a plain graph of layers, each used once, can be looked into."
    )
    if any(isinstance(layer, keras.Model) for layer in model.layers):
        raise refused
    try:
        producer = {id(tensor): layer for layer in model.layers for tensor in _outputs(layer)}
        producer |= {id(tensor): None for tensor in model.inputs}
        parents = {
            layer: [p for p in (producer[id(tensor)] for tensor in _inputs(layer)) if p is not None]
            for layer in model.layers
            if not isinstance(layer, layers.InputLayer)
        }
    except (KeyError, AttributeError, ValueError):  # of another graph, or a model that has none
        raise refused from None
    # A layer that is used twice tells of its first call alone, so what the second one gives is nobody's.
    if any(id(tensor) not in producer for tensor in model.outputs):
        raise refused
    return parents


def _children(parents: dict[Any, list[Any]]) -> dict[Any, list[Any]]:
    children: dict[Any, list[Any]] = {layer: [] for layer in parents}
    for layer, before in parents.items():
        for parent in before:
            children[parent].append(layer)
    return children


def _outputs(layer: Any) -> list[Any]:
    return keras.tree.flatten(layer.output)


def _inputs(layer: Any) -> list[Any]:
    return keras.tree.flatten(layer.input)


def _shown(layer: Any, children: dict[Any, list[Any]]) -> Any:
    shown = layer
    if layer.activation is not keras.activations.linear:
        return shown
    while len(children[shown]) == 1:
        (following,) = children[shown]
        if isinstance(following, ACTIVATIONS):
            return following
        if not isinstance(following, layers.BatchNormalization):
            break
        shown = following
    return shown


def _fields(parents: dict[Any, list[Any]], side: int) -> dict[Any, _Field]:
    fields: dict[Any, _Field] = {}
    for layer, before in parents.items():
        fields[layer] = _after(layer, _joined([fields[p] for p in before]), side)
    return fields


def _joined(fields: Sequence[_Field]) -> _Field:
    """What a layer is fed with: the paths that keep places decide on them, gates only on what is seen."""
    if not fields:
        return _Field(0, 0, 1)
    with_places = [field for field in fields if field.has_places]
    kept = with_places or fields
    return _Field(
        first=min(field.first for field in kept),
        last=max(field.last for field in kept),
        stride=max(field.stride for field in kept),
        sees_all=any(field.sees_all for field in fields),
        convolutions=max(field.convolutions for field in fields),
        has_places=bool(with_places),
    )


def _after(layer: Any, before: _Field, side: int) -> _Field:
    gone = _Field(0, side - 1, 0, sees_all=True, convolutions=before.convolutions, has_places=False)
    if not before.has_places:
        return gone
    size, result = (_height(tensors[0]) for tensors in (_inputs(layer), _outputs(layer)))
    if isinstance(layer, CONVOLUTIONS):
        kernel = (max(layer.kernel_size) - 1) * max(layer.dilation_rate) + 1
        after = before.through(kernel, max(layer.strides), _padding(layer, size, result, kernel, max(layer.strides)))
        return _Field(after.first, after.last, after.stride, after.sees_all, before.convolutions + 1)
    if isinstance(layer, POOLINGS):
        kernel, stride = max(layer.pool_size), max(layer.strides)
        return before.through(kernel, stride, _padding(layer, size, result, kernel, stride))
    if isinstance(layer, layers.ZeroPadding2D):
        return before.through(1, 1, layer.padding[0][0])
    if isinstance(layer, layers.Resizing) and size and result:
        return before.resized(size / result, 0.5 if layer.interpolation == "bilinear" else 0.0)
    if isinstance(layer, GLOBAL_POOLINGS) or size is None or size != result:
        return gone  # flattened, or in a way that is not known here: every value may see every place
    return before


def _height(tensor: Any) -> int | None:
    return tensor.shape[1] if len(tensor.shape) == 4 else None


def _padding(layer: Any, size: int | None, result: int | None, kernel: int, stride: int) -> int:
    """Values that the first window reaches outside, by TensorFlow's rule for ``same`` padding."""
    if layer.padding != "same" or size is None or result is None:
        return 0
    return max((result - 1) * stride + kernel - size, 0) // 2


def _title(layer: Any, field: _Field) -> str:
    if isinstance(layer, CONVOLUTIONS):
        return _convolution_title(layer, field)
    if isinstance(layer, POOLINGS):
        how = "largest" if isinstance(layer, layers.MaxPooling2D) else "mean"
        return f"{how} of {layer.pool_size[0]}×{layer.pool_size[1]} places"
    if isinstance(layer, GLOBAL_POOLINGS):
        return "mean of all places" if isinstance(layer, layers.GlobalAveragePooling2D) else "largest of all places"
    if isinstance(layer, layers.Dense):
        activation = layer.activation.__name__
        return f"dense layer of {layer.units}" + ("" if activation == "linear" else f", {activation}")
    if isinstance(layer, layers.Resizing):
        return f"resized to {layer.height}×{layer.width} pixels"
    if isinstance(layer, layers.Dropout):
        return f"dropout of {layer.rate:.0%} in training"
    if isinstance(layer, layers.Activation):
        return f"activation: {layer.activation.__name__}"
    return _TITLES.get(type(layer), type(layer).__name__)


_TITLES: dict[type, str] = {
    layers.Add: "sum of the branches",
    layers.BatchNormalization: "batch normalisation",
    layers.Concatenate: "branches side by side",
    layers.Flatten: "all places in one vector",
    layers.Multiply: "channels times their gates",
    layers.ReLU: "activation: relu",
    layers.Rescaling: "pixels rescaled",
    layers.ZeroPadding2D: "zeros around the map",
}


def _convolution_title(layer: Any, field: _Field) -> str:
    kernel = f"{layer.kernel_size[0]}×{layer.kernel_size[1]}"
    if not field.has_places:
        return f"gate of {layer.filters} channels, {layer.activation.__name__}"
    if isinstance(layer, layers.DepthwiseConv2D):
        title = f"{kernel} depthwise convolution"
    else:
        separable = "separable " if isinstance(layer, layers.SeparableConv2D) else ""
        title = f"{kernel} {separable}convolution, {layer.filters} filters"
    return title + (f", stride {layer.strides[0]}" if max(layer.strides) > 1 else "")
