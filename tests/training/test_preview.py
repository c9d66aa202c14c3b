"""What pages show of an augmentation is what training draws, and what files ask for is what it does."""

import argparse
import json
from dataclasses import replace

import numpy as np
import pytest

from fer_core.augmentation.policy import PREVIEWED, preview_batch, preview_face
from fer_core.augmentation.transforms import Augmentation
from fer_core.datasets import FaceDataset, Split
from fer_core.errors import ModelError
from fer_core.labels import FER2013
from fer_core.training import train as command
from fer_core.training.batches import Batches
from fer_core.training.loop import TrainingRun
from fer_core.training.recipes import COMMON, get_full_recipe
from tests.augmentation.test_transforms import EVERYTHING, moments
from tests.conftest import make_dataset

PLAIN = replace(COMMON["senet"], batch_size=16, teachers=(), teacher_share=0.0)


@pytest.mark.parametrize("mixing", [{}, {"mixup": 0.4}, {"cutmix": 1.0}], ids=["plain", "mixup", "cutmix"])
def test_the_same_seed_gives_the_same_pixels_in_preview_and_in_training(mixing):
    everything = replace(EVERYTHING, width_shift=0.1, height_shift=0.1)
    recipe = replace(PLAIN, augmentation=everything, batch_size=32, **mixing)
    dataset = make_dataset()
    shuffled = dataset.take(np.random.default_rng(0).permutation(len(dataset)))
    rows = np.flatnonzero(shuffled.splits == Split.TRAINING)
    for epoch in (0, 41):
        trained, _, _ = next(Batches(shuffled.split(Split.TRAINING), recipe, 9).epoch(epoch))
        preview = preview_batch(
            shuffled.images, recipe.policy, recipe.batch_size, 9, epoch, recipe.size_at(epoch), rows
        )
        np.testing.assert_array_equal(preview.after, np.rint(trained[:PREVIEWED, ..., 0]))


def test_draws_of_one_face_are_those_of_training_on_copies_of_it():
    face, others = make_dataset().images[3], make_dataset().images[20:44]
    images = np.concatenate([np.repeat(face[None], PREVIEWED, axis=0), others])
    copies = FaceDataset("copies", images, np.zeros(48, np.int64), np.full(48, Split.TRAINING), FER2013)
    recipe = replace(PLAIN.with_heads(("fer2013",)), batch_size=48, cutmix=1.0, sizes=((0.0, 48),))
    trained, _, _ = next(Batches(copies, recipe, 2).epoch(5))
    preview = preview_face(face, others, recipe.policy, 2, 5)
    drawn = np.rint(trained[..., 0])
    assert all((drawn == image).all(axis=(1, 2)).any() for image in preview.after)


@pytest.mark.parametrize(
    ("mixing", "expected", "votes"),
    [
        ((0.0, 0.0), [[51.83, 5.39, -22.2], [74.64, 0.73, 4.04]], 1.0),
        ((0.4, 0.0), [[67.77, -1.76, -0.84], [29.52, -0.96, -5.82]], 0.947),
        ((0.0, 1.0), [[61.45, 5.94, -14.68], [59.08, 9.38, -7.12]], 0.592),
        ((0.2, 1.0), [[86.31, -1.45, -9.47], [71.78, -9.43, 15.36]], 0.592),
    ],
    ids=["plain", "mixup", "cutmix", "both"],
)
def test_the_batches_of_a_seed_stay_as_they_were(mixing, expected, votes):
    # Recorded when the draws were still a training run's own.
    recipe = replace(PLAIN, mixup=mixing[0], cutmix=mixing[1])
    *_, (images, targets, _) = Batches(make_dataset().split(Split.TRAINING), recipe, 5).epoch(0)
    np.testing.assert_allclose(moments(images[:2, ..., 0]), expected, atol=0.1)
    assert targets["ferplus"][1].max() == pytest.approx(votes, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "mixing"),
    [("[augmentation]\nnoise = 9\n", (0.2, 1.0)), ("[augmentation]\nnoise = 9\n[mixing]\nmixup = 0.7\n", (0.7, 0.0))],
)
def test_train_mixes_as_the_file_says_and_else_as_the_recipe_does(text, mixing, tmp_path):
    (tmp_path / "lab.toml").write_text(text)
    options = dict.fromkeys(("recipe", "epochs", "weights", "size", "precision", "untaught"))
    chosen = command._recipe(
        argparse.Namespace(name="senet", authors=False, full=True, augment=tmp_path / "lab.toml", **options)
    )
    expected = get_full_recipe("senet")
    assert chosen == replace(expected, augmentation=Augmentation(noise=9), mixup=mixing[0], cutmix=mixing[1])


def test_a_run_from_before_a_transformation_existed_is_taken_up_again(tmp_path):
    run = TrainingRun(replace(PLAIN, architecture="tiny", mixed_precision=False), make_dataset(), tmp_path)
    run.model.optimizer.build(run.model.trainable_variables)
    run.history = [{"validation_score": 0.5}]
    run._write_checkpoint()
    path = tmp_path / "state.json"
    state = json.loads(path.read_text())
    del state["recipe"]["augmentation"]["colour"]
    path.write_text(json.dumps(state))
    run.history = []
    run.resume()
    assert len(run.history) == 1
    state["recipe"]["augmentation"]["sparkle"] = 0.0
    path.write_text(json.dumps(state))
    with pytest.raises(ModelError, match="another recipe"):
        run.resume()
