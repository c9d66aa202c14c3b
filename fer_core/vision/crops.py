"""Crops faces as FER2013 framed them, for any detector, and turns rolled ones upright.

Every detector draws its own box: a Haar cascade boxes the whole FER2013 frame (the data set was cut with OpenCV's face
detection, Goodfellow et al. 2013), BlazeFace boxes brow to chin. A network trained on FER2013 answers best for crops
framed alike, so each detector carries a :class:`FaceFraming` that says where its box lies within such a frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from fer_core.results import BoundingBox, FaceDetection
from fer_core.vision.framing import FACE_MIDDLE
from fer_core.vision.landmarks import roll_of_eyes


def crop_faces(
    frame: np.ndarray, boxes: Sequence[BoundingBox], size: int, rolls: Sequence[float] | None = None
) -> np.ndarray:
    """Cut boxes out of a frame as grey images of one size.

    Box edges are honoured to fractions of a pixel. Shrinking averages over the area that each output pixel covers, so
    fine texture does not alias; enlarging is bilinear. Beyond the frame's border the nearest pixel is repeated.

    Args:
        frame: ``(H, W, 3) uint8`` BGR.
        boxes: in pixels of the frame, of positive width and height; usually squares of :meth:`FaceFraming.crop_box`.
        size: side of the crops in pixels.
        rolls: per box the degrees by which its head is rolled clockwise; the box is turned as much about the middle of
            the face, so that the crop shows the head upright. Upright if left out.

    Returns:
        ``(len(boxes), size, size) uint8`` grey (ITU-R BT.601 luma, as OpenCV converts BGR).

    Raises:
        ValueError: a box without area.
    """
    crops = np.empty((len(boxes), size, size), np.uint8)
    for crop, box, roll in zip(crops, boxes, rolls or [0.0] * len(boxes), strict=True):
        if not (box.width > 0 and box.height > 0):
            raise ValueError(f"a crop needs a box of positive width and height, got {box}")
        if roll:
            crop[:] = _turned_crop(frame, box, size, roll)
            continue
        columns, across = _resampling(box.x, box.width, frame.shape[1], size)
        rows, down = _resampling(box.y, box.height, frame.shape[0], size)
        grey = cv2.cvtColor(frame[rows, columns], cv2.COLOR_BGR2GRAY).astype(np.float32)
        np.rint(down @ grey @ across.T, out=crop, casting="unsafe")
    return crops


def _turned_crop(frame: np.ndarray, box: BoundingBox, size: int, roll: float) -> np.ndarray:
    """The ``(size, size) uint8`` grey crop of one box that is turned about the middle of its face."""
    # Cut in pixels about as large as the frame's, then averaged, since a turn by itself would skip pixels.
    cells = max(1, round(max(box.width, box.height) / size))
    step_x, step_y = box.width / (size * cells), box.height / (size * cells)
    cosine, sine = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    turn = np.array([[cosine, -sine], [sine, cosine]])
    middle = np.array([box.width, box.height]) * FACE_MIDDLE
    affine = np.empty((2, 3))
    affine[:, :2] = turn * (step_x, step_y)
    # To indices of the frame's pixels, whose centres lie half a pixel on, from indices of the crop's.
    affine[:, 2] = (box.x, box.y) + middle + turn @ ((step_x / 2, step_y / 2) - middle) - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    wide = (size * cells, size * cells)
    turned = cv2.warpAffine(frame, affine, wide, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(cv2.cvtColor(turned, cv2.COLOR_BGR2GRAY), (size, size), interpolation=cv2.INTER_AREA)


def _resampling(start: float, length: float, available: int, size: int) -> tuple[slice, np.ndarray]:
    """The source pixels along one axis that a crop needs, and their weights.

    Args:
        start: near edge of the box in pixels; pixel ``j`` covers ``[j, j + 1]``.
        length: length of the box in pixels, positive.
        available: pixels the frame has along the axis.
        size: pixels wanted.

    Returns:
        The slice of source pixels and ``(size, len(slice)) float32`` weights, each row summing to one.
    """
    # One pixel more on either side for bilinear; at least one pixel where the box lies beyond the border.
    first = min(max(math.floor(start) - 1, 0), available - 1)
    last = min(max(math.ceil(start + length) + 1, first + 1), available)
    pixels = np.arange(last - first)
    step = length / size
    if step > 1:
        edges = start - first + step * np.arange(size + 1)
        # How much of each pixel lies before each edge. The outermost pixels have no end, which repeats the border.
        covered = edges[:, None] - pixels
        np.maximum(covered[:, 1:], 0, out=covered[:, 1:])
        np.minimum(covered[:, :-1], 1, out=covered[:, :-1])
        weights = np.diff(covered, axis=0) / step
    else:
        centres = np.clip(start - first + step * (np.arange(size) + 0.5) - 0.5, 0, pixels[-1])
        weights = np.maximum(1 - np.abs(centres[:, None] - pixels), 0)
    return slice(first, last), weights.astype(np.float32)


ALIGNED_FROM = 15.0
"""Degrees of roll above which a crop is turned: as far as training turns faces (``Recipe.augmentation``), and of 0 to 40 the
one that answers most of 1,000 PublicTest faces right, pasted upright and rolled by 15 and 30 degrees to either side."""


def aligned_rolls(detections: Iterable[FaceDetection]) -> list[float]:
    """By how much to turn each crop, for :func:`fer_core.vision.crops.crop_faces`.

    Returns:
        Per face the degrees in [-180, 180] by which its eyes are rolled clockwise; 0 where that is at most
        :data:`ALIGNED_FROM` or the detector finds no eyes.
    """
    rolls = [
        0.0 if found.key_points is None else roll_of_eyes(found.key_points[0], found.key_points[1])
        for found in detections
    ]
    return [roll if abs(roll) > ALIGNED_FROM else 0.0 for roll in rolls]
