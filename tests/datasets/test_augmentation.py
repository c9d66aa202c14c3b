import numpy as np
import pytest

from fer_core.datasets.augmentation import Augmentation
from fer_core.errors import DatasetError


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


def test_toml_gives_back_what_was_written(tmp_path):
    strong = Augmentation(rotation=12.5, flip=0.5, noise=4, mask=0.25)
    (tmp_path / "lab.toml").write_text(strong.as_toml())
    assert Augmentation.from_toml(tmp_path / "lab.toml") == strong
    (tmp_path / "lab.toml").write_text("[augmentation]\nshear = 3\n")
    assert Augmentation.from_toml(tmp_path / "lab.toml") == Augmentation(shear=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rotation = ", "cannot be read as TOML"),
        ("rotation = 5", r"expected a table \[augmentation\]"),
        ("[augmentation]\nspin = 5", "found 'spin', expected rotation, shear"),
        ("[augmentation]\nflip = 2", "found flip = 2, expected a number from 0 to 1"),
        ("[augmentation]\nzoom = 1.0", "expected a number from 0 to 0.9"),
        ("[augmentation]\nflip = true", "found flip = True"),
        ("[augmentation]\nnoise = -1", "found noise = -1"),
        ("[augmentation]\nblur = nan", "found blur = nan"),
    ],
)
def test_toml_of_something_else_is_refused_in_a_sentence(text, message, tmp_path):
    (tmp_path / "lab.toml").write_text(text)
    with pytest.raises(DatasetError, match=message):
        Augmentation.from_toml(tmp_path / "lab.toml")
    with pytest.raises(DatasetError, match="cannot be read"):
        Augmentation.from_toml(tmp_path / "missing.toml")
