"""Drawn masks cover what they should, sit where the face is, lie in its light, and follow from their seed."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fer_core.augmentation import transforms as augmentation
from fer_core.augmentation.masks import bank as masks
from fer_core.augmentation.masks import placement as mask_placing
from fer_core.augmentation.masks.bank import MaskBank, draw_mask
from fer_core.augmentation.masks.layers import CANVAS_LEFT, CANVAS_TOP, UNDER_NOSE_TOP, draw_layer
from fer_core.augmentation.masks.placement import FER2013_MASK_ANCHORS, MaskAnchors
from fer_core.augmentation.masks.shapes import LENSES, SHAPES
from fer_core.augmentation.masks.textures import MASK_KINDS, PATTERNS, TEST_STYLES, TRAINING_STYLES, MaskKind
from fer_core.augmentation.transforms import Augmentation
from fer_core.store.store import ModelStore

ALL = (*MASK_KINDS, MaskKind.SUNGLASSES)
STYLE_SETS = (TRAINING_STYLES, TEST_STYLES)


def flat(count: int, level: int = 128, size: int = 48) -> np.ndarray:
    return np.full((count, size, size), level, np.uint8)


@pytest.fixture(scope="module")
def bank() -> MaskBank:
    return MaskBank(layers=3)


def alpha_at(layer, x: float, y: float) -> int:
    pixels = len(layer.alpha) / 1.6
    return int(layer.alpha[int((y - CANVAS_TOP) * pixels), int((x - CANVAS_LEFT) * pixels)])


def landmarks_at(size: float, left: float = 0.0, top: float = 0.0) -> MaskAnchors:
    """FER2013's face of ``size`` pixels, moved."""
    places = {name: (left + x * size, top + y * size) for name, (x, y) in vars(FER2013_MASK_ANCHORS).items()}
    return MaskAnchors(**places)


@pytest.mark.parametrize("styles", STYLE_SETS, ids=lambda w: w.name)
@pytest.mark.parametrize("kind", MASK_KINDS)
def test_a_mask_covers_mouth_and_chin_and_leaves_the_eyes(kind, styles):
    rng = np.random.default_rng(1)
    for nose_covered in (True, False):
        for _ in range(4):
            layer = draw_layer(kind, nose_covered, styles, rng, 96)
            assert (layer.kind, layer.nose_covered) == (kind, nose_covered)
            for x, y in ((0.5, 0.78), (0.5, 0.96), (0.38, 0.80), (0.62, 0.80)):
                assert alpha_at(layer, x, y) == 255
            for x, y in (FER2013_MASK_ANCHORS.left_eye, FER2013_MASK_ANCHORS.right_eye, (0.5, 0.2)):
                assert alpha_at(layer, x, y) == 0
            assert (alpha_at(layer, 0.5, 0.60) == 255) == nose_covered
            assert (alpha_at(layer, 0.5, UNDER_NOSE_TOP - 0.03) == 255) == nose_covered


@pytest.mark.parametrize("styles", STYLE_SETS, ids=lambda w: w.name)
def test_sunglasses_cover_the_eyes_alone(styles):
    layer = draw_layer(MaskKind.SUNGLASSES, True, styles, np.random.default_rng(0), 96)
    assert not layer.nose_covered
    for x, y in (FER2013_MASK_ANCHORS.left_eye, FER2013_MASK_ANCHORS.right_eye):
        assert alpha_at(layer, x, y) > 230
    assert alpha_at(layer, 0.5, 0.62) == alpha_at(layer, 0.5, 0.77) == 0


def test_edges_are_smooth_and_cast_a_shadow_on_the_skin_alone():
    layer = draw_layer(MaskKind.SURGICAL, True, TRAINING_STYLES, np.random.default_rng(0), 48)
    between = (layer.alpha > 20) & (layer.alpha < 235)
    assert between.sum() > 40
    assert layer.shadow.max() > 40
    assert (layer.shadow[layer.alpha == 255] == 0).all()
    assert layer.shadow[:5].max() == 0


@pytest.mark.parametrize("kind", [MaskKind.SURGICAL, MaskKind.SCARF])
def test_folds_show_on_a_plain_fabric(kind):
    """Down the middle, away from both edges, brightness goes up and down more than once."""
    plain = replace(TRAINING_STYLES, colours={kind: ((200, 200, 200),)}, patterns=("stripes",))
    layer = draw_layer(kind, True, plain, np.random.default_rng(4), 96)
    column = layer.colour[80 : 80 + 36, 78:83, 1].astype(float).mean(axis=1)  # frames 0.63 to 1.0
    turns = np.diff(np.sign(np.diff(cv2.GaussianBlur(column[None], (0, 0), 1.0)[0])))
    assert (turns != 0).sum() >= 3


def test_the_wardrobes_share_no_style_and_know_every_one():
    training, test = STYLE_SETS
    shapes = {styles.name: {cut for names in styles.shapes.values() for cut in names} for styles in STYLE_SETS}
    assert not shapes["training"] & shapes["test"]
    assert shapes["training"] | shapes["test"] == SHAPES.keys() | LENSES.keys()
    assert not set(training.patterns) & set(test.patterns)
    assert {*training.patterns, *test.patterns} == PATTERNS.keys()
    for kind in ALL:
        assert not set(training.colours.get(kind, ())) & set(test.colours.get(kind, ()))
        assert training.shapes[kind]
        assert test.shapes[kind]
    assert all(high <= low2 or high2 <= low for low, high in training.hues for low2, high2 in test.hues)


@pytest.mark.parametrize("name", list(PATTERNS))
def test_a_pattern_prints_both_colours(name):
    across, down = (axis.astype(np.float32) for axis in np.meshgrid(np.linspace(-1, 1, 120), np.linspace(-1, 1, 120)))
    share = PATTERNS[name](across, down, np.random.default_rng(3))
    assert share.shape == (120, 120)
    assert 0 <= share.min() < 0.05
    assert 0.95 < share.max() <= 1
    assert 0.03 < share.mean() < 0.97


def test_the_same_seed_masks_alike_another_one_otherwise_and_faces_stay_as_they_are(bank):
    faces = np.random.default_rng(0).integers(0, 256, (12, 48, 48)).astype(np.uint8)
    before = faces.copy()
    one, two = (bank.apply(faces, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.images, two.images)
    np.testing.assert_array_equal(one.kinds, two.kinds)
    assert (one.images != bank.apply(faces, np.random.default_rng(6)).images).any()
    np.testing.assert_array_equal(faces, before)
    banks = [MaskBank(kinds=(MaskKind.PATTERNED,), layers=2, seed=seed) for seed in (3, 3, 4)]
    again, alike, other = (own.apply(faces, np.random.default_rng(5)).images for own in banks)
    np.testing.assert_array_equal(again, alike)
    assert (other != again).any()


def test_every_face_comes_back_with_what_it_wears(bank):
    masked = bank.apply(flat(600), np.random.default_rng(0), probability=0.5)
    unmasked = masked.kinds == "none"
    assert 250 < unmasked.sum() < 350
    np.testing.assert_array_equal(masked.images[unmasked], flat(unmasked.sum()))
    assert not masked.nose_covered[unmasked].any()
    assert (masked.images[~unmasked] != 128).any(axis=(1, 2)).all()
    for kind in MASK_KINDS:
        assert 30 < (masked.kinds == str(kind)).sum() < 100
    worn_right = masked.nose_covered[~unmasked].mean()
    assert 0.55 < worn_right < 0.8  # one layer of three is worn under the nose: a fifth, rounded up
    for row in np.flatnonzero(~unmasked):
        assert ((masked.images[row, 25:29, 23:25] != 128).mean() > 0.5) == masked.nose_covered[row]


def test_masks_sit_a_little_differently_each_time_and_no_more_than_that():
    places = masks._random_places(np.random.default_rng(0), 3000)
    scales = np.sqrt(np.linalg.det(places[:, :2, :2]))
    angles = np.degrees(np.arctan2(places[:, 1, 0], places[:, 0, 0]))
    nose = np.array(FER2013_MASK_ANCHORS.nose_tip)
    shifts = (places @ np.array([*nose, 1]))[:, :2] - nose
    for values, largest in ((angles, 7.0), (scales - 1, 0.07), (shifts, 0.035)):
        assert np.abs(values).max() <= largest + 1e-9
        assert np.abs(values).max() > 0.98 * largest


def test_a_mask_lies_in_the_light_of_its_face(bank):
    def on(faces):
        masked = bank.apply(faces, np.random.default_rng(2)).images.astype(float)
        return masked[:, 36:44, 14:34]  # all mask

    dim, bright = (on(flat(20, level)).mean(axis=(1, 2)) for level in (50, 190))
    assert dim / bright == pytest.approx(np.full(20, (50 / 190) ** 0.7), rel=0.03)
    from_right = np.tile(np.linspace(60, 180, 48), (20, 48, 1)).astype(np.uint8)
    lit, even = on(from_right), on(flat(20, 120))
    balance = [part[:, :, 10:].mean(axis=(1, 2)) / part[:, :, :10].mean(axis=(1, 2)) for part in (lit, even)]
    assert (balance[0] > 1.1 * balance[1]).all()


def test_faces_of_another_size_than_the_banks_are_refused(bank):
    with pytest.raises(ValueError, match=r"48x48 pixels, got \(64, 64\)"):
        bank.apply(flat(1, size=64), np.random.default_rng(0))


def centre_of_change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(before != after)
    return np.array([columns.mean(), rows.mean()])


def test_landmarks_place_the_masks_of_a_bank():
    bank = MaskBank(96, (MaskKind.CLOTH,), layers=1, under_nose=0.0)
    faces = flat(2, size=96)
    places = [landmarks_at(48, 4, 4), landmarks_at(48, 34, 24)]
    masked = bank.apply(np.repeat(faces[:1], 2, axis=0), np.random.default_rng(0), landmarks=places).images
    apart = centre_of_change(faces[1], masked[1]) - centre_of_change(faces[0], masked[0])
    assert apart == pytest.approx([30, 20], abs=4)


def test_a_photo_is_masked_where_its_landmarks_are_and_nowhere_else(photo):
    height, width = 200, 220
    image = cv2.resize(photo, (width, height))
    landmarks = landmarks_at(90, 70, 30)
    for kind in ALL:
        masked = draw_mask(image, landmarks, kind, np.random.default_rng(0))
        assert (masked.shape, masked.dtype) == (image.shape, np.uint8)
        changed = (masked != image).any(axis=2)
        mouth, eye = (tuple(int(v) for v in place[::-1]) for place in (landmarks.mouth, landmarks.left_eye))
        assert changed[mouth] == (kind != MaskKind.SUNGLASSES)
        assert changed[eye] == (kind == MaskKind.SUNGLASSES)
        assert not changed[:30].any()
        assert not changed[:, :30].any()
    np.testing.assert_array_equal(draw_mask(image, landmarks, MaskKind.NONE, np.random.default_rng(0)), image)


def test_grey_photos_are_masked_like_coloured_ones(photo):
    image = cv2.resize(photo, (160, 160))
    landmarks = landmarks_at(90, 30, 30)
    coloured = draw_mask(image, landmarks, MaskKind.CLOTH, np.random.default_rng(0), nose_covered=False)
    grey = draw_mask(
        cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), landmarks, MaskKind.CLOTH, np.random.default_rng(0), False
    )
    difference = np.abs(cv2.cvtColor(coloured, cv2.COLOR_BGR2GRAY).astype(int) - grey)
    assert difference.max() <= 3


def test_a_tilted_face_gets_a_tilted_mask():
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    straight = landmarks_at(100, 50, 50)
    turned = MaskAnchors(
        **{name: tuple(turn @ (np.array(place) - 100) + 100) for name, place in vars(straight).items()}
    )
    plain = np.full((200, 200), 128, np.uint8)
    one, other = (draw_mask(plain, place, MaskKind.N95, np.random.default_rng(0)) for place in (straight, turned))
    back = cv2.warpAffine(
        other, cv2.getRotationMatrix2D((100, 100), 20, 1), (200, 200), borderMode=cv2.BORDER_REPLICATE
    )
    changed, expected = (np.abs(image.astype(int) - 128) > 6 for image in (back, one))
    assert (changed & expected).sum() / (changed | expected).sum() > 0.93


def test_the_spline_takes_landmarks_home_and_lets_unknown_ones_go():
    moved = replace(landmarks_at(100, 50, 50), nose_tip=(106.0, 112.0))
    for landmarks in (moved, replace(moved, left_contour=None, right_contour=None, left_jaw=None, right_jaw=None)):
        places = mask_placing.places_in_frames(landmarks, (200, 200), grid=1)
        x, y = (int(v) for v in landmarks.chin)
        assert places[y, x] == pytest.approx(FER2013_MASK_ANCHORS.chin, abs=0.03)
        x, y = (int(v) for v in landmarks.nose_tip)
        assert places[y, x] == pytest.approx(FER2013_MASK_ANCHORS.nose_tip, abs=0.04)


def test_a_face_in_profile_does_not_fold_its_mask():
    profile = replace(
        landmarks_at(100, 50, 50),
        left_eye=(66, 89),
        right_eye=(98, 89),
        nose_tip=(52, 112),
        mouth=(64, 127),
        left_contour=(62, 95),
        left_jaw=(63, 127),
    )
    places = mask_placing.places_in_frames(profile, (200, 200), grid=4)[::4, ::4]
    assert not mask_placing._folds_over(places)
    soft = mask_placing.STIFFNESS[:1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mask_placing, "STIFFNESS", soft)
        assert mask_placing._folds_over(mask_placing.places_in_frames(profile, (200, 200), grid=4)[::4, ::4])


def test_there_is_no_layer_of_nothing():
    with pytest.raises(ValueError, match="kind of mask"):
        draw_layer(MaskKind.NONE, True, TRAINING_STYLES, np.random.default_rng(0), 48)


def test_augmentation_masks_at_its_probability_and_draws_nothing_for_none(bank, monkeypatch):
    sizes = []
    monkeypatch.setattr(augmentation, "default_bank", lambda size: (sizes.append(size), bank)[1])
    faces = flat(300)
    changed = Augmentation(mask=0.4).apply(faces, np.random.default_rng(0))
    assert 90 < (changed != 128).any(axis=(1, 2)).sum() < 150
    assert sizes == [48]
    assert Augmentation(mask=1.0).apply(faces[:3], np.random.default_rng(0), 40).shape == (3, 40, 40)
    strong = Augmentation(rotation=15, zoom=0.2, shift=0.1, flip=0.5, brightness=0.2, contrast=0.3, erasing=0.5)
    noise = np.random.default_rng(1).integers(0, 256, (4, 48, 48)).astype(np.uint8)
    of_none = replace(strong, mask=0.0).apply(noise, np.random.default_rng(5))
    np.testing.assert_array_equal(of_none, strong.apply(noise, np.random.default_rng(5)))
    assert sizes == [48, 48]


def test_recipes_from_before_masks_still_load():
    stored = ModelStore().load("resnet").card.recipe["augmentation"]
    assert "mask" not in stored
    assert Augmentation(**stored).mask == 0.0
