"""What is remembered of the people of one stream, so that each keeps an identity and no answer flickers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fer_core.observations import ExpressionScores, FaceDetection, MaskReading
from fer_core.smoothing import TIME_CONSTANT_SECONDS, Smoother
from fer_core.vision.tracking import FaceTracker

MASK_SECONDS = 0.3
"""Time constant of the mask state: put on or taken off, it is followed within a quarter of a second."""


class StreamMemory:
    """The people of one stream, from frame to frame; not for two threads at once.

    Args:
        smoothing: time constant of the expression's probabilities in seconds; 0 leaves them as they are.
    """

    def __init__(self, smoothing: float = TIME_CONSTANT_SECONDS) -> None:
        self._smoothing = smoothing
        self._tracker = FaceTracker()
        self._masks = Smoother(MASK_SECONDS)
        self._scores: list[Smoother] = []

    def identify(self, detections: Sequence[FaceDetection], timestamp: float, crops: np.ndarray | None) -> list[int]:
        """Whose faces these are, see :meth:`fer_core.vision.tracking.FaceTracker.update`."""
        tracks = self._tracker.update([detection.box for detection in detections], timestamp, crops)
        for smoother in (self._masks, *self._scores):
            smoother.forget(self._tracker.ended)
        return tracks

    def read_mask(self, track: int, reading: MaskReading, timestamp: float) -> MaskReading:
        """The mask state of a person after another reading."""
        return MaskReading(self._masks.update(track, reading.probabilities, timestamp))

    def answer(self, track: int, scores: Sequence[ExpressionScores], timestamp: float) -> tuple[ExpressionScores, ...]:
        """A person's answers after another frame, place by place.

        Where another model answers from now on, since the face is masked, it takes over what was known.
        """
        while len(self._scores) < len(scores):
            self._scores.append(Smoother(self._smoothing))
        return tuple(
            replace(each, probabilities=smoother.update(track, each.probabilities, timestamp))
            for smoother, each in zip(self._scores, scores, strict=False)
        )
