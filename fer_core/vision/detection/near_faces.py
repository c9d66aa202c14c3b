"""Alternates a fast detector of near faces with the full detector in a stream.

The near detector takes a fifth of the time, but its boxes differ slightly in place and size. The difference is measured at
each full detection and corrected until the next, so that boxes do not jump.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_core.results import BoundingBox, FaceDetection

NEAR_FACE_WIDTH = 0.2
"""Width of a face, as a share of the frame's longer side, from which the near detector finds it as reliably as any."""
STILL_NEAR = 0.9
"""Share of that width for faces that were near in the last frame (hysteresis)."""
FULL_DETECTION_SECONDS = 0.3
"""Seconds between two full detections, which find newcomers who are far away."""
SAME_FACE = 0.4
"""Intersection over union from which on two boxes of one frame are of one face."""
EARLY_SECONDS = 1e-3
"""Tolerance in seconds for frames that come slightly early."""


@dataclass(frozen=True)
class _Difference:
    """Between the boxes of one face by both detectors, in widths and heights of the near detector's box."""

    centre: tuple[float, float]
    shift: tuple[float, float]
    stretch: tuple[float, float]

    def undo(self, box: BoundingBox) -> BoundingBox:
        """The box as the full detector would draw it."""
        return BoundingBox(
            box.x + self.shift[0] * box.width,
            box.y + self.shift[1] * box.height,
            box.width * self.stretch[0],
            box.height * self.stretch[1],
        )


class NearFaceGate:
    """Decides when the near detector is enough, and corrects its boxes; one per stream."""

    def __init__(self) -> None:
        self._full_detection = -np.inf
        self._boxes: list[BoundingBox] = []
        self._limit = NEAR_FACE_WIDTH
        self._differences: list[_Difference] = []

    def required_faces(self, frame: np.ndarray, timestamp: float) -> int:
        """How many faces the near detector has to find to be enough; 0 if the full detector is needed."""
        if not 0 <= timestamp - self._full_detection < FULL_DETECTION_SECONDS - EARLY_SECONDS:
            return 0
        return len(self._boxes) if self._all_near(frame) else 0

    def _all_near(self, frame: np.ndarray) -> bool:
        return bool(self._boxes) and min(box.width for box in self._boxes) >= self._limit * max(frame.shape[:2])

    def record_full_detection(self, frame: np.ndarray, detections: Sequence[FaceDetection], timestamp: float) -> bool:
        """Record a full detection; whether to :meth:`compare` it with the near detector on the same frame."""
        self._boxes, self._full_detection, self._limit = [found.box for found in detections], timestamp, NEAR_FACE_WIDTH
        return self._all_near(frame)

    def compare(self, near: Sequence[FaceDetection]) -> None:
        """Measure how the near detector's boxes differ from those of the full detection just recorded."""
        self._differences = [
            _Difference(
                _centre(found.box),
                ((box.x - found.box.x) / found.box.width, (box.y - found.box.y) / found.box.height),
                (box.width / found.box.width, box.height / found.box.height),
            )
            for found in near
            for box in self._boxes
            if box.intersection_over_union(found.box) >= SAME_FACE
        ]

    def record_near_detection(self, near: Sequence[FaceDetection]) -> list[FaceDetection]:
        """Record a near detection that was enough; its faces with corrected boxes."""
        redrawn = [replace(found, box=self._redrawn(found.box)) for found in near]
        self._boxes, self._limit = [found.box for found in redrawn], NEAR_FACE_WIDTH * STILL_NEAR
        return redrawn

    def _redrawn(self, box: BoundingBox) -> BoundingBox:
        if not self._differences:
            return box
        away = [np.hypot(*np.subtract(each.centre, _centre(box))) for each in self._differences]
        return self._differences[int(np.argmin(away))].undo(box)


def _centre(box: BoundingBox) -> tuple[float, float]:
    return box.x + box.width / 2, box.y + box.height / 2
