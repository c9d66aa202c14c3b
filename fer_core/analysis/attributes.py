"""What the landmarks of a face say beside its expression: head pose, gaze, eyes, and whether the person attends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fer_core.analysis.attention import AttentionWatch
from fer_core.analysis.frame import FaceAttributes
from fer_core.analysis.smoothing import Smoother
from fer_core.results import BoundingBox
from fer_core.vision.blinks import BlinkCounter
from fer_core.vision.gaze import Gaze, estimate_gaze, eye_openness
from fer_core.vision.head_pose import Camera, estimate_head_pose
from fer_core.vision.landmarks import FaceLandmarks, LandmarkReader

ATTRIBUTES_HOLD_SECONDS = 0.5
"""For so long a person keeps what was read of them while others have their turn."""
GAZE_SECONDS = 0.1
"""Time constant of gaze, which jitters by degrees from frame to frame."""


class FaceAttributesReader:
    """Reads landmarks and what follows from them; may be shared between threads.

    Args:
        threads: CPU threads of one call.

    Raises:
        ModelError: the wheel with the model files is not installed.
    """

    def __init__(self, threads: int = 1) -> None:
        self._reader = LandmarkReader(threads, with_eyes=True)
        self._points_only = LandmarkReader(threads, with_eyes=False)

    def read(
        self,
        frame: np.ndarray,
        crop_boxes: Sequence[BoundingBox],
        rolls: Sequence[float | None],
        with_eyes: Sequence[bool],
    ) -> list[FaceAttributes | None]:
        """Landmarks, pose and, where asked for, gaze and openness of every face.

        Args:
            frame: ``(H, W, 3) uint8`` BGR.
            crop_boxes: one square per face, as the expression networks get it.
            rolls: per face in degrees, None where unknown; see :meth:`fer_core.vision.landmarks.LandmarkReader.read`.
            with_eyes: per face whether to read gaze and openness as well.

        Returns:
            Per face its attributes; None where the landmark network sees no face.
        """
        camera = Camera.of_frame(frame.shape[1], frame.shape[0])
        attributes: list[FaceAttributes | None] = []
        for face, eyes in zip(self._points_only.read(frame, crop_boxes, rolls), with_eyes, strict=True):
            attributes.append(self._attributes_of(frame, face, camera, eyes) if face else None)
        return attributes

    def _attributes_of(self, frame: np.ndarray, face: FaceLandmarks, camera: Camera, with_eyes: bool) -> FaceAttributes:
        pose = estimate_head_pose(face.points, camera)
        if not with_eyes:
            return FaceAttributes(face, pose)
        face = self._reader.refine_eyes(frame, face)
        openness = float(eye_openness(face.eyes).mean()) if face.eyes else None
        return FaceAttributes(face, pose, estimate_gaze(face, pose, camera) if pose else None, openness)


class FaceAttributesMemory:
    """Follows the attributes of one person of a stream; not for two threads at once."""

    def __init__(self) -> None:
        self._read: tuple[FaceAttributes, BoundingBox, float] | None = None
        """What was read last, the face's box then, and the time in seconds of the stream."""
        self._eyes_at = 0.0
        """When the eyes were seen last."""
        self._gaze: Gaze | None = None
        self._openness: float | None = None
        self._gaze_smoother = Smoother(GAZE_SECONDS)
        self._blinks = BlinkCounter()
        self._attention = AttentionWatch()

    @property
    def roll(self) -> float | None:
        """Degrees by which the head was rolled when it was read last."""
        return self._read[0].landmarks.roll if self._read else None

    def update(
        self, attributes: FaceAttributes | None, box: BoundingBox, timestamp: float, with_attention: bool
    ) -> FaceAttributes | None:
        """The person's attributes after another frame: with blinks, PERCLOS and attention, and what was read last.

        Args:
            attributes: what was read in this frame; None where it was another's turn, or where nothing was found.
            box: of the face in this frame; landmarks that were read in an earlier frame move with it.
            timestamp: of the frame, in seconds.
            with_attention: whether to follow that as well.

        Returns:
            The attributes, or None where nothing was found for :data:`ATTRIBUTES_HOLD_SECONDS`.
        """
        if attributes is not None:
            self._eyes_at = timestamp if self._read is None else self._eyes_at
            self._read = attributes, box, timestamp
        if self._read is None or not 0 <= timestamp - self._read[2] <= ATTRIBUTES_HOLD_SECONDS:
            return None
        if attributes is not None and attributes.openness is not None:
            self._update_eyes(attributes, timestamp)
        elif not 0 <= timestamp - self._eyes_at <= ATTRIBUTES_HOLD_SECONDS:
            self._gaze = self._openness = None
        latest, box_then, _ = self._read
        known = replace(
            latest,
            landmarks=latest.landmarks if attributes else latest.landmarks.moved(box_then, box),
            gaze=self._gaze,
            openness=self._openness,
            perclos=self._blinks.perclos(),
            blinks_per_minute=self._blinks.blinks_per_minute(),
        )
        if not with_attention:
            return known
        return replace(known, attention=self._attention.update(timestamp, known.pose, known.gaze, known.openness))

    def _update_eyes(self, attributes: FaceAttributes, timestamp: float) -> None:
        self._blinks.update(timestamp, attributes.openness)
        self._eyes_at, self._openness, self._gaze = timestamp, attributes.openness, attributes.gaze
        if attributes.gaze is not None:
            angles = np.array([attributes.gaze.yaw, attributes.gaze.pitch])
            self._gaze = Gaze(*self._gaze_smoother.update(angles, timestamp).tolist())
