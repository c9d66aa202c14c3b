"""Where eyes look and how far they are open, from the landmarks of a face, its irises and its head pose.

Gaze follows the geometry of OpenFace (Baltrusaitis et al. 2016, section 3.3): the line of sight from the camera through
the iris meets the eyeball, and gaze points from the eyeball's centre through there. Openness is the eye aspect ratio of
Soukupova & Cech 2016 ("Real-Time Eye Blink Detection using Facial Landmarks", equation 1). PERCLOS is the share of time
with eyes at least 80% closed (Wierwille et al. 1994, DOT HS 808 247).

Signs are those of :mod:`fer_core.vision.head_pose`: yaw positive to the image's right, pitch positive up, both to the
camera's axis. Without a calibration expect errors of several degrees, since eyes differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fer_core.vision.head_pose import CANONICAL_FACE, Camera, HeadPose, angles_of
from fer_core.vision.landmarks import EYES, EyeLandmarks, FaceLandmarks

EYEBALL_RADIUS = 1.2
"""Centimetres, as in OpenFace: an adult's eye is 24 mm long."""
EYEBALL_OUTWARDS, EYEBALL_UP, EYEBALL_BACK = 0.15, 0.18, 0.57
"""Centimetres from the middle of an eye's corners to the eyeball's centre, towards the temple, up and into the head.

Fitted to 692 portraits, which mostly look into the camera: with these values the median gaze meets it within 5 degrees
whether heads are turned up to 30 degrees aside or not at all, half of all gazes within 5 in yaw and 3 in pitch, and the
medians of both eyes agree.
"""
IRIS_GAIN = 0.7
"""How far the iris moves away from the corners, as the iris network sees it, of how far it does.

The network draws the iris towards the middle and the corners after the iris. Of irises pasted elsewhere into twelve faces
it saw 0.54 of the distance; of circles fitted to 1,090 irises in portraits 0.88, to which the drift of the corners adds.
"""
MAX_GAZE_TURN = 45.0
"""Degrees between the face's forward axis and the line to the camera, beyond which an eye is hidden and gaze unknown."""
OPEN_RATIO = 0.30
"""Aspect ratio of an open eye: the median of 692 portraits is 0.32, their quartiles are 0.29 and 0.35."""
CLOSED_RATIO = 0.08
"""Aspect ratio of a closed eye: 0.04 to 0.08 in videos; the points of the two lids never quite meet."""
CLOSED_OPENNESS = 0.2
"""Openness up to which an eye counts as closed: the 80% of PERCLOS."""


@dataclass(frozen=True)
class Gaze:
    """The direction in which a person looks."""

    yaw: float
    """Degrees, positive to the image's right."""
    pitch: float
    """Degrees, positive up."""

    @property
    def direction(self) -> np.ndarray:
        """``(3,)`` unit vector in the camera's axes; its first two entries draw as an arrow in the image."""
        yaw, pitch = math.radians(self.yaw), math.radians(self.pitch)
        return np.array([math.sin(yaw) * math.cos(pitch), -math.sin(pitch), -math.cos(yaw) * math.cos(pitch)])


_CORNERS = np.array([[CANONICAL_FACE[eye.outer], CANONICAL_FACE[eye.inner]] for eye in EYES]).mean(axis=1)
_EYEBALLS = _CORNERS + np.array(
    [(side * EYEBALL_OUTWARDS, EYEBALL_UP, -EYEBALL_BACK) for side in (-1, 1)]  # in the order of EYES
)


def estimate_gaze(face: FaceLandmarks, pose: HeadPose, camera: Camera) -> Gaze | None:
    """Where the eyes look, the mean of both weighted by how wide they are seen.

    The pose places the corners of the eyes and the eyeballs; how far the iris lies from the corners is what was seen.

    Args:
        face: landmarks with irises.
        pose: of the head, from the same landmarks.
        camera: that the pose was found with.

    Returns:
        The direction, or None where the irises were not looked for, both eyes are closed or the face is turned away.
    """
    facing = pose.rotation[:, 2] @ -pose.position / np.linalg.norm(pose.position)
    if face.eyes is None or facing < math.cos(math.radians(MAX_GAZE_TURN)):
        return None
    outer, inner, iris = face.eyes.contours[:, 0], face.eyes.contours[:, 8], face.eyes.irises[:, 0]
    widths = np.linalg.norm(outer - inner, axis=1) * (eye_openness(face.eyes) > CLOSED_OPENNESS)
    if not widths.sum() > 0:
        return None
    aside = (iris - (outer + inner) / 2) / IRIS_GAIN
    sight = camera.rays(camera.project(pose.in_camera(_CORNERS)) + aside)
    eyeballs = pose.in_camera(_EYEBALLS)
    # From the eyeball's centre to where the line of sight is nearest, and from there back to the eyeball's front.
    nearest = sight * np.sum(sight * eyeballs, axis=1, keepdims=True) - eyeballs
    distance = np.linalg.norm(nearest, axis=1, keepdims=True)
    nearest *= np.minimum(1, EYEBALL_RADIUS / np.maximum(distance, 1e-9))  # an iris beyond the eyeball's rim is on it
    directions = nearest - sight * np.sqrt(EYEBALL_RADIUS**2 - np.minimum(distance, EYEBALL_RADIUS) ** 2)
    return Gaze(*angles_of(widths @ directions))


def eye_aspect_ratios(eyes: EyeLandmarks) -> np.ndarray:
    """``(2,) float64`` height by width of the right and the left eye; 0 where an eye has no width.

    The lids are those of the iris network: those among the 468 points hardly fall when eyes close. An eye seen from the
    side measures higher, by up to a fifth at 30 degrees.
    """
    outer, inner = eyes.contours[:, 0], eyes.contours[:, 8]
    width = np.linalg.norm(outer - inner, axis=1)
    height = np.linalg.norm(eyes.contours[:, [11, 13]] - eyes.contours[:, [3, 5]], axis=2).mean(axis=1)
    return np.divide(height, width, out=np.zeros(len(EYES)), where=width > 0)


def eye_openness(eyes: EyeLandmarks, open_ratio: float = OPEN_RATIO) -> np.ndarray:
    """How far the right and the left eye are open: ``(2,) float64``, 0 for closed lids and 1 for the open eye.

    Args:
        eyes: as the iris network found them.
        open_ratio: aspect ratio of this person's open eyes, such as the median of :func:`eye_aspect_ratios` while they
            look at the corners of the screen; people in general if left out.

    Raises:
        ValueError: an open ratio that is not above that of closed eyes.
    """
    if not open_ratio > CLOSED_RATIO:
        raise ValueError(f"the aspect ratio of open eyes must be above {CLOSED_RATIO}, got {open_ratio}")
    return np.clip((eye_aspect_ratios(eyes) - CLOSED_RATIO) / (open_ratio - CLOSED_RATIO), 0, 1)
