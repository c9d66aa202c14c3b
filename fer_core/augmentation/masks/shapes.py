"""Outlines of masks, scarves and sunglasses in the frame of a face cropped as in FER2013.

0 is the frame's left or top edge, 1 its right or bottom;
:data:`fer_core.augmentation.masks.placement.FER2013_MASK_ANCHORS` holds the places of the parts of the face.
"""

from __future__ import annotations

from dataclasses import dataclass

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class MaskShape:
    """The right half of an outline, in frames, from the middle of the upper edge to the middle of the lower one."""

    top: Points
    side: Points
    bottom: Points
    straps: tuple[tuple[Points, ...], ...]
    """Ways to wear it: the straps of each, from the mask outwards."""
    pleats: int = 0
    dome: float = 0.0
    """How much the middle bulges towards the light, 0 to 1."""
    seam: float = 0.0
    """Strength of a seam or fold down the middle, 0 to 1."""
    folds: float = 1.0
    """Strength of random folds."""


_EAR_LOOPS: tuple[Points, ...] = (
    ((0.845, 0.575), (0.88, 0.53), (0.925, 0.47)),
    ((0.815, 0.84), (0.88, 0.72), (0.925, 0.56)),
)
_HEAD_STRAPS: tuple[Points, ...] = (
    ((0.80, 0.64), (0.88, 0.50), (0.98, 0.33)),
    ((0.79, 0.80), (0.88, 0.77), (0.98, 0.72)),
)
_RECTANGLE: Points = ((0.85, 0.565), (0.855, 0.70), (0.815, 0.85))

SHAPES = {
    "pleated": MaskShape(
        ((0.5, 0.47), (0.585, 0.492), (0.70, 0.535), (0.85, 0.565)),
        _RECTANGLE,
        ((0.815, 0.85), (0.70, 0.965), (0.5, 1.015)),
        (_EAR_LOOPS,),
        pleats=3,
    ),
    "boxy": MaskShape(
        ((0.5, 0.50), (0.62, 0.505), (0.76, 0.525), (0.875, 0.54)),
        ((0.875, 0.54), (0.865, 0.72), (0.84, 0.90)),
        ((0.84, 0.90), (0.70, 0.985), (0.5, 1.03)),
        (
            (
                ((0.87, 0.55), (0.90, 0.51), (0.93, 0.46)),
                ((0.84, 0.885), (0.895, 0.74), (0.93, 0.55)),
            ),
        ),
        pleats=4,
        folds=0.7,
    ),
    "curved": MaskShape(
        ((0.5, 0.485), (0.57, 0.50), (0.70, 0.56), (0.87, 0.55)),
        ((0.87, 0.55), (0.86, 0.66), (0.83, 0.76)),
        ((0.83, 0.76), (0.73, 0.93), (0.5, 1.03)),
        (_EAR_LOOPS,),
        dome=0.3,
    ),
    "seamed": MaskShape(
        ((0.5, 0.455), (0.56, 0.49), (0.68, 0.575), (0.86, 0.575)),
        ((0.86, 0.575), (0.85, 0.67), (0.81, 0.79)),
        ((0.81, 0.79), (0.66, 0.93), (0.5, 1.06)),
        (_EAR_LOOPS,),
        dome=0.4,
        seam=0.7,
        folds=0.6,
    ),
    "cup": MaskShape(
        ((0.5, 0.445), (0.57, 0.475), (0.69, 0.55), (0.80, 0.63)),
        ((0.80, 0.63), (0.835, 0.72), (0.79, 0.81)),
        ((0.79, 0.81), (0.68, 0.95), (0.5, 1.02)),
        (_HEAD_STRAPS, _EAR_LOOPS),
        dome=1.0,
        folds=0.25,
    ),
    "folded": MaskShape(
        ((0.5, 0.43), (0.555, 0.475), (0.68, 0.55), (0.855, 0.60)),
        ((0.855, 0.60), (0.855, 0.68), (0.82, 0.78)),
        ((0.82, 0.78), (0.66, 0.94), (0.5, 1.045)),
        (_EAR_LOOPS,),
        dome=0.7,
        seam=1.0,
        folds=0.3,
    ),
    "wrap": MaskShape(
        ((0.5, 0.50), (0.66, 0.53), (0.84, 0.535), (0.99, 0.47)),
        ((0.99, 0.47), (1.04, 0.72), (1.0, 1.02), (1.10, 1.42)),
        ((1.10, 1.42), (0.8, 1.45), (0.5, 1.45)),
        ((),),
        folds=2.4,
    ),
    "bandana": MaskShape(
        ((0.5, 0.47), (0.60, 0.505), (0.80, 0.52), (0.97, 0.44)),
        ((0.97, 0.44), (0.99, 0.60), (0.93, 0.86)),
        ((0.93, 0.86), (0.74, 1.08), (0.5, 1.32)),
        ((),),
        folds=1.8,
    ),
}
"""Outlines by name."""

LENSES = {
    "square": ((-0.145, -0.085), (0.0, -0.095), (0.15, -0.085), (0.13, 0.06), (0.02, 0.10), (-0.11, 0.075)),
    "round": (
        (-0.13, 0.0),
        (-0.09, -0.095),
        (0.0, -0.13),
        (0.09, -0.095),
        (0.13, 0.0),
        (0.09, 0.095),
        (0.0, 0.13),
        (-0.09, 0.095),
    ),
}
"""Outlines of the right lens of sunglasses about the eye, in frames."""
