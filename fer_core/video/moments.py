"""The key moments of a video: the largest changes of expression, and the peak of each expression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fer_core.labels import Emotion
from fer_core.results import SURE
from fer_core.video.persons import PersonSeries

CHANGE_SECONDS = 1.0
"""The means over so long before and after a moment are compared."""
APART_SECONDS = 3.0
"""Two changes of one person that are nearer than this are one."""
MIN_CHANGE = 0.25
MAX_CHANGES = 6

_MIN_FRAMES = 2
"""On either side of a change."""


class MomentKind(StrEnum):
    """Why a moment is a key moment."""

    CHANGE = "change"
    PEAK = "peak"


@dataclass(frozen=True)
class KeyMoment:
    """One of them."""

    kind: MomentKind
    time: float
    """Seconds of the video."""
    frame: int
    """Number of the frame in the video."""
    track: int
    """The person's id."""
    emotion: Emotion
    """The one that peaks, or that it changes to."""
    before: Emotion | None
    """The one that it changes from; None of a peak."""
    size: float
    """The probability at a peak; of a change the total variation distance between the means before and after it, half
    the sum of absolute differences. Both in [0, 1]."""

    @property
    def words(self) -> str:
        """``person 2 turns from neutral to happy``, ``person 1 looks most happy: 97%``."""
        if self.kind is MomentKind.PEAK:
            return f"person {self.track} looks most {self.emotion}: {self.size:.0%}"
        if self.before == self.emotion:
            return f"person {self.track} changes within {self.emotion}"
        return f"person {self.track} turns from {self.before} to {self.emotion}"


def key_moments(people: Sequence[PersonSeries], most_changes: int = MAX_CHANGES) -> list[KeyMoment]:
    """The largest changes of anyone and the peak of every emotion that was ever sure, in the order of time."""
    changes = sorted((change for person in people for change in _changes(person)), key=lambda moment: -moment.size)
    return sorted([*changes[:most_changes], *_peaks(people)], key=lambda moment: (moment.time, moment.track))


def _peaks(people: Sequence[PersonSeries]) -> list[KeyMoment]:
    best: dict[Emotion, KeyMoment] = {}
    for person in people:
        for column, emotion in enumerate(person.label_set.emotions):
            at = int(person.probabilities[:, column].argmax())
            size = float(person.probabilities[at, column])
            if size >= SURE and (emotion not in best or size > best[emotion].size):
                time, frame = float(person.times[at]), int(person.frames[at])
                best[emotion] = KeyMoment(MomentKind.PEAK, time, frame, person.track, emotion, None, size)
    return list(best.values())


def _changes(person: PersonSeries) -> list[KeyMoment]:
    """A person's largest changes, the largest of those that are near each other."""
    times, emotions = person.times, person.label_set.emotions
    sums = np.vstack([np.zeros(len(emotions)), np.cumsum(person.probabilities, axis=0, dtype=np.float64)])
    here = np.arange(len(times))
    first = np.searchsorted(times, times - CHANGE_SECONDS)
    last = np.searchsorted(times, times + CHANGE_SECONDS)
    inside = (here - first >= _MIN_FRAMES) & (last - here >= _MIN_FRAMES)
    here, first, last = here[inside], first[inside], last[inside]
    before = (sums[here] - sums[first]) / (here - first)[:, None]
    after = (sums[last] - sums[here]) / (last - here)[:, None]
    sizes = np.abs(after - before).sum(axis=1) / 2
    moments: list[KeyMoment] = []
    for at in np.argsort(-sizes, kind="stable"):
        if sizes[at] < MIN_CHANGE or len(moments) == MAX_CHANGES:
            break
        time = float(times[here[at]])
        if all(abs(time - other.time) >= APART_SECONDS for other in moments):
            old, new = (emotions[int(mean[at].argmax())] for mean in (before, after))
            frame = int(person.frames[here[at]])
            moments.append(KeyMoment(MomentKind.CHANGE, time, frame, person.track, new, old, float(sizes[at])))
    return moments
