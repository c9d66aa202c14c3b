"""A canonical face that is turned by known angles before a camera is found turned by these angles."""

import itertools
import math

import numpy as np
import pytest

from fer_core.results import BoundingBox
from fer_core.vision.head_pose import CANONICAL_FACE, Camera, HeadPose, angles_of, estimate_head_pose
from fer_core.vision.landmarks import FACE_POINTS, LEFT_EYE, RIGHT_EYE, LandmarkReader

CAMERA = Camera.of_frame(640, 480)
ANGLES = list(itertools.product((-50, -20, 0, 35, 50), (-30, 0, 20), (-25, 10)))
PLACES = [(0.0, 0.0, 55.0), (12.0, -6.0, 60.0), (-20.0, 8.0, 90.0)]
"""Centimetres to the right, down and away."""


def turn(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """From the canonical face to the camera, built of one rotation per axis: roll first, then pitch, then yaw."""
    y, p, r = np.radians([yaw, pitch, roll])
    facing = np.diag([1.0, -1.0, -1.0])  # a face that looks into the camera, whose y axis points down
    about_z = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, math.cos(p), math.sin(p)], [0, -math.sin(p), math.cos(p)]])
    about_y = np.array([[math.cos(y), 0, -math.sin(y)], [0, 1, 0], [math.sin(y), 0, math.cos(y)]])
    return about_y @ about_x @ about_z @ facing


def render(rotation: np.ndarray, place: tuple[float, float, float], camera: Camera = CAMERA) -> np.ndarray:
    """``(468, 2)`` landmarks of the canonical face; those that the pose does not use are left out as NaN."""
    points = np.full((FACE_POINTS, 2), np.nan)
    points[list(CANONICAL_FACE)] = camera.project(np.array(list(CANONICAL_FACE.values())) @ rotation.T + place)
    return points


def errors(
    camera: Camera, noise: float = 0.0, stretch: tuple[float, float, float] = (1, 1, 1), seed: int = 0
) -> np.ndarray:
    """``(renders, 3)`` degrees by which yaw, pitch and roll are missed."""
    rng = np.random.default_rng(seed)
    missed = []
    for angles, place in itertools.product(ANGLES, PLACES):
        points = render(turn(*angles) @ np.diag(stretch), place, camera)
        pose = estimate_head_pose(points + rng.normal(0, noise, points.shape), CAMERA)
        assert pose is not None
        missed.append(np.array([pose.yaw, pose.pitch, pose.roll]) - angles)
    return np.abs(missed)


def test_a_face_turned_by_known_angles_is_found_turned_by_them() -> None:
    assert errors(CAMERA).max() < 0.01


def test_landmarks_that_tremble_by_a_pixel_cost_less_than_three_degrees() -> None:
    assert (errors(CAMERA, noise=1.0).mean(axis=0) < 1.5).all()


@pytest.mark.parametrize("focal_length", [450, 900])
def test_another_camera_than_the_assumed_one_costs_less_than_three_degrees_in_the_middle_of_the_frame(
    focal_length: float,
) -> None:
    other = Camera.of_frame(640, 480, focal_length)
    missed = []
    for angles in ANGLES:
        pose = estimate_head_pose(render(turn(*angles), (0, 0, focal_length / 10), other), CAMERA)
        assert pose is not None
        missed.append((pose.yaw - angles[0], pose.pitch - angles[1]))
    assert (np.abs(missed).mean(axis=0) < 3).all()


def test_a_longer_or_wider_face_than_the_canonical_one_costs_less_than_three_degrees() -> None:
    for stretch in ((1.06, 1, 1), (1, 1.06, 1), (1, 1, 1.06)):
        assert (errors(CAMERA, stretch=stretch).mean(axis=0)[:2] < 3).all()


@pytest.mark.parametrize(
    ("angles", "expected"),
    [
        ((30, 0, 0), "nose right"),
        ((-30, 0, 0), "nose left"),
        ((0, 20, 0), "nose up"),
        ((0, -20, 0), "nose down"),
        ((0, 0, 20), "image's right eye lower"),
        ((0, 0, -20), "image's right eye higher"),
    ],
)
def test_signs_are_those_seen_in_the_image(angles: tuple[float, float, float], expected: str) -> None:
    points = render(turn(*angles), (0, 0, 60))
    straight = render(turn(0, 0, 0), (0, 0, 60))
    right_eye, left_eye, bridge, tip = (points[i] for i in (RIGHT_EYE.outer, LEFT_EYE.outer, 168, 4))
    raised = (straight[4, 1] - straight[168, 1]) - (tip[1] - bridge[1])
    pixels = {
        "nose right": tip[0] - bridge[0],
        "nose left": bridge[0] - tip[0],
        "nose up": raised,
        "nose down": -raised,
        "image's right eye lower": left_eye[1] - right_eye[1],
        "image's right eye higher": right_eye[1] - left_eye[1],
    }
    assert pixels[expected] > 5
    pose = estimate_head_pose(points, CAMERA)
    assert pose is not None
    assert (pose.yaw, pose.pitch, pose.roll) == pytest.approx(angles, abs=0.01)


def test_the_place_of_the_head_is_found_in_centimetres() -> None:
    pose = estimate_head_pose(render(turn(20, 5, -5), (10, -4, 70)), CAMERA)
    assert pose is not None
    assert pose.position == pytest.approx((10, -4, 70), abs=0.01)
    assert pose.in_camera(np.array([CANONICAL_FACE[4]])) == pytest.approx(
        np.array([CANONICAL_FACE[4]]) @ turn(20, 5, -5).T + (10, -4, 70), abs=0.01
    )


def test_at_the_frames_right_edge_a_head_faces_the_camera_turned_to_the_left() -> None:
    yaw, pitch = HeadPose.of_rotation(np.eye(3), np.array([30.0, 0.0, 60.0])).towards_camera()
    assert (yaw, pitch) == pytest.approx((-math.degrees(math.atan2(30, 60)), 0))
    below = HeadPose.of_rotation(np.eye(3), np.array([0.0, 20.0, 60.0])).towards_camera()
    assert below == pytest.approx((0, math.degrees(math.atan2(20, 60))))


@pytest.mark.parametrize("cut", [0, 140], ids=["whole", "face at the left edge"])
def test_a_mirrored_photo_has_the_other_yaw_and_roll_and_the_same_pitch(photo: np.ndarray, cut: int) -> None:
    reader, frame = LandmarkReader(with_eyes=False), photo[:, cut:]
    width = frame.shape[1]
    left = 162 - cut
    found = []
    for view, x in ((frame, left), (frame[:, ::-1], width - left - 125)):
        (face,) = reader.read(view, [BoundingBox(x, 52, 125, 125)])
        assert face is not None
        pose = estimate_head_pose(face.points, Camera.of_frame(width, 512))
        assert pose is not None
        found.append(pose)
    pose, mirrored = found
    assert pose.yaw > 0 > mirrored.yaw  # she looks into the camera, which is to the right of her
    assert mirrored.yaw == pytest.approx(-pose.yaw, abs=3)
    assert mirrored.pitch == pytest.approx(pose.pitch, abs=3)
    assert mirrored.roll == pytest.approx(-pose.roll, abs=3)
    assert pose.yaw - pose.towards_camera()[0] == pytest.approx(0, abs=5)
    assert pose.roll == pytest.approx(3, abs=2)


def test_the_canonical_points_have_the_shape_of_a_real_face_in_space(photo: np.ndarray) -> None:
    (face,) = LandmarkReader(with_eyes=False).read(photo, [BoundingBox(162, 52, 125, 125)])
    assert face is not None
    seen, model = face.points[list(CANONICAL_FACE)].astype(float), np.array(list(CANONICAL_FACE.values()))
    seen, model = seen - seen.mean(axis=0), model - model.mean(axis=0)
    left, scales, right = np.linalg.svd(seen.T @ model)  # the best turn and scale (Umeyama 1991)
    missed = seen * (model**2).sum() / scales.sum() - model @ (left @ right).T
    assert np.linalg.det(left @ right) > 0
    assert np.abs(missed[:, :2]).max() < 0.85  # centimetres: she smiles, which widens the nose
    assert np.abs(missed[:, 2]).max() < 0.6


@pytest.mark.parametrize(
    "points",
    [
        np.full((FACE_POINTS, 3), 5.0),
        np.full((FACE_POINTS, 3), np.nan),
        np.full((FACE_POINTS, 3), np.inf),
        np.column_stack([np.linspace(0, 300, FACE_POINTS), np.full(FACE_POINTS, 80.0)]),
    ],
    ids=["one place", "not a number", "infinite", "a line"],
)
def test_points_that_show_no_face_have_no_pose(points: np.ndarray) -> None:
    assert estimate_head_pose(points, CAMERA) is None


def test_points_at_random_raise_nothing() -> None:
    rng = np.random.default_rng(0)
    for spread in (0.6, 3, 40, 1000, 1e6) * 5:
        estimate_head_pose(rng.uniform(0, spread, (FACE_POINTS, 3)), CAMERA)


def test_a_face_of_twenty_pixels_in_a_large_photo_has_its_pose() -> None:
    camera = Camera.of_frame(4000, 3000)
    for yaw, pitch, roll in ((0, 0, 0), (40, -20, 10), (-30, 25, -60), (5, 5, 170)):
        pose = estimate_head_pose(render(turn(yaw, pitch, roll), (-300, 200, 2800), camera), camera)
        assert pose is not None
        assert (pose.yaw, pose.pitch, pose.roll) == pytest.approx((yaw, pitch, roll), abs=0.1)


def test_the_assumed_focal_length_is_the_longer_side() -> None:
    assert Camera.of_frame(640, 480) == Camera(640, (320, 240))
    assert Camera.of_frame(480, 640).focal_length == 640
    assert Camera.of_frame(640, 480, 800).focal_length == 800


def test_the_camera_sees_a_ray_where_it_came_from() -> None:
    pixels = np.array([[320.0, 240.0], [0.0, 480.0]])
    rays = CAMERA.rays(pixels)
    assert rays[0] == pytest.approx((0, 0, 1))
    assert np.linalg.norm(rays, axis=1) == pytest.approx((1, 1))
    assert CAMERA.project(rays * 70) == pytest.approx(pixels)
    assert CAMERA.matrix @ (0.0, 0.0, 1.0) == pytest.approx((320, 240, 1))


def test_directions_are_named_by_yaw_and_pitch() -> None:
    assert angles_of(np.array([0, 0, -2.0])) == pytest.approx((0, 0))
    assert angles_of(np.array([1.0, 0, -1.0])) == pytest.approx((45, 0))
    assert angles_of(np.array([0, -1.0, -1.0])) == pytest.approx((0, 45))


def test_the_canonical_face_is_symmetric() -> None:
    twins = {(-x, y, z) for x, y, z in CANONICAL_FACE.values()}
    assert twins == {(x + 0.0, y, z) for x, y, z in CANONICAL_FACE.values()}
    assert len(CANONICAL_FACE) == 27
