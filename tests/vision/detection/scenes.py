"""Scenes with the astronaut in them."""

import cv2
import numpy as np

from fer_core.results import BoundingBox

ASTRONAUT_FACE = BoundingBox(165, 58, 118, 118)
"""The square in which FER2013 would frame the astronaut's face: hairline to chin, set by eye."""


def scaled(image: np.ndarray, factor: float) -> np.ndarray:
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=method)


def on_grey(image: np.ndarray, width: int, height: int, x: int, y: int) -> np.ndarray:
    """The image on a grey scene with its corner at (x, y); what reaches over the scene is cut off."""
    scene = np.full((height + 2000, width + 2000, 3), 128, np.uint8)
    scene[1000 + y : 1000 + y + image.shape[0], 1000 + x : 1000 + x + image.shape[1]] = image
    return np.ascontiguousarray(scene[1000 : 1000 + height, 1000 : 1000 + width])


def moved(box: BoundingBox, x: float, y: float, factor: float = 1) -> BoundingBox:
    return BoundingBox(box.x * factor + x, box.y * factor + y, box.width * factor, box.height * factor)
