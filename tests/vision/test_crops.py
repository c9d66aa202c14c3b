"""Crops land where the box says, to fractions of a pixel, and are framed as FER2013 frames a face, upright."""

import math

import cv2
import numpy as np
import pytest
import skimage.data

from fer_core.results import BoundingBox, FaceDetection
from fer_core.vision import create_detector
from fer_core.vision.crops import ALIGNED_FROM, aligned_rolls, crop_faces
from fer_core.vision.framing import FACE_MIDDLE, FaceFraming


def grey_frame(values: np.ndarray) -> np.ndarray:
    return np.repeat(values.astype(np.uint8)[:, :, None], 3, axis=2)


def horizontal_gradient(width: int = 200, height: int = 60) -> np.ndarray:
    """Grey level = x, the number of the column."""
    return grey_frame(np.tile(np.arange(width), (height, 1)))


def test_a_detector_that_boxes_the_whole_frame_is_cropped_at_its_box() -> None:
    box = BoundingBox(10, 20, 96, 96)
    assert FaceFraming(0, 0, 1, 1).crop_box(box) == box


def test_the_crop_puts_the_box_where_the_framing_says_it_lies() -> None:
    framing = FaceFraming(left=0.1, top=0.25, right=0.9, bottom=1.05)
    crop = framing.crop_box(BoundingBox(100, 200, 80, 80))
    assert crop.x == pytest.approx(90)
    assert crop.y == pytest.approx(175)
    assert (crop.width, crop.height) == pytest.approx((100, 100))


def test_an_oblong_box_gives_a_square_of_its_area_about_its_centre() -> None:
    crop = FaceFraming(0, 0, 1, 1).crop_box(BoundingBox(0, 0, 40, 90))
    assert (crop.width, crop.height) == pytest.approx((60, 60))
    assert (crop.x, crop.y) == pytest.approx((-10, 15))


def test_a_box_of_the_crops_own_size_is_copied_pixel_for_pixel() -> None:
    frame = grey_frame(np.random.default_rng(0).integers(0, 256, (64, 80)))
    crop = crop_faces(frame, [BoundingBox(7, 5, 48, 48)], 48)[0]
    np.testing.assert_array_equal(crop, frame[5:53, 7:55, 0])


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5, 0.9])
def test_shrinking_honours_fractions_of_a_pixel_across(shift: float) -> None:
    # Output pixel i averages columns 20 + 4i to 24 + 4i: the first in part, three in full, and the rest of a fifth.
    crop = crop_faces(horizontal_gradient(), [BoundingBox(20 + shift, 8, 96, 40)], 24)[0]
    first = 20 + 4 * np.arange(24)
    expected = ((1 - shift) * first + (first + 1) + (first + 2) + (first + 3) + shift * (first + 4)) / 4
    assert np.abs(crop - expected).max() <= 0.5 + 1e-4
    assert (crop == crop[0]).all()


def test_rows_are_resampled_as_columns_are() -> None:
    frame = np.random.default_rng(3).integers(0, 256, (80, 120, 3), dtype=np.uint8)
    crop = crop_faces(frame, [BoundingBox(30.3, 10.6, 50.5, 60.25)], 20)[0]
    turned = crop_faces(frame.transpose(1, 0, 2), [BoundingBox(10.6, 30.3, 60.25, 50.5)], 20)[0]
    assert np.abs(crop.astype(int) - turned.T).max() <= 1


def test_shrinking_averages_the_area_so_that_fine_texture_turns_grey() -> None:
    checkerboard = grey_frame(np.indices((192, 192)).sum(axis=0) % 2 * 255)
    crop = crop_faces(checkerboard, [BoundingBox(0, 0, 192, 192)], 48)[0]
    assert set(np.unique(crop)) <= {127, 128}


def test_shrinking_by_a_whole_factor_equals_opencvs_area_resampling() -> None:
    frame = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    crop = crop_faces(frame, [BoundingBox(3, 4, 192, 192)], 48)[0]
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    expected = cv2.resize(grey[4:196, 3:195], (48, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(crop.astype(int) - expected).max() <= 1


def test_enlarging_is_bilinear() -> None:
    frame = grey_frame(np.array([[0, 100, 200], [0, 100, 200], [0, 100, 200]]))
    crop = crop_faces(frame, [BoundingBox(0, 0, 3, 3)], 6)[0]
    np.testing.assert_array_equal(crop[2], [0, 25, 75, 125, 175, 200])


def test_enlarging_honours_fractions_of_a_pixel() -> None:
    crop = crop_faces(horizontal_gradient(), [BoundingBox(50.2, 10, 24, 24)], 48)[0]
    expected = 50.2 + (np.arange(48) + 0.5) / 2 - 0.5
    assert np.abs(crop - expected).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("side", [12, 96])
def test_beyond_the_border_the_nearest_pixel_is_repeated(side: int) -> None:
    frame = horizontal_gradient(width=60)
    left, right = crop_faces(
        frame, [BoundingBox(-side / 2, 0, side, side), BoundingBox(60 - side / 2, 0, side, side)], 24
    )
    assert (left[:, :12] == 0).all()
    assert left[0, 12:].max() > 0
    assert (right[:, 12:] == 59).all()
    assert right[0, :12].min() < 59


def test_a_crop_over_the_border_equals_the_crop_from_a_replicated_frame() -> None:
    frame = np.random.default_rng(2).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    padded = cv2.copyMakeBorder(frame, 50, 50, 50, 50, cv2.BORDER_REPLICATE)
    for box in (
        BoundingBox(-20.3, -31.7, 80.5, 80.5),
        BoundingBox(33.1, 48.6, 80.5, 80.5),
        BoundingBox(-9.4, 70.2, 30, 30),
    ):
        inside = BoundingBox(box.x + 50, box.y + 50, box.width, box.height)
        difference = crop_faces(frame, [box], 48).astype(int) - crop_faces(padded, [inside], 48)
        assert np.abs(difference).max() <= 1


def test_a_box_wholly_outside_shows_the_nearest_edge() -> None:
    crops = crop_faces(horizontal_gradient(width=60), [BoundingBox(-500, 5, 50, 50), BoundingBox(500, 5, 50, 50)], 8)
    assert (crops[0] == 0).all()
    assert (crops[1] == 59).all()


def test_colours_become_grey_by_their_luma() -> None:
    colours = {(255, 0, 0): 29, (0, 255, 0): 150, (0, 0, 255): 76}  # blue, green, red
    for colour, luma in colours.items():
        frame = np.full((20, 20, 3), colour, np.uint8)
        assert (crop_faces(frame, [BoundingBox(2, 2, 10, 10)], 4) == luma).all()


def test_every_box_gets_its_own_crop_in_order() -> None:
    frame = horizontal_gradient()
    boxes = [BoundingBox(x, 4, 40, 40) for x in (100, 0, 50)]
    crops = crop_faces(frame, boxes, 20)
    assert crops.shape == (3, 20, 20)
    assert crops.dtype == np.uint8
    for crop, box in zip(crops, boxes, strict=True):
        np.testing.assert_array_equal(crop, crop_faces(frame, [box], 20)[0])


def test_no_boxes_give_no_crops() -> None:
    assert crop_faces(horizontal_gradient(), [], 48).shape == (0, 48, 48)


def test_a_frame_of_one_pixel_can_be_cropped() -> None:
    frame = np.full((1, 1, 3), 77, np.uint8)
    assert (crop_faces(frame, [BoundingBox(-3, -3, 9, 9), BoundingBox(0.2, 0.2, 200, 200)], 48) == 77).all()


@pytest.mark.parametrize("box", [BoundingBox(0, 0, 0, 5), BoundingBox(0, 0, 5, -1), BoundingBox(0, 0, float("nan"), 5)])
def test_a_box_without_area_is_refused(box: BoundingBox) -> None:
    with pytest.raises(ValueError, match="positive width and height"):
        crop_faces(horizontal_gradient(), [box], 48)


def face_frame(roll: float = 0.0) -> np.ndarray:
    """A blurred picture of 300 pixels, turned clockwise about (150, 150)."""
    picture = np.random.default_rng(5).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    turn = cv2.getRotationMatrix2D((149.5, 149.5), -roll, 1)
    return cv2.warpAffine(cv2.GaussianBlur(picture, (0, 0), 3), turn, (300, 300), borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize("roll", [20.0, -35.0, 170.0])
@pytest.mark.parametrize("side", [40, 120])
def test_a_rolled_head_is_cropped_upright_about_the_middle_of_its_face(roll: float, side: int) -> None:
    across, down = FACE_MIDDLE
    box = BoundingBox(150 - across * side, 150 - down * side, side, side)
    upright = crop_faces(face_frame(), [box], 48)[0].astype(int)
    assert np.ptp(upright) > 20
    assert np.abs(upright - crop_faces(face_frame(roll), [box], 48, [roll])[0]).max() <= 3


def test_a_half_turn_shows_what_lies_mirrored_about_the_middle_of_the_face_upside_down() -> None:
    frame = np.random.default_rng(6).integers(0, 256, (320, 400, 3), dtype=np.uint8)
    box = BoundingBox(90, 40, 200, 200)
    mirrored = BoundingBox(90, 40 + 200 * (2 * FACE_MIDDLE[1] - 1), 200, 200)
    turned, plain = crop_faces(frame, [box, mirrored], 50, [180.0, 0.0]).astype(int)
    assert np.abs(turned - plain[::-1, ::-1]).max() <= 1


def test_of_several_boxes_only_the_rolled_are_turned() -> None:
    frame, box = face_frame(), BoundingBox(60.3, 50.8, 150, 150)
    plain, turned = crop_faces(frame, [box, box], 48, [0.0, 25.0])
    np.testing.assert_array_equal(plain, crop_faces(frame, [box], 48)[0])
    assert np.abs(plain.astype(int) - turned).max() > 20


def test_shrinking_a_turned_crop_averages_as_a_plain_one_does() -> None:
    noise = np.random.default_rng(4).integers(0, 256, (600, 600, 3), dtype=np.uint8)
    plain, turned = crop_faces(noise, [BoundingBox(60, 60, 480, 480)] * 2, 48, [0.0, 90.0])
    assert turned.std() < 1.2 * plain.std()


def test_a_turned_crop_over_the_border_repeats_the_nearest_pixel() -> None:
    frame = np.full((50, 50, 3), 77, np.uint8)
    assert (crop_faces(frame, [BoundingBox(-30, 20, 60, 60)], 24, [30.0]) == 77).all()


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
