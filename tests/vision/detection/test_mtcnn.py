"""MTCNN is an extra, and what its package answers becomes detections."""

import importlib.util
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from fer_core.errors import ModelError
from fer_core.results import BoundingBox, FaceDetection
from fer_core.vision import DETECTORS, create_detector
from fer_core.vision.detection import mtcnn as mtcnn_module


def test_mtcnn_is_an_extra_and_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install mtcnn lz4"):
        create_detector("mtcnn")
    assert "mtcnn" not in DETECTORS


def test_what_mtcnn_answers_becomes_boxes_and_it_sees_red_before_blue(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cascade:
        def detect_faces(self, image: np.ndarray, fit_to_image: bool, output_type: str) -> np.ndarray:
            assert (image[0, 0].tolist(), fit_to_image, output_type) == ([30, 20, 10], False, "numpy")
            return np.array([[0, 1, 2, 30, 40, 0.9], [0, 5, 6, 50, 60, 0.8], [0, 5, 6, -1, 60, 0.8]])

    monkeypatch.setattr(mtcnn_module, "mtcnn_is_installed", lambda: True)
    monkeypatch.setitem(sys.modules, "mtcnn", SimpleNamespace(MTCNN=Cascade))
    mtcnn = create_detector("mtcnn")
    frame = np.full((100, 100, 3), (10, 20, 30), np.uint8)
    assert mtcnn.detect(frame) == [
        FaceDetection(BoundingBox(5, 6, 50, 60), 0.8),
        FaceDetection(BoundingBox(1, 2, 30, 40), 0.9),
    ]
    assert mtcnn.detect(frame[:19]) == []
