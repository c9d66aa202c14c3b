"""Probabilities that don't flicker: an exponential moving average in time.

The average is of the line through the samples, not of the samples: with weights that fall by 1/e per time constant, taken
over the signal interpolated between frames (``EMA_lin`` in Eckner 2012, "Algorithms for Unevenly Spaced Time Series: Moving
Averages and Other Rolling Operators", sec. 2). It therefore means the same at every frame rate, even where frames come at
uneven intervals, and noise that alternates from frame to frame cancels instead of shining through.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TIME_CONSTANT_SECONDS = 0.622
"""Long enough for the curves of one step at 10 and at 30 frames a second to lie within 5% of its height, and short enough
for a step from one sure answer to another to change the label within 0.5 s at any rate from 8 up."""
MAX_GAP_CONSTANTS = 3.0
"""In time constants. After a longer gap less than 5% of the past would be left, and what lay between is not known."""


@dataclass(frozen=True)
class _Average:
    value: np.ndarray
    sample: np.ndarray
    timestamp: float


class Smoother:
    """Averages one vector over time, such as the probabilities of one person.

    Args:
        time_constant: seconds over which the weight of a sample falls to 1/e; 0 leaves every vector as it is. It may be
            changed at any time.

    Example:
        >>> smoother = Smoother(time_constant=0.5)
        >>> smoother.update(np.array([1.0, 0.0]), 0.0).tolist()
        [1.0, 0.0]
        >>> smoother.update(np.array([0.0, 1.0]), 0.5).round(2).tolist()
        [0.63, 0.37]
    """

    def __init__(self, time_constant: float = TIME_CONSTANT_SECONDS) -> None:
        self.time_constant = time_constant
        self._average: _Average | None = None

    def update(self, values: np.ndarray, timestamp: float) -> np.ndarray:
        """The smoothed vector after another sample.

        The average starts anew after a gap of :data:`MAX_GAP_CONSTANTS`, when the clock has gone back, or with a vector of
        another length, as after a change of the model.

        Args:
            values: ``(n,)`` floats, such as probabilities.
            timestamp: of the frame, in seconds.

        Returns:
            ``(n,)`` in the type of ``values``; it sums to what they sum to.
        """
        sample = np.array(values, float)
        past, value = self._average, sample
        if past is not None and past.value.shape == sample.shape:
            step = timestamp - past.timestamp
            if 0 <= step < MAX_GAP_CONSTANTS * self.time_constant:
                value = self._follow(past, sample, step)
        self._average = _Average(value, sample, timestamp)
        return value.astype(values.dtype)

    def _follow(self, past: _Average, sample: np.ndarray, step: float) -> np.ndarray:
        if step == 0:
            return past.value
        kept = np.exp(-step / self.time_constant)
        mean_kept = (1 - kept) * self.time_constant / step
        return kept * past.value + (mean_kept - kept) * past.sample + (1 - mean_kept) * sample
