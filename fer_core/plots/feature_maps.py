"""Pictures and charts of what goes on inside a network: maps, kernels, their play through the layers, attention."""

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
from fer_core.plots.model_styles import NEUTRAL, ModelStyle, layout, share_axis

GRID_SIDE = 640
"""Pixels of a grid's longer side, about; each value of a map becomes a whole number of them."""


GAP = 3
"""See-through pixels between two cells of a grid."""


PANEL_SIDE = 300
"""Pixels of a picture in the animation, at most."""


FRAME_WIDTH = 1060
"""Pixels of an animation of several networks, so that a page need not shrink its text."""


MARGIN = 12


TEXT_SIZE = 15


LINES = 2
"""Of text under a network's name."""


KERNEL_BORDER = 3
"""Pixels of grey around a kernel, which is white where a weight is zero."""


_BORDER = (0x8A, 0x8F, 0x98, 255)


_PAPER, _INK, _FADED = (255, 255, 255), (27, 37, 40), (91, 103, 107)


@dataclass(frozen=True)
class Panel:
    """One network's part of a frame of the animation."""

    title: str
    line: str
    """What is shown, in one line."""
    face: np.ndarray
    """``(S, S, 3) uint8`` RGB."""
    grid: np.ndarray
    """``(H, W, 4) uint8`` RGBA."""


def map_grid(cells: np.ndarray, columns: int) -> np.ndarray:
    """Maps side by side in rows, dark blue little and yellow much, see-through between them.

    Args:
        cells: ``(N, H, W) uint8``, each map scaled on its own, N at least 1.
        columns: maps in a row.

    Returns:
        ``(H', W', 4) uint8`` RGBA, about :data:`GRID_SIDE` wide.
    """
    heat = [cv2.applyColorMap(cell, cv2.COLORMAP_CIVIDIS)[..., ::-1] for cell in cells]
    return _grid(heat, columns)


def kernel_grid(kernels: np.ndarray, columns: int) -> np.ndarray:
    """Kernels side by side: of one input channel vermilion adds, blue takes away and white is a weight of zero.

    Those of three input channels are shown as colours, grey being zero; of others the mean over the channels.

    Args:
        kernels: ``(k, k, C_in, N)`` in 0..1, 0.5 being a weight of zero.
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
    """RGB cells in rows, enlarged, each with a grey border of so many pixels."""
    height, width = cells[0].shape[:2]
    gap = GAP + 2 * border
    enlarged = max(1, round((GRID_SIDE / columns - gap) / width))
    rows = math.ceil(len(cells) / columns)
    across, down = width * enlarged + gap, height * enlarged + gap
    grid = np.zeros((rows * down - GAP, columns * across - GAP, 4), np.uint8)
    for number, cell in enumerate(cells):
        top, left = (number // columns) * down, (number % columns) * across
        large = cell.repeat(enlarged, axis=0).repeat(enlarged, axis=1)
        bordered = np.full((down - GAP, across - GAP, 4), _BORDER, np.uint8)
        bordered[border : down - GAP - border, border : across - GAP - border, :3] = large
        grid[top : top + down - GAP, left : left + across - GAP] = bordered
    return grid


def columns_for(count: int) -> int:
    """Columns of a grid that is about as wide as high."""
    return max(1, math.ceil(math.sqrt(count)))


def png(picture: np.ndarray) -> bytes:
    """``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4) uint8``, grey, RGB or RGBA, as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def animation(frames: Sequence[Sequence[Panel]], milliseconds: int) -> bytes:
    """A GIF that plays through frames without end, the panels of each from left to right.

    Args:
        frames: at least one, each of as many panels.
        milliseconds: that each frame stands.
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
        line_of_text = panel.line.replace("×", "x")  # Pillow's own font has no sign of multiplication
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
    """How much of the face the convolutions of one network see."""

    depth: Sequence[float]
    """Share of the network's convolutions up to each, 0..1."""
    pixels: Sequence[int]
    """Side of the receptive field."""
    titles: Sequence[str]
    """Of each convolution."""


def receptive_field_figure(
    networks: Mapping[str, SeenByDepth], styles: Mapping[str, ModelStyle], side: int, depth: float | None = None
) -> go.Figure:
    """Receptive field against depth, with the side of the face as a line, and where one looks as another.

    Args:
        networks: by model's name.
        styles: by model's name.
        side: of the face in pixels.
        depth: where one looks, 0..1; ``None`` leaves the line out.
    """
    largest = max([side, *(pixels for seen in networks.values() for pixels in seen.pixels)])
    drawn = [_seen(seen, styles[name]) for name, seen in networks.items()]
    reference = {"mode": "lines", "hoverinfo": "skip"}
    face_line = {"color": NEUTRAL, "dash": "dash", "width": 1.5}
    drawn.append(
        go.Scatter(x=[0, 1], y=[side, side], name=f"the whole face, {side} pixels", line=face_line, **reference)
    )
    if depth is not None:
        here = {"color": NEUTRAL, "dash": "dot", "width": 1.5}
        drawn.append(go.Scatter(x=[depth, depth], y=[1, largest], name="depth shown above", line=here, **reference))
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
    """Where one map lies."""

    title: str
    colour: str
    shares: Mapping[str, float]
    """By part of the face, summing to one."""
    is_hatched: bool = False
    """Of a covered face, beside the bare one of the same colour."""


def attribution_figure(maps: Sequence[AttributionShares], chance: Mapping[str, float]) -> go.Figure:
    """A group of bars per part of the face: one bar per map, after a grey one of what an even map would give.

    Args:
        maps: the bars.
        chance: the parts' shares of the area.
    """
    drawn = [AttributionShares("an even map (chance)", NEUTRAL, chance), *maps]
    bars = [
        go.Bar(
            x=list(chance),
            y=[bar.shares[part] for part in chance],
            name=bar.title,
            marker={
                "color": bar.colour,  # of the hatching too, which lies on the page's own ground
                "pattern": {"shape": "/" if bar.is_hatched else "", "size": 7, "solidity": 0.45},
                "line": {"color": bar.colour, "width": 1},
            },
            text=[f"{bar.shares[part]:.0%}" for part in chance],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"{bar.title}, %{{x}}: %{{y:.1%}}<extra></extra>",
        )
        for bar in drawn
    ]
    return go.Figure(
        data=bars,
        layout=layout("Part of the face", "Share of the map, %", 320, yaxis=share_axis(), barmode="group", bargap=0.3),
    )
