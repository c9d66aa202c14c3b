"""What every face detector offers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from fer_core.results import FaceDetection
from fer_core.vision.framing import FaceFraming


class FaceDetector(Protocol):
    """What finds faces in a frame. An instance may be shared between threads."""

    name: str
    """Short name, the key in ``DETECTORS``."""
    title: str
    """Name for people."""
    framing: FaceFraming
    """Where the boxes lie in a FER2013 face."""

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        """Find every face.

        Args:
            frame: ``(H, W, 3) uint8`` BGR of any size from 1x1.

        Returns:
            Faces, largest box first (every detector knows sizes, not every one knows confidence) and equally large ones
            by score; empty if there is none. Boxes are in pixels of the frame and may reach over its border.

        Raises:
            ValueError: the frame has another shape or type.
        """
        ...


def check_frame(frame: np.ndarray) -> None:
    """Raise :class:`ValueError` for anything but an ``(H, W, 3) uint8`` frame with pixels."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise ValueError(f"expected a BGR frame of shape (H, W, 3) uint8, got {frame.shape} {frame.dtype}")


def largest_first(detections: Iterable[FaceDetection]) -> list[FaceDetection]:
    """The detections by area of their box, equally large ones by score, in falling order."""
    return sorted(detections, key=lambda detection: (detection.box.area, detection.score), reverse=True)
