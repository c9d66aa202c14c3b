"""``train`` as a user runs it: from files to a model in a store that verifies."""

import argparse
import json
import shutil
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest

from fer_core.augmentation.transforms import Augmentation
from fer_core.cli.main import main
from fer_core.datasets import Split
from fer_core.errors import ModelError
from fer_core.labels import FER2013
from fer_core.models import get_architecture
from fer_core.store.predictions import Network
from fer_core.store.store import ModelStore
from fer_core.training import recipes
from fer_core.training import train as command
from fer_core.training.distillation import distil
from fer_core.training.loop import with_masks
from fer_core.training.packaging import _keras_file, _predict_masked
from fer_core.vision.litert import LiteRTNetwork
from tests.conftest import make_dataset


@pytest.fixture
def data(tmp_path):
    """A small data set as class folders."""
    dataset = make_dataset(per_class=4, with_votes=False)
    for number, (image, label, split) in enumerate(zip(dataset.images, dataset.labels, dataset.splits, strict=True)):
        folder = tmp_path / "data" / str(split) / str(FER2013.emotions[label])
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number}.png"), image)
    return tmp_path / "data"


@pytest.fixture
def short_recipe(small, monkeypatch):
    """The shipped recipe's settings on a network and a run that take seconds."""
    short = replace(
        recipes.COMMON["tiny"],
        architecture="small",
        epochs=2,
        batch_size=14,
        mixed_precision=False,
        teachers=(),
        sizes=((0.0, 48),),
    )
    monkeypatch.setitem(recipes.COMMON, "tiny", short)


@pytest.mark.usefixtures("short_recipe")
def test_a_network_is_trained_stored_and_verified(data, tmp_path, capsys):
    places = ["--data", str(data), "--runs", str(tmp_path / "runs"), "--store", str(tmp_path / "store")]
    assert main(["train", "tiny", *places, "--seed", "3"]) == 0
    assert "training without the FER+ head" in capsys.readouterr().err
    model = ModelStore(tmp_path / "store").load("tiny")
    card = model.card
    assert card.heads == ("fer2013",)
    assert (card.masked_answers, model.predictions().masked) == ((), {}), "it saw no masks"
    assert [rule.name for rule in card.answers] == ["balanced", "fer2013", "fer2013-five"]
    assert card.data["faces"] == {"training": 28, "validation": 28, "test": 28}
    assert (card.seed, card.recipe["epochs"]) == (3, 2)
    assert card.training_seconds > 0
    assert "keras" in card.versions

    assert main(["verify", "--store", str(tmp_path / "store"), "--data", str(data)]) == 0
    assert "int8 network on test against stored predictions" in capsys.readouterr().out
    cv2.imwrite(str(next((data / "test" / "happy").iterdir())), make_dataset().images[0] // 2)
    assert main(["verify", "--store", str(tmp_path / "store"), "--data", str(data)]) == 1

    assert main(["train", "tiny", *places]) == 1
    assert "holds a run already; go on with --resume" in capsys.readouterr().err


@pytest.fixture
def people(tmp_path):
    """Six people with two faces of each of CK+'s classes, as its zip holds them."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "CK+48.zip", "w") as archive:
        for number, folder in enumerate(("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")):
            for person in range(6):
                for frame in range(2):
                    face = rng.integers(0, 90, (48, 48)).astype(np.uint8)
                    face[6 * number : 6 * number + 8] += 150
                    name = f"CK+48/{folder}/S{person:03}_001_{number:04}{frame:04}.png"
                    archive.writestr(name, cv2.imencode(".png", face)[1].tobytes())
    return tmp_path / "CK+48.zip"


@pytest.mark.usefixtures("short_recipe")
def test_a_data_set_of_people_is_judged_on_a_random_split_and_on_folds_by_subject(people, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "FOLDS", 2)
    short = replace(recipes.COMMON["tiny"].with_heads(("ckplus",)), weights="parent", epochs=1)
    monkeypatch.setitem(recipes.COMMON, "child", short)
    places = ["--data", str(people), "--runs", str(tmp_path / "runs"), "--store", str(tmp_path / "store")]
    assert main(["train", "child", *places]) == 1  # there is no parent yet
    parent = get_architecture("small").build((FER2013,))
    (tmp_path / "runs" / "parent").mkdir(parents=True)
    parent.save(tmp_path / "runs" / "parent" / "model.keras")
    assert main(["train", "child", *places]) == 0
    model = ModelStore(tmp_path / "store").load("child")
    predictions = model.predictions()
    assert predictions.heads(Network.FLOAT, Split.CROSS_VALIDATION)["ckplus"].shape == (84, 7)
    assert predictions.heads(Network.INT8, Split.TEST)["ckplus"].shape == (26, 7)
    assert model.card.data["faces"] == {"training": 58, "test": 26}
    assert [rule.name for rule in model.card.answers] == ["ckplus"]
    assert model.card.figures["float"]["ckplus"]["cross-validation"]["faces"] == 84
    # Every fold's network trained on the people of the others alone, and all of them from the parent's weights.
    runs = [json.loads((tmp_path / "runs" / "child" / f"fold-{k}" / "state.json").read_text()) for k in range(2)]
    assert all(run["recipe"]["weights"] == "parent" for run in runs)
    answers = predictions.heads(Network.FLOAT, Split.CROSS_VALIDATION)["ckplus"]
    assert answers.sum(axis=1) == pytest.approx(np.ones(84), abs=1e-4)


@pytest.mark.parametrize(("subjects", "title"), [(True, "folds by subject"), (False, "random 30%")])
def test_a_data_set_without_splits_says_in_its_card_how_it_was_divided(subjects, title, monkeypatch, tmp_path):
    """Notes alone: the rest of a run is tested above."""
    seen: dict = {}
    dataset = replace(make_dataset(), splits=np.full(168, Split.TRAINING))
    dataset = replace(dataset, subjects=np.arange(168).astype(str)) if subjects else dataset
    monkeypatch.setattr(command, "read_dataset", lambda *_: dataset)

    def stop(run, whole, store, name, held_out, notes):
        seen.update(notes, test=int((whole.splits == Split.TEST).sum()), folds=held_out is not None)
        raise ModelError("far enough")

    monkeypatch.setattr(command, "package", stop)
    monkeypatch.setattr(command, "_cross_validate", lambda *_: "predictions")
    monkeypatch.setattr(
        command, "TrainingRun", lambda recipe, *_: SimpleNamespace(folder=tmp_path, history=[1], recall=int)
    )
    assert main(["train", "tiny", "--untaught", "--finish", "--data", "x", "--runs", str(tmp_path)]) == 1
    assert title in seen["reported_on"] or title in str(seen["split_titles"])
    assert (seen["test"], seen["folds"]) == (51, subjects)


@pytest.mark.usefixtures("short_recipe")
def test_rows_of_a_cleaned_index_are_left_out_of_training_and_the_card_says_so(data, people, tmp_path, capsys):
    clean = tmp_path / "clean.csv"
    clean.write_text("row,reason\n" + "".join(f"{row},duplicate\n" for row in range(84)))
    places = ["--data", str(data), "--runs", str(tmp_path / "runs"), "--store", str(tmp_path / "store")]
    assert main(["train", "tiny", *places, "--exclude", str(clean)]) == 1
    assert "no training" in capsys.readouterr().err
    clean.write_text("row,reason\n" + "".join(f"{row},duplicate\n" for row in range(84) if row % 3 == 0))
    assert main(["train", "tiny", *places, "--exclude", str(clean), "--epochs", "1"]) == 0
    card = ModelStore(tmp_path / "store").load("tiny").card
    assert card.data["faces"]["test"] == card.data["faces"]["validation"] == 28
    assert card.data["faces"]["training"] < 28
    assert card.data["excluded"].endswith("training rows left out that clean.csv names")
    assert main(["train", "senet-ckplus", "--data", str(people), "--runs", str(tmp_path), "--exclude", str(clean)]) == 1
    assert "has none of its own" in capsys.readouterr().err


def test_options_change_the_recipe_and_nothing_else(tmp_path):
    (tmp_path / "lab.toml").write_text("[augmentation]\nnoise = 9\n")
    plain = argparse.Namespace(
        name="senet",
        recipe=None,
        authors=False,
        full=False,
        epochs=None,
        weights=None,
        size=None,
        precision=None,
        augment=None,
        untaught=False,
    )
    assert command._recipe(plain) == recipes.COMMON["senet"]
    plain.augment, plain.precision, plain.epochs = tmp_path / "lab.toml", "float32", 3
    expected = replace(recipes.COMMON["senet"], augmentation=Augmentation(noise=9), mixed_precision=False, epochs=3)
    assert command._recipe(plain) == expected


def test_a_recipe_for_other_labels_than_the_data_has_is_refused(people, tmp_path, capsys):
    assert main(["train", "senet", "--data", str(people), "--runs", str(tmp_path)]) == 1
    assert "learns fer2013, ferplus; CK+ is labelled in ckplus" in capsys.readouterr().err


@pytest.mark.usefixtures("short_recipe")
def test_teachers_are_asked_once_and_kept_in_the_runs_folder(tmp_path):
    store = ModelStore(tmp_path / "store")
    recipe = replace(recipes.COMMON["tiny"], teachers=("master",), teacher_share=0.5)
    training = make_dataset().split(Split.TRAINING)
    with pytest.raises(ModelError, match="no model 'master'"):
        distil(store, recipe, training, tmp_path / "run")
    shutil.copytree(ModelStore().folder / "senet", store.folder / "master")
    distilled = distil(store, recipe.with_heads(("fer2013-five", "ferplus")), training, tmp_path / "run")
    assert {head: array.shape for head, array in distilled.items()} == {"fer2013-five": (56, 5), "ferplus": (56, 8)}
    assert distilled["fer2013-five"].sum(axis=1) == pytest.approx(np.ones(56), abs=1e-4)
    shutil.rmtree(store.folder)
    again = distil(store, recipe, training, tmp_path / "run")
    assert again["fer2013"].shape == (56, 7)


def test_what_ships_teaches_and_starts_a_training_that_goes_to_another_store(tmp_path):
    other = ModelStore(tmp_path / "store")
    assert command._start_weights("senet", tmp_path, other) == str(ModelStore().load("senet").keras_path)
    shutil.copytree(ModelStore().folder / "tiny", other.folder / "master")
    recipe = replace(recipes.COMMON["tiny"], teachers=("senet", "master"), teacher_share=0.5)
    training = make_dataset().split(Split.TRAINING)
    both, senet, master = (
        distil(other, replace(recipe, teachers=teachers), training, tmp_path / "run")["fer2013"]
        for teachers in (("senet", "master"), ("senet",), ("master",))
    )
    np.testing.assert_allclose(both, (senet + master) / 2, atol=1e-6)
    assert other.or_shipped("senet").folder == ModelStore().folder
    shutil.copytree(ModelStore().folder / "senet", other.folder / "senet")
    assert command._start_weights("senet", tmp_path, other) == str(other.load("senet").keras_path)
    assert other.or_shipped("senet") is other
    with pytest.raises(ModelError, match="no weights 'nobody' to start from"):
        command._start_weights("nobody", tmp_path, other)


def test_what_is_served_is_asked_about_the_validation_faces_under_masks():
    dataset = make_dataset(per_class=1)
    file = ModelStore().load("senet").litert_path.read_bytes()
    said = _predict_masked(None, file, dataset)
    expected = LiteRTNetwork(file).predict(with_masks(dataset.split(Split.VALIDATION)).images)
    np.testing.assert_allclose(said["fer2013"], expected["fer2013"], atol=1e-5)
    assert _predict_masked(None, file, dataset.split(Split.TEST)) == {}


def test_a_stored_network_is_kept_in_half_precision_and_loads_in_single(tmp_path):
    network = get_architecture("tiny").build((FER2013,))
    network.set_weights([w.astype(np.float16).astype(np.float32) for w in network.get_weights()])
    network.save(tmp_path / "whole.keras")
    (tmp_path / "half.keras").write_bytes(_keras_file(network))
    assert (tmp_path / "half.keras").stat().st_size < 0.6 * (tmp_path / "whole.keras").stat().st_size
    loaded = keras.saving.load_model(tmp_path / "half.keras", safe_mode=True)
    for one, other in zip(network.get_weights(), loaded.get_weights(), strict=True):
        assert other.dtype == np.float32
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("short_recipe")
def test_an_interrupted_run_says_how_to_go_on_and_can_be_packaged_as_it_is(data, tmp_path, capsys, monkeypatch):
    from fer_core.training.loop import TrainingRun

    run_epoch = TrainingRun._run_epoch

    def interrupted(self, epoch, report):
        if epoch == 1:
            raise KeyboardInterrupt
        run_epoch(self, epoch, report)

    monkeypatch.setattr(TrainingRun, "_run_epoch", interrupted)
    places = ["--data", str(data), "--runs", str(tmp_path / "runs"), "--store", str(tmp_path / "store")]
    assert main(["train", "tiny", *places]) == 130
    assert "Stopped after 1 of 2 epochs; the best weights (epoch 1) are kept" in capsys.readouterr().err
    assert main(["train", "tiny", *places, "--finish"]) == 0
    assert ModelStore(tmp_path / "store").load("tiny").card.best_epoch == 1


@pytest.mark.parametrize(("untaught", "teachers"), [(False, ("senet",)), (True, ())])
def test_a_taught_recipe_can_learn_from_the_labels_alone(untaught, teachers):
    left_alone = dict.fromkeys(("recipe", "epochs", "weights", "size", "precision", "augment"))
    options = argparse.Namespace(name="tiny", authors=False, full=False, untaught=untaught, **left_alone)
    assert command._recipe(options).teachers == teachers
