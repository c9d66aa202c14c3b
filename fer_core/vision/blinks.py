"""Counts blinks and measures how long eyes are closed."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from fer_core.vision.gaze import CLOSED_OPENNESS

BLINK_BELOW, OPEN_FROM = 0.35, 0.5
"""Openness under which a blink begins and from which it ends. Lids that follow a look down stay at about 0.4."""
MAX_BLINK_SECONDS = 0.5
"""Seconds; eyes that are closed for longer sleep or rest (Schleicher et al. 2008 count microsleep from there)."""
PERCLOS_WINDOW = 60
"""Seconds of the window of PERCLOS and the blink rate."""
MIN_SEEN_SECONDS = 10.0
"""Seconds within the window in which the eyes must have been seen for a share or a rate to be given."""
BLINK_MAX_STEP = 1.5
"""Seconds between two samples up to which the first is taken to hold; in a longer gap nothing is known."""


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
        if step > BLINK_MAX_STEP:
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
            if timestamp - self._closing <= MAX_BLINK_SECONDS:
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
        return sum(second.closed for second in self._seconds) / seen if seen >= MIN_SEEN_SECONDS else None

    def blinks_per_minute(self) -> float | None:
        """Rate of blinks over the last minute, as far as the eyes were seen; None as in :meth:`perclos`."""
        seen = sum(second.seen for second in self._seconds)
        return 60 * sum(second.blinks for second in self._seconds) / seen if seen >= MIN_SEEN_SECONDS else None
