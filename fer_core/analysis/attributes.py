"""What the landmarks of a face tell beside its expression: head pose, gaze, eyes, and whether the person attends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fer_core.analysis.attention import AttentionWatch
from fer_core.analysis.frame import FaceAttributes
from fer_core.analysis.smoothing import Smoother
from fer_core.results import BoundingBox
from fer_core.vision.blinks import BlinkCounter
from fer_core.vision.gaze import Gaze, estimate_gaze, eye_openness
from fer_core.vision.head_pose import Camera, estimate_head_pose
from fer_core.vision.landmarks import FaceLandmarks, LandmarkReader

KEPT_SECONDS = 0.5
"""For so long what was seen of someone stands while others have their turn."""


GAZE_SECONDS = 0.1
"""Time constant of gaze, which jitters by degrees from frame to frame."""


class FaceAttributesReader:
    """Reads what landmarks tell; may be shared between threads.

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
            crop_boxes: one square per face, as networks of expressions are given it.
            rolls: degrees, where they are known, see :meth:`fer_core.vision.landmarks.LandmarkReader.read`.
            with_eyes: whose eyes are looked at.

        Returns:
            Per face what was found, None where the landmark network sees no face.
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


@dataclass
class _Person:
    attributes: FaceAttributes
    box: BoundingBox
    """In which the look was seen."""
    read_at: float
    """In seconds of the stream."""
    eyes_at: float
    blinks: BlinkCounter = field(default_factory=BlinkCounter)
    attention: AttentionWatch = field(default_factory=AttentionWatch)
    gaze: Gaze | None = None
    openness: float | None = None


class FaceAttributesMemory:
    """What is remembered of the looks of a stream's people; not for two threads at once."""

    def __init__(self) -> None:
        self._people: dict[int, _Person] = {}
        self._gaze = Smoother(GAZE_SECONDS)

    def roll(self, track: int) -> float | None:
        """Degrees at which a person's head was rolled when looked at last."""
        return self._people[track].attributes.landmarks.roll if track in self._people else None

    def follow(
        self, track: int, attributes: FaceAttributes | None, box: BoundingBox, timestamp: float, with_attention: bool
    ) -> FaceAttributes | None:
        """A person's look after another frame: with blinks, PERCLOS and attention, and what was seen last.

        Args:
            track: the person's id.
            attributes: what was read in this frame; None for those whose turn it was not, and where nothing was found.
            box: of the face in this frame; landmarks that were read in an earlier one move with it.
            timestamp: of the frame, in seconds.
            with_attention: whether to follow that as well.

        Returns:
            The look, or None where nothing was found for :data:`KEPT_SECONDS`.
        """
        person = self._people.get(track)
        if person is None:
            if attributes is None:
                return None
            person = self._people[track] = _Person(attributes, box, timestamp, timestamp)
        if attributes is not None:
            person.attributes, person.box, person.read_at = attributes, box, timestamp
        elif not 0 <= timestamp - person.read_at <= KEPT_SECONDS:
            return None
        if attributes is not None and attributes.openness is not None:
            self._update_eyes(track, person, attributes, timestamp)
        elif not 0 <= timestamp - person.eyes_at <= KEPT_SECONDS:
            person.gaze = person.openness = None
        known = (
            person.attributes
            if attributes
            else replace(person.attributes, landmarks=person.attributes.landmarks.moved(person.box, box))
        )
        known = replace(
            known,
            gaze=person.gaze,
            openness=person.openness,
            perclos=person.blinks.perclos(),
            blinks_per_minute=person.blinks.blinks_per_minute(),
        )
        if not with_attention:
            return known
        return replace(known, attention=person.attention.update(timestamp, known.pose, known.gaze, known.openness))

    def _update_eyes(self, track: int, person: _Person, attributes: FaceAttributes, timestamp: float) -> None:
        person.blinks.update(timestamp, attributes.openness)
        person.eyes_at, person.openness, person.gaze = timestamp, attributes.openness, attributes.gaze
        if attributes.gaze is not None:
            yaw, pitch = self._gaze.update(track, np.array([attributes.gaze.yaw, attributes.gaze.pitch]), timestamp)
            person.gaze = Gaze(float(yaw), float(pitch))

    def forget(self, tracks: Iterable[int]) -> None:
        """Drop what is known of people whose tracks have ended."""
        self._gaze.forget(tracks)
        for track in tracks:
            self._people.pop(track, None)
