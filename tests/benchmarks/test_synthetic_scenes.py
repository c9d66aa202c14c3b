"""Measuring a detector's framing gives back what is known of the detector."""

import cv2
import numpy as np
import pytest
import skimage.data

from benchmarks.synthetic_scenes import SCENE_GREY, FramingMeasurement, measure_framing
from fer_core.results import BoundingBox, FaceDetection
from fer_core.vision import DETECTORS, FaceFraming, create_detector

WHITE_FACES = np.full((5, 48, 48), 255, np.uint8)


class PastedSquareDetector:
    """Finds the pasted white square and draws its box at known fractions of it."""

    name = "pasted-square"
    title = "Pasted square"

    def __init__(self, drawn: FaceFraming, framing: FaceFraming | None = None, misses: int = 0) -> None:
        self.drawn = drawn
        self.framing = framing or drawn
        self.misses = misses
        self.places: set[tuple[int, int]] = set()

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        x, y, width, height = cv2.boundingRect((frame[:, :, 0] > SCENE_GREY).astype(np.uint8))
        self.places.add((x, y))
        if len(self.places) <= self.misses:
            return []
        f = self.drawn
        box = BoundingBox(
            x + f.left * width, y + f.top * height, (f.right - f.left) * width, (f.bottom - f.top) * height
        )
        elsewhere = BoundingBox(x - 2 * width, y, width, height)
        return [FaceDetection(elsewhere, 1.0), FaceDetection(box, 1.0)]


def edges(framing: FaceFraming) -> tuple[float, float, float, float]:
    return framing.left, framing.top, framing.right, framing.bottom


@pytest.mark.parametrize("face_pixels", [96, 192])
def test_the_fractions_of_a_known_detector_are_recovered(face_pixels: int) -> None:
    known = FaceFraming(0.125, 0.25, 0.875, 1.0)
    measured = measure_framing(PastedSquareDetector(known), WHITE_FACES, face_pixels)
    assert edges(measured.framing) == pytest.approx(edges(known))
    assert measured.recall == 1
    assert measured.crop_overlap == pytest.approx(1)


def test_a_detector_with_the_wrong_framing_has_crops_that_miss_the_frame() -> None:
    wrong = PastedSquareDetector(FaceFraming(0, 0, 1, 1), framing=FaceFraming(0, 0, 0.5, 0.5))
    assert measure_framing(wrong, WHITE_FACES).crop_overlap == pytest.approx(0.25)


def test_one_box_out_of_line_does_not_move_the_fractions() -> None:
    class OnceWrong(PastedSquareDetector):
        def detect(self, frame: np.ndarray) -> list[FaceDetection]:
            self.drawn = FaceFraming(0.4, 0.4, 0.6, 0.6) if not self.places else self.framing
            return super().detect(frame)

    known = FaceFraming(0.125, 0.25, 0.875, 1.0)
    assert edges(measure_framing(OnceWrong(known), WHITE_FACES).framing) == pytest.approx(edges(known))


def test_the_scene_around_the_face_is_mid_grey_and_of_the_size_asked_for() -> None:
    class Recorder(PastedSquareDetector):
        def detect(self, frame: np.ndarray) -> list[FaceDetection]:
            assert frame.shape == (300, 400, 3)
            assert set(np.unique(frame)) == {128, 255}
            return super().detect(frame)

    assert measure_framing(Recorder(FaceFraming(0, 0, 1, 1)), WHITE_FACES, scene_size=(400, 300)).recall == 1


def test_a_face_as_high_as_the_scene_fits() -> None:
    assert measure_framing(PastedSquareDetector(FaceFraming(0, 0, 1, 1)), WHITE_FACES, face_pixels=480).recall == 1


def test_missed_faces_lower_the_recall_and_nothing_else() -> None:
    known = FaceFraming(0, 0, 1, 1)
    measured = measure_framing(PastedSquareDetector(known, misses=2), WHITE_FACES)
    assert measured == FramingMeasurement(known, recall=3 / 5, crop_overlap=1.0)


def test_a_detector_that_finds_nothing_has_no_framing() -> None:
    measured = measure_framing(PastedSquareDetector(FaceFraming(0, 0, 1, 1), misses=5), WHITE_FACES)
    assert measured.recall == 0
    assert np.isnan(edges(measured.framing)).all()
    assert np.isnan(measured.crop_overlap)


def test_a_box_beside_the_face_does_not_count_as_found() -> None:
    assert measure_framing(PastedSquareDetector(FaceFraming(1.0, 0, 2.0, 1)), WHITE_FACES).recall == 0


def test_faces_are_pasted_at_different_places_the_same_for_the_same_seed() -> None:
    first, again, other = (PastedSquareDetector(FaceFraming(0, 0, 1, 1)) for _ in range(3))
    for detector, seed in ((first, 0), (again, 0), (other, 1)):
        measure_framing(detector, WHITE_FACES, seed=seed)
    assert len(first.places) == len(WHITE_FACES)
    assert first.places == again.places != other.places


def test_a_face_larger_than_the_scene_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 480 px"):
        measure_framing(PastedSquareDetector(FaceFraming(0, 0, 1, 1)), WHITE_FACES, face_pixels=481)


@pytest.mark.parametrize("name", list(DETECTORS))
def test_real_detectors_frame_a_pasted_face_about_as_their_constants_say(name: str) -> None:
    astronaut = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY)
    face = cv2.resize(astronaut[58:176, 165:283], (48, 48), interpolation=cv2.INTER_AREA)
    measured = measure_framing(create_detector(name), np.stack([face, face[:, ::-1], face]), face_pixels=200)
    assert measured.recall == 1
    assert measured.crop_overlap > 0.7
