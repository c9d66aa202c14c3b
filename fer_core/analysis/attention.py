"""Whether a person attends to the screen: a guess from where head and eyes are turned, and from closed eyes.

The head alone makes up some 70% of a turn of gaze and shows whom people look at nine times in ten (Stiefelhagen & Zhu 2002,
"Head orientation and gaze direction in meetings", CHI 2002 extended abstracts, pp. 858-859). Angles are to the line between
head and camera, and in pitch to what this person does while roughly frontal. Left and right are those of the image as it
is given: in a mirrored one, as in a mirror, "looking left" is towards the person's own left, in any other their own right.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from fer_core.analysis.smoothing import Smoother
from fer_core.vision.blinks import BLINK_BELOW, BLINK_MAX_STEP, MAX_BLINK_SECONDS
from fer_core.vision.gaze import CLOSED_OPENNESS, Gaze

if TYPE_CHECKING:
    from fer_core.vision.head_pose import HeadPose

NOTICE = (
    "Attention is a guess from how head and eyes are turned and whether the eyes are open. It does not tell what someone "
    "thinks, hears or feels: people listen while they look away, and look at a screen while their mind is elsewhere. "
    "In the European Union it is prohibited to infer emotions of people at work and in education, save for medical or "
    "safety reasons (Regulation (EU) 2024/1689, Article 5(1)(f)). Wherever emotion recognition may be used, the people "
    "before the camera must be told (Article 50(3))."
)
"""What a page says before attention starts."""


class Attention(StrEnum):
    """What a person does; left and right are the image's."""

    ATTENDING = "attending"
    LEFT = "looking left"
    RIGHT = "looking right"
    UP = "looking up"
    DOWN = "looking down"
    EYES_CLOSED = "eyes closed"
    ABSENT = "absent"


HEAD_SHARE = 0.7
"""Of a turn of gaze that the head makes, the rest being the eyes': 69% on average (Stiefelhagen & Zhu 2002)."""
GAZE_WEIGHT = 0.5
"""Of the measured gaze against the one that the head stands for. Half of the measured ones are off by more than 5 degrees
in yaw and 3 in pitch, about as much as heads mislead."""

YAW_BEYOND, YAW_WITHIN = 30.0, 22.0
"""Degrees to the side from which on a person looks away, and under which they are back. From arm's length the edge of a
27-inch screen is at 25, a second screen beside it at 40 and more."""
PITCH_BEYOND, PITCH_WITHIN = 25.0, 18.0
"""The same angles up or down. A laptop's lower edge is 13 below its screen's middle, a phone in the hand 35 or more."""
MAX_TURN_SHARE = 1.5
"""Angles are clipped to this multiple of the angle for looking away, since smoothing would prolong large turns."""
SMOOTHING_SECONDS = 0.15
"""Time constant of the angles; what jitters from frame to frame goes, a glance stays as long as it was."""

MEDIAN_HEAD_PITCH, MEDIAN_GAZE_PITCH = -6.0, 0.0
"""Degrees at which a head and a gaze face the camera until the person's own are known: the medians of 692 portraits."""
LEARNING_SECONDS = 60.0
"""Time constant with which a person's own pitch is learnt, from moments within the angles of someone who is back."""
MAX_NEUTRAL_SHIFT = 10.0
"""Degrees from the median that a person's own pitch may be, however long they read below the screen."""
MAX_BEND = 30.0
"""Degrees by which a head is bent down beyond which its lids hide open eyes from the camera."""
MAX_GLANCE_SECONDS = 0.7
"""Seconds for which a glance elsewhere, or back, leaves the state as it is."""
CLOSED_AFTER = 1.0
"""Seconds of closed eyes after which they count, twice the longest blink."""
ABSENT_AFTER = 2.0
"""Seconds without the face after which the person is absent."""
STRIP_SECONDS = 60.0
"""Seconds for which intervals are kept."""


@dataclass(frozen=True)
class AttentionInterval:
    """A stretch of time in one state."""

    start: float
    """Seconds of the stream."""
    end: float
    state: Attention


class AttentionWatch:
    """The attention of one person, driven by the timestamps of the frames, whatever their rate.

    A state counts once it has lasted (:data:`MAX_GLANCE_SECONDS`, :data:`CLOSED_AFTER`, :data:`ABSENT_AFTER`); intervals,
    shares and totals then date it from when it began. The first state of someone counts at once. Memory does not grow with
    the stream.
    """

    def __init__(self) -> None:
        self._start_anew()

    def _start_anew(self) -> None:
        self._angles = Smoother(SMOOTHING_SECONDS)
        self._head_neutral, self._gaze_neutral = MEDIAN_HEAD_PITCH, MEDIAN_GAZE_PITCH
        self._updated: float | None = None
        self._seen: float | None = None
        self._state, self._state_since = Attention.ABSENT, 0.0
        self._looks, self._looks_since = Attention.ATTENDING, 0.0  # as this frame has it, glances included
        self._shut, self._lids_since = False, 0.0  # as this frame has it, blinks included
        self._intervals: deque[AttentionInterval] = deque()
        self._totals = dict.fromkeys(Attention, 0.0)

    def update(
        self, timestamp: float, pose: HeadPose | None, gaze: Gaze | None = None, openness: float | None = None
    ) -> Attention:
        """Take one frame.

        Args:
            timestamp: seconds from the start of the stream. One that lies before the last begins a new stream: all that
                is known of the person is forgotten.
            pose: of the head, or None where the face was not seen.
            gaze: to the camera's axis as the pose, or None where it is not known: then the head counts alone.
            openness: mean of both eyes in [0, 1], or None where they were not seen, which counts as open.

        Returns:
            The state from now on.
        """
        if self._updated is not None and timestamp < self._updated:
            self._start_anew()
        if self._updated is None:
            self._state_since = timestamp
        self._updated = timestamp
        if self._seen is not None and timestamp - self._seen >= ABSENT_AFTER:
            self._enter(Attention.ABSENT, self._seen)
        if pose is None:
            return self._state
        if self._state is Attention.ABSENT:
            self._looks, self._shut = Attention.ATTENDING, False
            self._looks_since = self._lids_since = timestamp
        self._watch_lids(timestamp, pose, openness)
        self._watch_direction(timestamp, pose, gaze)
        self._seen = timestamp
        if self._state is Attention.ABSENT:
            self._enter(self._looks, timestamp)
        elif self._shut:
            if timestamp - self._lids_since >= CLOSED_AFTER:
                self._enter(Attention.EYES_CLOSED, self._lids_since)
        elif self._state is Attention.EYES_CLOSED:
            if timestamp - self._lids_since >= MAX_BLINK_SECONDS:
                self._enter(self._looks, self._lids_since)
        elif timestamp - self._looks_since >= MAX_GLANCE_SECONDS:
            self._enter(self._looks, self._looks_since)
        return self._state

    def _watch_lids(self, timestamp: float, pose: HeadPose, openness: float | None) -> None:
        bent = self._head_neutral - (pose.pitch - pose.towards_camera()[1])
        shut = openness is not None and openness <= (BLINK_BELOW if self._shut else CLOSED_OPENNESS)
        if bent > MAX_BEND and self._state is not Attention.EYES_CLOSED:
            shut = False
        if shut != self._shut:
            self._shut, self._lids_since = shut, timestamp

    def _watch_direction(self, timestamp: float, pose: HeadPose, gaze: Gaze | None) -> None:
        camera_yaw, camera_pitch = pose.towards_camera()
        yaw, head_pitch = (pose.yaw - camera_yaw) / HEAD_SHARE, pose.pitch - camera_pitch
        pitch = (head_pitch - self._head_neutral) / HEAD_SHARE
        gaze_pitch = None
        if gaze is not None:
            gaze_pitch = gaze.pitch - camera_pitch
            yaw += GAZE_WEIGHT * (gaze.yaw - camera_yaw - yaw)
            pitch += GAZE_WEIGHT * (gaze_pitch - self._gaze_neutral - pitch)
        furthest = MAX_TURN_SHARE * np.array([YAW_BEYOND, PITCH_BEYOND])
        yaw, pitch = self._angles.update(np.clip([yaw, pitch], -furthest, furthest), timestamp).tolist()
        looks = self._look(yaw, pitch)
        if looks != self._looks:
            self._looks, self._looks_since = looks, timestamp
        if abs(yaw) < YAW_WITHIN and abs(pitch) < PITCH_WITHIN and not self._shut and self._seen is not None:
            rate = 1 - math.exp(-min(timestamp - self._seen, BLINK_MAX_STEP) / LEARNING_SECONDS)
            self._head_neutral = _learn(self._head_neutral, head_pitch, rate, MEDIAN_HEAD_PITCH)
            if gaze_pitch is not None:
                self._gaze_neutral = _learn(self._gaze_neutral, gaze_pitch, rate, MEDIAN_GAZE_PITCH)

    def _look(self, yaw: float, pitch: float) -> Attention:
        """The direction of these angles; the last direction is left only within the smaller angles (hysteresis)."""
        ways = {
            Attention.LEFT: (-yaw, YAW_BEYOND, YAW_WITHIN),
            Attention.RIGHT: (yaw, YAW_BEYOND, YAW_WITHIN),
            Attention.UP: (pitch, PITCH_BEYOND, PITCH_WITHIN),
            Attention.DOWN: (-pitch, PITCH_BEYOND, PITCH_WITHIN),
        }
        far = {way: angle / (within if way is self._looks else beyond) for way, (angle, beyond, within) in ways.items()}
        furthest = max(far, key=lambda way: far[way])
        return furthest if far[furthest] >= 1 else Attention.ATTENDING

    def _enter(self, state: Attention, start: float) -> None:
        if state is self._state:
            return
        if start > self._state_since:
            self._totals[self._state] += start - self._state_since
            self._intervals.append(AttentionInterval(self._state_since, start, self._state))
        while self._intervals and self._intervals[0].end < start - STRIP_SECONDS:
            self._intervals.popleft()
        self._state, self._state_since = state, start

    def state_at(self, now: float) -> Attention:
        """The state at a moment after the last update, from which on nothing was seen."""
        gone = self._seen is None or now - self._seen >= ABSENT_AFTER
        return Attention.ABSENT if gone else self._state

    def _latest(self, now: float) -> list[AttentionInterval]:
        """The interval that goes on, and the absence that followed if no frame came since."""
        if self._updated is None:
            return []
        interval = AttentionInterval(self._state_since, now, self._state)
        if self._seen is None or self.state_at(now) is self._state:
            return [interval]
        return [replace(interval, end=self._seen), AttentionInterval(self._seen, now, Attention.ABSENT)]

    def intervals(self, now: float, seconds: float = STRIP_SECONDS) -> list[AttentionInterval]:
        """The states of the last so many seconds, :data:`STRIP_SECONDS` at most, in order and without gaps.

        Args:
            now: seconds of the stream, not before the last update.
            seconds: to look back.
        """
        since = now - min(seconds, STRIP_SECONDS)
        clipped = (
            replace(interval, start=max(interval.start, since)) for interval in (*self._intervals, *self._latest(now))
        )
        return [interval for interval in clipped if interval.end > interval.start]

    def shares(self, now: float, seconds: float = STRIP_SECONDS) -> dict[Attention, float]:
        """Share of each state in what :meth:`intervals` returns, in [0, 1], summing to one; all 0 before any time passed."""
        shares = _sums(self.intervals(now, seconds))
        total = sum(shares.values())
        return {state: share / total if total else 0.0 for state, share in shares.items()}

    def totals(self, now: float) -> dict[Attention, float]:
        """Seconds in each state since the stream began."""
        latest = _sums(self._latest(now))
        return {state: seconds + latest[state] for state, seconds in self._totals.items()}


def _learn(neutral: float, seen: float, rate: float, median: float) -> float:
    learnt = neutral + rate * (seen - neutral)
    return min(max(learnt, median - MAX_NEUTRAL_SHIFT), median + MAX_NEUTRAL_SHIFT)


def _sums(intervals: list[AttentionInterval]) -> dict[Attention, float]:
    sums = dict.fromkeys(Attention, 0.0)
    for interval in intervals:
        sums[interval.state] += interval.end - interval.start
    return sums
