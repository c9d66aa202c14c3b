import numpy as np
import pytest

from fer_core.datasets.augmentation import Augmentation


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
