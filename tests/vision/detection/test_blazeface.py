"""BlazeFace: its key points, small and cut faces, anchors, decoding and suppression."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fer_core.errors import ModelError
from fer_core.vision import FaceDetector, create_detector, litert
from fer_core.vision.detection import blazeface as detectors
from fer_core.vision.landmarks import LandmarkReader
from tests.vision.detection.scenes import ASTRONAUT_FACE, moved, on_grey, scaled

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


def test_small_faces_in_a_large_photo_are_not_lost_to_aliasing(blazeface: FaceDetector, astronaut: np.ndarray) -> None:
    photo = on_grey(scaled(astronaut, 3), 4000, 1536, 1200, 0)  # the face comes to 22 px of the network's input
    noise = np.random.default_rng(0).normal(0, 60, photo.shape)
    (found,) = blazeface.detect(np.clip(photo + noise, 0, 255).astype(np.uint8))
    expected = moved(ASTRONAUT_FACE, 1200, 0, 3)
    assert blazeface.framing.crop_box(found.box).intersection_over_union(expected) > 0.6


def test_one_instance_serves_many_threads(blazeface: FaceDetector, astronaut: np.ndarray) -> None:
    frames = [on_grey(scaled(astronaut, factor), 640, 480, 30, 0) for factor in (0.6, 0.7, 0.8, 0.9)] * 6
    alone = [blazeface.detect(frame) for frame in frames]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(blazeface.detect, frames))
    assert together == alone
    assert all(alone)


def test_a_face_below_the_score_asked_for_is_not_reported(astronaut: np.ndarray) -> None:
    assert detectors.BlazeFaceDetector("back", min_score=0.95).detect(astronaut) == []


def test_without_the_model_files_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(litert, "ARTIFACTS", tmp_path)
    with pytest.raises(ModelError, match=r"mediapipe/.*\.tflite is missing: install fer_core again"):
        create_detector("blazeface")


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
        values = detectors.sigmoid(np.array([-1e4, -2, 0, 2, 1e4], np.float32))  # type: ignore[attr-defined]
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
