import json
import shutil

import numpy as np
import pytest

from fer_core.datasets import Split
from fer_core.errors import ModelError
from fer_core.model_store import ModelCard, ModelStore, Network


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
        {Network.FLOAT: b"float", Network.INT8: b"int8"},
        shipped.history(),
        shipped.predictions(),
    )
    loaded = ModelStore(tmp_path).load("senet")
    assert loaded.keras_path.read_bytes() == b"keras"
    assert loaded.litert_path(Network.INT8).read_bytes() == b"int8"
    assert loaded.litert_path(Network.FLOAT).read_bytes() == b"float"
    assert loaded.history().equals(shipped.history())
    one, other = loaded.predictions(), shipped.predictions()
    for key, probabilities in one.probabilities.items():
        np.testing.assert_array_equal(probabilities, other.probabilities[key])
    assert one.labels.keys() == other.labels.keys()
    np.testing.assert_array_equal(one.repeats[Split.TEST], other.repeats[Split.TEST])
    assert saved.card.name == "senet"


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


@pytest.mark.parametrize("file", ["model.keras", "model.tflite", "model.int8.tflite", "history.csv", "predictions.npz"])
def test_a_missing_file_is_named(file, store):
    model = store.load("senet")
    (model.folder / file).unlink()
    with pytest.raises(ModelError, match=rf"senet: {file} is missing"):
        _ = (
            model.keras_path,
            *map(model.litert_path, (Network.FLOAT, Network.INT8)),
            model.history(),
            model.predictions(),
        )


def test_a_card_that_is_no_card_is_refused_in_a_sentence(store):
    (store.folder / "senet" / "card.json").write_text('{"name": "senet"}')
    with pytest.raises(ModelError, match=r"senet: card\.json does not hold a model card"):
        store.load("senet")


def test_damaged_predictions_are_refused_in_a_sentence(store):
    path = store.folder / "senet" / "predictions.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"predictions\.npz cannot be read"):
        store.load("senet").predictions()
