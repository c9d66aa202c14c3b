"""MTCNN (Zhang et al. 2016), where its package is installed."""

from __future__ import annotations

import importlib
import importlib.util
from threading import Lock

import cv2
import numpy as np

from fer_core.errors import ModelError
from fer_core.results import BoundingBox, FaceDetection
from fer_core.vision.detection.base import check_frame, largest_first
from fer_core.vision.framing import FaceFraming


class MtcnnDetector:
    """MTCNN (Zhang et al. 2016, arXiv:1604.02878) of the optional package ``mtcnn``, with the package's thresholds.

    For comparison only: it brings TensorFlow into the process and takes many times the default's time.

    Raises:
        ModelError: the package is not installed.
    """

    name = "mtcnn"
    title = "MTCNN"
    # Median of the box's edges over 400 FER2013 PublicTest faces, each enlarged to 192 px at a random place of a
    # 640x480 grey scene, as fractions of the face's true frame.
    framing = FaceFraming(0.09, -0.02, 0.89, 1.03)

    def __init__(self) -> None:
        if not mtcnn_is_installed():
            raise ModelError("MTCNN is an extra that is not installed: get it with 'pip install mtcnn lz4'.")
        self._cascade = importlib.import_module("mtcnn").MTCNN()
        self._lock = Lock()  # Keras promises nothing about threads

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        """See :meth:`FaceDetector.detect`; scores are those of its last network."""
        check_frame(frame)
        if min(frame.shape[:2]) < MTCNN_MIN_FACE:  # its image pyramid would be empty, at which it fails
            return []
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        with self._lock:
            rows = self._cascade.detect_faces(rgb, fit_to_image=False, output_type="numpy")
        return largest_first(
            FaceDetection(BoundingBox(x, y, width, height), score)
            for x, y, width, height, score in np.asarray(rows, float)[:, 1:6].tolist()
            if width > 0 and height > 0
        )


MTCNN_MIN_FACE = 20
"""Side in pixels of the smallest face that the package looks for by default (``min_face_size``)."""


def mtcnn_is_installed() -> bool:
    """Whether the optional package is there; nothing is loaded."""
    return importlib.util.find_spec("mtcnn") is not None
