"""Crops are turned where the eyes say so, and left alone where they do not."""

import math

import cv2
import numpy as np
import pytest
import skimage.data

from fer_core.results import BoundingBox, FaceDetection
from fer_core.vision import create_detector
from fer_core.vision.crops import ALIGNED_FROM, aligned_rolls, crop_faces


def detection(roll: float) -> FaceDetection:
    points = np.zeros((6, 2), np.float32)
    points[1] = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    return FaceDetection(BoundingBox(0, 0, 9, 9), 1.0, points)


def test_only_rolls_beyond_the_threshold_are_undone() -> None:
    rolls = [0, ALIGNED_FROM - 0.1, ALIGNED_FROM + 0.1, -ALIGNED_FROM + 0.1, -40, 120]
    assert aligned_rolls(map(detection, rolls)) == pytest.approx([0, 0, ALIGNED_FROM + 0.1, 0, -40, 120], abs=1e-4)


def test_a_face_whose_eyes_nobody_found_is_left_as_it_is() -> None:
    assert aligned_rolls([FaceDetection(BoundingBox(0, 0, 9, 9), 1.0)]) == [0.0]


@pytest.mark.parametrize("roll", [-20, 20])
def test_the_rolled_astronaut_is_cropped_as_if_she_were_upright(roll: float) -> None:
    frame, detector = np.ascontiguousarray(skimage.data.astronaut()[..., ::-1]), create_detector()
    turned = cv2.warpAffine(frame, cv2.getRotationMatrix2D((224, 115), -roll, 1), (512, 512))
    crops = []
    for picture in (frame, turned):
        found = detector.detect(picture)[:1]
        crops += [*crop_faces(picture, [detector.framing.crop_box(found[0].box)], 48, aligned_rolls(found))]
    plain = crop_faces(turned, [detector.framing.crop_box(found[0].box)], 48)[0]
    likeness = [np.corrcoef(crops[0].ravel(), other.ravel())[0, 1] for other in (crops[1], plain)]
    assert likeness[0] > 0.75
    assert likeness[1] < 0.5
