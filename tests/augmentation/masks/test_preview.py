import numpy as np
import pytest

from fer_core.augmentation.masks.preview import NoseCoverage, landmarks_in_crop, mask_large_face, preview_bank
from fer_core.augmentation.masks.textures import TEST_STYLES, TRAINING_STYLES, MaskKind

GREY = np.full((96, 96, 3), 128, np.uint8)


@pytest.mark.parametrize(("worn", "free"), [(NoseCoverage.OVER, 0), (NoseCoverage.UNDER, 16), (NoseCoverage.MIXED, 4)])
def test_masks_are_worn_as_was_asked_for(worn, free):
    bank = preview_bank(24, [MaskKind.SURGICAL, MaskKind.CLOTH], TRAINING_STYLES, worn, 0)
    assert len(bank.kinds) == 16
    assert (~bank.nose_covered).sum() == free


def test_landmarks_lie_in_a_crop_as_in_the_frame():
    assert landmarks_in_crop(200).mouth == pytest.approx((100, 154))
    assert landmarks_in_crop(200).right_jaw == pytest.approx((161, 153.4))


def test_a_large_mask_covers_the_mouth_and_the_nose_only_over_it():
    nose, mouth = (60, 48), (74, 48)
    for worn, nose_changes in ((NoseCoverage.OVER, True), (NoseCoverage.UNDER, False)):
        changed = (mask_large_face(GREY, MaskKind.CLOTH, TRAINING_STYLES, worn, 1) != 128).any(axis=-1)
        assert changed[mouth]
        assert changed[nose] == nose_changes


def test_the_same_seed_draws_the_same_mask_and_another_wardrobe_another():
    one, again, other = (
        mask_large_face(GREY, MaskKind.SURGICAL, styles, NoseCoverage.MIXED, 5)
        for styles in (TRAINING_STYLES, TRAINING_STYLES, TEST_STYLES)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
