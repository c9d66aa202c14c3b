"""Fits a person's gaze to the screen from looks at its corners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from fer_core.errors import FerError
from fer_core.vision.gaze import Gaze


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


MIN_SAMPLES = 5
"""Looks at a corner that a calibration needs: half a second at 10 fps."""
MIN_TURN = 2.0
"""Degrees that gaze must turn between the left and the right corners, and between the top and the bottom ones."""
MAX_MISS = 0.25
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
            if len(looks) < MIN_SAMPLES:
                raise FerError(
                    f"Eyes were seen {len(looks)} times while looking at the {corner.title} corner, expected at least "
                    f"{MIN_SAMPLES}: look at it for two seconds with the face in view."
                )
            medians.append(np.median(looks, axis=0))
        at, seen = np.array([corner.value for corner in ScreenCorner]), np.array(medians)
        across = abs(seen[at[:, 0] == 1, 0].mean() - seen[at[:, 0] == 0, 0].mean())
        down = abs(seen[at[:, 1] == 1, 1].mean() - seen[at[:, 1] == 0, 1].mean())
        if min(across, down) < MIN_TURN:
            raise FerError(
                f"Gaze turned by {across:.1f} degrees between left and right and by {down:.1f} between top and bottom, "
                f"expected at least {MIN_TURN:.0f} each: sit nearer to the screen and look right into its corners."
            )
        design = np.column_stack([seen, np.ones(len(seen))])
        matrix = np.linalg.lstsq(design, at, rcond=None)[0].T
        missed = np.abs(design @ matrix.T - at)
        if missed.max() > MAX_MISS:
            raise FerError(
                f"The four looks do not form a screen: one corner is missed by {missed.max():.0%} of it, expected at "
                f"most {MAX_MISS:.0%}; look at each corner while it is asked for and keep the head still."
            )
        return cls(matrix, float(np.sqrt((missed**2).sum(axis=1).mean())))

    def on_screen(self, gaze: Gaze) -> tuple[float, float]:
        """Screen x and y at which a gaze goes, in [0, 1] on the screen and outside of it beside."""
        x, y = self.matrix @ (gaze.yaw, gaze.pitch, 1.0)
        return float(x), float(y)
