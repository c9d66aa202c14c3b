import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from fer_core.datasets import Split
from fer_core.errors import ModelError
from fer_core.store.card import ModelCard
from fer_core.store.predictions import Network, Predictions
from fer_core.store.store import ModelStore, StoredModel


@pytest.fixture
def store(shipped, tmp_path) -> ModelStore:
    """A store of the test's own with a copy of the shipped model."""
    shutil.copytree(shipped.folder, tmp_path / shipped.name)
    return ModelStore(tmp_path)


def test_a_card_reads_back_as_it_was_written(shipped):
    data = json.loads(json.dumps(shipped.card.as_json()))
    assert ModelCard.from_json(data) == ModelCard.from_json(json.loads(json.dumps(ModelCard.from_json(data).as_json())))


def test_a_saved_model_is_the_one_that_is_loaded(shipped, tmp_path):
    saved = ModelStore(tmp_path).save(
        shipped.card,
        b"keras",
        b"int8",
        shipped.history(),
        shipped.predictions(),
    )
    loaded = ModelStore(tmp_path).load("senet")
    assert loaded.keras_path.read_bytes() == b"keras"
    assert loaded.litert_path.read_bytes() == b"int8"
    assert loaded.history().equals(shipped.history())
    one, other = loaded.predictions(), shipped.predictions()
    for key, probabilities in one.probabilities.items():
        np.testing.assert_array_equal(probabilities, other.probabilities[key])
    assert one.labels.keys() == other.labels.keys()
    np.testing.assert_array_equal(one.train_duplicates[Split.TEST], other.train_duplicates[Split.TEST])
    assert saved.card.name == "senet"


def test_answers_for_masked_faces_are_kept_apart_by_the_same_names(shipped, tmp_path):
    masked = tuple(replace(rule, temperature=3.0) for rule in shipped.card.answers[:2])
    predictions = replace(shipped.predictions(), masked={"fer2013": np.full((5, 7), 1 / 7, np.float32)})
    ModelStore(tmp_path).save(replace(shipped.card, masked_answers=masked), None, None, None, predictions)
    model = ModelStore(tmp_path).load("senet")
    name = shipped.card.answers[1].name
    assert model.card.masked_answers == masked
    assert model.card.masked_rule(name).temperature == 3.0
    assert model.card.decision_rule(name).temperature != 3.0
    assert model.card.masked_rule(shipped.card.answers[2].name) is None
    assert model.predictions().masked["fer2013"].shape == (5, 7)
    assert shipped.predictions().masked == {}


@pytest.mark.parametrize(
    ("keras_file", "litert_file"), [(None, None), (None, b"new"), (b"keras", None), (b"keras", b"new")]
)
def test_a_model_says_which_of_its_files_are_here(keras_file, litert_file, shipped, store):
    saved = store.save(shipped.card, keras_file, litert_file, shipped.history(), shipped.predictions())
    assert saved.has_keras == (keras_file is not None)
    assert saved.has_litert == (litert_file is not None)
    sizes = {"model.keras": 5} if keras_file else {}
    sizes |= {"model.int8.tflite": 3} if litert_file else {}
    assert saved.file_bytes == sizes
    assert store.names() == ["senet"]
    assert store.served_names() == (["senet"] if litert_file else [])


def test_files_that_a_replaced_model_no_longer_has_are_gone(shipped, store):
    assert store.load("senet").has_keras
    (store.folder / "senet" / "model.tflite").write_bytes(b"float, of an older store")
    store.save(shipped.card, None, b"int8", shipped.history(), shipped.predictions())
    assert sorted(path.name for path in (store.folder / "senet").iterdir()) == [
        "card.json",
        "history.csv",
        "model.int8.tflite",
        "predictions.npz",
    ]


def test_the_served_network_is_int8_where_it_was_predicted_else_float(shipped):
    predictions = shipped.predictions()
    assert predictions.served == Network.INT8
    kept = {key: p for key, p in predictions.probabilities.items() if key[0] != Network.INT8}
    assert Predictions(kept, predictions.labels, predictions.train_duplicates).served == Network.FLOAT


def test_a_card_from_before_costs_and_temperatures_still_reads(shipped):
    data = json.loads(json.dumps(shipped.card.as_json()))
    del data["costs"]
    for rule in data["answers"]:
        del rule["temperature"]
    card = ModelCard.from_json(data)
    assert card.costs == {}
    assert {rule.temperature for rule in card.answers} == {1.0}


def test_a_card_from_before_ensembles_still_reads(shipped):
    data = json.loads(json.dumps(shipped.card.as_json()))
    data.pop("members", None)
    assert ModelCard.from_json(data).members == {}


@pytest.mark.parametrize("members", [{"one": 0.5, "two": 0.4}, {"one": 1.5, "two": -0.5}, {"one": 1.0, "two": 0.0}])
def test_a_card_with_shares_that_are_none_is_refused_in_a_sentence(members, store):
    path = store.folder / "senet" / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "members": members}))
    with pytest.raises(
        ModelError, match=r"does not hold a model card \(expected members' shares above 0 that sum to one"
    ):
        store.load("senet")


@pytest.fixture
def ensemble(store) -> StoredModel:
    """An ensemble of the shipped model and a copy of it."""
    shutil.copytree(store.folder / "senet", store.folder / "copy")
    copy = store.load("senet").card
    store.save_card(replace(copy, name="copy"))
    card = replace(copy, name="both", members={"senet": 0.75, "copy": 0.25})
    return store.save(card, None, None, None, store.load("senet").predictions())


def test_an_ensemble_runs_the_files_of_its_members_and_has_none_of_its_own(ensemble, store):
    loaded = store.load("both")
    assert [(member.name, share) for member, share in loaded.members()] == [("senet", 0.75), ("copy", 0.25)]
    assert store.load("copy").members() == []
    assert loaded.has_litert
    assert loaded.litert_paths() == [store.folder / n / "model.int8.tflite" for n in ("senet", "copy")]
    assert loaded.file_bytes == {}
    assert sorted(path.name for path in loaded.folder.iterdir()) == ["card.json", "predictions.npz"]
    (store.folder / "copy" / "model.int8.tflite").unlink()
    assert not loaded.has_litert
    with pytest.raises(ModelError, match=r"copy: model\.int8\.tflite is missing"):
        loaded.litert_paths()


def test_an_ensemble_is_served_where_all_its_members_are(ensemble, store):
    assert store.served_names() == ["both", "copy", "senet"]
    (store.folder / "copy" / "model.int8.tflite").unlink()
    assert store.served_names() == ["senet"]


def test_an_ensemble_of_ensembles_is_refused_in_a_sentence(ensemble, store):
    store.save_card(replace(ensemble.card, members={"senet": 0.5, "both": 0.5}))
    with pytest.raises(ModelError, match="both has the ensemble both as a member; expected networks"):
        store.load("both").members()


def test_a_card_with_an_impossible_temperature_is_refused_in_a_sentence(store):
    path = store.folder / "senet" / "card.json"
    data = json.loads(path.read_text())
    data["answers"][0]["temperature"] = 0
    path.write_text(json.dumps(data))
    with pytest.raises(ModelError, match=r"does not hold a model card \(expected a temperature above 0, got 0\)"):
        store.load("senet")


def test_the_shipped_predictions_cover_both_held_out_splits_whole(shipped):
    predictions = shipped.predictions()
    for split in (Split.VALIDATION, Split.TEST):
        assert len(predictions.labels[split, "fer2013"]) == 3589
        for network in Network:
            for probabilities in predictions.heads(network, split).values():
                np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-4)
    assert (predictions.labels[Split.TEST, "ferplus"] >= 0).sum() == 3153


def test_an_unknown_model_is_refused_with_the_names_there_are(store):
    with pytest.raises(ModelError, match="no model 'vgg' in the store; installed are: senet"):
        store.load("vgg")


@pytest.mark.parametrize("file", ["model.keras", "model.int8.tflite", "history.csv", "predictions.npz"])
def test_a_missing_file_is_named(file, store):
    model = store.load("senet")
    (model.folder / file).unlink()
    with pytest.raises(ModelError, match=rf"senet: {file} is missing"):
        _ = (model.keras_path, model.litert_path, model.history(), model.predictions())


def test_a_card_that_is_no_card_is_refused_in_a_sentence(store):
    (store.folder / "senet" / "card.json").write_text('{"name": "senet"}')
    with pytest.raises(ModelError, match=r"senet: card\.json does not hold a model card"):
        store.load("senet")


def test_damaged_predictions_are_refused_in_a_sentence(store):
    path = store.folder / "senet" / "predictions.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"predictions\.npz cannot be read"):
        store.load("senet").predictions()
