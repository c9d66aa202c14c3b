"""A face to find, and the default detector."""

import cv2
import numpy as np
import pytest
import skimage.data

from fer_core.vision import FaceDetector, create_detector


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)


@pytest.fixture(scope="module")
def blazeface() -> FaceDetector:
    return create_detector("blazeface")
