"""What is remembered of the people of one stream, so that each keeps an identity and no answer flickers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from fer_core.analysis.attributes import FaceAttributesMemory
from fer_core.analysis.scheduling import (
    ATTRIBUTES_INTERVAL,
    CLASSIFICATION_INTERVAL,
    EVERY_FRAME,
    EYES_INTERVAL,
    Scheduler,
)
from fer_core.analysis.smoothing import TIME_CONSTANT_SECONDS, Smoother
from fer_core.analysis.tracking import FaceTracker
from fer_core.results import ExpressionScores, FaceDetection, MaskReading
from fer_core.vision.detection.near_faces import NearFaceGate

MASK_SECONDS = 0.2
"""Time constant of the mask state: putting one on or off is followed within a seventh of a second."""


class Person:
    """What is remembered of one person of a stream."""

    def __init__(self) -> None:
        self.mask: MaskReading | None = None
        """The latest mask state, smoothed; None before the first reading."""
        self.scores: tuple[ExpressionScores, ...] = ()
        """The latest scores of every model, smoothed."""
        self.attributes = FaceAttributesMemory()
        self._mask_smoother = Smoother(MASK_SECONDS)
        self._score_smoothers: list[Smoother] = []

    def update_mask(self, reading: MaskReading, timestamp: float) -> MaskReading:
        """The mask state after another reading."""
        self.mask = MaskReading(self._mask_smoother.update(reading.probabilities, timestamp))
        return self.mask

    def update_scores(
        self, scores: Sequence[ExpressionScores], timestamp: float, smoothing: float = TIME_CONSTANT_SECONDS
    ) -> tuple[ExpressionScores, ...]:
        """The scores after another frame, place by place.

        Where another model answers from now on, since the face is masked, it continues the average of its place.

        Args:
            scores: of this frame.
            timestamp: of the frame, in seconds.
            smoothing: time constant in seconds.
        """
        missing = len(scores) - len(self._score_smoothers)
        self._score_smoothers += [Smoother() for _ in range(missing)]
        for smoother in self._score_smoothers:
            smoother.time_constant = smoothing
        self.scores = tuple(
            replace(each, probabilities=smoother.update(each.probabilities, timestamp))
            for smoother, each in zip(self._score_smoothers, scores, strict=False)
        )
        return self.scores


class StreamMemory:
    """The people of one stream, from frame to frame; not for two threads at once.

    Args:
        smoothing: time constant of the expression's probabilities in seconds; 0 leaves them as they are. It may be changed
            at any time and counts from the next frame on.
        scheduled: read people in turns, and look for distant ones only now and then, so that a frame costs little however
            many people are in it. Without it everyone is read in every frame.
    """

    def __init__(self, smoothing: float = TIME_CONSTANT_SECONDS, scheduled: bool = False) -> None:
        self.smoothing = smoothing
        self.near = NearFaceGate() if scheduled else None
        """When the detector of near faces is enough; None where it never is."""
        self._tracker = FaceTracker()
        self._people: defaultdict[int, Person] = defaultdict(Person)
        self._classification_scheduler, self._attributes_scheduler, self._eyes_scheduler = (
            Scheduler(interval if scheduled else EVERY_FRAME)
            for interval in (CLASSIFICATION_INTERVAL, ATTRIBUTES_INTERVAL, EYES_INTERVAL)
        )

    def identify(self, detections: Sequence[FaceDetection], timestamp: float, crops: np.ndarray | None) -> list[int]:
        """Whose faces these are, see :meth:`fer_core.analysis.tracking.FaceTracker.update`."""
        tracks = self._tracker.update([detection.box for detection in detections], timestamp, crops)
        self.forget(self._tracker.ended)
        return tracks

    def person(self, track: int) -> Person:
        """The person with this id."""
        return self._people[track]

    def forget(self, tracks: Iterable[int]) -> None:
        """Drop the people with these ids; unknown ids do no harm."""
        for track in tracks:
            self._people.pop(track, None)

    def due_for_classification(self, tracks: Sequence[int], timestamp: float) -> list[bool]:
        """Whose mask and expression are read in a frame."""
        return self._classification_scheduler.due(tracks, timestamp)

    def due_for_attributes(self, tracks: Sequence[int], timestamp: float) -> tuple[list[bool], list[bool]]:
        """Whose landmarks are read in a frame, and whose eyes besides."""
        faces = self._attributes_scheduler.due(tracks, timestamp)
        eyes = iter(
            self._eyes_scheduler.due([track for track, mine in zip(tracks, faces, strict=True) if mine], timestamp)
        )
        return faces, [mine and next(eyes) for mine in faces]
