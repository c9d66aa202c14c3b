"""A network as people draw it: its layers folded into blocks, and as a table.

A block ends where every path from the face to the answers comes together again, so that a residual block is one block
however many layers it has; what merely follows a convolution (normalisation, activation, pooling) belongs to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import pandas as pd

from fer_core.explain.layers import LayerDescription


class BlockKind(StrEnum):
    """What a block is, as a legend says it."""

    INPUT = "pixels prepared"
    CONVOLUTION = "convolution"
    DEPTHWISE = "depthwise convolution"
    RESIDUAL = "block with a skip connection"
    BRANCHES = "block of branches"
    DENSE = "dense layer"
    POOLING = "pooling to a vector"


class Skip(StrEnum):
    """What runs past the layers of a residual block."""

    PLAIN = "past it unchanged"
    CONVOLVED = "past it through a convolution of its own"


@dataclass(frozen=True)
class Block:
    """Layers that are drawn as one."""

    kind: BlockKind
    layers: tuple[LayerDescription, ...]
    output_shape: tuple[int, ...]
    """``(H, W, C)``, or ``(F,)`` of a vector; before a pooling that follows."""
    skip: Skip | None
    is_gated: bool
    """Channels are weighed by a gate (squeeze-and-excitation)."""

    @property
    def parameters(self) -> int:
        """Of all its layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Of all its layers, for one face."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def receptive_field(self) -> int:
        """Side in input pixels of what one value of its last layer depends on."""
        return self.layers[-1].receptive_field

    @property
    def titles(self) -> list[str]:
        """What its layers with weights do, in their order, and its poolings; normalisation left out."""
        return [layer.title for layer in self.layers if layer.kind in _MAIN or layer.kind in _POOLINGS]


_CONVOLUTIONS = ("Conv2D", "SeparableConv2D", "DepthwiseConv2D")
_POOLINGS = ("MaxPooling2D", "AveragePooling2D")
_TO_VECTOR = ("GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten")
_MAIN = (*_CONVOLUTIONS, "Dense")
_MERGES = ("Add", "Concatenate", "Multiply")
_KINDS = {
    "Activation": "activation",
    "Add": "sum",
    "AveragePooling2D": "pooling",
    "BatchNormalization": "normalisation",
    "Concatenate": "merge",
    "Conv2D": "convolution",
    "Dense": "dense layer",
    "DepthwiseConv2D": "depthwise convolution",
    "Dropout": "dropout",
    "Flatten": "pooling to a vector",
    "GlobalAveragePooling2D": "pooling to a vector",
    "GlobalMaxPooling2D": "pooling to a vector",
    "MaxPooling2D": "pooling",
    "Multiply": "gating",
    "ReLU": "activation",
    "Rescaling": "preparation",
    "Resizing": "preparation",
    "SeparableConv2D": "separable convolution",
    "ZeroPadding2D": "padding",
}


def blocks(layers: Sequence[LayerDescription]) -> list[Block]:
    """The layers of a network as blocks, in the order in which they run; every layer is in one block.

    Args:
        layers: of :func:`fer_core.explain.layers.describe_layers`.
    """
    found: list[Block] = []
    for segment in _segments(layers):
        if len(segment) > 1 and segment[-1].kind in _MERGES:
            found.append(_branched(segment))
            continue
        for layer in segment:
            if found and not _begins_block(layer):
                found[-1] = replace(found[-1], layers=(*found[-1].layers, layer))
            else:
                found.append(Block(_kind(layer), (layer,), layer.output_shape, None, False))
    return found


def layer_table(layers: Sequence[LayerDescription]) -> pd.DataFrame:
    """One row per layer with its costs and its share of the whole; shares in 0..1, fields and strides in pixels.

    Args:
        layers: of :func:`fer_core.explain.layers.describe_layers`.
    """
    parameters = sum(layer.parameters for layer in layers) or 1
    multiply_adds = sum(layer.multiply_adds for layer in layers) or 1
    return pd.DataFrame(
        {
            "number": number,
            "layer": layer.name,
            "kind": "gate" if _is_gate(layer) else _KINDS.get(layer.kind, layer.kind),
            "what it does": layer.title,
            "answers with": " × ".join(str(size) for size in layer.output_shape),
            "parameters": layer.parameters,
            "share of parameters": layer.parameters / parameters,
            "multiply-adds": layer.multiply_adds,
            "share of multiply-adds": layer.multiply_adds / multiply_adds,
            "receptive field": layer.receptive_field,
            "sees the whole face": layer.sees_all,
            "stride": layer.stride,
            "fed by": ", ".join(layer.inputs) or "the face",
        }
        for number, layer in enumerate(layers, start=1)
    )


def shape_in_words(shape: tuple[int, ...]) -> str:
    """``24 × 24 places × 64 channels``, or ``7 values`` of a vector."""
    if len(shape) == 3:
        return f"{shape[0]} × {shape[1]} places × {shape[2]} channel{'s' if shape[2] != 1 else ''}"
    return f"{shape[0]} values" if len(shape) == 1 else " × ".join(str(side) for side in shape)


def _segments(layers: Sequence[LayerDescription]) -> list[list[LayerDescription]]:
    """Runs of layers that end where no connection jumps over the last one.

    Every path then goes through that layer: one that avoided it would have to jump over its place in the order.
    """
    place = {layer.name: number for number, layer in enumerate(layers)}
    last_use = list(range(len(layers)))
    reach = 0  # of the connections that began before the layer at hand, those of the face included
    for number, layer in enumerate(layers):
        for name in layer.inputs:
            last_use[place[name]] = number
        if not layer.inputs:
            reach = number
    segments: list[list[LayerDescription]] = []
    run: list[LayerDescription] = []
    for number, layer in enumerate(layers):
        run.append(layer)
        if reach <= number:
            segments.append(run)
            run = []
        reach = max(reach, last_use[number])
    return segments


def _begins_block(layer: LayerDescription) -> bool:
    return layer.kind in _MAIN or layer.kind in _TO_VECTOR


def _is_gate(layer: LayerDescription) -> bool:
    return layer.kind in _CONVOLUTIONS and not layer.is_convolution


def _kind(layer: LayerDescription) -> BlockKind:
    """Of a block that begins with this layer."""
    if layer.kind in _TO_VECTOR:
        return BlockKind.POOLING
    if layer.kind == "DepthwiseConv2D":
        return BlockKind.DEPTHWISE
    if layer.kind in _CONVOLUTIONS:
        return BlockKind.CONVOLUTION
    return BlockKind.DENSE if layer.kind == "Dense" else BlockKind.INPUT


def _branched(layers: Sequence[LayerDescription]) -> Block:
    """A block whose last layer brings its branches together."""
    merge = layers[-1]
    convolutions: dict[str, int] = {}  # on the longest path within the block; layers before it have none
    for layer in layers:
        before = max((convolutions.get(name, 0) for name in layer.inputs), default=0)
        convolutions[layer.name] = before + layer.is_convolution
    is_sum = merge.kind == "Add"
    is_plain = min(convolutions.get(name, 0) for name in merge.inputs) == 0
    return Block(
        BlockKind.RESIDUAL if is_sum else BlockKind.BRANCHES,
        tuple(layers),
        merge.output_shape,
        (Skip.PLAIN if is_plain else Skip.CONVOLVED) if is_sum else None,
        any(_is_gate(layer) for layer in layers),
    )
