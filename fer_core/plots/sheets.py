"""Small pictures side by side in one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_BORDER = (0x8A, 0x8F, 0x98, 255)
"""Grey, RGBA."""


def sheet_of(
    cells: Sequence[np.ndarray] | np.ndarray, columns: int, enlarged: int, gap: int, border: int = 0
) -> np.ndarray:
    """Cells in rows, enlarged without smoothing.

    Args:
        cells: ``(H, W) uint8`` grey or ``(H, W, 3) uint8`` RGB, at least one, all of one shape.
        columns: cells in a row.
        enlarged: pixels of the sheet for each pixel of a cell, along each side.
        gap: transparent pixels between two cells.
        border: grey pixels around each cell.

    Returns:
        ``(H', W', 4) uint8`` RGBA.
    """
    height, width = (side * enlarged + 2 * border for side in cells[0].shape[:2])
    rows = math.ceil(len(cells) / columns)
    sheet = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), np.uint8)
    for number, cell in enumerate(cells):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        sheet[top : top + height, left : left + width] = _BORDER
        inside = sheet[top + border : top + height - border, left + border : left + width - border]
        large = cell.repeat(enlarged, axis=0).repeat(enlarged, axis=1)
        inside[..., :3] = large if large.ndim == 3 else large[..., None]
    return sheet
