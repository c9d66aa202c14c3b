"""What is known of one frame and of each face in it; the type that tables, charts and overlays pass on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from fer_core.analysis.attention import Attention
from fer_core.results import BoundingBox, ExpressionScores, FaceDetection, MaskReading, MaskState
from fer_core.vision.gaze import Gaze
from fer_core.vision.head_pose import HeadPose
from fer_core.vision.landmarks import FaceLandmarks


@dataclass(frozen=True)
class FaceAttributes:
    """What the landmarks of one face say."""

    landmarks: FaceLandmarks
    pose: HeadPose | None
    """None where the points show no head."""
    gaze: Gaze | None = None
    """None where the eyes were not read, are closed or hidden."""
    openness: float | None = None
    """Mean of both eyes in [0, 1]; None where they were not read."""
    perclos: float | None = None
    """Share of the last minute with closed eyes; None in still images and in the first ten seconds."""
    blinks_per_minute: float | None = None
    """None as for ``perclos``."""
    attention: Attention | None = None
    """None in still images and where nobody asked for it."""


@dataclass(frozen=True)
class FaceObservation:
    """One face in one frame with every model's answer for it."""

    detection: FaceDetection
    crop_box: BoundingBox
    """The square that was cut out and given to the networks."""
    scores: tuple[ExpressionScores, ...]
    mask: MaskReading | None = None
    """``None`` where the mask state was not read."""
    track: int | None = None
    """The id that the person keeps throughout a stream, from 1; ``None`` in a still image."""
    attributes: FaceAttributes | None = field(default=None, compare=False)
    """``None`` where they were not asked for, or no landmarks were found."""

    @property
    def covered(self) -> bool:
        """Whether a mask covers the mouth, as far as is known."""
        return self.mask is not None and self.mask.state != MaskState.UNMASKED

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
    """Time spent per step: ``detect``, ``crop``, ``track``, ``mask``, ``classify``, ``look`` for the attributes."""

    def __iter__(self) -> Iterator[FaceObservation]:
        return iter(self.faces)

    def __len__(self) -> int:
        return len(self.faces)


class AttributeLevel(Enum):
    """What to read in a face beside its expression; each level includes the one before."""

    NONE = 0
    NOTHING = 0
    """The old name."""
    LANDMARKS = 1
    """Landmarks, head pose, gaze, eye openness, blinks and PERCLOS."""
    ATTENTION = 2
    """Whether people attend; never to be asked for without their knowledge."""


@dataclass(frozen=True)
class FrameInference:
    """What the networks say of one frame on its own, independent of other frames: made on any thread, in any order."""

    detections: Sequence[FaceDetection]
    crops: Mapping[int, np.ndarray]
    """``(faces, S, S) uint8`` by side S."""
    readings: Sequence[MaskReading | None]
    scores: Sequence[Sequence[ExpressionScores]]
    """Per face, of the models that answer for the mask state in ``readings``."""
