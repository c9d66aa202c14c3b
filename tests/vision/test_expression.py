"""Networks that are asked together answer with the weighted mean of what they say alone."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.cli.main import main
from fer_core.errors import ModelError
from fer_core.evaluation.verification import SAMPLE_PHOTO
from fer_core.labels import CKPLUS
from fer_core.store.decision import DecisionRule
from fer_core.store.store import ModelStore
from fer_core.vision.expression import EnsembleNetwork, ExpressionClassifier, load_network, pool_heads
from fer_core.vision.litert import LiteRTNetwork

FACES = np.random.default_rng(0).integers(0, 256, (3, 48, 48)).astype(np.uint8)
SHARES = {"one": 0.7, "other": 0.3}


@pytest.fixture
def store(shipped, tmp_path) -> ModelStore:
    """Two networks of the same heads, and the ensemble ``both``."""
    store = ModelStore(tmp_path)
    for name, weights in zip(SHARES, ("senet", "senet-masks"), strict=True):
        (tmp_path / name).mkdir()
        shutil.copy(ModelStore().load(weights).litert_path, tmp_path / name / "model.int8.tflite")
        store.save_card(replace(shipped.card, name=name))
    (tmp_path / "both").mkdir()
    store.save_card(replace(shipped.card, name="both", members=SHARES))
    return store


def test_heads_are_pooled_by_the_shares_of_the_networks_that_have_them():
    one = {"fer2013": np.array([[0.2, 0.8]], np.float32), "ferplus": np.array([[1.0, 0.0]], np.float32)}
    two = {"fer2013": np.array([[0.6, 0.4]], np.float32)}
    three = {"ferplus": np.array([[0.0, 1.0]], np.float32), "fer2013": np.array([[1.0, 0.0]], np.float32)}
    pooled = pool_heads([two, one, three], [0.2, 0.6, 0.2])
    assert list(pooled) == ["fer2013", "ferplus"], "in the order of the label sets, whoever comes first"
    np.testing.assert_allclose(pooled["fer2013"], [[0.12 + 0.12 + 0.2, 0.08 + 0.48]], atol=1e-6)
    np.testing.assert_allclose(pooled["ferplus"], [[0.75, 0.25]], atol=1e-6)
    assert pooled["fer2013"].dtype == np.float32


def test_an_ensemble_answers_with_the_weighted_mean_of_its_members(store):
    one, other = (LiteRTNetwork(store.load(n).litert_path.read_bytes()).predict(FACES) for n in SHARES)
    ensemble = load_network(store.load("both"))
    together = ensemble.predict(FACES)
    assert ensemble.input_size == 48
    assert set(together) == {"fer2013", "ferplus"}
    for head, pooled in together.items():
        np.testing.assert_allclose(pooled, 0.7 * one[head] + 0.3 * other[head], atol=1e-6)
        assert np.abs(pooled - one[head]).max() > 1e-4
    classifier = ExpressionClassifier(store.load("both"))
    for scores, expected in zip(classifier.classify(FACES), classifier.rule.apply(together), strict=True):
        np.testing.assert_allclose(scores.probabilities, expected, atol=1e-6)
        assert scores.model == "both"
    assert classifier.classify(FACES[:0]) == []


def test_a_single_network_is_loaded_as_itself(store):
    assert isinstance(load_network(store.load("one")), LiteRTNetwork)


def test_an_ensemble_is_served_through_the_same_door_as_any_network(store, photo, monkeypatch, capsys):
    assert store.served_names() == ["both", "one", "other"]
    analysis = FrameAnalyser.from_store(["both", "one"], store=store).analyse(photo)
    assert [(s.model, str(s.top)) for s in analysis.faces[0].scores] == [("both", "happy"), ("one", "happy")]
    monkeypatch.setattr("fer_core.store.store.DEFAULT_STORE", store.folder)
    assert main(["analyse", str(SAMPLE_PHOTO), "--model", "both"]) == 0
    assert "happy" in capsys.readouterr().out


def test_an_ensemble_without_one_of_its_members_is_not_served_and_says_why(store):
    (store.folder / "other" / "model.int8.tflite").unlink()
    assert store.served_names() == ["one"]
    with pytest.raises(ModelError, match=r"other: model\.int8\.tflite is missing"):
        ExpressionClassifier(store.load("both"))
    shutil.rmtree(store.folder / "other")
    assert store.served_names() == ["one"]
    with pytest.raises(ModelError, match=r"both is an ensemble of one, other\. There is no model 'other'"):
        load_network(store.load("both"))


def test_networks_of_different_sizes_cannot_be_asked_together(store):
    network = load_network(store.load("one"))
    larger = load_network(store.load("one"))
    larger.input_size = 64
    with pytest.raises(ModelError, match="take faces of 48 and 64 pixels; expected one size"):
        EnsembleNetwork([larger, network], [0.5, 0.5])


def test_a_file_that_lacks_the_heads_of_its_card_is_refused_in_a_sentence(store):
    model = store.load("one")
    rule = DecisionRule("ckplus", "", CKPLUS, {"ckplus": 1.0}, (0.0,) * len(CKPLUS))
    with pytest.raises(ModelError, match=r"int8 file answers fer.*, but its answer 'ckplus' is made of ckplus"):
        ExpressionClassifier(replace(model, card=replace(model.card, answers=(rule,))))
    with pytest.raises(ModelError, match="made of ckplus"):
        ExpressionClassifier(replace(both := store.load("both"), card=replace(both.card, answers=(rule,))))
