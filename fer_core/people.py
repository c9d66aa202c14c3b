"""What is remembered of the people of one stream, so that each keeps an identity and no answer flickers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_core.face_look import FaceLook, LookMemory
from fer_core.observations import BoundingBox, ExpressionScores, FaceDetection, MaskReading
from fer_core.smoothing import TIME_CONSTANT_SECONDS, Smoother
from fer_core.vision.near_look import NearLook
from fer_core.vision.tracking import FaceTracker

MASK_SECONDS = 0.2
"""Time constant of the mask state: put on or taken off, it is followed within a seventh of a second."""


@dataclass(frozen=True)
class Pace:
    """How often each person is looked at, where not everyone is in every frame."""

    shortest: float
    """Seconds that are always left between two looks at one person."""
    longest: float
    """Seconds after which a person is looked at however many others are."""
    per_frame: int
    """People who are looked at in one frame, unless more have waited for the longest time."""


EVERY_FRAME = Pace(0, 0, 1)
ANSWERS = Pace(1 / 16, 0.2, 1)
"""Of expression and mask. Answers are means over more than half a second, which sixteen samples a second make as well as
thirty; what a frame costs hardly grows with the number of people then."""
LOOKS = Pace(0, 0.2, 2)
"""Of landmarks and head pose."""
EYES = Pace(0, 0.2, 1)
"""Of eyes: a lone person's in every frame, since a blink lasts a tenth of a second."""
_TICK = 1e-3
"""Seconds by which frames come too early."""


class Turns:
    """Says whose turn it is; people who have waited for longest go first.

    Args:
        pace: of the turns.

    Example:
        >>> turns = Turns(Pace(shortest=0, longest=1, per_frame=1))
        >>> [turns.take([1, 2, 3], 0.1 * frame) for frame in range(2)]
        [[True, True, True], [True, False, False]]
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._last: dict[int, float] = {}

    def take(self, tracks: Sequence[int], timestamp: float) -> list[bool]:
        """Whose turn it is in the frame of this time, among the people in it; whoever is new has theirs."""
        waited = np.array([timestamp - self._last.get(track, -math.inf) for track in tracks])
        waited[waited < 0] = math.inf  # the clock has gone back
        due = waited >= self._pace.longest - _TICK
        waiting = np.flatnonzero(~due & (waited >= self._pace.shortest - _TICK))
        places = max(0, self._pace.per_frame - int(due.sum()))
        due[waiting[np.argsort(-waited[waiting], kind="stable")[:places]]] = True
        self._last.update((track, timestamp) for track, mine in zip(tracks, due, strict=True) if mine)
        return due.tolist()

    def forget(self, tracks: Iterable[int]) -> None:
        """Drop what is known of people whose tracks have ended."""
        for track in tracks:
            self._last.pop(track, None)


@dataclass
class _Known:
    """What was said of a person last."""

    reading: MaskReading | None = None
    scores: tuple[ExpressionScores, ...] = ()


class StreamMemory:
    """The people of one stream, from frame to frame; not for two threads at once.

    Args:
        smoothing: time constant of the expression's probabilities in seconds; 0 leaves them as they are.
        thrifty: look at people in turns, and for those who are far away only now and then, so that a frame costs little
            however many people are in it. Without it everyone is looked at in every frame.
    """

    def __init__(self, smoothing: float = TIME_CONSTANT_SECONDS, thrifty: bool = False) -> None:
        self._smoothing = smoothing
        self.near = NearLook() if thrifty else None
        """When a quick look at near faces is enough; None where it never is."""
        self._tracker = FaceTracker()
        self._masks = Smoother(MASK_SECONDS)
        self._scores: list[Smoother] = []
        self._known: dict[int, _Known] = {}
        self._answers, self._looks, self._eyes = (
            Turns(pace if thrifty else EVERY_FRAME) for pace in (ANSWERS, LOOKS, EYES)
        )
        self._look = LookMemory()

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
        """Whose faces these are, see :meth:`fer_core.vision.tracking.FaceTracker.update`."""
        tracks = self._tracker.update([detection.box for detection in detections], timestamp, crops)
        ended = self._tracker.ended
        for smoother in (self._masks, *self._scores):
            smoother.forget(ended)
        for turns in (self._answers, self._looks, self._eyes):
            turns.forget(ended)
        self._look.forget(ended)
        for track in ended:
            self._known.pop(track, None)
        return tracks

    def to_answer(self, tracks: Sequence[int], timestamp: float) -> list[bool]:
        """For which of the people of a frame mask and expression are read."""
        return self._answers.take(tracks, timestamp)

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

    def to_look_at(self, tracks: Sequence[int], timestamp: float) -> tuple[list[bool], list[bool]]:
        """Whose landmarks are read in a frame, and whose eyes besides."""
        faces = self._looks.take(tracks, timestamp)
        turn = iter(self._eyes.take([track for track, mine in zip(tracks, faces, strict=True) if mine], timestamp))
        return faces, [mine and next(turn) for mine in faces]

    def roll(self, track: int) -> float | None:
        """Degrees at which a person's head was rolled when looked at last."""
        return self._look.roll(track)

    def follow(
        self, track: int, look: FaceLook | None, box: BoundingBox, timestamp: float, with_attention: bool
    ) -> FaceLook | None:
        """A person's look after another frame, see :meth:`fer_core.face_look.LookMemory.follow`."""
        return self._look.follow(track, look, box, timestamp, with_attention)
