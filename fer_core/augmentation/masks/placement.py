"""Where a mask goes: landmarks of a face, maps between them and the frame of the drawn masks, and the light on a face.

Landmarks move a mask by a smoothing thin-plate spline (Bookstein 1989, IEEE PAMI 11(6), pp. 567-585; Wahba 1990, ch. 2).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import lru_cache

import cv2
import numpy as np

Point = tuple[float, float]


@dataclass(frozen=True)
class MaskAnchors:
    """Places of the parts of a face, x, y in pixels from the image's upper left; left and right are the image's."""

    left_eye: Point
    right_eye: Point
    nose_tip: Point
    mouth: Point
    chin: Point
    left_contour: Point | None = None
    """Edge of the face at the height of its eyes; this and the following three may be unknown."""
    right_contour: Point | None = None
    left_jaw: Point | None = None
    """The corner of the jaw, at the height of the mouth."""
    right_jaw: Point | None = None


FER2013_MASK_ANCHORS = MaskAnchors(
    left_eye=(0.31, 0.39),
    right_eye=(0.69, 0.39),
    nose_tip=(0.5, 0.62),
    mouth=(0.5, 0.77),
    chin=(0.5, 0.973),
    left_contour=(0.117, 0.45),
    right_contour=(0.883, 0.45),
    left_jaw=(0.195, 0.767),
    right_jaw=(0.805, 0.767),
)
"""In frames of FER2013, the frames of the drawn masks: medians over 1,140 PublicTest faces, left and right averaged, of
MediaPipe's 468-point face mesh (points 33+133, 362+263, 1, 13+14, 152, 234, 454, 172, 397). The points of single faces
have a standard deviation of 0.06 to 0.1."""

STIFFNESS = (0.01, 0.05, 0.3, 1e6)
"""Stiffness of the spline, in squares of a face's width: the first nearly follows every landmark, the last is nearly the
affine map alone. A face in profile takes a stiff spline, since a soft one would fold over."""
NEAR_NOSE, MIN_AREA = 0.6, 0.2
"""Distance from the nose, in frames, within which the spline must not fold over, and the smallest area of a part of it
relative to the median."""
FULL_LIGHT = 190.0
"""Grey level of lit skin at which a mask is as bright as its fabric."""
LIGHT_POWER = 0.7
"""Below 1, since dark skin is not all due to dim light."""
MAX_SLOPE = 0.5
"""Of the light across a face, relative to its mean, per frame."""


def _pairs(landmarks: MaskAnchors) -> tuple[np.ndarray, np.ndarray]:
    """The landmarks that are known: ``(K, 2)`` in frames and in pixels."""
    known = [(a, b) for a, b in zip(astuple(FER2013_MASK_ANCHORS), astuple(landmarks), strict=True) if b is not None]
    frames, pixels = zip(*known, strict=True)
    return np.array(frames, np.float64), np.array(pixels, np.float64)


def frame_of(landmarks: MaskAnchors) -> np.ndarray:
    """The least-squares affine map from frames to pixels through the landmarks, 3x3."""
    frames, pixels = _pairs(landmarks)
    solution = np.linalg.lstsq(np.column_stack([frames, np.ones(len(frames))]), pixels, rcond=None)[0]
    return np.vstack([solution.T, (0, 0, 1)])


def places_in_frames(landmarks: MaskAnchors, shape: tuple[int, int], grid: int = 8) -> np.ndarray:
    """The thin-plate spline from an image's pixels to frames: ``(H, W, 2) float32``, solved every ``grid`` pixels."""
    frames, pixels = _pairs(landmarks)
    scale = float(np.ptp(pixels, axis=0).max())
    known = pixels / scale

    def basis(points: np.ndarray) -> np.ndarray:
        squares = ((points[:, None] - known[None]) ** 2).sum(axis=2)
        return np.column_stack([squares * np.log(np.maximum(squares, 1e-12)), np.ones(len(points)), points])

    affine = np.column_stack([np.ones(len(known)), known]).T
    rows, columns = (np.linspace(0.5, n - 0.5, max(2, n // grid + 1)) for n in shape)
    x, y = np.meshgrid(columns, rows)
    everywhere = basis(np.column_stack([x.ravel(), y.ravel()]) / scale)
    for stiffness in STIFFNESS:
        system = np.vstack([basis(known), np.hstack([affine, np.zeros((3, 3))])])
        system[: len(known), : len(known)] += stiffness * np.eye(len(known))
        weights = np.linalg.solve(system, np.vstack([frames, np.zeros((3, 2))]))
        places = (everywhere @ weights).reshape(*x.shape, 2)
        if not _folds_over(places):
            break
    return _stretched(places.astype(np.float32), shape)


def _folds_over(places: np.ndarray) -> bool:
    """Whether a map ``(rows, columns, 2)`` to frames turns over, or nearly, where a mask is drawn."""
    down, across = (step[: len(places) - 1, : places.shape[1] - 1] for step in _steps(places))
    areas = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    near = np.abs(places[:-1, :-1] - (0.5, 0.7)).max(axis=2) < NEAR_NOSE
    return bool(near.any() and areas[near].min() < MIN_AREA * np.median(areas[near]))


def _steps(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.diff(places, axis=0), np.diff(places, axis=1)


def _stretched(grid: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A grid, with its outer values at the outermost pixels, interpolated to every pixel."""
    columns = np.linspace(0, grid.shape[1] - 1, shape[1], dtype=np.float32)
    rows = np.linspace(0, grid.shape[0] - 1, shape[0], dtype=np.float32)
    x, y = np.meshgrid(columns, rows)
    return cv2.remap(grid, x, y, cv2.INTER_LINEAR)


@lru_cache(maxsize=4)
def _light_weights(side: int) -> np.ndarray:
    """``(side * side, 3) float32``: with them a face gives the mean and the slopes across and down of its skin."""
    axis = (np.arange(side) + 0.5) / side
    x, y = np.meshgrid(axis, axis)
    skin = ((x > 0.2) & (x < 0.8) & (y > 0.2) & (y < 0.95)).ravel()
    plane = np.column_stack([np.ones(side * side), x.ravel() - 0.5, y.ravel() - 0.5])
    weights = np.zeros((side * side, 3), np.float32)
    weights[skin] = np.linalg.pinv(plane[skin]).T
    return weights


def light_on(faces: np.ndarray) -> np.ndarray:
    """Level and slopes across and down, per frame, of the light on ``(N, S, S)`` faces: ``(N, 3) float32``.

    Lit skin is taken to be a standard deviation brighter than the mean of the face.
    """
    pixels = faces.reshape(len(faces), -1).astype(np.float32)
    weights = _light_weights(faces.shape[1])
    level, across, down = (pixels @ weights).T
    skin = weights[:, 0] != 0
    spread = pixels[:, skin].std(axis=1)
    gain = np.clip((np.maximum(level + spread, 1) / FULL_LIGHT) ** LIGHT_POWER, 0.2, 1.2)
    slopes = np.stack([across, 0.3 * down], axis=1) / np.maximum(level, 8)[:, None]  # shading of features, not of light
    return np.column_stack([gain, gain[:, None] * np.clip(slopes, -MAX_SLOPE, MAX_SLOPE)]).astype(np.float32)
