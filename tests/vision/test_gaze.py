"""Gaze of eyes that are placed by hand and of the astronaut's; lids, blinks and PERCLOS; a screen that is looked at."""

import itertools
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fer_core.errors import FerError
from fer_core.live.gaze_calibration import GazeCalibration, ScreenCorner
from fer_core.results import BoundingBox
from fer_core.vision import gaze
from fer_core.vision.blinks import BlinkCounter
from fer_core.vision.gaze import CLOSED_RATIO, OPEN_RATIO, Gaze, estimate_gaze, eye_aspect_ratios, eye_openness
from fer_core.vision.head_pose import CANONICAL_FACE, Camera, HeadPose, angles_of, estimate_head_pose
from fer_core.vision.landmarks import EYES, EyeLandmarks, FaceLandmarks, LandmarkReader

CAMERA = Camera.of_frame(640, 480)
FACING = np.diag([1.0, -1.0, -1.0])
BOX = BoundingBox(162, 52, 125, 125)
"""The square that frames the astronaut's face as FER2013 does."""


def pose_of(yaw: float, pitch: float, place: tuple[float, float, float] = (0, 0, 60)) -> HeadPose:
    y, p = np.radians([yaw, pitch])
    down = np.array([[1, 0, 0], [0, math.cos(p), math.sin(p)], [0, -math.sin(p), math.cos(p)]])
    aside = np.array([[math.cos(y), 0, -math.sin(y)], [0, 1, 0], [math.sin(y), 0, math.cos(y)]])
    return HeadPose.of_rotation(aside @ down @ FACING, np.array(place, float))


def eyes_with(ratios: tuple[float, float], width: float = 30.0) -> EyeLandmarks:
    """Eyes of these aspect ratios beside each other, irises in the middle."""
    contours, irises = np.zeros((2, 71, 2), np.float32), np.zeros((2, 5, 2), np.float32)
    for number, ratio in enumerate(ratios):
        left = 100 + 60 * number
        contours[number, 0], contours[number, 8] = (left, 50), (left + width, 50)
        contours[number, [11, 13]] = [(left + 10, 50 - ratio * width / 2), (left + 20, 50 - ratio * width / 2)]
        contours[number, [3, 5]] = [(left + 10, 50 + ratio * width / 2), (left + 20, 50 + ratio * width / 2)]
        irises[number] = left + width / 2, 50
    return EyeLandmarks(contours, irises)


def face_looking(pose: HeadPose, towards: np.ndarray, openness: tuple[float, float] = (1, 1)) -> FaceLandmarks:
    """A face as the networks would see it whose eyeballs point in a ``(3,)`` direction of the camera's axes."""
    corners = np.array([[CANONICAL_FACE[eye.outer], CANONICAL_FACE[eye.inner]] for eye in EYES])
    outwards = np.array([[-gaze.EYEBALL_OUTWARDS], [gaze.EYEBALL_OUTWARDS]])
    centres = corners.mean(axis=1) + np.hstack([outwards, [[gaze.EYEBALL_UP, -gaze.EYEBALL_BACK]] * 2])
    irises = CAMERA.project(pose.in_camera(centres) + gaze.EYEBALL_RADIUS * towards / np.linalg.norm(towards))
    eyes = eyes_with(tuple(CLOSED_RATIO + (OPEN_RATIO - CLOSED_RATIO) * o for o in openness))
    for number, corner in enumerate(corners):
        seen = CAMERA.project(pose.in_camera(corner))
        middle = CAMERA.project(pose.in_camera(corner.mean(axis=0, keepdims=True)))[0]
        width = np.linalg.norm(seen[0] - seen[1])
        lids = eyes.contours[number] - eyes.contours[number, [0, 8]].mean(axis=0)
        eyes.contours[number] = lids * width / 30 + middle
        eyes.irises[number] = middle + gaze.IRIS_GAIN * (irises[number] - middle)
    return FaceLandmarks(np.zeros((468, 3), np.float32), 1.0, eyes)


@pytest.mark.parametrize("place", [(0, 0, 60), (15, -8, 70)])
def test_eyeballs_pointed_in_known_directions_are_found_to_look_there(place: tuple[float, float, float]) -> None:
    missed = []
    for turn, look in itertools.product(
        [(0, 0), (25, 0), (-25, 10), (10, -20)], [(0, 0), (20, 0), (-20, 0), (0, 15), (12, -15)]
    ):
        pose = pose_of(*turn, place)
        towards = Gaze(turn[0] + look[0], turn[1] + look[1])
        found = estimate_gaze(face_looking(pose, towards.direction), pose, CAMERA)
        assert found is not None
        missed.append((found.yaw - towards.yaw, found.pitch - towards.pitch))
    assert (np.abs(missed).mean(axis=0) < 1.5).all()
    assert np.abs(missed).max() < 5


def test_an_iris_that_moves_to_the_images_right_or_up_looks_there() -> None:
    pose = pose_of(0, 0)
    face = face_looking(pose, np.array([0, 0, -1.0]))
    assert face.eyes is not None
    straight = estimate_gaze(face, pose, CAMERA)
    moved = estimate_gaze(
        replace(face, eyes=replace(face.eyes, irises=face.eyes.irises + np.float32([3, -2]))), pose, CAMERA
    )
    assert straight is not None
    assert moved is not None
    assert (straight.yaw, straight.pitch) == pytest.approx((0, 0), abs=1)
    # 1.2 cm of an eyeball at 60 cm are 12.8 px; the gain takes 3 px for 4.3.
    assert moved.yaw - straight.yaw == pytest.approx(math.degrees(math.asin(3 / 0.7 / 12.8)), abs=1.5)
    assert moved.pitch - straight.pitch == pytest.approx(math.degrees(math.asin(2 / 0.7 / 12.8)), abs=1.5)


def test_irises_midway_between_the_corners_look_less_aside_than_the_head_is_turned_and_down() -> None:
    for yaw, expected in ((0, 0.0), (25, 11.6), (-25, -11.6)):
        pose = pose_of(yaw, 0, (0, 2.6, 60))  # the eyes at the height of the camera
        face = face_looking(pose, np.array([0, 0, -1.0]))
        assert face.eyes is not None
        middles = face.eyes.contours[:, [0, 8]].mean(axis=1, keepdims=True)
        midway = replace(face, eyes=replace(face.eyes, irises=np.repeat(middles, 5, axis=1)))
        found = estimate_gaze(midway, pose, CAMERA)
        assert found is not None
        # An eyeball 0.57 cm behind the corners is 0.24 cm aside of them then, of its 1.2; and it lies 0.18 above them.
        assert found.yaw == pytest.approx(expected, abs=1.5)
        assert found.pitch == pytest.approx(-8.6, abs=1)


def test_the_direction_of_a_gaze_is_named_by_its_angles() -> None:
    assert Gaze(0, 0).direction == pytest.approx((0, 0, -1))
    assert Gaze(30, 0).direction == pytest.approx((0.5, 0, -math.sqrt(0.75)))
    assert Gaze(0, 30).direction == pytest.approx((0, -0.5, -math.sqrt(0.75)))
    assert angles_of(Gaze(-17, 23).direction) == pytest.approx((-17, 23))


def test_a_closed_eye_has_no_say_and_two_have_none() -> None:
    pose = pose_of(0, 0)
    face = face_looking(pose, Gaze(15, 0).direction, openness=(1, 0))
    assert face.eyes is not None
    face.eyes.irises[1] -= 20
    found = estimate_gaze(face, pose, CAMERA)
    assert found is not None
    assert found.yaw == pytest.approx(15, abs=2)
    assert estimate_gaze(face_looking(pose, Gaze(15, 0).direction, openness=(0, 0)), pose, CAMERA) is None


def test_there_is_no_gaze_where_eyes_were_not_looked_at_or_the_face_is_turned_away() -> None:
    pose = pose_of(0, 0)
    face = face_looking(pose, np.array([0, 0, -1.0]))
    assert estimate_gaze(replace(face, eyes=None), pose, CAMERA) is None
    for yaw, told in ((40, True), (50, False), (-50, False)):
        turned = pose_of(yaw, 0)
        assert (estimate_gaze(face_looking(turned, Gaze(yaw, 0).direction), turned, CAMERA) is not None) == told


def test_an_iris_outside_of_the_eyeball_looks_along_its_rim() -> None:
    pose = pose_of(0, 0)
    face = face_looking(pose, np.array([0, 0, -1.0]))
    assert face.eyes is not None
    face.eyes.irises[:] += np.float32([25, 0])
    found = estimate_gaze(face, pose, CAMERA)
    assert found is not None
    assert found.yaw == pytest.approx(90, abs=5)


def test_the_astronaut_looks_into_the_camera_mirrored_or_not(photo: np.ndarray) -> None:
    reader, camera, looks = LandmarkReader(), Camera.of_frame(512, 512), []
    for frame, x in ((photo, BOX.x), (photo[:, ::-1], 512 - BOX.x - BOX.width)):
        (face,) = reader.read(frame, [BoundingBox(x, BOX.y, BOX.width, BOX.height)])
        assert face is not None
        assert face.eyes is not None
        assert (eye_openness(face.eyes) > 0.8).all()
        pose = estimate_head_pose(face.points, camera)
        assert pose is not None
        found = estimate_gaze(face, pose, camera)
        assert found is not None
        assert (found.yaw, found.pitch) == pytest.approx(pose.towards_camera(), abs=8)
        looks.append(found)
    assert looks[0].yaw == pytest.approx(-looks[1].yaw, abs=3)
    assert looks[0].pitch == pytest.approx(looks[1].pitch, abs=3)


def test_eyes_painted_shut_measure_closed(photo: np.ndarray) -> None:
    reader = LandmarkReader()
    (face,) = reader.read(photo, [BOX])
    assert face is not None
    assert face.eyes is not None
    hidden = np.zeros(photo.shape[:2], np.uint8)
    for contour in face.eyes.contours:
        lids = contour[[*range(9), *range(15, 8, -1)]]
        middle = lids.mean(axis=0)
        cv2.fillPoly(hidden, [np.rint(middle + (lids - middle) * (1.3, 1.9)).astype(np.int32)], 1)
    shut = cv2.inpaint(photo, hidden, 3, cv2.INPAINT_TELEA)
    for contour in face.eyes.contours:
        cv2.polylines(shut, [np.rint(contour[:9]).astype(np.int32)], False, (30, 40, 60), 2, cv2.LINE_AA)
    (found,) = reader.read(shut, [BOX])
    assert found is not None
    assert found.eyes is not None
    assert (eye_openness(found.eyes) <= gaze.CLOSED_OPENNESS).all()


def test_the_aspect_ratio_is_height_by_width_at_any_size_and_roll() -> None:
    eyes = eyes_with((0.3, 0.12))
    assert eye_aspect_ratios(eyes) == pytest.approx((0.3, 0.12))
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    assert eye_aspect_ratios(EyeLandmarks(eyes.contours @ turn * 3, eyes.irises)) == pytest.approx((0.3, 0.12))
    assert eye_aspect_ratios(EyeLandmarks(np.zeros((2, 71, 2), np.float32), eyes.irises)) == pytest.approx((0, 0))


def test_openness_goes_from_lids_that_meet_to_this_persons_open_eyes() -> None:
    assert eye_openness(eyes_with((0.08, 0.30))) == pytest.approx((0, 1), abs=1e-5)
    assert eye_openness(eyes_with((0.02, 0.45))) == pytest.approx((0, 1))
    assert eye_openness(eyes_with((0.19, 0.124))) == pytest.approx((0.5, 0.2), abs=1e-5)
    assert eye_openness(eyes_with((0.19, 0.135)), open_ratio=0.19) == pytest.approx((1, 0.5), abs=1e-5)
    with pytest.raises(ValueError, match=r"must be above 0.08, got 0.05"):
        eye_openness(eyes_with((0.3, 0.3)), open_ratio=0.05)


def play(
    counter: BlinkCounter, rate: float, until: float, closures: list[tuple[float, float]], start: float = 0
) -> None:
    """Open eyes that close within each (from, to) of seconds, sampled at a rate."""
    for number in range(round((until - start) * rate)):
        time = start + number / rate
        counter.update(time, 0.05 if any(begin <= time < end for begin, end in closures) else 0.95)


BLINKS = [(2.03 + 4 * number, 2.03 + 4 * number + 0.25) for number in range(14)]


@pytest.mark.parametrize("rate", [10, 30])
def test_blinks_are_counted_alike_at_any_rate(rate: float) -> None:
    counter = BlinkCounter()
    play(counter, rate, 60, BLINKS)
    assert counter.blinks == 14
    assert counter.blinks_per_minute() == pytest.approx(14, abs=0.1)
    assert counter.perclos() == pytest.approx(14 * 0.25 / 60, rel=0.25)


def test_perclos_of_slow_lids_is_the_same_at_10_and_30_fps() -> None:
    shares = []
    for rate in (10, 30):
        counter = BlinkCounter()
        for number in range(60 * rate):
            counter.update(number / rate, 0.5 + 0.5 * math.sin(2 * math.pi * number / rate / 4.17))
        shares.append(counter.perclos())
    # A sine is under a fifth of its range for acos(0.6) / pi of the time.
    assert shares == pytest.approx([math.acos(0.6) / math.pi] * 2, rel=0.05)


def test_only_eyes_at_least_80_percent_closed_count_for_perclos() -> None:
    for openness, share in ((0.2, 1.0), (0.21, 0.0)):
        counter = BlinkCounter()
        for number in range(200):
            counter.update(number / 10, openness)
        assert counter.perclos() == share


def test_a_long_closure_is_no_blink_and_is_told_while_it_lasts() -> None:
    counter = BlinkCounter()
    play(counter, 20, 5, [(2, 9)])
    assert counter.closed_for == pytest.approx(3, abs=0.1)
    play(counter, 20, 12, [(2, 9)], start=5)
    assert counter.closed_for == 0
    assert counter.blinks == 0
    assert counter.perclos() == pytest.approx(7 / 12, abs=0.01)


def test_a_blink_ends_within_half_a_second_and_dips_below_a_look_down() -> None:
    for depth, seconds, blinks in ((0.3, 0.2, 1), (0.4, 0.2, 0), (0.1, 0.45, 1), (0.1, 0.6, 0)):
        counter = BlinkCounter()
        for number in range(60):
            counter.update(number / 30, depth if 1 <= number / 30 < 1 + seconds else 0.9)
        assert counter.blinks == blinks


def test_lids_that_tremble_within_a_blink_blink_once() -> None:
    counter = BlinkCounter()
    for number, openness in enumerate((0.9, 0.3, 0.42, 0.1, 0.45, 0.3, 0.8, 0.9)):
        counter.update(number / 30, openness)
    assert counter.blinks == 1


def test_nothing_is_told_before_the_eyes_were_seen_for_ten_seconds() -> None:
    counter = BlinkCounter()
    assert (counter.perclos(), counter.blinks_per_minute(), counter.closed_for) == (None, None, 0)
    play(counter, 10, 9.9, [])
    assert counter.perclos() is None
    play(counter, 10, 11, [], start=9.9)
    assert counter.perclos() == 0


def test_time_without_eyes_is_left_out() -> None:
    counter = BlinkCounter()
    play(counter, 10, 10, [(0, 5)])
    for number in range(100, 300):
        counter.update(number / 10, None)
    play(counter, 10, 40, [], start=30)
    assert counter.perclos() == pytest.approx(5 / 20, abs=0.02)
    silent = BlinkCounter()
    play(silent, 10, 10, [(0, 5)])
    play(silent, 10, 40, [], start=30)  # frames that never came
    assert silent.perclos() == pytest.approx(5 / 20, abs=0.02)


def test_a_blink_into_which_the_face_leaves_is_none() -> None:
    counter = BlinkCounter()
    for number, openness in enumerate((0.9, 0.1, None, 0.9, 0.9)):
        counter.update(number / 10, openness)
    assert counter.blinks == 0


def test_only_the_last_minute_counts_and_memory_does_not_grow_with_the_stream() -> None:
    counter = BlinkCounter()
    play(counter, 10, 60, [(0, 30)])
    assert counter.perclos() == pytest.approx(0.5, abs=0.02)
    play(counter, 10, 95, [], start=60)
    assert counter.perclos() == pytest.approx(0, abs=0.001)
    play(counter, 30, 300, [], start=95)
    assert len(counter._seconds) <= 61


def test_one_sample_a_second_is_enough_for_perclos() -> None:
    counter = BlinkCounter()
    play(counter, 1, 60, [(10, 25)])
    assert counter.perclos() == pytest.approx(15 / 59, abs=0.01)


def test_a_stream_that_starts_anew_forgets_what_was_seen() -> None:
    counter = BlinkCounter()
    play(counter, 10, 50, [(1, 1.2), (10, 40)])
    play(counter, 10, 12, [])
    assert counter.blinks == 1
    assert counter.perclos() == 0


TRUE_MAP = np.array([[0.03, 0.004, 0.55], [-0.002, -0.05, 0.35]])
"""Screen x and y from yaw, pitch and 1."""


def looks_at_corners(noise: float = 0.0, count: int = 20, seed: int = 0) -> dict[ScreenCorner, list[Gaze]]:
    rng = np.random.default_rng(seed)
    samples = {}
    for corner in ScreenCorner:
        yaw, pitch = np.linalg.solve(TRUE_MAP[:, :2], np.array(corner.value) - TRUE_MAP[:, 2])
        shaken = rng.normal((yaw, pitch), noise, (count, 2)) if noise else [(yaw, pitch)] * count
        samples[corner] = [Gaze(float(y), float(p)) for y, p in shaken]
    return samples


def test_a_calibration_recovers_the_affine_map_behind_the_samples() -> None:
    calibration = GazeCalibration.fit(looks_at_corners())
    assert calibration.matrix == pytest.approx(TRUE_MAP)
    assert calibration.miss == pytest.approx(0, abs=1e-9)
    for looked in (Gaze(3, -4), Gaze(-20, 11)):
        assert calibration.on_screen(looked) == pytest.approx(TRUE_MAP @ (looked.yaw, looked.pitch, 1))


def test_a_calibration_stands_trembling_eyes_blinks_and_glances_aside() -> None:
    samples = looks_at_corners(noise=1.5)
    for looks in samples.values():
        looks[:4] = [Gaze(60, -50), Gaze(float("nan"), 0), Gaze(-70, 30), Gaze(0, 80)]
    calibration = GazeCalibration.fit(samples)
    assert calibration.on_screen(Gaze(5, 0)) == pytest.approx(tuple(TRUE_MAP @ (5, 0, 1)), abs=0.05)
    assert 0 < calibration.miss < 0.1


def test_a_corner_that_was_hardly_looked_at_is_named() -> None:
    samples = looks_at_corners()
    samples[ScreenCorner.BOTTOM_LEFT] = samples[ScreenCorner.BOTTOM_LEFT][:4]
    with pytest.raises(FerError, match=r"seen 4 times while looking at the bottom left corner, expected at least 5"):
        GazeCalibration.fit(samples)
    del samples[ScreenCorner.TOP_RIGHT]
    with pytest.raises(FerError, match="seen 0 times while looking at the top right corner"):
        GazeCalibration.fit(samples)


@pytest.mark.parametrize("still", ["yaw", "pitch"])
def test_gaze_that_did_not_move_is_refused(still: str) -> None:
    samples = {
        corner: [replace(look, **{still: 1.0}) for look in looks] for corner, looks in looks_at_corners().items()
    }
    with pytest.raises(FerError, match=r"Gaze turned by .* expected at least 2 each"):
        GazeCalibration.fit(samples)


def test_gaze_along_one_line_is_refused() -> None:
    samples = {
        corner: [Gaze(10 * corner.value[0] + 10 * corner.value[1], -10 * corner.value[0] - 10 * corner.value[1])] * 9
        for corner in ScreenCorner
    }
    with pytest.raises(FerError, match="do not form a screen"):
        GazeCalibration.fit(samples)


def test_corners_looked_at_in_another_order_are_refused() -> None:
    samples = looks_at_corners()
    samples[ScreenCorner.BOTTOM_LEFT], samples[ScreenCorner.BOTTOM_RIGHT] = (
        samples[ScreenCorner.BOTTOM_RIGHT],
        samples[ScreenCorner.BOTTOM_LEFT],
    )
    with pytest.raises(FerError, match=r"expected at least 2 each|do not form a screen"):
        GazeCalibration.fit(samples)
