"""The one result type that detectors, networks, overlays, tables and charts pass on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from fer_core.labels import Emotion, LabelSet


@dataclass(frozen=True)
class BoundingBox:
    """A box in pixels of the frame: left edge, top edge, width, height. It may reach over the frame's border."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    def intersection_over_union(self, other: BoundingBox) -> float:
        """Overlap of two boxes in [0, 1]."""
        wide = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        high = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if wide <= 0 or high <= 0:
            return 0.0
        return wide * high / (self.area + other.area - wide * high)


@dataclass(frozen=True)
class FaceDetection:
    """A face as a detector reports it."""

    box: BoundingBox
    score: float
    """The detector's confidence in [0, 1]; 1 where the detector gives none."""
    key_points: np.ndarray | None = field(default=None, compare=False)
    """``(6, 2) float32`` x and y in pixels of the frame: right eye, left eye, tip of the nose, centre of the mouth, right
    ear, left ear (both at the tragus), as the person calls them; ``None`` where the detector finds none."""


SURE = 0.5
"""Probability from which on one emotion is said to be it."""
SURE_OF_TWO = 0.7
"""Probability of two emotions together from which on the answer is "one or the other"."""


@dataclass(frozen=True)
class Verdict:
    """What probabilities come to in words: one emotion, two that cannot be told apart here, or none.

    An answer of several classes in place of a wrong one follows Chow 1970 (IEEE Trans. Inf. Theory 16, pp. 41-46) and
    class-selective rejection (Ha 1997, IEEE Trans. PAMI 19, pp. 608-615).
    """

    emotions: tuple[Emotion, ...]
    """The likelier first; empty where the answer is unsure."""
    probability: float
    """That it is one of them; of an unsure answer, that of the top emotion."""

    @property
    def words(self) -> str:
        """``happy``, ``sad or neutral``, ``unsure``."""
        return " or ".join(map(str, self.emotions)) or "unsure"


@dataclass(frozen=True)
class ExpressionScores:
    """One model's answer for one face: probabilities in the order of a label set."""

    model: str
    label_set: LabelSet
    probabilities: np.ndarray
    """``(len(label_set),) float32``, summing to one."""

    def ranked(self) -> list[tuple[Emotion, float]]:
        """Emotions with their probabilities, most probable first."""
        order = np.argsort(-self.probabilities, kind="stable")
        return [(self.label_set.emotions[i], float(self.probabilities[i])) for i in order]

    @property
    def top(self) -> Emotion:
        """The most probable emotion."""
        return self.label_set.emotions[int(np.argmax(self.probabilities))]

    @property
    def confidence(self) -> float:
        """Probability of the top emotion."""
        return float(self.probabilities.max())

    def verdict(self, sure: float = SURE, sure_of_two: float = SURE_OF_TWO) -> Verdict:
        """The top emotion if it is probable enough, else the first two if they are together, else unsure."""
        (first, p), (second, q) = self.ranked()[:2]
        if p >= sure:
            return Verdict((first,), p)
        return Verdict((first, second), p + q) if p + q >= sure_of_two else Verdict((), p)


class MaskState(StrEnum):
    """How a face wears a mask, if it does."""

    UNMASKED = "bare"
    MASKED = "masked"
    NOSE_OUT = "mask under the nose"


MASK_STATES = tuple(MaskState)
"""In the order of a network's outputs."""


@dataclass(frozen=True)
class MaskReading:
    """What a network says about the mask of one face."""

    probabilities: np.ndarray
    """``(3,) float32`` in the order of :data:`MASK_STATES`, summing to one."""

    @property
    def covered(self) -> float:
        """Probability that the mouth is covered, be the nose or not."""
        return float(1 - self.probabilities[0])

    @property
    def state(self) -> MaskState:
        """Bare unless the mouth is more likely covered; then the likelier of the two ways to wear a mask."""
        if self.covered <= 0.5:
            return MaskState.UNMASKED
        return MASK_STATES[1 + int(np.argmax(self.probabilities[1:]))]

    @property
    def confidence(self) -> float:
        """Probability of being bare for a bare face, of being covered for any other."""
        return max(self.covered, 1 - self.covered)
