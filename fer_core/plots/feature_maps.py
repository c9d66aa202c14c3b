"""Pictures and charts of the inside of a network: maps, kernels, an animation over the layers, attribution."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import plotly.graph_objects as go
from PIL import Image, ImageDraw, ImageFont

from fer_core.explain.overlay import AGAINST, FOR
from fer_core.plots.model_styles import NEUTRAL, ModelStyle, bar_trace, layout, reference_line, share_axis
from fer_core.plots.sheets import sheet_of

GRID_SIDE = 640
"""Approximate pixels of a grid's width; each value of a map becomes a whole number of them."""
GAP = 3
"""Transparent pixels between two cells of a grid."""
PANEL_SIDE = 300
"""Pixels of a picture in the animation, at most."""
FRAME_WIDTH = 1060
"""Pixels of an animation of several networks, so that a page does not have to shrink its text."""
MARGIN, TEXT_SIZE = 12, 15
"""Pixels around the pictures of the animation, and of its letters."""
LINES = 2
"""Lines of text under a network's name."""
KERNEL_BORDER = 3
"""Pixels of grey around a kernel, which is white where a weight is zero."""

_PAPER, _INK, _FADED = (255, 255, 255), (27, 37, 40), (91, 103, 107)


@dataclass(frozen=True)
class Panel:
    """One network's part of a frame of the animation."""

    title: str
    line: str
    """The layer, in one line."""
    face: np.ndarray
    """``(S, S, 3) uint8`` RGB."""
    grid: np.ndarray
    """``(H, W, 4) uint8`` RGBA."""


def map_grid(cells: np.ndarray, columns: int) -> np.ndarray:
    """Maps side by side in rows, from dark blue (low) to yellow (high), transparent between them.

    Args:
        cells: ``(N, H, W) uint8``, each map scaled on its own, N at least 1.
        columns: maps in a row.

    Returns:
        ``(H', W', 4) uint8`` RGBA, about :data:`GRID_SIDE` wide.
    """
    heat = [cv2.applyColorMap(cell, cv2.COLORMAP_CIVIDIS)[..., ::-1] for cell in cells]
    return _grid(heat, columns)


def kernel_grid(kernels: np.ndarray, columns: int) -> np.ndarray:
    """Kernels side by side: vermilion is a positive weight, blue a negative one, white zero.

    Kernels of three input channels are shown as colours, where grey is zero; of others the mean over the channels is shown.

    Args:
        kernels: ``(k, k, C_in, N)`` in 0..1, where 0.5 is a weight of zero.
        columns: kernels in a row.

    Returns:
        ``(H, W, 4) uint8`` RGBA.
    """
    if kernels.shape[2] == 3:
        colours = np.rint(np.moveaxis(kernels, -1, 0) * 255)
        return _grid(list(colours.astype(np.uint8)), columns, KERNEL_BORDER)
    weights = np.moveaxis(kernels.mean(axis=2), -1, 0)[..., None] * 2 - 1
    colours = 255 + np.abs(weights) * (np.where(weights > 0, FOR, AGAINST) - 255)
    return _grid(list(np.rint(colours).astype(np.uint8)), columns, KERNEL_BORDER)


def _grid(cells: Sequence[np.ndarray], columns: int, border: int = 0) -> np.ndarray:
    enlarged = max(1, round((GRID_SIDE / columns - GAP - 2 * border) / cells[0].shape[1]))
    return sheet_of(cells, columns, enlarged, GAP, border)


def columns_for(count: int) -> int:
    """Columns of a grid of ``count`` cells that is about as wide as high."""
    return max(1, math.ceil(math.sqrt(count)))


def png(picture: np.ndarray) -> bytes:
    """``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4) uint8``, grey, RGB or RGBA, as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def animation(frames: Sequence[Sequence[Panel]], milliseconds: int) -> bytes:
    """A GIF that repeats its frames without end, the panels of each from left to right.

    Args:
        frames: at least one, each of as many panels.
        milliseconds: duration of each frame.
    """
    pictures = [_frame(panels) for panels in frames]
    file = io.BytesIO()
    first, *others = [picture.quantize(256, dither=Image.Dither.NONE) for picture in pictures]
    first.save(file, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0, optimize=False)
    return file.getvalue()


def _frame(panels: Sequence[Panel]) -> Image.Image:
    font = ImageFont.load_default(TEXT_SIZE)
    side = min(PANEL_SIDE, (FRAME_WIDTH // len(panels) - 2 * MARGIN) // 2)
    across = 2 * (side + MARGIN)
    line_height = TEXT_SIZE + 5
    top = MARGIN + (1 + LINES) * line_height
    canvas = Image.new("RGB", (len(panels) * across + MARGIN, top + side + MARGIN), _PAPER)
    pen = ImageDraw.Draw(canvas)
    for number, panel in enumerate(panels):
        left = MARGIN + number * across
        pen.text((left, MARGIN), panel.title, fill=_INK, font=font)
        line_of_text = panel.line.replace("×", "x")  # which Pillow's own font lacks
        for line, text in enumerate(_lines(line_of_text, font, across - MARGIN)[:LINES], start=1):
            pen.text((left, MARGIN + line * line_height), text, fill=_FADED, font=font)
        canvas.paste(Image.fromarray(panel.face).resize((side, side), Image.Resampling.BICUBIC), (left, top))
        grid = Image.fromarray(panel.grid)
        grid.thumbnail((side, side), Image.Resampling.BOX)
        canvas.paste(grid, (left + side + MARGIN, top), grid)
    return canvas


def _lines(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@dataclass(frozen=True)
class SeenByDepth:
    """The receptive fields of one network's convolutions."""

    depth: Sequence[float]
    """Depth of each convolution, 0..1."""
    pixels: Sequence[int]
    """Side of each receptive field."""
    titles: Sequence[str]
    """What each convolution is called."""


def receptive_field_figure(
    networks: Mapping[str, SeenByDepth], styles: Mapping[str, ModelStyle], side: int, depth: float | None = None
) -> go.Figure:
    """Receptive field against depth, with a line at the side of the face and one at the depth shown.

    Args:
        networks: by model's name.
        styles: by model's name.
        side: of the face in pixels.
        depth: that of the layers shown, 0..1; ``None`` leaves the line out.
    """
    largest = max([side, *(pixels for seen in networks.values() for pixels in seen.pixels)])
    drawn = [_seen(seen, styles[name]) for name, seen in networks.items()]
    drawn.append(reference_line([0, 1], [side, side], f"the whole face, {side} pixels", dash="dash", width=1.5))
    if depth is not None:
        drawn.append(reference_line([depth, depth], [1, largest], "depth shown above", width=1.5))
    return go.Figure(
        data=drawn,
        layout=layout(
            "Depth, % of the convolutions on the longest path",
            "Receptive field, pixels of a side",
            340,
            xaxis=share_axis(),
            yaxis={
                "type": "log",
                "range": [0, math.log10(largest * 1.3)],
                "tickvals": [2**power for power in range(12)],
            },
        ),
    )


def _seen(seen: SeenByDepth, style: ModelStyle) -> go.Scatter:
    points = sorted(zip(seen.depth, seen.pixels, seen.titles, strict=True), key=lambda point: point[:2])
    return go.Scatter(
        x=[point[0] for point in points],
        y=[point[1] for point in points],
        name=style.title,
        mode="lines+markers",
        line={"color": style.colour, "dash": style.dash, "width": 2},
        marker={"symbol": style.symbol, "size": 7},
        customdata=[point[2] for point in points],
        hovertemplate="%{customdata}<br>sees %{y} × %{y} pixels<extra></extra>",
    )


@dataclass(frozen=True)
class AttributionShares:
    """How one map is spread over the parts of the face."""

    title: str
    colour: str
    shares: Mapping[str, float]
    """By part of the face; they sum to one."""
    is_hatched: bool = False
    """True for a masked face, beside the unmasked one of the same colour."""


def attribution_figure(maps: Sequence[AttributionShares], chance: Mapping[str, float]) -> go.Figure:
    """A group of bars per part of the face: a grey one for a uniform map, then one per map.

    Args:
        maps: the bars.
        chance: the parts' shares of the area.
    """
    drawn = [AttributionShares("a uniform map (chance)", NEUTRAL, chance), *maps]
    bars = [
        bar_trace(
            list(chance),
            [bar.shares[part] for part in chance],
            bar.title,
            bar.colour,  # of the hatching too, which lies on the page's own ground
            f"{bar.title}, %{{x}}: %{{y:.1%}}",
            marker={
                "pattern": {"shape": "/" if bar.is_hatched else "", "size": 7, "solidity": 0.45},
                "line": {"color": bar.colour, "width": 1},
            },
            text=[f"{bar.shares[part]:.0%}" for part in chance],
            textposition="outside",
            cliponaxis=False,
        )
        for bar in drawn
    ]
    return go.Figure(
        data=bars,
        layout=layout("Part of the face", "Share of the map, %", 320, yaxis=share_axis(), barmode="group", bargap=0.3),
    )
