"""A network drawn from left to right: each block is a bar, its height the size of its maps, its width the channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from fer_core.plots.model_styles import MODEL_COLOURS, NEUTRAL, bar_trace, layout

if TYPE_CHECKING:
    from fer_core.explain.architecture import Block

_BLUE, _RED, _GREEN, _YELLOW, _CYAN, _PURPLE = MODEL_COLOURS
KIND_COLOURS = {
    "pixels prepared": NEUTRAL,
    "convolution": _BLUE,
    "depthwise convolution": _CYAN,
    "block with a skip connection": _GREEN,
    "block of branches": _YELLOW,
    "pooling to a vector": _RED,
    "dense layer": _PURPLE,
}
"""By :class:`fer_core.explain.architecture.BlockKind`, in the order of the legend."""
_LIGHT_KINDS = ("depthwise convolution", "block of branches", "pooling to a vector")
_DARK = "#1B2528"
"""Colour of text on a light bar."""
VECTOR_HEIGHT = 1.0
"""Height of a block without places, in places."""
GAP = 0.35
"""Distance of two blocks, in widths of a block with four channels."""
LABELLED_BLOCKS = 40
"""Numbers of channels would overlap in a network with more blocks; there they are only shown under the pointer."""
ARC_POINTS = 13
"""Of the line that draws an arc."""

_ARC_RISE = 1.28
"""How high a skip connection rises over its block, as a factor on the logarithmic axis."""


def architecture_diagram(blocks: Sequence[Block], side: int, height: int = 400) -> go.Figure:
    """Blocks in the order in which they run, with an arc for each skip connection.

    A bar's height is the side of its maps in places, its width grows with the logarithm of its channels. Maps are
    square.

    Args:
        blocks: of :func:`fer_core.explain.architecture.blocks`.
        side: of the face in pixels.
        height: of the figure in pixels.
    """
    widths = [_width(block) for block in blocks]
    starts = [sum(widths[:number]) + GAP * number for number in range(len(blocks))]
    centres = [start + width / 2 for start, width in zip(starts, widths, strict=True)]
    tallest = max([side, *(_places(block) for block in blocks)])
    bars = [_bars(kind, blocks, centres, widths) for kind in KIND_COLOURS if any(b.kind == kind for b in blocks)]
    ticks = [2**power for power in range(math.floor(math.log2(tallest)) + 1)] + [3 * 2**p for p in range(8)]
    return go.Figure(
        data=[*bars, *_arcs(blocks, starts, widths)],
        layout=layout(
            "Blocks in the order in which they run; wider blocks have more channels (logarithmic)",
            "Side of the maps, places",
            height,
            barmode="overlay",
            xaxis={"showticklabels": False, "showgrid": False, "range": [-GAP, starts[-1] + widths[-1] + GAP]},
            yaxis={
                "type": "log",
                "range": [math.log10(0.5), math.log10(tallest * 1.7)],
                "tickvals": sorted(tick for tick in ticks if tick <= tallest),
            },
        ),
    )


def _bars(kind: str, blocks: Sequence[Block], centres: Sequence[float], widths: Sequence[float]) -> go.Bar:
    chosen = [number for number, block in enumerate(blocks) if block.kind == kind]
    labelled = len(blocks) <= LABELLED_BLOCKS
    return bar_trace(
        [centres[number] for number in chosen],
        [_places(blocks[number]) for number in chosen],
        str(kind),
        KIND_COLOURS[kind],
        "%{customdata}",
        width=[widths[number] for number in chosen],
        marker={"line": {"width": 0}},
        text=[str(blocks[number].output_shape[-1]) for number in chosen] if labelled else None,
        textposition="inside",
        insidetextanchor="start",
        textangle=0,
        textfont={"color": _DARK if kind in _LIGHT_KINDS else "white", "size": 11},
        constraintext="none",
        customdata=[_words(number, blocks[number]) for number in chosen],
    )


def _arcs(blocks: Sequence[Block], starts: Sequence[float], widths: Sequence[float]) -> list[go.Scatter]:
    """One trace for each kind of skip connection, with gaps between its arcs."""
    drawn = []
    for way, dash in (("past it unchanged", "solid"), ("past it through a convolution of its own", "dot")):
        x: list[float | None] = []
        y: list[float | None] = []
        for block, start, width in zip(blocks, starts, widths, strict=True):
            if block.skip == way:
                x += [start + width * point / (ARC_POINTS - 1) for point in range(ARC_POINTS)] + [None]
                rises = [math.sin(math.pi * point / (ARC_POINTS - 1)) for point in range(ARC_POINTS)]
                y += [_places(block) * 1.06 * _ARC_RISE**rise for rise in rises] + [None]
        if x:
            name = "skip connection" if dash == "solid" else "skip connection through a convolution"
            line = {"color": _RED, "width": 2, "dash": dash, "shape": "spline"}
            drawn.append(go.Scatter(x=x, y=y, name=name, mode="lines", line=line, hoverinfo="skip"))
    return drawn


def _width(block: Block) -> float:
    return math.log2(max(block.output_shape[-1], 2)) / 2


def _places(block: Block) -> float:
    return float(block.output_shape[0]) if len(block.output_shape) == 3 else VECTOR_HEIGHT


def _words(number: int, block: Block) -> str:
    shape = " × ".join(str(size) for size in block.output_shape)
    parts = [f"<b>{number + 1}: {block.kind}{', gated' if block.is_gated else ''}</b>", *block.titles]
    parts.append(f"answers with {shape}")
    if block.skip:
        parts.append(f"skip connection {block.skip}")
    parts.append(f"{block.parameters:,} parameters, {block.multiply_adds / 1e6:.2f} M multiply-adds")
    parts.append(f"receptive field {block.receptive_field} pixels")
    return "<br>".join(parts)
