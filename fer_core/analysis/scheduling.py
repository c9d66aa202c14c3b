"""Which people of a stream are read in which frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fer_core.vision.detection.near_faces import EARLY_SECONDS


@dataclass(frozen=True)
class Interval:
    """How often each person is read, if not everyone in every frame."""

    shortest: float
    """Seconds between two readings of one person, at least."""
    longest: float
    """Seconds after which a person is read in any case."""
    per_frame: int
    """People who are read in one frame, apart from those who have waited for ``longest``."""


EVERY_FRAME = Interval(0, 0, 1)
CLASSIFICATION_INTERVAL = Interval(1 / 16, 0.2, 1)
"""Of expression and mask. Scores are averaged over more than half a second, for which sixteen samples a second are as good
as thirty; a frame's time then hardly grows with the number of people."""
ATTRIBUTES_INTERVAL = Interval(0, 0.2, 2)
"""Of landmarks and head pose."""
EYES_INTERVAL = Interval(0, 0.2, 1)
"""Of eyes: a lone person's in every frame, since a blink lasts a tenth of a second."""


class Scheduler:
    """Decides who is read in a frame; people who have waited longest go first.

    Args:
        interval: between readings.

    Example:
        >>> scheduler = Scheduler(Interval(shortest=0, longest=1, per_frame=1))
        >>> [scheduler.due([1, 2, 3], 0.1 * frame) for frame in range(2)]
        [[True, True, True], [True, False, False]]
    """

    def __init__(self, interval: Interval) -> None:
        self._shortest, self._longest = interval.shortest - EARLY_SECONDS, interval.longest - EARLY_SECONDS
        self._per_frame = interval.per_frame
        self._last: dict[int, float] = {}

    def due(self, tracks: Sequence[int], timestamp: float) -> list[bool]:
        """For each person of a frame whether it is their turn; new people are always due."""
        waited = np.array([timestamp - self._last.get(track, -math.inf) for track in tracks])
        waited[waited < 0] = math.inf  # the clock has gone back
        due = waited >= self._longest
        waiting = np.flatnonzero(~due & (waited >= self._shortest))
        places = max(0, self._per_frame - int(due.sum()))
        due[waiting[np.argsort(-waited[waiting], kind="stable")[:places]]] = True
        self._last.update((track, timestamp) for track, mine in zip(tracks, due, strict=True) if mine)
        # Who has waited for the longest time is due like someone new, so that nobody who has left is remembered.
        self._last = {track: then for track, then in self._last.items() if 0 <= timestamp - then < self._longest}
        return due.tolist()
