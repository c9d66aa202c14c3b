"""The Haar cascade finds boxes alone."""

import numpy as np

from fer_core.vision import create_detector


def test_detectors_without_key_points_say_so(astronaut: np.ndarray) -> None:
    assert [found.key_points for found in create_detector("haar").detect(astronaut)] == [None]
