import tomllib

import numpy as np
import pytest

from fer_core.augmentation.policy import PREVIEWED, AugmentationPolicy, preview_batch, preview_face, sample_epoch
from fer_core.augmentation.transforms import Augmentation
from fer_core.errors import DatasetError

STRONG = AugmentationPolicy(Augmentation(rotation=12.5, flip=0.5, noise=4), mixup=0.2, cutmix=1.0)


@pytest.fixture
def faces():
    return np.random.default_rng(0).integers(0, 256, (40, 48, 48)).astype(np.uint8)


def test_toml_gives_back_what_was_written(tmp_path):
    (tmp_path / "lab.toml").write_text(STRONG.as_toml())
    assert AugmentationPolicy.from_toml(tmp_path / "lab.toml") == STRONG
    tables = tomllib.loads(STRONG.as_toml())
    assert tables["augmentation"]["rotation"] == 12.5
    assert tables["mixing"] == {"mixup": 0.2, "cutmix": 1.0}


def test_a_file_without_mixing_leaves_that_of_the_recipe_and_one_with_it_does_not(tmp_path):
    (tmp_path / "lab.toml").write_text("[augmentation]\nshear = 3\n")
    read = AugmentationPolicy.from_toml(tmp_path / "lab.toml", STRONG)
    assert read == AugmentationPolicy(Augmentation(shear=3), mixup=0.2, cutmix=1.0)
    assert AugmentationPolicy.from_toml(tmp_path / "lab.toml") == AugmentationPolicy(Augmentation(shear=3))
    (tmp_path / "lab.toml").write_text("[augmentation]\n[mixing]\nmixup = 0.4\n")
    assert AugmentationPolicy.from_toml(tmp_path / "lab.toml", STRONG) == AugmentationPolicy(mixup=0.4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rotation = ", "cannot be read as TOML"),
        ("rotation = 5", r"expected a table \[augmentation\]"),
        ("[mixing]\nmixup = 1", r"expected a table \[augmentation\]"),
        ("[augmentation]\nspin = 5", r"found 'spin' in \[augmentation\], expected rotation, shear"),
        ("[augmentation]\nmixup = 0.2", r"found 'mixup' in \[augmentation\]"),
        ("[augmentation]\n[mixing]\nrotation = 3", r"found 'rotation' in \[mixing\], expected mixup, cutmix"),
        ("[augmentation]\n[other]\nx = 3", r"found 'other', expected the tables \[augmentation\] and \[mixing\]"),
        ("seed = 3\n[augmentation]", "found 'seed'"),
        ("[augmentation]\nflip = 2", "found flip = 2, expected a number from 0 to 1"),
        ("[augmentation]\nzoom = 1.0", "expected a number from 0 to 0.9"),
        ("[augmentation]\n[mixing]\ncutmix = 33", "found cutmix = 33, expected a number from 0 to 32"),
        ("[augmentation]\nflip = true", "found flip = True"),
        ("[augmentation]\nflip = '1'", "found flip = '1'"),
        ("[augmentation]\nnoise = -1", "found noise = -1"),
        ("[augmentation]\nblur = nan", "found blur = nan"),
    ],
)
def test_toml_of_something_else_is_refused_in_a_sentence(text, message, tmp_path):
    (tmp_path / "lab.toml").write_text(text)
    with pytest.raises(DatasetError, match=message):
        AugmentationPolicy.from_toml(tmp_path / "lab.toml")
    with pytest.raises(DatasetError, match="cannot be read"):
        AugmentationPolicy.from_toml(tmp_path / "missing.toml")


def test_strengths_by_name_make_the_policy_again():
    assert AugmentationPolicy.of(STRONG.strengths) == STRONG
    assert AugmentationPolicy.of({"cutmix": 1}) == AugmentationPolicy(cutmix=1.0)


def test_an_epoch_takes_every_face_once_and_drops_what_is_no_batch(faces):
    batches = list(sample_epoch(faces, AugmentationPolicy(), 16, 0, 0))
    rows = np.concatenate([batch.rows for batch in batches])
    assert len(batches) == 2
    assert len(set(rows)) == 32
    np.testing.assert_array_equal(batches[0].mixed.images[..., 0], faces[batches[0].rows])
    assert list(sample_epoch(faces, AugmentationPolicy(), 41, 0, 0)) == []


def test_the_seed_and_the_epoch_decide_every_draw(faces):
    def drawn(seed: int, epoch: int) -> np.ndarray:
        return next(sample_epoch(faces, STRONG, 16, seed, epoch)).mixed.images

    np.testing.assert_array_equal(drawn(1, 2), drawn(1, 2))
    assert (drawn(1, 2) != drawn(2, 2)).any()
    assert (drawn(1, 2) != drawn(1, 3)).any()


def test_some_of_the_rows_are_drawn_as_if_they_were_all(faces):
    some = np.array([3, 5, 8, 13, 21, 34])
    alone = next(sample_epoch(faces[some], STRONG, 4, 0, 7, 32))
    among = next(sample_epoch(faces, STRONG, 4, 0, 7, 32, some))
    np.testing.assert_array_equal(among.rows, some[alone.rows])
    np.testing.assert_array_equal(among.mixed.images, alone.mixed.images)


def test_a_preview_of_a_batch_is_its_beginning(faces):
    preview = preview_batch(faces, STRONG, 32, 3, 0, 40)
    batch = next(sample_epoch(faces, STRONG, 32, 3, 0, 40))
    np.testing.assert_array_equal(preview.after, np.rint(batch.mixed.images[:PREVIEWED, ..., 0]))
    np.testing.assert_array_equal(preview.before, faces[batch.rows[:PREVIEWED]])
    with pytest.raises(DatasetError, match="There are 6 faces to train on; expected at least a batch of 32"):
        preview_batch(faces, STRONG, 32, 3, 0, rows=np.arange(6))


def test_a_preview_of_a_face_is_of_that_face_alone_until_faces_are_mixed(faces):
    face, others = faces[0], np.zeros((2, 48, 48), np.uint8)
    still = preview_face(face, others, AugmentationPolicy(), 0, 0)
    assert len(still.after) == PREVIEWED
    assert (still.after == face).all()
    assert (still.before == face).all()
    blended = preview_face(face, others, AugmentationPolicy(mixup=1.0), 1, 0)
    black = np.rint(np.float32(blended.mixing.share) * face).astype(np.uint8)
    with_itself = (blended.after == face).all(axis=(1, 2))
    assert 0 < with_itself.sum() < PREVIEWED
    assert (np.abs(blended.after[~with_itself].astype(int) - black) <= 1).all()


def test_mixing_changes_no_other_draw_of_a_preview(faces):
    turned, mixed = (
        preview_face(faces[0], faces[:0:-1], AugmentationPolicy(Augmentation(rotation=20), **mixing), 0, 0)
        for mixing in ({}, {"cutmix": 1.0})
    )
    np.testing.assert_array_equal(turned.rows, mixed.rows)
    own = (turned.after == mixed.after).mean(axis=(1, 2))
    assert own.min() >= mixed.mixing.share - 0.01
    assert mixed.mixing.share > 0.05


def test_a_colour_face_is_previewed_grey_beside_grey_ones(faces):
    colour = np.zeros((48, 48, 3), np.uint8)
    colour[..., 1] = 100
    preview = preview_face(colour, faces[:3], AugmentationPolicy(Augmentation(colour=0.5)), 0, 0)
    assert (preview.before == 59).all()
    assert 40 < preview.after.min() < 59 < preview.after.max() < 80
