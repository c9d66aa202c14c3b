from dataclasses import replace

import numpy as np
import pytest

from fer_core.augmentation.transforms import Augmentation
from fer_core.datasets import Split
from fer_core.errors import ModelError
from fer_core.labels import FER2013, Emotion
from fer_core.models import list_architectures
from fer_core.training.batches import Batches
from fer_core.training.loop import TrainingRun, with_masks
from fer_core.training.recipes import AUTHORS, COMMON, CheckpointMetric, Recipe, Schedule, full_schedule, get_recipe
from tests.conftest import make_dataset

SHORT = Recipe(
    architecture="small",
    epochs=3,
    batch_size=16,
    sizes=((0.0, 48),),
    mixed_precision=False,
    augmentation=Augmentation(flip=0.5, shift=0.1),
)


pytestmark = pytest.mark.usefixtures("small")


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero():
    recipe = replace(SHORT, peak_learning_rate=0.1, warm_up=0.2)
    rates = [recipe.learning_rate_at(p) for p in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.004)
    assert int(np.argmax(rates)) == 20
    assert max(rates) == pytest.approx(0.1)
    assert rates[60] == pytest.approx(0.05)
    assert rates[-1] == pytest.approx(0)


def test_images_grow_at_the_shares_of_the_epochs_that_the_recipe_names():
    recipe = replace(SHORT, epochs=10, sizes=((0.0, 32), (0.4, 40), (0.7, 48)))
    assert [recipe.size_at(epoch) for epoch in range(10)] == [32] * 4 + [40] * 3 + [48] * 3


@pytest.mark.parametrize(("name", "authors"), [*((n, False) for n in COMMON), *((n, True) for n in AUTHORS)])
def test_every_recipe_names_an_architecture_and_a_weight_for_each_head(name, authors):
    for recipe in (get_recipe(name, authors), full_schedule(get_recipe(name, authors))):
        assert len(recipe.heads) == len(recipe.head_weights) == len(recipe.label_sets)
        assert recipe.architecture in list_architectures()


def test_the_full_schedule_is_long_mixed_and_at_the_final_size():
    full = full_schedule(COMMON["senet"])
    assert (full.epochs, full.mixup, full.cutmix, full.sizes) == (250, 0.2, 1.0, ((0.0, 48),))
    assert full_schedule(COMMON["mobilenet_v2"], 224).working_size == 224


def test_an_unknown_recipe_is_refused_with_the_names_there_are():
    with pytest.raises(ModelError, match="'vgg99'; known are cnn4, mobilenet_v2"):
        get_recipe("vgg99")
    with pytest.raises(ModelError, match="no authors' recipe 'tiny'"):
        get_recipe("tiny", authors=True)


def test_the_plateau_schedule_halves_the_rate_after_three_epochs_without_a_lower_loss():
    recipe = replace(SHORT, schedule=Schedule.PLATEAU, peak_learning_rate=0.8)
    losses = (1.0, 0.9, 0.9, 0.95, 0.91, 0.92, 0.93, 0.94, 0.5)
    rates = [recipe.learning_rate_at(0.5, losses[:n]) for n in range(len(losses) + 1)]
    assert rates == pytest.approx([0.8] * 5 + [0.4] * 3 + [0.2] * 2)


def test_mixup_blends_images_and_labels_alike():
    plain = next(Batches(make_dataset().split(Split.TRAINING), replace(SHORT, augmentation=Augmentation()), 0).epoch(0))
    recipe = replace(SHORT, augmentation=Augmentation(), mixup=1.0)
    images, targets, weights = next(Batches(make_dataset().split(Split.TRAINING), recipe, 0).epoch(0))
    rows, partners = targets["fer2013"], plain[1]["fer2013"]
    assert (rows.max(axis=1) < 0.9).any()
    assert rows.sum(axis=1) == pytest.approx(np.ones(len(rows)), abs=1e-5)
    assert weights["fer2013"] == pytest.approx(np.ones(len(rows)), abs=1e-5)
    # Each row is a mean of its own face and another of the batch, labels and pixels by the same shares.
    own = np.abs(rows[:, None] - partners[None]).sum(axis=2).argmin(axis=1)
    assert np.isfinite(images).all()
    assert len(own) == len(images)
    mean = plain[0].mean()
    assert images.mean() == pytest.approx(mean, rel=0.05)


def test_cutmix_shares_labels_by_the_area_that_was_pasted():
    dataset = make_dataset().split(Split.TRAINING)
    flat = dataset.take(np.arange(len(dataset)))
    flat.images[:] = flat.labels[:, None, None] * 30  # the grey level is the label
    recipe = replace(SHORT, augmentation=Augmentation(), label_smoothing=0.0, cutmix=1.0, sizes=((0.0, 48),))
    for seed in range(5):
        images, targets, _ = next(Batches(flat, recipe, seed).epoch(0))
        levels = np.arange(7) * 30
        shares = (images[..., 0, None] == levels).mean(axis=(1, 2))
        np.testing.assert_allclose(shares, targets["fer2013"], atol=1e-5)


def test_faces_without_votes_stay_without_weight_when_mixed():
    dataset = make_dataset().split(Split.TRAINING)
    dataset.votes[:] = 0
    recipe = replace(SHORT, mixup=0.5)
    _, targets, weights = next(Batches(dataset, recipe, 0).epoch(0))
    assert not weights["ferplus"].any()
    assert np.isfinite(targets["ferplus"]).all()


def test_teachers_answers_are_mixed_into_the_labels_by_their_share():
    dataset = make_dataset().split(Split.TRAINING)
    distilled = {"fer2013": np.full((len(dataset), 7), 1 / 7, np.float32)}
    recipe = replace(SHORT, label_smoothing=0.0, teacher_share=0.7)
    _, targets, _ = next(Batches(dataset, recipe, 0, distilled).epoch(0))
    assert np.unique(targets["fer2013"].round(5)) == pytest.approx([0.1, 0.4])
    assert set(np.unique(targets["ferplus"])) == {0, 1}


def test_the_epoch_is_kept_by_what_the_recipe_says(finished):
    rows = [{"validation_accuracy_fer2013": a, "validation_loss_fer2013": b} for a, b in ((0.5, 0.9), (0.6, 1.1))]
    for kept, expected in ((CheckpointMetric.ACCURACY, 1), (CheckpointMetric.LOSS, 0)):
        recipe = replace(SHORT, kept=kept).with_heads(("fer2013",))
        run = TrainingRun(recipe, make_dataset(), finished.folder / "unused")
        run.history = [{"validation_score": run._score(row)} for row in rows]
        assert run.best_epoch == expected


def test_a_recipe_that_draws_masks_keeps_the_epoch_that_is_best_with_and_without_them(tmp_path):
    recipe = replace(SHORT, architecture="tiny", augmentation=Augmentation(mask=0.5))
    row = TrainingRun(recipe, make_dataset(), tmp_path)._validate()
    splits = ("validation", "masked_validation")
    expected = np.mean([row[f"{split}_accuracy_{head}"] for split in splits for head in recipe.heads])
    assert row["validation_score"] == pytest.approx(expected)
    assert row["masked_validation_loss_fer2013"] != row["validation_loss_fer2013"]


def test_masked_validation_faces_are_all_masked_and_always_the_same():
    faces = make_dataset().split(Split.VALIDATION)
    one, other = with_masks(faces).images, with_masks(faces).images
    np.testing.assert_array_equal(one, other)
    lower = np.abs(one.astype(int) - faces.images)[:, 28:].mean(axis=(1, 2))
    assert lower.min() > 5
    np.testing.assert_array_equal(with_masks(faces).labels, faces.labels)


def test_without_a_validation_split_the_last_epoch_is_kept(tmp_path):
    dataset = make_dataset()
    dataset = dataset.take(dataset.splits != Split.VALIDATION)
    run = TrainingRun(replace(SHORT, epochs=2, sizes=((0.0, 48),)), dataset, tmp_path)
    run.fit()
    assert run.best_epoch == 1
    assert "validation_accuracy_fer2013" not in run.history[0]


def test_frozen_layers_keep_their_weights(tmp_path):
    recipe = replace(SHORT, epochs=1, frozen=0.5, sizes=((0.0, 48),), weight_decay=0.0)
    run = TrainingRun(recipe, make_dataset(), tmp_path)
    before = [w.copy() for w in run.model.get_weights()]
    run.fit()
    changed = [bool((a != b).any()) for a, b in zip(before, run.model.get_weights(), strict=True)]
    assert not any(changed[: len(changed) // 3])
    assert all(changed[-4:])


def test_fewer_faces_than_a_batch_are_refused(tmp_path):
    few = make_dataset(per_class=1)
    with pytest.raises(ModelError, match="has 7 faces to train on; expected at least a batch of 16"):
        TrainingRun(SHORT, few, tmp_path)


def test_an_unknown_optimizer_is_refused_with_the_names_there_are(tmp_path):
    with pytest.raises(ModelError, match="'lion'; known are adam and sgd"):
        TrainingRun(replace(SHORT, optimizer="lion"), make_dataset(), tmp_path)


def unbalanced():
    dataset = make_dataset(per_class=16).split(Split.TRAINING)
    disgust = np.flatnonzero(dataset.labels == FER2013.index(Emotion.DISGUST))
    return dataset.take(np.setdiff1d(np.arange(len(dataset)), disgust[4:]))  # 4 faces of disgust, 16 of each other


@pytest.mark.parametrize(("power", "ratio"), [(0.0, 1.0), (0.5, 2.0), (1.0, 4.0)])
def test_class_weights_follow_the_share_to_the_power_of_the_recipe(power, ratio):
    dataset = unbalanced()
    batches = Batches(dataset, replace(SHORT, batch_size=100, class_weight_power=power), 0)
    _, targets, weights = next(batches.epoch(0))
    labels = targets["fer2013"].argmax(axis=1)
    rare = weights["fer2013"][labels == FER2013.index(Emotion.DISGUST)]
    common = weights["fer2013"][labels == FER2013.index(Emotion.HAPPY)]
    assert rare[0] / common[0] == pytest.approx(ratio)
    assert weights["fer2013"].mean() == pytest.approx(1, abs=1e-5)


def test_hard_labels_are_smoothed_and_votes_are_not():
    _, targets, _ = next(
        Batches(make_dataset().split(Split.TRAINING), replace(SHORT, label_smoothing=0.07), 0).epoch(0)
    )
    assert targets["fer2013"].max() == pytest.approx(0.93 + 0.01)
    assert targets["fer2013"].min() == pytest.approx(0.01)
    assert set(np.unique(targets["ferplus"])) == {0, 1}


def test_an_epoch_is_the_same_whenever_it_is_drawn_and_unlike_the_next():
    batches = Batches(make_dataset().split(Split.TRAINING), SHORT, seed=3)
    one, again, other = (next(batches.epoch(number))[0] for number in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert one.shape != other.shape or (one != other).any()


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> TrainingRun:
    """A short run, not interrupted."""
    run = TrainingRun(SHORT, make_dataset(), tmp_path_factory.mktemp("whole"), seed=5)
    run.fit()
    return run


def test_training_learns_and_records_both_curves(finished):
    losses = [row["loss"] for row in finished.history]
    assert losses[-1] < losses[0]
    assert {
        "training_accuracy_fer2013",
        "validation_accuracy_fer2013",
        "validation_loss_ferplus",
        "learning_rate",
    } <= set(finished.history[0])
    assert (finished.folder / "history.csv").read_text().count("\n") == SHORT.epochs + 1


def test_a_run_that_was_stopped_and_resumed_ends_with_the_same_weights(finished, tmp_path):
    def stop_in_the_second_epoch(progress):
        if (progress.epoch, progress.step) == (1, 2):
            raise KeyboardInterrupt

    first = TrainingRun(SHORT, make_dataset(), tmp_path, seed=5)
    with pytest.raises(KeyboardInterrupt):
        first.fit(stop_in_the_second_epoch)
    second = TrainingRun(SHORT, make_dataset(), tmp_path, seed=5)
    second.resume()
    assert len(second.history) == 1
    second.fit()
    for resumed, whole in zip(second.model.get_weights(), finished.model.get_weights(), strict=True):
        np.testing.assert_allclose(resumed, whole, atol=2e-4)


def test_the_best_weights_outlive_an_interruption(tmp_path):
    def stop(progress):
        if progress.epoch == 1:
            raise KeyboardInterrupt

    run = TrainingRun(SHORT, make_dataset(), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run.fit(stop)
    best = run.best_model().get_weights()
    assert all(np.isfinite(w).all() for w in best)
    assert run.best_epoch == 0


def test_a_checkpoint_of_another_recipe_is_refused(finished):
    other = TrainingRun(replace(SHORT, epochs=9), make_dataset(), finished.folder, seed=5)
    with pytest.raises(ModelError, match="another recipe or seed"):
        other.resume()


def test_resuming_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no checkpoint to resume"):
        TrainingRun(SHORT, make_dataset(), tmp_path).resume()
