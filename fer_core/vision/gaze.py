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
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from fer_core.errors import FerError
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
it saw 0.54 of the way; of circles fitted to 1,090 irises in portraits 0.88, to which the drift of the corners adds.
"""
WIDEST_TURN = 45.0
"""Degrees between the face's forward axis and the line to the camera, beyond which one eye hides and gaze is not told."""

OPEN_RATIO = 0.30
"""Aspect ratio of an open eye: the median of 692 portraits is 0.32, their quartiles are 0.29 and 0.35."""
CLOSED_RATIO = 0.08
"""Aspect ratio of a closed eye: 0.04 to 0.08 in film, the points of the two lids never quite meet."""
CLOSED_OPENNESS = 0.2
"""Openness up to which an eye counts as closed: the 80% of PERCLOS."""

BLINK_BELOW, OPEN_FROM = 0.35, 0.5
"""Openness under which a blink begins and from which it ends. Lids that follow a look down stay at about 0.4."""
LONGEST_BLINK = 0.5
"""Seconds; eyes that are closed for longer sleep or rest (Schleicher et al. 2008 count microsleep from there)."""
PERCLOS_WINDOW = 60
"""Seconds that PERCLOS and the blink rate look back."""
SHORTEST_VIEW = 10.0
"""Seconds within the window in which the eyes must have been seen for a share or a rate to be told."""
LONGEST_STEP = 1.5
"""Seconds between two samples up to which the first is taken to hold; in a longer gap nothing is known."""


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
    if face.eyes is None or facing < math.cos(math.radians(WIDEST_TURN)):
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


@dataclass
class _Second:
    """What was seen within one second of the stream."""

    number: int
    seen: float = 0.0
    closed: float = 0.0
    blinks: int = 0


class BlinkCounter:
    """Blinks and PERCLOS of one person, driven by the timestamps of the frames, whatever their rate.

    Keeps a sum per second of the last minute, so its memory does not grow with the stream.

    Example:
        >>> counter = BlinkCounter()
        >>> for frame in range(600):  # a minute at 10 fps, in which the eyes close for 0.2 s every five seconds
        ...     counter.update(frame / 10, 0.0 if frame % 50 in (20, 21) else 1.0)
        >>> counter.blinks, round(counter.perclos(), 2)
        (12, 0.04)
    """

    def __init__(self) -> None:
        self.blinks = 0
        """Blinks since the beginning."""
        self._seconds: deque[_Second] = deque()
        self._last: tuple[float, float] | None = None  # timestamp and openness of the last sample that counts
        self._closing: float | None = None

    def update(self, timestamp: float, openness: float | None) -> None:
        """Take one sample.

        Args:
            timestamp: seconds from the start of the stream. One that lies before the last begins a new stream: what was
                seen is forgotten, the count of blinks stays.
            openness: mean of both eyes in [0, 1], or None where they were not seen.
        """
        if self._last is not None and timestamp < self._last[0]:
            self._seconds.clear()
            self._last = self._closing = None
        step = timestamp - self._last[0] if self._last is not None else math.inf
        if step > LONGEST_STEP:
            self._last = self._closing = None
        second = self._second(timestamp)
        if self._last is not None:
            second.seen += step
            second.closed += step * (self._last[1] <= CLOSED_OPENNESS)
        if openness is None:
            self._last = self._closing = None
            return
        self._last = timestamp, openness
        if openness < BLINK_BELOW and self._closing is None:
            self._closing = timestamp
        elif openness >= OPEN_FROM and self._closing is not None:
            if timestamp - self._closing <= LONGEST_BLINK:
                self.blinks += 1
                second.blinks += 1
            self._closing = None

    def _second(self, timestamp: float) -> _Second:
        number = math.floor(timestamp)
        if not self._seconds or self._seconds[-1].number != number:
            self._seconds.append(_Second(number))
        while self._seconds[0].number <= number - PERCLOS_WINDOW:
            self._seconds.popleft()
        return self._seconds[-1]

    @property
    def closed_for(self) -> float:
        """Seconds for which the eyes have now been closed or closing; 0 while they are open or not seen."""
        return self._last[0] - self._closing if self._last is not None and self._closing is not None else 0.0

    def perclos(self) -> float | None:
        """Share of the last minute, as far as the eyes were seen, with eyes at least 80% closed.

        Returns:
            The share in [0, 1], or None where they were seen for less than ten seconds.
        """
        seen = sum(second.seen for second in self._seconds)
        return sum(second.closed for second in self._seconds) / seen if seen >= SHORTEST_VIEW else None

    def blinks_per_minute(self) -> float | None:
        """Rate of blinks over the last minute, as far as the eyes were seen; None as in :meth:`perclos`."""
        seen = sum(second.seen for second in self._seconds)
        return 60 * sum(second.blinks for second in self._seconds) / seen if seen >= SHORTEST_VIEW else None


class ScreenCorner(Enum):
    """A corner of the screen: x and y, 0 at the left and the top, 1 at the right and the bottom as the person sees it."""

    TOP_LEFT = (0.0, 0.0)
    TOP_RIGHT = (1.0, 0.0)
    BOTTOM_RIGHT = (1.0, 1.0)
    BOTTOM_LEFT = (0.0, 1.0)

    @property
    def title(self) -> str:
        """Name for people."""
        return self.name.lower().replace("_", " ")


FEWEST_SAMPLES = 5
"""Looks at a corner that a calibration needs: half a second at 10 fps."""
LEAST_TURN = 2.0
"""Degrees that gaze must turn between the left and the right corners, and between the top and the bottom ones."""
LARGEST_MISS = 0.25
"""Of the screen's width or height, by which a fitted corner may be missed at most."""


@dataclass(frozen=True)
class GazeCalibration:
    """An affine map from one person's gaze to the screen."""

    matrix: np.ndarray
    """``(2, 3) float64``: screen x and y from yaw, pitch and 1."""
    miss: float
    """Root mean square distance at the corners, in screen widths and heights."""

    @classmethod
    def fit(cls, samples: Mapping[ScreenCorner, Sequence[Gaze]]) -> GazeCalibration:
        """The least-squares map through the median gaze at each corner, which blinks and glances aside do not move.

        Raises:
            FerError: a corner has too few samples, gaze hardly moved between corners, or the four do not form a screen.
        """
        medians = []
        for corner in ScreenCorner:
            looks = np.array([(gaze.yaw, gaze.pitch) for gaze in samples.get(corner, ())]).reshape(-1, 2)
            looks = looks[np.isfinite(looks).all(axis=1)]
            if len(looks) < FEWEST_SAMPLES:
                raise FerError(
                    f"Eyes were seen {len(looks)} times while looking at the {corner.title} corner, expected at least "
                    f"{FEWEST_SAMPLES}: look at it for two seconds with the face in view."
                )
            medians.append(np.median(looks, axis=0))
        at, seen = np.array([corner.value for corner in ScreenCorner]), np.array(medians)
        across = abs(seen[at[:, 0] == 1, 0].mean() - seen[at[:, 0] == 0, 0].mean())
        down = abs(seen[at[:, 1] == 1, 1].mean() - seen[at[:, 1] == 0, 1].mean())
        if min(across, down) < LEAST_TURN:
            raise FerError(
                f"Gaze turned by {across:.1f} degrees between left and right and by {down:.1f} between top and bottom, "
                f"expected at least {LEAST_TURN:.0f} each: sit nearer to the screen and look right into its corners."
            )
        design = np.column_stack([seen, np.ones(len(seen))])
        matrix = np.linalg.lstsq(design, at, rcond=None)[0].T
        missed = np.abs(design @ matrix.T - at)
        if missed.max() > LARGEST_MISS:
            raise FerError(
                f"The four looks do not form a screen: one corner is missed by {missed.max():.0%} of it, expected at "
                f"most {LARGEST_MISS:.0%}; look at each corner while it is asked for and keep the head still."
            )
        return cls(matrix, float(np.sqrt((missed**2).sum(axis=1).mean())))

    def on_screen(self, gaze: Gaze) -> tuple[float, float]:
        """Screen x and y at which a gaze goes, in [0, 1] on the screen and outside of it beside."""
        x, y = self.matrix @ (gaze.yaw, gaze.pitch, 1.0)
        return float(x), float(y)
