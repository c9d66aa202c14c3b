"""Every detector finds the astronaut wherever and however large she is, and stands any frame."""

import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage.data

from fer_core.errors import ModelError
from fer_core.results import BoundingBox, FaceDetection
from fer_core.vision import DEFAULT_DETECTOR, DETECTORS, FaceDetector, FaceFraming, create_detector, litert
from fer_core.vision.detection import blazeface as detectors
from fer_core.vision.detection import mtcnn as mtcnn_module
from fer_core.vision.detection import registry
from fer_core.vision.detection.haar import HaarDetector
from fer_core.vision.detection.registry import COMPARED_DETECTORS, FallbackDetector, RegisteredDetector
from fer_core.vision.landmarks import LandmarkReader

ASTRONAUT_FACE = BoundingBox(165, 58, 118, 118)
"""The square in which FER2013 would frame the astronaut's face: hairline to chin, set by eye."""


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)


@pytest.fixture(scope="module", params=[*DETECTORS, "blazeface-full"])
def detector(request: pytest.FixtureRequest) -> FaceDetector:
    return create_detector(request.param)


@pytest.fixture(scope="module")
def blazeface() -> FaceDetector:
    return create_detector("blazeface")


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


NOSE_TIP, LIPS = 4, [13, 14]  # of the 468 landmarks


@pytest.mark.parametrize("name", ["blazeface", "blazeface-full"])
def test_key_points_lie_where_the_landmark_network_sees_them(name: str, astronaut: np.ndarray) -> None:
    frame = on_grey(astronaut, 640, 420, 100, -20)  # letterboxed, so that the canvas has an offset
    blazeface = create_detector(name)
    (found,) = blazeface.detect(frame)
    (face,) = LandmarkReader().read(frame, [blazeface.framing.crop_box(found.box)])
    expected = [*face.eyes.irises[:, 0], face.points[NOSE_TIP, :2], face.points[LIPS, :2].mean(axis=0)]
    assert (found.key_points.shape, found.key_points.dtype) == ((6, 2), np.float32)
    assert np.linalg.norm(found.key_points[:4] - expected, axis=1).max() < 0.05 * found.box.width


def test_a_mirrored_frame_mirrors_the_key_points_and_swaps_right_and_left(
    blazeface: FaceDetector, astronaut: np.ndarray
) -> None:
    (found,), (mirrored,) = blazeface.detect(astronaut), blazeface.detect(astronaut[:, ::-1])
    swapped = mirrored.key_points[[1, 0, 2, 3, 5, 4]] * (-1, 1) + (astronaut.shape[1], 0)
    assert np.abs(swapped - found.key_points).max() < 0.05 * found.box.width


def test_detectors_without_key_points_say_so(astronaut: np.ndarray) -> None:
    assert [found.key_points for found in create_detector("haar").detect(astronaut)] == [None]


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


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_a_face_partly_over_the_border_is_still_found(
    blazeface: FaceDetector, astronaut: np.ndarray, side: str
) -> None:
    x = {"left": -195, "right": 640 - 250}.get(side, 50)
    y = {"top": -90, "bottom": 480 - 160}.get(side, -20)
    scene = on_grey(astronaut, 640, 480, x, y)
    found = blazeface.detect(scene)
    expected = moved(ASTRONAUT_FACE, x, y)
    assert max(blazeface.framing.crop_box(d.box).intersection_over_union(expected) for d in found) > 0.5


def test_a_face_in_a_photo_4000_px_wide_is_found(detector: FaceDetector, astronaut: np.ndarray) -> None:
    photo = scaled(astronaut, 8)[:3000, :4000]
    crops = [detector.framing.crop_box(d.box) for d in detector.detect(photo)]
    assert max(crop.intersection_over_union(moved(ASTRONAUT_FACE, 0, 0, 8)) for crop in crops) > 0.65


def test_small_faces_in_a_large_photo_are_not_lost_to_aliasing(blazeface: FaceDetector, astronaut: np.ndarray) -> None:
    photo = on_grey(scaled(astronaut, 3), 4000, 1536, 1200, 0)  # the face comes to 22 px of the network's input
    noise = np.random.default_rng(0).normal(0, 60, photo.shape)
    (found,) = blazeface.detect(np.clip(photo + noise, 0, 255).astype(np.uint8))
    expected = moved(ASTRONAUT_FACE, 1200, 0, 3)
    assert blazeface.framing.crop_box(found.box).intersection_over_union(expected) > 0.6


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


def test_one_instance_serves_many_threads(blazeface: FaceDetector, astronaut: np.ndarray) -> None:
    frames = [on_grey(scaled(astronaut, factor), 640, 480, 30, 0) for factor in (0.6, 0.7, 0.8, 0.9)] * 6
    alone = [blazeface.detect(frame) for frame in frames]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(blazeface.detect, frames))
    assert together == alone
    assert all(alone)


@pytest.mark.parametrize(
    "frame", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3)), None]
)
def test_a_frame_of_another_kind_is_refused_with_what_was_expected(
    detector: FaceDetector, frame: np.ndarray | None
) -> None:
    frame = np.zeros((0, 9, 3), np.uint8) if frame is None else frame
    with pytest.raises(ValueError, match=r"expected a BGR frame of shape \(H, W, 3\) uint8, got"):
        detector.detect(frame)


def test_a_face_below_the_score_asked_for_is_not_reported(astronaut: np.ndarray) -> None:
    assert detectors.BlazeFaceDetector("back", min_score=0.95).detect(astronaut) == []


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


def test_an_unknown_detector_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ModelError, match=r"no face detector 'mtcn'.*blazeface, blazeface-front, haar"):
        create_detector("mtcn")


def test_without_the_model_files_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(litert, "ARTIFACTS", tmp_path)
    with pytest.raises(ModelError, match=r"mediapipe/.*\.tflite is missing: install fer_core again"):
        create_detector("blazeface")


def test_a_new_detector_is_one_class_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Whole:
        name, title, framing = "whole", "Whole frame", HaarDetector.framing

        def detect(self, frame: np.ndarray) -> list[FaceDetection]:
            return [FaceDetection(BoundingBox(0, 0, frame.shape[1], frame.shape[0]), 1.0)]

    monkeypatch.setitem(DETECTORS, "whole", RegisteredDetector(Whole.title, lambda num_threads: Whole()))
    assert create_detector("whole").detect(np.zeros((4, 5, 3), np.uint8))[0].box == BoundingBox(0, 0, 5, 4)


def test_anchors_sit_in_the_middle_of_their_cells_row_by_row() -> None:
    anchors = detectors.anchor_centres(256, 256, ((16, 2), (32, 6)))
    assert anchors.shape == (896, 2)
    assert anchors.dtype == np.float32
    np.testing.assert_array_equal(anchors[[0, 1, 2, 32, 511]], [[8, 8], [8, 8], [24, 8], [8, 24], [248, 248]])
    np.testing.assert_array_equal(anchors[[512, 517, 518, 895]], [[16, 16], [16, 16], [48, 16], [240, 240]])


@pytest.mark.parametrize("variant", detectors.BLAZEFACE_VARIANTS.values(), ids=lambda v: v.name)
def test_every_blazeface_network_has_896_anchors_and_the_full_range_one_2304(
    variant: detectors.BlazeFaceVariant,
) -> None:
    side = variant.input_size
    expected = 2304 if variant.name == "blazeface-full" else 896
    assert len(detectors.anchor_centres(side, side, variant.anchor_layers)) == expected


def test_anchors_of_a_wide_input_are_the_first_rows_of_the_square_ones() -> None:
    wide = detectors.anchor_centres(64, 32, ((16, 2), (32, 6)))
    square = detectors.anchor_centres(64, 64, ((16, 2), (32, 6)))
    np.testing.assert_array_equal(wide, np.concatenate([square[:16], square[32:44]]))


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (1280, 720), (2000, 20), (1, 1)])
def test_the_network_sees_no_more_strides_than_the_frame_reaches_into(width: int, height: int) -> None:
    detector = detectors.BlazeFaceDetector()
    detector.detect(np.zeros((height, width, 3), np.uint8))
    expected = {(640, 480): (192, 256), (480, 640): (256, 192), (1280, 720): (160, 256), (2000, 20): (32, 256)}
    assert detector._canvas.shape[:2] == expected.get((width, height), (256, 256))


def test_a_box_and_key_points_are_their_anchor_plus_the_predicted_offsets() -> None:
    regressors = np.zeros((1, 16), np.float32)
    regressors[0, :6] = 3, -5, 20, 10, -2, 1
    faces = detectors.decode_faces(regressors, np.array([[40, 60]], np.float32))
    np.testing.assert_array_equal(faces, [[33, 50, 53, 60, 38, 61, *[40, 60] * 5]])


def test_sigmoid_stands_any_logit_without_a_warning() -> None:
    with np.errstate(all="raise"):
        values = detectors.sigmoid(np.array([-1e4, -2, 0, 2, 1e4], np.float32))
    assert values == pytest.approx([0, 0.1192029, 0.5, 0.8807971, 1], abs=1e-6)
    assert values.dtype == np.float32


def test_overlapping_boxes_merge_into_their_mean_weighted_by_score() -> None:
    corners = np.array([[100, 100, 110, 110], [2, 0, 12, 10], [0, 0, 10, 10]], np.float32)
    merged, scores = detectors.weighted_suppression(corners, np.array([0.5, 0.3, 0.9], np.float32), 0.3)
    assert merged == pytest.approx(np.array([[0.5, 0, 10.5, 10], [100, 100, 110, 110]]))
    np.testing.assert_allclose(scores, [0.9, 0.5])


def test_key_points_merge_as_their_boxes_do() -> None:
    faces = np.array([[2, 0, 12, 10, 8, 4], [0, 0, 10, 10, 4, 4], [50, 50, 60, 60, 55, 55]], np.float32)
    merged, _ = detectors.weighted_suppression(faces, np.array([0.3, 0.9, 0.5], np.float32), 0.3)
    assert merged[:, 4:] == pytest.approx(np.array([[5, 4], [55, 55]]))


def test_boxes_that_overlap_less_than_the_limit_stay_two_faces() -> None:
    scores = np.array([0.9, 0.8], np.float32)
    for shift, faces in ((6, 2), (5, 1)):  # overlaps of 40 / 160 = 0.25 and 50 / 150 = 0.33
        corners = np.array([[0, 0, 10, 10], [shift, 0, shift + 10, 10]], np.float32)
        assert len(detectors.weighted_suppression(corners, scores, detectors.SUPPRESSION_OVERLAP)[0]) == faces


def test_hundreds_of_faces_survive_suppression_each_once() -> None:
    x, y = np.meshgrid(np.arange(25) * 20, np.arange(20) * 20)
    grid = np.stack([x, y, x + 15, y + 15], axis=-1).reshape(-1, 4).astype(np.float32)
    corners = np.concatenate([grid, grid + 1])
    scores = np.linspace(0.5, 1, len(corners), dtype=np.float32)
    merged, best = detectors.weighted_suppression(corners, scores, 0.3)
    assert len(merged) == 500
    assert (np.diff(best) <= 0).all()


def test_boxes_without_area_do_no_harm() -> None:
    corners = np.zeros((3, 4), np.float32)
    merged, _ = detectors.weighted_suppression(corners, np.array([0.9, 0.8, 0.7], np.float32), 0.3)
    assert np.isfinite(merged).all()
