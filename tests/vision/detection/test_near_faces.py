"""Boxes of a quick look lie where those of the look at the whole frame did."""

import numpy as np
import pytest

from fer_core.results import BoundingBox, FaceDetection
from fer_core.vision.detection.near_faces import NearFaceGate

FRAME = np.zeros((480, 640, 3), np.uint8)


def at(x: float, width: float = 160.0) -> FaceDetection:
    return FaceDetection(BoundingBox(x, 100, width, width), 0.9)


def smaller(found: FaceDetection) -> FaceDetection:
    """As another detector draws it: smaller by a tenth, further to the right and lower."""
    box = found.box
    return FaceDetection(BoundingBox(box.x + 12, box.y + 16, 0.9 * box.width, 0.9 * box.height), 0.8)


def test_each_persons_difference_is_undone_where_they_have_gone_meanwhile():
    look = NearFaceGate()
    assert look.record_full_detection(FRAME, [at(50), at(400, 150)], 1.0)
    look.compare([smaller(at(50)), at(400, 150)])
    redrawn = look.record_near_detection([smaller(at(70)), at(390, 150)])
    for found, expected in zip(redrawn, (at(70), at(390, 150)), strict=True):
        box, wanted = found.box, expected.box
        assert (box.x, box.y, box.width, box.height) == pytest.approx(
            (wanted.x, wanted.y, wanted.width, wanted.height), abs=0.5
        )


def test_a_quick_look_is_enough_for_a_third_of_a_second_and_for_near_people_alone():
    look = NearFaceGate()
    assert look.required_faces(FRAME, 0.0) == 0, "before the first look"
    look.record_full_detection(FRAME, [at(50), at(400)], 1.0)
    assert [look.required_faces(FRAME, time) for time in (1.0, 1.2, 1.3, 0.9)] == [2, 2, 0, 0]
    assert not look.record_full_detection(FRAME, [at(50), at(400, 60)], 2.0)
    assert look.required_faces(FRAME, 2.1) == 0
    look.record_full_detection(FRAME, [], 3.0)
    assert look.required_faces(FRAME, 3.1) == 0, "where nobody is the whole frame is searched"


def test_someone_at_the_border_of_near_does_not_go_to_and_fro():
    look = NearFaceGate()
    look.record_full_detection(FRAME, [at(50, 129)], 1.0)
    look.record_near_detection([at(50, 120)])
    assert look.required_faces(FRAME, 1.1) == 1
    look.record_full_detection(FRAME, [at(50, 120)], 1.2)
    assert look.required_faces(FRAME, 1.25) == 0
