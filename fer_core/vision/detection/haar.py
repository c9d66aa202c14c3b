"""OpenCV's Haar cascade (Viola and Jones 2001)."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

import cv2
import numpy as np
from cv2.data import haarcascades

from fer_core.errors import ModelError
from fer_core.results import BoundingBox, FaceDetection
from fer_core.vision.detection.base import check_frame, largest_first
from fer_core.vision.framing import FaceFraming


class HaarDetector:
    """OpenCV's frontal-face cascade (Viola & Jones 2001; trained by Rainer Lienhart).

    Args:
        max_side: frames whose longer side exceeds this many pixels are shrunk to it first, which bounds the time.

    Raises:
        ModelError: this OpenCV ships no cascade.
    """

    name = "haar"
    title = "Haar cascade (frontal faces)"
    # Median of the box's edges over 400 FER2013 PublicTest faces, each enlarged to 192 px at a random place of a
    # 640x480 grey scene, as fractions of the face's true frame.
    framing = FaceFraming(0.02, 0.02, 0.98, 0.97)

    def __init__(self, max_side: int = 1280) -> None:
        path = Path(haarcascades, "haarcascade_frontalface_alt2.xml")
        if not path.is_file():
            raise ModelError("This OpenCV has no Haar cascade: install opencv-python-headless below version 5.")
        self._cascade = cv2.CascadeClassifier(str(path))
        self._max_side = max_side
        self._lock = Lock()  # the cascade keeps its image pyramid between calls

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        """See :meth:`FaceDetector.detect`; every score is 1, since the cascade gives none."""
        check_frame(frame)
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        shrink = max(1.0, max(grey.shape) / self._max_side)
        if shrink > 1:
            high, wide = (max(1, round(side / shrink)) for side in grey.shape)
            grey = cv2.resize(grey, (wide, high), interpolation=cv2.INTER_AREA)
        scale_x, scale_y = frame.shape[1] / grey.shape[1], frame.shape[0] / grey.shape[0]
        with self._lock:
            found = self._cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=3, minSize=(30, 30))
        return largest_first(
            FaceDetection(BoundingBox(x * scale_x, y * scale_y, w * scale_x, h * scale_y), 1.0)
            for x, y, w, h in np.asarray(found).reshape(-1, 4).tolist()
        )
