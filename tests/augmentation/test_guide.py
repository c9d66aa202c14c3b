import numpy as np
import pytest

from fer_core.augmentation.guide import TRANSFORMATIONS, Transformation, label_warnings
from fer_core.augmentation.masks.placement import FER2013_MASK_ANCHORS
from fer_core.augmentation.policy import AugmentationPolicy
from fer_core.augmentation.transforms import Augmentation
from fer_core.training.recipes import authors_using, presets

BY_NAME = {transformation.name: transformation for transformation in TRANSFORMATIONS}


def warned(**strengths: float) -> set[str]:
    return set(label_warnings(AugmentationPolicy.of(strengths)))


def test_every_strength_of_a_policy_is_in_the_guide_once():
    assert [t.name for t in TRANSFORMATIONS] == list(BY_NAME)
    assert set(BY_NAME) == set(AugmentationPolicy().strengths)
    assert all(t.does.endswith(".") for t in TRANSFORMATIONS)
    assert all(t.label_warning.endswith(".") for t in TRANSFORMATIONS if t.label_safe_up_to is not None)


def test_the_guide_offers_nothing_that_a_file_may_not_ask_for():
    flip = BY_NAME["flip"]
    with pytest.raises(ValueError, match=r"flip: expected a largest strength up to 1\.0, got 1\.5"):
        Transformation("flip", "Flip", flip.group, flip.unit, 1.5, 0.1, "")


def test_no_recipe_goes_beyond_what_the_guide_offers():
    for recipe in presets().values():
        assert all(recipe.policy.strengths[t.name] <= t.most for t in TRANSFORMATIONS)


def test_a_strength_is_said_with_its_unit():
    said = {"rotation": 15.0, "shift": 0.125, "noise": 20.0, "mixup": 0.2, "flip": 0.0}
    words = [BY_NAME[name].in_words(strength) for name, strength in said.items()]
    assert words == ["15 degrees", "12.5% of the side", "20 grey levels", "alpha 0.2", "off"]


def test_what_the_labels_survive_is_not_doubted():
    for name, recipe in presets().items():
        if not name.endswith("--full"):
            # Under masks a teacher who saw the bare face says what the label means.
            assert label_warnings(recipe.policy).keys() == (
                {"Masks and scarves"} if recipe.augmentation.mask else set()
            ), name
    assert label_warnings(presets()["senet --full"].policy).keys() == {"MixUp", "CutMix"}


@pytest.mark.parametrize("transformation", TRANSFORMATIONS, ids=lambda t: t.name)
def test_doubt_begins_above_the_strength_that_the_guide_names(transformation):
    start = transformation.label_safe_up_to
    if start is None:
        assert not warned(**{transformation.name: transformation.most})
    else:
        assert not warned(**{transformation.name: start})
        assert warned(**{transformation.name: start + 0.01}) == {transformation.title}


def test_upside_down_masked_and_mixed_faces_are_always_doubted():
    for name in ("vertical_flip", "mask", "mixup", "cutmix"):
        assert BY_NAME[name].label_safe_up_to == 0


def test_shifts_are_judged_together():
    assert warned(shift=0.2, height_shift=0.1) == {"Height shift"}
    assert warned(shift=0.2, width_shift=0.2) == {"Width shift"}
    assert not warned(shift=0.2)


@pytest.mark.parametrize(
    ("name", "part"), [("height_shift", "mouth"), ("shift", "mouth"), ("crop", "mouth"), ("width_shift", "left_eye")]
)
def test_a_part_of_the_face_leaves_the_picture_above_the_strength_of_doubt(name, part):
    x, y = getattr(FER2013_MASK_ANCHORS, part)
    marked = np.zeros((600, 100, 100), np.uint8)
    marked[:, round(100 * y) - 2 : round(100 * y) + 2, round(100 * x) - 2 : round(100 * x) + 2] = 255

    def lost(strength: float) -> int:
        changed = Augmentation(**{name: strength}).apply(marked, np.random.default_rng(0))
        return int((changed.max(axis=(1, 2)) < 100).sum())

    start = BY_NAME[name].label_safe_up_to
    assert lost(start - 0.02) == 0
    assert lost(start + 0.1) > 0


def test_recipes_are_named_as_train_calls_them_and_authors_by_what_they_use():
    named = presets()
    assert {"senet", "senet --authors", "senet --full", "resnet152v2-tuned --authors", "tiny --full"} <= set(named)
    assert "tiny --authors" not in named
    assert named["cnn4 --authors"].policy == AugmentationPolicy(Augmentation(flip=0.5))
    assert named["senet --full"].policy.cutmix == 1
    assert "cnn4" in authors_using("flip")
    assert "cnn4" not in authors_using("shear")
    assert authors_using("mixup") == ()
