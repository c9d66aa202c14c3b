"""What an expression does to the shape of a face, in numbers: distances and angles of brows, eyes and mouth.

The 468 landmarks are first laid over MediaPipe's canonical face by the similarity that fits the points which expressions
hardly move (Umeyama 1991, IEEE TPAMI 13(4), eqs. 40-43), which undoes roll, yaw, pitch and size. The measures are of the
kind that facial action units are read from (Ekman & Friesen 1978): how far brows are raised and drawn together, eyes and
mouth are open, the corners of the mouth are pulled.
"""

from __future__ import annotations

import numpy as np

from fer_core.vision.head_pose import CANONICAL_FACE

_STABLE = list(CANONICAL_FACE)


_CANONICAL = np.array(list(CANONICAL_FACE.values())) * (
    1,
    -1,
    -1,
)  # y down and z away from the camera, as landmarks have


_MIDDLE = _CANONICAL.mean(axis=0)


_TWINS = {
    **{61: 291, 78: 308},  # corners of the mouth, outside and inside
    **{33: 263, 133: 362},  # outer and inner corners of the eyes
    **{159: 386, 145: 374, 160: 387, 144: 373, 158: 385, 153: 380},  # upper and lower lids
    **{46: 276, 70: 300, 105: 334, 66: 296, 55: 285, 107: 336},  # brows from the outer end to the inner
    **{98: 327, 205: 425, 50: 280},  # wings of the nose, cheeks
}
"""Landmarks of the person's right side and their twins on the left."""


# On the midline: 10 hairline, 2 under the nose, 4 its tip, 0 and 13 upper lip outside and inside, 14 and 17 lower lip inside
# and outside, 152 chin.
_DISTANCES_ACROSS = (
    *((61, 291), (78, 308), (13, 14), (0, 17), (0, 13), (14, 17), (0, 2), (17, 152)),
    *((4, 152), (10, 152), (55, 285), (107, 336), (98, 327)),
)


_DISTANCES_OF_A_SIDE = (
    *((61, 33), (61, 133), (61, 2), (61, 98), (61, 205), (50, 145)),
    *((159, 145), (160, 144), (158, 153), (33, 133)),
    *((105, 159), (66, 159), (55, 133), (46, 33), (46, 70)),
)


_HEIGHTS_OF_A_SIDE = ((61, 0), (61, 13), (61, 17), (55, 46), (105, 46))


_ANGLES_ACROSS = ((61, 0, 291), (61, 13, 291), (61, 14, 291), (61, 17, 291))


_ANGLES_OF_A_SIDE = ((46, 105, 55), (46, 55, 133), (33, 159, 133), (33, 145, 133))


def _both_sides(of_right: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    return of_right + tuple(tuple(_TWINS.get(point, point) for point in points) for points in of_right)


_DISTANCES = np.array(_DISTANCES_ACROSS + _both_sides(_DISTANCES_OF_A_SIDE))


_HEIGHTS = np.array(_both_sides(_HEIGHTS_OF_A_SIDE))


_ANGLES = np.array(_ANGLES_ACROSS + _both_sides(_ANGLES_OF_A_SIDE))


GEOMETRY_FEATURES = len(_DISTANCES) + len(_HEIGHTS) + len(_ANGLES)


def pose_normalised(points: np.ndarray) -> np.ndarray:
    """Landmarks laid over the canonical face.

    Args:
        points: ``(N, 468, 3)`` landmarks in pixels, as :attr:`fer_core.vision.landmarks.FaceLandmarks.points`.

    Returns:
        ``(N, 468, 3) float64`` in centimetres of a face of average size, x to the image's right, y down, z away from it.
    """
    stable = points[:, _STABLE].astype(np.float64)
    middle = stable.mean(axis=1, keepdims=True)
    stable -= middle
    left, scales, right = np.linalg.svd(np.einsum("nij,ik->njk", stable, _CANONICAL - _MIDDLE))
    signs = np.ones_like(scales)
    signs[:, 2] = np.sign(np.linalg.det(left @ right))  # a rotation, never a mirror image
    rotation = (left * signs[:, None]) @ right
    scale = (scales * signs).sum(axis=1) / (stable**2).sum(axis=(1, 2))
    return (points - middle) @ rotation * scale[:, None, None] + _MIDDLE


def geometry_features(points: np.ndarray) -> np.ndarray:
    """Distances, heights and angles of faces, whatever their pose and size.

    Args:
        points: ``(N, 468, 3)`` landmarks in pixels.

    Returns:
        ``(N, GEOMETRY_FEATURES) float32``: distances and heights in centimetres of a face of average size, then angles
        in radians.
    """
    face = pose_normalised(points)
    distances = np.linalg.norm(face[:, _DISTANCES[:, 0]] - face[:, _DISTANCES[:, 1]], axis=2)
    heights = face[:, _HEIGHTS[:, 0], 1] - face[:, _HEIGHTS[:, 1], 1]
    one, other = (face[:, _ANGLES[:, end]] - face[:, _ANGLES[:, 1]] for end in (0, 2))
    cosines = (one * other).sum(axis=2) / (np.linalg.norm(one, axis=2) * np.linalg.norm(other, axis=2))
    return np.concatenate([distances, heights, np.arccos(np.clip(cosines, -1, 1))], axis=1).astype(np.float32)
