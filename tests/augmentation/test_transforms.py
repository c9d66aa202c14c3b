import numpy as np
import pytest

from fer_core.augmentation.transforms import Augmentation
from fer_core.training.recipes import AUTHORS_AUGMENTATION, LIGHT_AUGMENTATION, STRONG_AUGMENTATION


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def gradient(count: int = 1, side: int = 48) -> np.ndarray:
    across = np.linspace(40, 200, side)
    return np.broadcast_to(across, (count, side, side)).astype(np.uint8).copy()


def test_without_any_strength_faces_stay_as_they_are(rng):
    faces = rng.integers(0, 256, (4, 48, 48)).astype(np.uint8)
    np.testing.assert_array_equal(Augmentation().apply(faces, rng), faces)


def test_the_same_seed_draws_the_same_faces():
    faces = np.random.default_rng(3).integers(0, 256, (8, 48, 48)).astype(np.uint8)
    strong = Augmentation(rotation=15, zoom=0.2, shift=0.1, flip=0.5, brightness=0.2, contrast=0.3, erasing=0.5)
    one, two = (strong.apply(faces, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (one != strong.apply(faces, np.random.default_rng(6))).any()


def test_a_certain_flip_is_the_mirror_image(rng):
    faces = rng.integers(0, 256, (3, 48, 48)).astype(np.uint8)
    np.testing.assert_array_equal(Augmentation(flip=1).apply(faces, rng), faces[:, :, ::-1])


def test_half_of_the_faces_are_flipped_at_probability_one_half(rng):
    changed = Augmentation(flip=0.5).apply(gradient(400), rng)
    assert 150 < (changed[:, 0, 0] > changed[:, 0, -1]).sum() < 250


def test_shifts_stay_within_their_share_of_the_side_and_reach_it(rng):
    faces = np.zeros((300, 48, 48), np.uint8)
    faces[:, 23:25, 23:25] = 255
    changed = Augmentation(shift=0.25).apply(faces, rng)
    columns = (changed.sum(axis=1) * np.arange(48)).sum(axis=1) / changed.sum(axis=(1, 2))
    offsets = columns - 23.5
    assert np.abs(offsets).max() <= 12.1
    assert offsets.max() > 10
    assert offsets.min() < -10


def test_rotation_turns_by_at_most_its_angle_and_reaches_it(rng):
    changed = Augmentation(rotation=20).apply(gradient(200), rng).astype(float)
    down, across = np.gradient(changed[:, 14:34, 14:34], axis=(1, 2))
    angles = np.degrees(np.arctan2(down.mean(axis=(1, 2)), across.mean(axis=(1, 2))))
    assert np.abs(angles).max() < 20.7
    assert np.abs(angles).max() > 18


def test_a_result_of_another_size_is_the_same_picture(rng):
    small = Augmentation().apply(gradient(), rng, 32)
    assert small.shape == (1, 32, 32)
    np.testing.assert_allclose(
        small[0, 16], np.interp((np.arange(32) + 0.5) * 1.5 - 0.5, np.arange(48), gradient()[0, 0]), atol=1
    )


def test_brightness_moves_the_mean_and_contrast_the_deviation(rng):
    brighter = Augmentation(brightness=0.1).apply(gradient(200), rng).astype(float)
    means = brighter.mean(axis=(1, 2)) - gradient().mean()
    assert np.abs(means).max() <= 0.1 * 255 + 1
    assert np.abs(means).max() > 20
    sharper = Augmentation(contrast=0.2).apply(gradient(200), rng).astype(float)
    spread = sharper.std(axis=(1, 2)) / gradient().std()
    assert 0.79 <= spread.min() < 0.85
    assert 1.15 < spread.max() <= 1.21


def test_erasing_blanks_one_rectangle_of_at_most_a_fifth_of_the_area(rng):
    faces = gradient(100)
    changed = Augmentation(erasing=1.0).apply(faces, rng)
    shares = (changed != faces).mean(axis=(1, 2))
    assert (shares > 0.005).all()
    assert shares.max() < 0.24
    assert (Augmentation(erasing=0.3).apply(faces, rng) != faces).any(axis=(1, 2)).mean() < 0.5


def test_shear_slants_the_vertical_and_leaves_the_horizontal(rng):
    faces = np.zeros((200, 48, 48), np.uint8)
    faces[:, :, 23:25] = 255  # an upright bar
    changed = Augmentation(shear=20).apply(faces, rng).astype(float)
    columns = np.arange(48)
    top, bottom = ((changed[:, row] * columns).sum(axis=1) / changed[:, row].sum(axis=1) for row in (8, 40))
    slants = np.degrees(np.arctan2(bottom - top, 32))
    assert np.abs(slants).max() <= 20.5
    assert slants.max() > 18
    assert slants.min() < -18
    level = np.transpose(faces, (0, 2, 1)).copy()
    np.testing.assert_array_equal(Augmentation(shear=20).apply(level, rng), level)


def test_noise_reaches_its_deviation_and_stays_below_it(rng):
    faces = np.full((200, 48, 48), 128, np.uint8)
    deviations = Augmentation(noise=20).apply(faces, rng).astype(float).std(axis=(1, 2))
    assert 18 < deviations.max() < 21
    assert deviations.min() < 2


def test_blur_and_coarse_pixels_take_detail_away_and_leave_the_mean(rng):
    faces = rng.integers(0, 256, (100, 48, 48)).astype(np.uint8)
    for worse in (Augmentation(blur=2), Augmentation(coarse=0.6)):
        changed = worse.apply(faces, np.random.default_rng(1)).astype(float)
        detail = changed.std(axis=(1, 2)) / faces.std(axis=(1, 2))
        assert detail.min() < 0.35
        assert detail.max() > 0.9
        assert changed.mean() == pytest.approx(faces.mean(), abs=1)


def test_a_crop_is_a_window_of_the_face_enlarged(rng):
    changed = Augmentation(crop=0.5).apply(gradient(300), rng).astype(float)[:, 24]
    spans = (changed[:, -1] - changed[:, 0]) / (200 - 40)
    assert 0.48 < spans.min() < 0.55
    assert 0.95 < spans.max() <= 1.01
    assert (changed >= 39).all()
    assert (changed <= 201).all()
    assert changed[:, 0].min() < 45  # some windows lie at the left rim
    assert changed[:, -1].max() > 195


def test_a_certain_vertical_flip_stands_on_its_head(rng):
    faces = rng.integers(0, 256, (3, 48, 48)).astype(np.uint8)
    np.testing.assert_array_equal(Augmentation(vertical_flip=1).apply(faces, rng), faces[:, ::-1])
    np.testing.assert_array_equal(Augmentation(vertical_flip=1, flip=1).apply(faces, rng), faces[:, ::-1, ::-1])


def test_transformations_that_are_switched_off_draw_nothing():
    faces = np.random.default_rng(3).integers(0, 256, (8, 48, 48)).astype(np.uint8)
    rng, same = np.random.default_rng(5), np.random.default_rng(5)
    Augmentation(rotation=15, flip=0.5).apply(faces, rng)
    Augmentation(rotation=15, flip=0.5, noise=0.0, crop=0.0, mask=0.0, coarse=0.0).apply(faces, same)
    assert rng.random() == same.random()


def moments(images: np.ndarray) -> np.ndarray:
    """Mean grey level of each image, and how it leans to the right and downwards: ``(N, 3)``."""
    axis = np.linspace(-1, 1, images.shape[1])
    pixels = images.astype(float)
    return np.stack([(pixels * weight).mean(axis=(1, 2)) for weight in (1, axis, axis[:, None])], axis=1)


EVERYTHING = Augmentation(
    rotation=20,
    shear=10,
    zoom=0.2,
    shift=0.1,
    flip=0.5,
    brightness=0.2,
    contrast=0.3,
    erasing=0.5,
    noise=10,
    blur=1,
    coarse=0.5,
    crop=0.2,
    vertical_flip=0.3,
)


@pytest.mark.parametrize(
    ("augmentation", "expected", "after"),
    [
        (STRONG_AUGMENTATION, [[157.33, -13.28, 9.14], [145.22, -24.09, 10.6]], 653770),
        (LIGHT_AUGMENTATION, [[131.18, -19.38, 12.97], [122.74, -24.22, 11.3]], 474479),
        (AUTHORS_AUGMENTATION, [[118.16, -21.04, 18.87], [129.92, -24.63, 14.67]], 608603),
        (EVERYTHING, [[73.37, -18.4, 23.05], [92.84, -26.71, 15.7]], 659745),
    ],
    ids=["strong", "light", "authors", "everything"],
)
def test_a_seed_stays_a_seed_whatever_transformations_are_added(augmentation, expected, after):
    # Recorded before width and height shift and colour were. Sums over pixels, since OpenCV rounds by processor.
    down, across = np.mgrid[:48, :48]
    face = (20 + 3 * across + np.where(down > 30, 60, down)).astype(np.uint8)
    rng = np.random.default_rng(3)
    drawn = augmentation.apply(np.stack([face] * 4), rng, 40)
    np.testing.assert_allclose(moments(drawn)[[0, 3]], expected, atol=0.1)
    assert rng.integers(10**6) == after


@pytest.mark.parametrize(("name", "axis"), [("width_shift", 1), ("height_shift", 0)])
def test_width_and_height_shift_move_along_their_axis_alone(rng, name, axis):
    down, across = np.mgrid[:48, :48]
    faces = np.stack([(3 * across).astype(np.uint8)] * 300 + [(3 * down).astype(np.uint8)] * 300)
    changed = Augmentation(**{name: 0.25}).apply(faces, rng).astype(float)
    middles = changed[:, 24, 24].reshape(2, 300) / 3
    moved, still = middles[1 - axis], middles[axis]
    assert moved.min() == pytest.approx(24 - 12, abs=0.5)
    assert moved.max() == pytest.approx(24 + 12, abs=0.5)
    assert (still == 24).all()


def test_width_and_height_shift_add_to_the_shift_both_ways_and_leave_its_draws(rng):
    face = gradient()
    one = Augmentation(shift=0.1).apply(face, np.random.default_rng(4))[0, 24].astype(float)
    more = Augmentation(shift=0.1, height_shift=0.2).apply(face, np.random.default_rng(4))[0, 24].astype(float)
    np.testing.assert_array_equal(one, more)  # the grey levels only vary across


def test_colour_faces_become_grey_by_luma_and_colour_changes_its_weights(rng):
    colours = np.zeros((400, 8, 8, 3), np.uint8)
    colours[:] = (200, 100, 50)  # blue, green, red
    luma = round(0.114 * 200 + 0.587 * 100 + 0.299 * 50)
    assert (Augmentation().apply(colours, rng) == luma).all()
    levels = Augmentation(colour=0.9).apply(colours, rng)[:, 0, 0]
    assert 50 <= levels.min() < luma - 10
    assert luma + 15 < levels.max() <= 200
    grey = np.repeat(gradient(5)[..., None], 3, axis=-1)
    np.testing.assert_array_equal(Augmentation(colour=0.9).apply(grey, rng), gradient(5))


def test_colour_changes_and_draws_nothing_for_grey_faces():
    one, other = np.random.default_rng(1), np.random.default_rng(1)
    plain = Augmentation(rotation=10).apply(gradient(4), one)
    np.testing.assert_array_equal(Augmentation(rotation=10, colour=0.5).apply(gradient(4), other), plain)
