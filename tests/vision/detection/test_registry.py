"""Every detector finds the astronaut wherever and however large she is, and stands any frame."""

import numpy as np
import pytest

from fer_core.errors import ModelError
from fer_core.results import BoundingBox, FaceDetection
from fer_core.vision import DEFAULT_DETECTOR, DETECTORS, FaceDetector, FaceFraming, create_detector
from fer_core.vision.detection import registry
from fer_core.vision.detection.haar import HaarDetector
from fer_core.vision.detection.registry import COMPARED_DETECTORS, FallbackDetector, RegisteredDetector
from tests.vision.detection.scenes import ASTRONAUT_FACE, moved, on_grey, scaled


@pytest.fixture(scope="module", params=[*DETECTORS, "blazeface-full"])
def detector(request: pytest.FixtureRequest) -> FaceDetector:
    return create_detector(request.param)


def assert_close(box: BoundingBox, expected: BoundingBox, within: float) -> None:
    """Every edge within a share of the box's width."""
    found, wanted = (np.array([b.x, b.y, b.x + b.width, b.y + b.height]) for b in (box, expected))
    assert np.abs(found - wanted).max() <= within * expected.width, f"{box} is not {expected}"


# Crop x, y, side and score on the astronaut, recorded once and judged by eye: each shows her face from brow to chin.
RECORDED = {
    "blazeface": (161.9, 52.0, 125.3, 0.878),
    "blazeface-front": (169.1, 63.0, 112.0, 0.923),
    "blazeface-full": (164.9, 55.3, 123.2, 0.941),
    "haar": (174.7, 64.2, 101.6, 1.0),
}


def test_the_face_is_found_once_and_its_crop_is_framed_as_in_fer2013(
    detector: FaceDetector, astronaut: np.ndarray
) -> None:
    (found,) = detector.detect(astronaut)
    crop = detector.framing.crop_box(found.box)
    x, y, side, score = RECORDED[detector.name]
    assert (crop.x, crop.y, crop.width, crop.height) == pytest.approx((x, y, side, side), abs=1)
    assert found.score == pytest.approx(score, abs=0.02)


def test_a_frame_twice_as_large_gives_a_box_twice_as_large(detector: FaceDetector, astronaut: np.ndarray) -> None:
    (found,), (larger,) = detector.detect(astronaut), detector.detect(scaled(astronaut, 2))
    assert_close(larger.box, moved(found.box, 0, 0, 2), within=0.09)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (700, 512), (513, 517)])
def test_the_box_moves_with_the_face_in_frames_of_any_shape(
    detector: FaceDetector, astronaut: np.ndarray, width: int, height: int
) -> None:
    (found,) = detector.detect(astronaut)
    x, y = (width - 512) // 2 + 10, (height - 512) // 2 + 5
    shifted = [d for d in detector.detect(on_grey(astronaut, width, height, x, y)) if d.box.width > 50]
    assert len(shifted) == 1
    assert_close(shifted[0].box, moved(found.box, x, y), within=0.15)


def test_two_faces_are_both_found_the_larger_first(detector: FaceDetector, astronaut: np.ndarray) -> None:
    face = astronaut[:230, 110:340]
    scene = on_grey(scaled(face, 0.7), 450, 300, 10, 60)
    scene[10:240, 200:430] = face
    large, small = (detector.framing.crop_box(d.box) for d in detector.detect(scene))
    assert large.intersection_over_union(moved(ASTRONAUT_FACE, 200 - 110, 10)) > 0.65
    assert small.intersection_over_union(moved(ASTRONAUT_FACE, 10 - 77, 60, 0.7)) > 0.65


def test_a_face_in_a_photo_4000_px_wide_is_found(detector: FaceDetector, astronaut: np.ndarray) -> None:
    photo = scaled(astronaut, 8)[:3000, :4000]
    crops = [detector.framing.crop_box(d.box) for d in detector.detect(photo)]
    assert max(crop.intersection_over_union(moved(ASTRONAUT_FACE, 0, 0, 8)) for crop in crops) > 0.65


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 4000), (4000, 1), (2, 3), (19, 700), (480, 640)])
def test_a_frame_without_a_face_gives_an_empty_list(detector: FaceDetector, height: int, width: int) -> None:
    assert detector.detect(np.full((height, width, 3), 90, np.uint8)) == []


def test_mirrored_and_sliced_frames_need_no_copy_by_the_caller(detector: FaceDetector, astronaut: np.ndarray) -> None:
    for view in (astronaut[:, ::-1], astronaut[::-1][::-1], astronaut[:400, 50:450]):
        found = [detection.box for detection in detector.detect(view)]
        assert found == [detection.box for detection in detector.detect(np.ascontiguousarray(view))]
        assert len(found) >= 1


def test_the_frame_is_left_as_it_was(detector: FaceDetector, astronaut: np.ndarray) -> None:
    frame = astronaut.copy()
    detector.detect(frame)
    np.testing.assert_array_equal(frame, astronaut)


@pytest.mark.parametrize(
    "frame", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3)), None]
)
def test_a_frame_of_another_kind_is_refused_with_what_was_expected(
    detector: FaceDetector, frame: np.ndarray | None
) -> None:
    frame = np.zeros((0, 9, 3), np.uint8) if frame is None else frame
    with pytest.raises(ValueError, match=r"expected a BGR frame of shape \(H, W, 3\) uint8, got"):
        detector.detect(frame)


def test_every_registered_detector_knows_its_own_name_and_title(detector: FaceDetector) -> None:
    assert (DETECTORS | COMPARED_DETECTORS)[detector.name].title == detector.title


def test_the_default_detector_is_blazeface() -> None:
    assert create_detector().name == DEFAULT_DETECTOR == "blazeface"


class Finds:
    """Finds what it was made with, and counts how often it was asked."""

    def __init__(self, framing: FaceFraming, *boxes: BoundingBox) -> None:
        self.name = self.title = "finds"
        self.framing, self.boxes, self.looks = framing, boxes, 0

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        self.looks += 1
        return [FaceDetection(box, 0.6, np.full((6, 2), 7, np.float32)) for box in self.boxes]


WHOLE, INNER = FaceFraming(0, 0, 1, 1), FaceFraming(0.1, 0.2, 0.9, 1.0)


def test_a_second_look_is_taken_only_where_the_first_found_nothing(astronaut: np.ndarray) -> None:
    box = BoundingBox(10, 20, 30, 30)
    second = Finds(WHOLE, BoundingBox(0, 0, 5, 5))
    assert [d.box for d in FallbackDetector("a", "A", Finds(WHOLE, box), second).detect(astronaut)] == [box]
    assert second.looks == 0


def test_what_the_second_look_finds_is_boxed_as_the_first_would_box_it(astronaut: np.ndarray) -> None:
    pair = FallbackDetector("a", "A", Finds(INNER), Finds(WHOLE, BoundingBox(100, 50, 80, 80)))
    (found,) = pair.detect(astronaut)
    assert (found.box.x, found.box.y, found.box.width, found.box.height) == pytest.approx((108, 66, 64, 64))
    crop = pair.framing.crop_box(found.box)
    assert (crop.x, crop.y, crop.width) == pytest.approx((100, 50, 80))
    assert found.score == 0.6
    assert (found.key_points == 7).all()


def test_the_default_looks_with_the_back_and_then_with_the_full_range_network(
    monkeypatch: pytest.MonkeyPatch, astronaut: np.ndarray
) -> None:
    looks = {"back": Finds(WHOLE), "full": Finds(WHOLE, BoundingBox(1, 2, 3, 3))}
    monkeypatch.setattr(registry, "BlazeFaceDetector", lambda variant, num_threads: looks[variant])
    assert [d.box for d in create_detector().detect(astronaut)] == [BoundingBox(1, 2, 3, 3)]
    assert looks["back"].looks == looks["full"].looks == 1


def test_an_unknown_detector_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ModelError, match=r"no face detector 'mtcn'.*blazeface, blazeface-front, haar"):
        create_detector("mtcn")


def test_a_new_detector_is_one_class_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Whole:
        name, title, framing = "whole", "Whole frame", HaarDetector.framing

        def detect(self, frame: np.ndarray) -> list[FaceDetection]:
            return [FaceDetection(BoundingBox(0, 0, frame.shape[1], frame.shape[0]), 1.0)]

    monkeypatch.setitem(DETECTORS, "whole", RegisteredDetector(Whole.title, lambda num_threads: Whole()))
    assert create_detector("whole").detect(np.zeros((4, 5, 3), np.uint8))[0].box == BoundingBox(0, 0, 5, 4)
