"""What is remembered of the people of one stream, so that each keeps an identity and no answer flickers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_core.analysis.attributes import FaceAttributesMemory
from fer_core.analysis.frame import FaceAttributes
from fer_core.analysis.scheduling import (
    ATTRIBUTES_INTERVAL,
    CLASSIFICATION_INTERVAL,
    EVERY_FRAME,
    EYES_INTERVAL,
    Scheduler,
)
from fer_core.analysis.smoothing import TIME_CONSTANT_SECONDS, Smoother
from fer_core.analysis.tracking import FaceTracker
from fer_core.results import BoundingBox, ExpressionScores, FaceDetection, MaskReading
from fer_core.vision.detection.near_faces import NearFaceGate

MASK_SECONDS = 0.2
"""Time constant of the mask state: put on or taken off, it is followed within a seventh of a second."""


@dataclass
class _Known:
    """What was said of a person last."""

    reading: MaskReading | None = None
    scores: tuple[ExpressionScores, ...] = ()


class StreamMemory:
    """The people of one stream, from frame to frame; not for two threads at once.

    Args:
        smoothing: time constant of the expression's probabilities in seconds; 0 leaves them as they are.
        scheduled: look at people in turns, and for those who are far away only now and then, so that a frame costs little
            however many people are in it. Without it everyone is looked at in every frame.
    """

    def __init__(self, smoothing: float = TIME_CONSTANT_SECONDS, scheduled: bool = False) -> None:
        self._smoothing = smoothing
        self.near = NearFaceGate() if scheduled else None
        """When a quick look at near faces is enough; None where it never is."""
        self._tracker = FaceTracker()
        self._masks = Smoother(MASK_SECONDS)
        self._scores: list[Smoother] = []
        self._known: dict[int, _Known] = {}
        self._classification_scheduler, self._attributes_scheduler, self._eyes_scheduler = (
            Scheduler(interval if scheduled else EVERY_FRAME)
            for interval in (CLASSIFICATION_INTERVAL, ATTRIBUTES_INTERVAL, EYES_INTERVAL)
        )
        self._attributes = FaceAttributesMemory()

    @property
    def smoothing(self) -> float:
        """Time constant of the expression's probabilities in seconds; a change counts from the next frame."""
        return self._smoothing

    @smoothing.setter
    def smoothing(self, seconds: float) -> None:
        self._smoothing = seconds
        for smoother in self._scores:
            smoother.time_constant = seconds

    def identify(self, detections: Sequence[FaceDetection], timestamp: float, crops: np.ndarray | None) -> list[int]:
        """Whose faces these are, see :meth:`fer_core.analysis.tracking.FaceTracker.update`."""
        tracks = self._tracker.update([detection.box for detection in detections], timestamp, crops)
        ended = self._tracker.ended
        for smoother in (self._masks, *self._scores):
            smoother.forget(ended)
        for scheduler in (self._classification_scheduler, self._attributes_scheduler, self._eyes_scheduler):
            scheduler.forget(ended)
        self._attributes.forget(ended)
        for track in ended:
            self._known.pop(track, None)
        return tracks

    def due_for_classification(self, tracks: Sequence[int], timestamp: float) -> list[bool]:
        """For which of the people of a frame mask and expression are read."""
        return self._classification_scheduler.due(tracks, timestamp)

    def read_mask(self, track: int, reading: MaskReading, timestamp: float) -> MaskReading:
        """The mask state of a person after another reading."""
        known = self._known.setdefault(track, _Known())
        known.reading = MaskReading(self._masks.update(track, reading.probabilities, timestamp))
        return known.reading

    def answer(self, track: int, scores: Sequence[ExpressionScores], timestamp: float) -> tuple[ExpressionScores, ...]:
        """A person's answers after another frame, place by place.

        Where another model answers from now on, since the face is masked, it takes over what was known.
        """
        while len(self._scores) < len(scores):
            self._scores.append(Smoother(self._smoothing))
        known = self._known.setdefault(track, _Known())
        known.scores = tuple(
            replace(each, probabilities=smoother.update(track, each.probabilities, timestamp))
            for smoother, each in zip(self._scores, scores, strict=False)
        )
        return known.scores

    def known(self, track: int) -> tuple[MaskReading | None, tuple[ExpressionScores, ...]]:
        """Mask state and answers of a person as they were said last."""
        known = self._known.get(track, _Known())
        return known.reading, known.scores

    def due_for_attributes(self, tracks: Sequence[int], timestamp: float) -> tuple[list[bool], list[bool]]:
        """Whose landmarks are read in a frame, and whose eyes besides."""
        faces = self._attributes_scheduler.due(tracks, timestamp)
        turn = iter(
            self._eyes_scheduler.due([track for track, mine in zip(tracks, faces, strict=True) if mine], timestamp)
        )
        return faces, [mine and next(turn) for mine in faces]

    def roll(self, track: int) -> float | None:
        """Degrees at which a person's head was rolled when looked at last."""
        return self._attributes.roll(track)

    def follow(
        self, track: int, attributes: FaceAttributes | None, box: BoundingBox, timestamp: float, with_attention: bool
    ) -> FaceAttributes | None:
        """A person's look after another frame, see :meth:`fer_core.analysis.attributes.FaceAttributesMemory.follow`."""
        return self._attributes.follow(track, attributes, box, timestamp, with_attention)
