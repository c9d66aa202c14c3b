"""Which faces are turned upright before a network sees them: those whose eyes show a roll it did not learn to stand."""

from __future__ import annotations

from collections.abc import Iterable

from fer_core.observations import FaceDetection
from fer_core.vision.landmarks import roll_of_eyes

ALIGNED_FROM = 15.0
"""Degrees of roll above which a crop is turned: as far as training turns faces (``Recipe.augmentation``), and of 0 to 40 the
one that answers most of 1,000 PublicTest faces right, pasted upright and rolled by 15 and 30 degrees to either side."""


def aligned_rolls(detections: Iterable[FaceDetection]) -> list[float]:
    """By how much to turn each crop, for :func:`fer_core.vision.face_crops.crop_faces`.

    Returns:
        Per face the degrees in [-180, 180] by which its eyes are rolled clockwise; 0 where that is at most
        :data:`ALIGNED_FROM` or the detector finds no eyes.
    """
    rolls = [
        0.0 if found.key_points is None else roll_of_eyes(found.key_points[0], found.key_points[1])
        for found in detections
    ]
    return [roll if abs(roll) > ALIGNED_FROM else 0.0 for roll in rolls]
