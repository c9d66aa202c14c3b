"""The one result type that detectors, networks, overlays, tables and charts pass on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_core.emotions import Emotion, LabelSet

if TYPE_CHECKING:
    from fer_core.face_look import FaceLook


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

    BARE = "bare"
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
            return MaskState.BARE
        return MASK_STATES[1 + int(np.argmax(self.probabilities[1:]))]

    @property
    def confidence(self) -> float:
        """Probability of being bare for a bare face, of being covered for any other."""
        return max(self.covered, 1 - self.covered)


@dataclass(frozen=True)
class FaceObservation:
    """One face in one frame with every model's answer for it."""

    detection: FaceDetection
    crop_box: BoundingBox
    """The square that was cut out and given to the networks."""
    scores: tuple[ExpressionScores, ...]
    mask: MaskReading | None = None
    """``None`` where nobody looked for a mask."""
    track: int | None = None
    """The id that the person keeps throughout a stream, from 1; ``None`` in a still image."""
    look: FaceLook | None = field(default=None, compare=False)
    """What the landmarks tell; ``None`` where nobody asked, or no landmarks were found."""

    @property
    def covered(self) -> bool:
        """Whether a mask covers the mouth, as far as is known."""
        return self.mask is not None and self.mask.state != MaskState.BARE

    @property
    def box(self) -> BoundingBox:
        """The detector's box."""
        return self.detection.box


@dataclass(frozen=True)
class FrameAnalysis:
    """Everything found in one frame."""

    timestamp: float
    """Seconds from the start of the stream; 0 for a still image."""
    width: int
    height: int
    detector: str
    faces: tuple[FaceObservation, ...]
    milliseconds: dict[str, float] = field(default_factory=dict, compare=False)
    """Time spent per step: ``detect``, ``crop``, ``track``, ``mask``, ``classify``, ``look``."""

    def __iter__(self) -> Iterator[FaceObservation]:
        return iter(self.faces)

    def __len__(self) -> int:
        return len(self.faces)


LOOK_COLUMNS = ("yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch", "eye_openness", "perclos", "attention")
"""Of a table of faces, filled where landmarks were looked for."""
FACE_COLUMNS = (
    *("source", "time_ms", "face", "track", "detector", "box_x", "box_y", "box_width", "box_height", "detection_score"),
    *("mask", "mask_probability", "model", "label_set", "verdict", "emotion", "confidence"),
    *("runner_up", "runner_up_confidence"),
)
"""Of a table of faces, before the probabilities."""


def face_rows(source: str, analyses: Iterable[FrameAnalysis]) -> Iterator[dict[str, Any]]:
    """Flat rows for tables, CSV and JSON: one per face and model, columns in a fixed order; faces count from 1.

    Args:
        source: name of the file or stream the frames come from.
        analyses: frames in order.

    Yields:
        ``source, time_ms, face, track, detector, box_x, box_y, box_width, box_height, detection_score, mask,
        mask_probability, model, label_set, verdict, emotion, confidence, runner_up, runner_up_confidence`` and one
        ``p_<emotion>`` per emotion of the label set, then :data:`LOOK_COLUMNS`, angles in degrees, which
        are empty where nobody looked. ``track`` is empty in still images, ``mask`` and ``mask_probability``
        where nobody looked for a mask.
    """
    for analysis in analyses:
        for number, face in enumerate(analysis, start=1):
            for scores in face.scores:
                first, second = scores.ranked()[:2]
                yield {
                    "source": source,
                    "time_ms": round(analysis.timestamp * 1000),
                    "face": number,
                    "track": face.track,
                    "detector": analysis.detector,
                    "box_x": round(face.box.x),
                    "box_y": round(face.box.y),
                    "box_width": round(face.box.width),
                    "box_height": round(face.box.height),
                    "detection_score": round(face.detection.score, 4),
                    "mask": str(face.mask.state) if face.mask else None,
                    "mask_probability": round(face.mask.covered, 4) if face.mask else None,
                    "model": scores.model,
                    "label_set": scores.label_set.name,
                    "verdict": scores.verdict().words,
                    "emotion": str(first[0]),
                    "confidence": round(first[1], 4),
                    "runner_up": str(second[0]),
                    "runner_up_confidence": round(second[1], 4),
                    **{
                        f"p_{emotion}": round(float(p), 4)
                        for emotion, p in zip(scores.label_set.emotions, scores.probabilities, strict=True)
                    },
                    **_look_columns(face.look),
                }


def _look_columns(look: FaceLook | None) -> dict[str, Any]:
    if look is None:
        return dict.fromkeys(LOOK_COLUMNS)
    pose, gaze = look.pose, look.gaze
    of_head = (pose.yaw, pose.pitch, pose.roll) if pose else (None, None, None)
    of_eyes = (gaze.yaw, gaze.pitch) if gaze else (None, None)
    numbers = [degree if degree is None else round(degree, 1) for degree in (*of_head, *of_eyes)]
    shares = [share if share is None else round(share, 4) for share in (look.openness, look.perclos)]
    words = str(look.attention) if look.attention else None
    return dict(zip(LOOK_COLUMNS, [*numbers, *shares, words], strict=True))
