"""How much of a map lies on the eyes, on the mouth and on the rest of a face framed as in FER2013.

The boxes were measured: MediaPipe's 468 landmarks on 325 of the first 400 Training faces (those that its model took for
a face). Each edge lies beyond the landmarks in about nine faces of ten, so that a box holds the part however the face is
turned, brows included. Faces cut out by :mod:`fer_core.vision.crops` are framed alike.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

FRAME = 48
"""Side in pixels of the frame that the boxes are given in."""


class FaceRegion(StrEnum):
    """A part of the face that attention is counted on."""

    EYES = "eyes"
    """Eyes and brows."""
    MOUTH = "mouth"
    REST = "rest"


REGION_BOXES = {FaceRegion.EYES: (5, 6, 43, 22), FaceRegion.MOUTH: (13, 30, 35, 42)}
"""Left, top, right and bottom edge in pixels of :data:`FRAME`; the boxes do not overlap."""


def attribution_shares(cam: np.ndarray) -> dict[FaceRegion, float]:
    """Where a map's values lie, as shares that sum to one.

    A map of equal values gives the regions' shares of the area, which is what chance would give.

    Args:
        cam: ``(S, S) float`` over a face framed as in FER2013; of a signed map the sizes count. Any S: a pixel that an
            edge cuts is shared out.

    Returns:
        Each region's share; all 0 for a map of zeros.
    """
    sizes = np.abs(cam.astype(np.float64))
    total = sizes.sum()
    if not total:
        return dict.fromkeys(FaceRegion, 0.0)
    shares = {region: float((sizes * _coverage(box, cam.shape)).sum() / total) for region, box in REGION_BOXES.items()}
    return {**shares, FaceRegion.REST: 1 - sum(shares.values())}


def _coverage(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> np.ndarray:
    """How much of each pixel lies in the box, 0..1."""
    left, top, right, bottom = box
    return np.outer(_covered(top, bottom, shape[0]), _covered(left, right, shape[1]))


def _covered(start: float, end: float, side: int) -> np.ndarray:
    pixels = np.arange(side)
    return np.clip(np.minimum(pixels + 1, end * side / FRAME) - np.maximum(pixels, start * side / FRAME), 0, 1)
