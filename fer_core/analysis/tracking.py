"""Which face of this frame is which of the last: ids that stay with people through crossings and short absences.

Tracking by detection as in SORT (Bewley et al. 2016, arXiv:1602.00763): a Kalman filter per person foresees where the
face will be, and the Hungarian method pairs forecasts with the boxes that were found. It differs from SORT in what a
live stream needs:

- Time is in seconds, not frames. Velocities follow an Ornstein-Uhlenbeck process (Uhlenbeck & Ornstein 1930, Phys. Rev.
  36, 823), whose mean and covariance are exact over a step of any length, so that frames may come at any rate and with
  gaps. A person out of sight coasts to a halt within a second, where constant velocity would run off (the drift that
  OC-SORT is about, Cao et al. 2023, arXiv:2203.14360).
- Lengths are in widths of the face, so that near and far people are judged alike.
- A pair costs its negative log-likelihood. Its tail is Student's t, since heads are moved abruptly now and then and a
  face without a rival should keep its id then.
- Where the grey crops are given, the similarity of the faces is a second cost, as in DeepSORT (Wojke et al. 2017,
  arXiv:1703.07402). Instead of a network, it is the Bhattacharyya coefficient of grey-level histograms (Comaniciu et al.
  2003, IEEE TPAMI 25(5)), one per cell of a 3x3 grid: motion alone does not show whether people
  cross or turn back.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.optimize import linear_sum_assignment

from fer_core.results import BoundingBox

MAX_UNSEEN_SECONDS = 1.5
MAX_GAP_SECONDS = 3.0
"""A longer pause between two frames is a cut to another scene, or a seek: everyone in it is new."""
MAX_STEP_BACK_SECONDS = 0.5
"""Frames out of order; a clock that goes further back has begun another clip."""
MISSED_FRAMES = 2
"""Absence is seen in at least so many frames, however far apart: one lost detection ends no one's track."""

SPEED = np.array([1.5, 1.5, 0.5])
"""Standard deviation of a face's velocity: across and down in widths per second, and of the logarithm of its size."""
SPEED_SECONDS = 0.5
"""Time in which a velocity is forgotten: its autocorrelation falls to 1/e."""
TRACK_JITTER = 0.04
"""Standard deviation of a detector's box about the face: centre in widths, and logarithm of the size."""
TAIL = 8.0
"""Degrees of freedom of Student's t over a pair's distance."""
UNLIKENESS = 0.02
"""Mean of one minus the Bhattacharyya coefficient between two crops of one person, which differ in expression."""
MAX_UNLIKENESS = 6.0
"""Most that appearance may cost: a hand before the face changes it more than another person would."""
SAME_APPEARANCE = 3.0
"""What the appearance of anyone costs on the average; less speaks for the same person, more against it."""
APPEARANCE_SECONDS = 1.0
"""Time constant of the moving average of a person's appearance."""
BESIDE = 0.9
"""Two faces closer than this, in widths across and down, may be on each other's crops, which are not learnt from."""
MAX_PAIR_COST = 7.0
"""A pair that costs more is two people: the box starts a new track."""

GRID, LEVELS = 3, 8
"""Cells a side and grey levels of the histograms."""
DEVIATIONS = 2.0
"""Grey levels are spread over so many standard deviations to either side of the mean."""
APPEARANCE_PIXELS = 24
"""Pixels a side that are counted, at least: a crop has more than its histograms need."""


_TRACK = np.dtype(
    [
        ("id", np.int64),
        ("place", float, 3),  # centre in pixels, logarithm of the size
        ("speed", float, 3),  # of the same, per second
        # Variance of the place, its covariance with the speed, variance of the speed; lengths in widths of the face.
        ("spread", float, (3, 3)),
        ("unseen", float),  # seconds since the face was last found
        ("missed", np.int64),  # frames since then
        ("seen", np.int64),  # frames in which it was found
        ("appearance", float, GRID * GRID * LEVELS),  # mean histograms; zeros before the first crop
    ]
)


class FaceTracker:
    """Gives the faces of one stream ids that stay with people.

    Memory and time depend on how many people were seen in the last seconds, never on the length of the stream. A tracker
    belongs to one stream and is not to be used from two threads at once.

    Args:
        max_unseen: seconds out of sight after which a track ends; who comes back later is given a new id.

    Example:
        >>> tracker = FaceTracker()
        >>> tracker.update([BoundingBox(10, 10, 50, 50), BoundingBox(200, 10, 60, 60)], 0.0)
        [1, 2]
        >>> tracker.update([BoundingBox(202, 11, 60, 60)], 0.1)
        [2]
        >>> tracker.update([], 1.55), tracker.ended, tracker.update([], 1.7), tracker.ended
        ([], (1,), [], (2,))
    """

    def __init__(self, max_unseen: float = MAX_UNSEEN_SECONDS) -> None:
        self.max_unseen = max_unseen
        self.ended: tuple[int, ...] = ()
        """Ids whose tracks ended with the latest update: what is remembered of them can be dropped."""
        self._tracks = np.zeros(0, _TRACK)
        self._next_id = 1
        self._timestamp = 0.0

    @property
    def alive(self) -> tuple[int, ...]:
        """Ids of everyone who is tracked, in sight or not."""
        return tuple(self._tracks["id"].tolist())

    def update(self, boxes: Sequence[BoundingBox], timestamp: float, crops: np.ndarray | None = None) -> list[int]:
        """Take note of the faces of the next frame, also of one without faces.

        A timestamp slightly before the last one counts as the same moment. One far before or after it, or one that is
        not a finite number, begins a new clip: every track ends and the boxes start new ones.

        Args:
            boxes: of the faces, of positive width and height, in pixels; the detector's or framed as in FER2013, but
                the same throughout.
            timestamp: seconds on any clock.
            crops: ``(len(boxes), S, S) uint8`` grey, crops of the same faces, which distinguish people who cross.

        Returns:
            One id per box, in their order. Ids count from 1 and are never used again.

        Raises:
            ValueError: a box without area or with edges that are no numbers, or crops of another shape.
        """
        places = _places(boxes)
        appearances = None if crops is None else appearance(crops)
        if appearances is not None and len(appearances) != len(places):
            raise ValueError(f"expected one crop for each of {len(places)} boxes, got {len(appearances)}")
        step, self._timestamp = timestamp - self._timestamp, timestamp
        tracks, known = self._tracks, self._tracks["id"]
        if not -MAX_STEP_BACK_SECONDS <= step <= MAX_GAP_SECONDS:  # also where it is not a number
            tracks = tracks[:0]
        step = max(step, 0.0) if len(tracks) else 0.0
        _predict(tracks, step)
        owners, faces = _pairs(tracks, places, appearances)
        _correct(tracks, owners, places[faces])
        if appearances is not None:
            clear = _unoccluded(places, tracks["place"][tracks["missed"] > 0])[faces]
            _update_appearances(tracks, owners[clear], appearances[faces[clear]], step)

        ids = np.zeros(len(places), np.int64)
        ids[faces] = tracks["id"][owners]
        new = np.flatnonzero(ids == 0)
        ids[new] = np.arange(self._next_id, self._next_id + len(new))
        self._next_id += len(new)
        gone = (tracks["unseen"] > self.max_unseen) & (tracks["missed"] >= MISSED_FRAMES)
        self._tracks = np.concatenate(
            [tracks[~gone], _begin(ids[new], places[new], None if appearances is None else appearances[new])]
        )
        self.ended = tuple(sorted({*known.tolist()} - {*self.alive}))
        return ids.tolist()


def _places(boxes: Sequence[BoundingBox]) -> np.ndarray:
    """``(N, 3)`` centres in pixels and logarithms of the size, the geometric mean of width and height."""
    edges = np.array([(box.x, box.y, box.width, box.height) for box in boxes], float).reshape(-1, 4)
    sides = edges[:, 2:]
    if not (np.isfinite(edges).all() and (sides > 0).all()):
        raise ValueError("a face to track needs a box of finite edges and of positive width and height")
    return np.column_stack([edges[:, :2] + sides / 2, np.log(sides).mean(axis=1)])


def _scale(places: np.ndarray) -> np.ndarray:
    """``(N, 3)`` what one unit of distance is in: pixels of the face's own size across and down, and 1 for the size."""
    sizes = np.exp(places[:, 2])
    return np.column_stack([sizes, sizes, np.ones_like(sizes)])


def _begin(ids: np.ndarray, places: np.ndarray, appearances: np.ndarray | None) -> np.ndarray:
    tracks = np.zeros(len(ids), _TRACK)
    tracks["id"], tracks["place"], tracks["seen"] = ids, places, 1
    tracks["spread"][:, 0], tracks["spread"][:, 2] = TRACK_JITTER**2, SPEED**2
    if appearances is not None:
        tracks["appearance"] = appearances
    return tracks


def _predict(tracks: np.ndarray, step: float) -> None:
    """Move every track on by so many seconds, as integrated Ornstein-Uhlenbeck motion does."""
    h = step / SPEED_SECONDS
    decay = np.exp(-h)
    reach = SPEED_SECONDS * (1 - decay)
    place, mixed, speed = tracks["spread"].swapaxes(0, 1)
    tracks["place"] += reach * tracks["speed"]
    tracks["speed"] *= decay
    place += 2 * reach * mixed + reach**2 * speed + (SPEED * SPEED_SECONDS) ** 2 * (2 * h - 3 + 4 * decay - decay**2)
    mixed[:] = decay * (mixed + reach * speed) + SPEED**2 * SPEED_SECONDS * (1 - decay) ** 2
    speed[:] = decay**2 * speed + SPEED**2 * (1 - decay**2)
    tracks["unseen"] += step
    tracks["missed"] += 1


def _pairs(tracks: np.ndarray, places: np.ndarray, appearances: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the tracks and of the faces that are theirs, the likeliest pairing of all."""
    variance = tracks["spread"][:, 0] + TRACK_JITTER**2
    away = (places - tracks["place"][:, None]) / _scale(tracks["place"])[:, None]
    distance = (away**2 / variance[:, None]).sum(axis=2)
    cost = (TAIL + 3) / 2 * np.log1p(distance / TAIL) + np.log(variance).sum(axis=1)[:, None] / 2
    if appearances is not None:
        unlikeness = 1 - np.sqrt(tracks["appearance"]) @ np.sqrt(appearances).T
        strangeness = np.minimum(unlikeness / UNLIKENESS, MAX_UNLIKENESS) - SAME_APPEARANCE
        known = tracks["appearance"].sum(axis=1, keepdims=True) > 0
        cost += np.where(known, strangeness, 0.0)
    worth = np.maximum(MAX_PAIR_COST - cost, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    paired = worth[rows, columns] > 0
    return rows[paired], columns[paired]


def _correct(tracks: np.ndarray, owners: np.ndarray, places: np.ndarray) -> None:
    """Bring tracks in line with where their faces were found."""
    old = tracks[owners]
    place, mixed, speed = old["spread"].swapaxes(0, 1)
    variance = place + TRACK_JITTER**2
    away = places - old["place"]
    old["place"] += place / variance * away
    old["speed"] += mixed / variance * away
    speed -= mixed**2 / variance
    mixed *= TRACK_JITTER**2 / variance
    place *= TRACK_JITTER**2 / variance
    old["unseen"], old["missed"] = 0.0, 0
    old["seen"] += 1
    tracks[owners] = old


def _unoccluded(places: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """``(N,) bool`` faces with no other face beside them, in sight or foreseen, that might be on their crops."""
    others = np.concatenate([places, hidden])
    sizes = np.exp(others[:, 2])
    reach = BESIDE * (sizes[: len(places), None] + sizes) / 2
    beside = (np.abs(places[:, None, :2] - others[:, :2]) < reach[..., None]).all(axis=2)
    return beside.sum(axis=1) == 1  # each is beside itself


def _update_appearances(tracks: np.ndarray, owners: np.ndarray, appearances: np.ndarray, step: float) -> None:
    """Let the appearance of tracks follow what they look like now."""
    known = tracks["appearance"][owners]
    share = np.maximum(1 / tracks["seen"][owners], 1 - np.exp(-step / APPEARANCE_SECONDS))
    share[~known.any(axis=1)] = 1.0
    tracks["appearance"][owners] = known + share[:, None] * (appearances - known)


@cache
def _cells(side: int) -> np.ndarray:
    """``(side, side)`` the number of the first bin of each pixel's cell."""
    cell = np.arange(side) * GRID // side
    return (cell[:, None] * GRID + cell) * LEVELS


def appearance(crops: np.ndarray) -> np.ndarray:
    """Histograms of grey levels in a grid of cells, the same for a brighter or flatter picture.

    Args:
        crops: ``(N, S, S) uint8`` grey.

    Returns:
        ``(N, 576 / 8) float`` shares of the pixels, each row summing to one.

    Raises:
        ValueError: crops of another shape.
    """
    if crops.ndim != 3 or crops.shape[1] != crops.shape[2]:
        raise ValueError(f"expected square grey crops (N, S, S), got {crops.shape}")
    stride = max(1, crops.shape[1] // APPEARANCE_PIXELS)
    pixels = crops[:, ::stride, ::stride].astype(np.float32)
    count, side = pixels.shape[:2]
    pixels -= pixels.mean(axis=(1, 2), keepdims=True)
    pixels *= (LEVELS - 1) / 2 / (DEVIATIONS * np.maximum(pixels.std(axis=(1, 2), keepdims=True), 1.0))
    # A level between two bins counts for both, so that noise does not carry pixels from one to the next.
    level = np.clip(pixels + (LEVELS - 1) / 2, 0, LEVELS - 1.001)
    below = level.astype(np.int64)
    share = level - below
    below += _cells(side) + np.arange(count)[:, None, None] * (GRID * GRID * LEVELS)
    size = count * GRID * GRID * LEVELS
    counts = np.bincount(below.ravel(), (1 - share).ravel(), size)
    counts += np.bincount(below.ravel() + 1, share.ravel(), size)
    return counts.reshape(count, GRID * GRID * LEVELS) / side**2
