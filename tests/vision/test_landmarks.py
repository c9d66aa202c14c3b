"""The points of the astronaut's face lie where another network sees her eyes and mouth, however the photo is turned."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from fer_core.errors import ModelError
from fer_core.results import BoundingBox
from fer_core.vision import landmarks, litert
from fer_core.vision.detection.blazeface import BLAZEFACE_VARIANTS, anchor_centres
from fer_core.vision.head_pose import CANONICAL_FACE
from fer_core.vision.landmarks import (
    EYES,
    LEFT_EYE,
    MIN_PRESENCE,
    RIGHT_EYE,
    FaceLandmarks,
    LandmarkReader,
    Region,
    cut_region,
    eye_region,
    region_of_box,
    region_of_points,
    roll_of_eyes,
)
from fer_core.vision.litert import mediapipe_model_path

BOX = BoundingBox(162, 52, 125, 125)
"""The square that frames the astronaut's face as FER2013 does."""
LIPS = [13, 14]
"""Middle of the upper and of the lower lip, where they meet."""
TWINS = {
    index: next(twin for twin, (u, v, w) in CANONICAL_FACE.items() if (u, v, w) == (-x, y, z))
    for index, (x, y, z) in CANONICAL_FACE.items()
}
"""Landmark to the one that it becomes in a mirror."""


@pytest.fixture(scope="module")
def reader() -> LandmarkReader:
    return LandmarkReader()


@pytest.fixture(scope="module")
def face(reader: LandmarkReader, photo: np.ndarray) -> FaceLandmarks:
    return read_one(reader, photo, BOX)


def read_one(reader: LandmarkReader, frame: np.ndarray, box: BoundingBox) -> FaceLandmarks:
    (found,) = reader.read(frame, [box])
    assert found is not None
    return found


def eye_distance(face: FaceLandmarks) -> float:
    return float(np.linalg.norm(face.points[RIGHT_EYE.outer] - face.points[LEFT_EYE.outer]))


def blazeface_key_points(photo: np.ndarray) -> np.ndarray:
    """``(6, 2)`` right eye, left eye, nose, mouth, right and left ear as BlazeFace's best anchor has them."""
    variant = BLAZEFACE_VARIANTS["back"]
    network = Interpreter(model_content=mediapipe_model_path(variant.file_name).read_bytes())
    network.allocate_tensors()
    rgb = cv2.cvtColor(cv2.resize(photo, (256, 256), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
    network.set_tensor(network.get_input_details()[0]["index"], rgb[None].astype(np.float32) / 127.5 - 1)
    network.invoke()
    regressors, logits = (network.get_tensor(output["index"])[0] for output in network.get_output_details())
    best = int(logits[:, 0].argmax())
    anchor = anchor_centres(256, 256, variant.anchor_layers)[best]
    return (regressors[best, 4:].reshape(6, 2) + anchor) * photo.shape[0] / 256


def turned(photo: np.ndarray, degrees: float) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """The photo turned clockwise about the face on a larger frame, and the map of its points."""
    affine = cv2.getRotationMatrix2D((224, 120), -degrees, 1)
    affine[:, 2] += 100
    frame = cv2.warpAffine(photo, affine, (700, 700), borderMode=cv2.BORDER_REPLICATE)
    return frame, lambda points: points @ affine[:, :2].T + affine[:, 2]


def box_around(points: np.ndarray) -> BoundingBox:
    """As :data:`BOX` lies about the points of the astronaut's face, about points that are turned."""
    x, y = points.mean(axis=0) - (0, 0.05 * BOX.height)
    return BoundingBox(x - BOX.width / 2, y - BOX.height / 2, BOX.width, BOX.height)


def test_a_face_has_468_points_in_space_and_five_of_each_iris(face: FaceLandmarks) -> None:
    assert (face.points.shape, face.points.dtype) == ((468, 3), np.float32)
    assert face.eyes is not None
    assert (face.eyes.irises.shape, face.eyes.irises.dtype) == ((2, 5, 2), np.float32)
    assert (face.eyes.contours.shape, face.eyes.contours.dtype) == ((2, 71, 2), np.float32)
    assert face.presence > 0.99
    nose, ears = face.points[4, 2], face.points[[127, 356], 2]
    assert (nose < ears).all()


def test_eyes_nose_and_mouth_lie_where_blazeface_has_them(photo: np.ndarray, face: FaceLandmarks) -> None:
    right_eye, left_eye, nose, mouth, *_ = blazeface_key_points(photo)
    assert face.eyes is not None
    found = np.stack([*face.eyes.irises[:, 0], face.points[4, :2], face.points[LIPS, :2].mean(axis=0)])
    assert np.abs(found - np.stack([right_eye, left_eye, nose, mouth])).max() < 6  # of 118 px from brow to chin
    for eye, key_point in zip(EYES, (right_eye, left_eye), strict=True):
        assert np.linalg.norm(face.points[[eye.outer, eye.inner], :2].mean(axis=0) - key_point) < 6


def test_irises_lie_within_the_lids_and_their_rim_about_their_centre(face: FaceLandmarks) -> None:
    assert face.eyes is not None
    for iris, contour in zip(face.eyes.irises, face.eyes.contours, strict=True):
        lids = contour[[*range(9), *range(15, 8, -1)]]
        assert cv2.pointPolygonTest(lids.reshape(-1, 1, 2), iris[0].tolist(), False) > 0
        radii = np.linalg.norm(iris[1:] - iris[0], axis=1)
        assert radii == pytest.approx(np.full(4, radii.mean()), rel=0.2)
        assert 0.35 < 2 * radii.mean() / np.linalg.norm(lids[0] - lids[8]) < 0.55


def test_a_mirrored_photo_has_mirrored_points(reader: LandmarkReader, photo: np.ndarray, face: FaceLandmarks) -> None:
    width = photo.shape[1]
    mirrored = read_one(reader, photo[:, ::-1], BoundingBox(width - BOX.x - BOX.width, BOX.y, BOX.width, BOX.height))
    expected = face.points[list(TWINS), :2] * (-1, 1) + (width, 0)
    missed = np.linalg.norm(mirrored.points[list(TWINS.values()), :2] - expected, axis=1)
    assert missed.mean() < 2.5  # of 118 px from brow to chin
    assert missed.max() < 5
    assert face.eyes is not None
    assert mirrored.eyes is not None
    for ours, theirs in ((face.eyes.irises, mirrored.eyes.irises), (face.eyes.contours, mirrored.eyes.contours)):
        missed = np.linalg.norm(theirs[::-1] - (ours * (-1, 1) + (width, 0)), axis=2)
        assert missed.mean() < 1.5


def test_points_move_and_grow_with_the_face(reader: LandmarkReader, photo: np.ndarray, face: FaceLandmarks) -> None:
    frame = cv2.copyMakeBorder(cv2.resize(photo, None, fx=2, fy=2), 30, 0, 50, 0, cv2.BORDER_CONSTANT)
    larger = read_one(reader, frame, BoundingBox(2 * BOX.x + 50, 2 * BOX.y + 30, 2 * BOX.width, 2 * BOX.height))
    moved = face.points * 2 + (50, 30, 0)
    assert np.abs(larger.points - moved)[:, :2].mean() < 1
    assert np.ptp(larger.points[:, 2]) == pytest.approx(np.ptp(moved[:, 2]), rel=0.1)


@pytest.mark.parametrize("degrees", [-30, 25])
def test_a_rolled_face_is_found_without_knowing_its_roll(
    reader: LandmarkReader, photo: np.ndarray, face: FaceLandmarks, degrees: float
) -> None:
    frame, mapped = turned(photo, degrees)
    expected = mapped(face.points[:, :2])
    found = read_one(reader, frame, box_around(expected))
    missed = np.linalg.norm(found.points[:, :2] - expected, axis=1).mean()
    assert missed < 0.04 * eye_distance(face)


@pytest.mark.parametrize("degrees", [-80, 60, 180])
def test_with_the_detectors_eyes_any_roll_is_found(
    reader: LandmarkReader, photo: np.ndarray, face: FaceLandmarks, degrees: float
) -> None:
    frame, mapped = turned(photo, degrees)
    expected = mapped(face.points[:, :2])
    assert face.eyes is not None
    (found,) = reader.read(frame, [box_around(expected)], [roll_of_eyes(*mapped(face.eyes.irises[:, 0]))])
    assert found is not None
    assert np.linalg.norm(found.points[:, :2] - expected, axis=1).mean() < 0.05 * eye_distance(face)
    assert math.remainder(found.roll - face.roll - degrees, 360) == pytest.approx(0, abs=5)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Region]:
    """Regions that any network looked at."""
    seen: list[Region] = []
    run = landmarks.RegionNetwork.run

    def noted(network: landmarks.RegionNetwork, frame: np.ndarray, region: Region) -> list[np.ndarray]:
        seen.append(region)
        return run(network, frame, region)

    monkeypatch.setattr(landmarks.RegionNetwork, "run", noted)
    return seen


def test_one_look_is_enough_for_an_upright_face_or_one_of_known_roll(
    photo: np.ndarray, face: FaceLandmarks, looks: list[Region]
) -> None:
    reader = LandmarkReader(with_eyes=False)
    (upright,) = reader.read(photo, [BOX])
    assert len(looks) == 1
    assert upright is not None
    assert upright.eyes is None
    frame, mapped = turned(photo, 40)
    box = box_around(mapped(face.points[:, :2]))
    reader.read(frame, [box], [face.roll + 42])
    assert [region.roll for region in looks[1:]] == [face.roll + 42]
    reader.read(frame, [box], [None])
    assert looks[2].roll == 0
    assert len(looks) == 5


def test_a_wrong_roll_is_put_right(reader: LandmarkReader, photo: np.ndarray, face: FaceLandmarks) -> None:
    (found,) = reader.read(photo, [BOX], [25.0])
    assert found is not None
    assert np.linalg.norm((found.points - face.points)[:, :2], axis=1).mean() < 0.04 * eye_distance(face)


def test_the_roll_of_eyes_is_clockwise() -> None:
    assert roll_of_eyes(np.array([10, 20]), np.array([30, 20])) == 0
    assert roll_of_eyes(np.array([10, 20]), np.array([30, 40])) == pytest.approx(45)
    assert roll_of_eyes(np.array([10, 20]), np.array([10, 0])) == pytest.approx(-90)
    assert abs(roll_of_eyes(np.array([10, 20]), np.array([0, 20]))) == pytest.approx(180)


def test_a_reader_without_eyes_says_so_when_asked_for_them(photo: np.ndarray, face: FaceLandmarks) -> None:
    with pytest.raises(ValueError, match="with_eyes=True"):
        LandmarkReader(with_eyes=False).refine_eyes(photo, face)


def test_several_faces_are_read_in_the_order_of_their_boxes(reader: LandmarkReader, photo: np.ndarray) -> None:
    both = np.hstack([photo[:260, 100:360], photo[:260, 100:360]])
    left = BoundingBox(BOX.x - 100, BOX.y, BOX.width, BOX.height)
    right = BoundingBox(left.x + 260, BOX.y, BOX.width, BOX.height)
    nowhere = BoundingBox(0, 230, 30, 30)
    second, none, first = reader.read(both, [right, nowhere, left])
    assert none is None
    assert first is not None
    assert second is not None
    assert np.abs(second.points - first.points - (260, 0, 0)).max() < 2


def test_no_boxes_give_no_landmarks(reader: LandmarkReader, photo: np.ndarray) -> None:
    assert reader.read(photo, []) == []


@pytest.mark.parametrize(
    "box",
    [
        BoundingBox(380, 300, 120, 120),
        BoundingBox(0.2, 0.3, 0.5, 0.5),
        BoundingBox(224, 110, 0.01, 0.01),
        BoundingBox(-900, -900, 50, 50),
        BoundingBox(2000, 100, 300, 300),
        BoundingBox(-3000, -3000, 9000, 9000),
    ],
    ids=["no face", "less than a pixel", "a speck of skin", "beyond the corner", "beyond the side", "far too large"],
)
def test_where_no_face_is_there_are_no_landmarks(reader: LandmarkReader, photo: np.ndarray, box: BoundingBox) -> None:
    assert reader.read(photo, [box]) == [None]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 300), (300, 1)])
def test_a_frame_of_a_pixel_or_a_line_is_read(reader: LandmarkReader, height: int, width: int) -> None:
    assert reader.read(np.full((height, width, 3), 90, np.uint8), [BoundingBox(-5, -5, 40, 40)]) == [None]


@pytest.mark.parametrize("cut", ["left", "top", "right"])
def test_a_face_partly_over_the_border_keeps_its_points(
    reader: LandmarkReader, photo: np.ndarray, face: FaceLandmarks, cut: str
) -> None:
    x, y, right = {"left": (190, 0, 512), "top": (0, 85, 512), "right": (0, 0, 258)}[cut]
    part = photo[y:, x:right]
    found = read_one(reader, part, BoundingBox(BOX.x - x, BOX.y - y, BOX.width, BOX.height))
    inside = (face.points[:, 0] > x) & (face.points[:, 1] > y) & (face.points[:, 0] < right)
    missed = np.linalg.norm((found.points - face.points + np.float32([x, y, 0]))[inside, :2], axis=1)
    assert missed.mean() < 0.08 * eye_distance(face)


def test_views_need_no_copy_by_the_caller_and_stay_as_they_were(reader: LandmarkReader, photo: np.ndarray) -> None:
    view = photo[::-1, ::-1][20:, 30:]
    box = BoundingBox(512 - 30 - BOX.x - BOX.width, 512 - 20 - BOX.y - BOX.height, BOX.width, BOX.height)
    before = view.copy()
    for ours, theirs in zip(reader.read(view, [box]), reader.read(before, [box]), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            np.testing.assert_array_equal(ours.points, theirs.points)
    np.testing.assert_array_equal(view, before)


def test_one_reader_serves_many_threads(reader: LandmarkReader, photo: np.ndarray) -> None:
    boxes = [BoundingBox(BOX.x + shift, BOX.y, BOX.width, BOX.height) for shift in (-8, 0, 8, 12)]
    alone = [read_one(reader, photo, box).points for box in boxes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda box: read_one(reader, photo, box).points, boxes))
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("shape", [(9, 9), (9, 9, 4), (0, 9, 3)])
def test_a_frame_of_another_kind_is_refused_with_what_was_expected(
    reader: LandmarkReader, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"expected a BGR frame of shape \(H, W, 3\) uint8, got"):
        reader.read(np.zeros(shape, np.uint8), [BOX])


@pytest.mark.parametrize("box", [BoundingBox(5, 5, 0, 10), BoundingBox(5, 5, 10, float("nan"))])
def test_a_box_without_area_is_refused(reader: LandmarkReader, photo: np.ndarray, box: BoundingBox) -> None:
    with pytest.raises(ValueError, match="positive width and height"):
        reader.read(photo, [box])


def test_without_the_model_files_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(litert, "ARTIFACTS", tmp_path)
    with pytest.raises(ModelError, match=r"mediapipe/.*\.tflite is missing: install fer_core again"):
        LandmarkReader()


def test_a_box_is_looked_at_with_the_margin_that_mediapipe_gives_blazeface() -> None:
    framing = BLAZEFACE_VARIANTS["back"].framing
    region = region_of_box(framing.crop_box(BoundingBox(100, 50, 80, 80)))
    assert (region.x, region.y, region.roll) == pytest.approx((140, 90, 0))
    assert region.side == pytest.approx(1.5 * 80, rel=0.02)


def test_the_region_about_points_is_turned_with_them_and_keeps_its_size(face: FaceLandmarks) -> None:
    upright = region_of_points(face.points)
    angle = np.radians(70)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    region = region_of_points(np.column_stack([face.points[:, :2] @ turn.T, face.points[:, 2]]))
    assert region.roll - upright.roll == pytest.approx(70, abs=0.01)
    assert region.side == pytest.approx(upright.side, rel=1e-4)
    assert (region.x, region.y) == pytest.approx(tuple(turn @ (upright.x, upright.y)), abs=0.01)


def test_an_eyes_region_is_about_its_corners_and_the_left_one_is_mirrored(face: FaceLandmarks) -> None:
    right, left = (eye_region(face.points, eye) for eye in EYES)
    assert (right.mirrored, left.mirrored) == (False, True)
    for region, eye in ((right, RIGHT_EYE), (left, LEFT_EYE)):
        corners = face.points[[eye.outer, eye.inner], :2]
        assert (region.x, region.y) == pytest.approx(tuple(corners.mean(axis=0)), abs=1e-3)
        assert region.side == pytest.approx(2.3 * np.linalg.norm(corners[0] - corners[1]), rel=1e-4)
        # The network sees the outer corner on its left, at (1 - 1 / 2.3) / 2 of the square.
        affine = region.frame_from_unit()
        assert affine @ ((1 - 1 / 2.3) / 2, 0.5, 1) == pytest.approx(corners[0], abs=0.01)


def test_a_region_is_cut_pixel_for_pixel_turned_and_mirrored() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    square = frame[10:30, 15:35]
    np.testing.assert_array_equal(cut_region(frame, Region(25, 20, 20), 20), square)
    np.testing.assert_array_equal(cut_region(frame, Region(25, 20, 20, mirrored=True), 20), square[:, ::-1])
    np.testing.assert_array_equal(cut_region(frame, Region(25, 20, 20, roll=90), 20), np.rot90(square))
    np.testing.assert_array_equal(cut_region(frame, Region(25, 20, 20, roll=180), 20), square[::-1, ::-1])


def test_beyond_the_border_the_nearest_pixel_is_repeated() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    cut = cut_region(frame, Region(0, 10, 20), 20)
    np.testing.assert_array_equal(cut[:, 10:], frame[:, :10])
    np.testing.assert_array_equal(cut[:, :10], np.repeat(frame[:, :1], 10, axis=1))


def test_fine_texture_of_a_large_face_is_averaged_not_skipped() -> None:
    stripes = np.zeros((1200, 1200, 3), np.uint8)
    stripes[:, ::2] = 200
    cut = cut_region(stripes, Region(600, 600, 1000), 192)
    assert np.ptp(cut) <= 45  # of 200: blocks of five pixels hold two or three stripes
    assert cut.mean() == pytest.approx(100, abs=3)


def test_a_shrunk_region_stays_in_place() -> None:
    frame = np.zeros((900, 900, 3), np.uint8)
    frame[400:, 300:] = 255
    cut = cut_region(frame, Region(450, 450, 600), 60)
    assert cut[:, 40, 0].tolist() == pytest.approx([0] * 25 + [255] * 35, abs=1)
    assert cut[40, :, 0].tolist() == pytest.approx([0] * 15 + [255] * 45, abs=1)


def test_a_region_below_the_score_is_no_face(
    monkeypatch: pytest.MonkeyPatch, reader: LandmarkReader, photo: np.ndarray
) -> None:
    points = np.zeros(1404, np.float32)
    for score, seen in ((MIN_PRESENCE - 0.01, False), (MIN_PRESENCE + 0.01, True)):
        logit = np.log(score / (1 - score)).astype(np.float32).reshape(1)
        monkeypatch.setattr(reader._faces, "run", lambda frame, region, logit=logit: [points, logit])
        (found,) = LandmarkReader.read(reader, photo, [BOX])
        assert (found is not None) == seen
