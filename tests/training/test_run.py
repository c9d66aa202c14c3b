from dataclasses import replace

import numpy as np
import pytest

from fer_core.datasets import Split
from fer_core.datasets.augmentation import Augmentation
from fer_core.emotions import FER2013, Emotion
from fer_core.errors import ModelError
from fer_core.training.recipes import RECIPES, Recipe, get_recipe
from fer_core.training.run import Batches, TrainingRun
from tests.conftest import make_dataset

SHORT = Recipe(
    architecture="senet",
    epochs=3,
    batch_size=16,
    sizes=((0.0, 32), (0.5, 48)),
    mixed_precision=False,
    augmentation=Augmentation(flip=0.5, shift=0.1),
)


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


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_names_an_architecture_and_a_weight_for_each_head(name):
    recipe = get_recipe(name)
    assert len(recipe.heads) == len(recipe.head_weights) == len(recipe.label_sets)
    assert recipe.architecture


def test_an_unknown_recipe_is_refused_with_the_names_there_are():
    with pytest.raises(ModelError, match="'vgg99'; known are cnn4, senet"):
        get_recipe("vgg99")


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
