import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from fer_core.cli.main import main
from fer_core.datasets import Split
from fer_core.evaluation.cards import evaluated
from fer_core.evaluation.verification import VerifiedValue, largest_difference, verify_model
from fer_core.labels import CKPLUS, FER2013, FERPLUS
from fer_core.store.predictions import Network, Predictions
from fer_core.store.store import ModelStore, StoredModel
from fer_core.vision.litert import LiteRTNetwork


@pytest.fixture
def store(shipped, tmp_path) -> ModelStore:
    """A copy of the shipped store that a test may damage."""
    shutil.copytree(shipped.folder, tmp_path / shipped.name)
    store = ModelStore(tmp_path)
    store.save_card(replace(shipped.card, costs={}))  # its file sizes are another comparison's matter
    return store


def change_json(path, change) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_the_shipped_store_verifies(capsys):
    assert main(["verify"]) == 0
    assert "all equal" in capsys.readouterr().out


def test_a_figure_that_was_typed_in_is_found(store, capsys):
    def better(card):
        card["figures"]["int8"]["balanced"]["test"]["accuracy"] += 0.001

    change_json(store.folder / "senet" / "card.json", better)
    assert main(["verify", "--store", str(store.folder)]) == 1
    assert "DIFFERS senet: figures of the card" in capsys.readouterr().out


def test_a_changed_answer_is_found(store, capsys):
    def shift(card):
        card["answers"][0]["class_bias"][1] += 1.0

    change_json(store.folder / "senet" / "card.json", shift)
    assert main(["verify", "--store", str(store.folder)]) == 1


def test_networks_that_were_swapped_are_found(store, capsys):
    import keras

    from fer_core.models import get_architecture
    from fer_core.models.normalisation import with_plain_layers

    keras.utils.set_random_seed(0)
    with_plain_layers(get_architecture("senet").build((FER2013, FERPLUS))).save(store.folder / "senet" / "model.keras")
    assert main(["verify", "--store", str(store.folder)]) == 1
    assert "DIFFERS senet: int8 LiteRT file against Keras file" in capsys.readouterr().out


def test_a_missing_file_is_an_error_in_words(store, capsys):
    (store.folder / "senet" / "predictions.npz").unlink()
    assert main(["verify", "--store", str(store.folder)]) == 1
    assert "error: senet: predictions.npz is missing" in capsys.readouterr().err


def findings(model, dataset=None) -> list[VerifiedValue]:
    found = list(verify_model(model, dataset))
    assert all(finding.equal for finding in found), [str(finding) for finding in found]
    return found


def test_without_a_keras_file_the_litert_file_answers_with_the_heads_of_the_card(store):
    (store.folder / "senet" / "model.keras").unlink()
    model = store.load("senet")
    assert findings(model)[0].what == "figures of the card against stored predictions"
    what = "int8 LiteRT file's probabilities on a real face against a sum of 1"
    assert findings(model)[-1].what == what
    other = replace(model, card=replace(model.card, heads=("fer2013",)))
    assert not next(finding for finding in verify_model(other) if finding.what == what).equal


def test_a_model_without_any_weights_is_verified_by_its_figures_alone(made_up):
    assert [finding.what for finding in findings(made_up("one"))] == ["figures of the card against stored predictions"]


def test_file_sizes_of_the_card_are_held_against_the_files(store):
    model = store.load("senet")
    store.save_card(replace(model.card, costs={"bytes": model.file_bytes}))
    files = "file sizes of the card against the files"
    assert next(f for f in verify_model(store.load("senet")) if f.what == files).equal
    (model.folder / "model.keras").unlink()
    assert not next(f for f in verify_model(store.load("senet")) if f.what == files).equal


@pytest.fixture
def small(shipped, tmp_path, dataset) -> StoredModel:
    """The shipped network's files with its predictions of a small data set."""
    import keras

    from fer_core.models.prediction import predict_probabilities

    network = keras.saving.load_model(shipped.keras_path, compile=False)
    int8 = LiteRTNetwork(shipped.litert_path.read_bytes())
    probabilities, labels, train_duplicates = {}, {}, {}
    for split in (Split.VALIDATION, Split.TEST):
        faces = dataset.split(split)
        plain, mirrored = (predict_probabilities(network, f) for f in (faces.images, faces.images[:, :, ::-1]))
        for head, of_int8 in int8.predict(faces.images).items():
            probabilities[Network.FLOAT, split, head] = plain[head]
            probabilities[Network.MIRRORED, split, head] = (plain[head] + mirrored[head]) / 2
            probabilities[Network.INT8, split, head] = of_int8
        for label_set in (FER2013, FERPLUS):
            labels[split, label_set.name] = faces.as_label_set(label_set).labels.astype(np.int8)
        train_duplicates[split] = np.zeros(len(faces), bool)
    predictions = Predictions(probabilities, labels, train_duplicates)
    files = shipped.keras_path.read_bytes(), shipped.litert_path.read_bytes()
    card = evaluated(replace(shipped.card, costs={}), predictions)
    return ModelStore(tmp_path / "small").save(card, *files, shipped.history(), predictions)


def test_every_network_that_is_here_is_run_again_on_the_data(small, dataset):
    said = [finding.what for finding in findings(small, dataset)]
    for split in ("validation", "test"):
        for network in ("float", "mirrored", "int8"):
            assert f"{network} network on {split} against stored predictions" in said
        assert f"{split} labels of ferplus against the data" in said
    (small.folder / "model.keras").unlink()
    said = [finding.what for finding in findings(small, dataset)]
    assert "int8 network on test against stored predictions" in said
    assert not [what for what in said if what.startswith(("float", "mirrored"))]


def test_data_with_other_labels_is_found(small, dataset):
    labels = dataset.labels.copy()
    labels[-1] = 0
    changed = [f for f in verify_model(small, replace(dataset, labels=labels)) if not f.equal]
    assert [f.what for f in changed] == ["test labels of fer2013 against the data"]


def test_splits_and_data_sets_that_a_model_was_not_evaluated_on_are_passed_over(small, dataset):
    only_test = dataset.take(dataset.splits == Split.TEST)
    assert not [f for f in findings(small, only_test) if "validation" in f.what]
    ckplus = replace(dataset.as_label_set(CKPLUS), votes=None)
    assert not [f for f in findings(small, ckplus) if "against the data" in f.what or "on test" in f.what]


def test_values_that_are_no_numbers_are_never_equal():
    assert largest_difference(np.array([1.0, np.nan]), np.array([1.0, np.nan])) == float("inf")
    assert largest_difference({"a": 1.0}, {"b": 1.0}) == float("inf")
    assert largest_difference({"a": [1.0, 2.5]}, {"a": [1.0, 2.0]}) == 0.5
    assert not VerifiedValue("m", "w", float("nan"), 1.0).equal
