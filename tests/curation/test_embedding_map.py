"""Features are what the heads read, maps keep neighbours, and only faces that are new to a network are on them."""

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from scipy.special import softmax

from fer_core.curation import embedding_map as module
from fer_core.curation.embedding_map import (
    MAP_FILE,
    FeatureReader,
    keep_map,
    kept_map,
    layout,
    load_map,
    map_faces,
    neighbours_alike,
    rows_to_map,
    shipped_map,
)
from fer_core.curation.row_predictions import network_digest
from fer_core.curation.summary import DEFAULT_SUMMARIES, load_summary, shipped_summaries
from fer_core.datasets import Split
from fer_core.errors import DatasetError, ModelError
from fer_core.labels import FER2013
from fer_core.vision.expression import load_network


@pytest.fixture(scope="module")
def content(shipped) -> bytes:
    return shipped.litert_path.read_bytes()


def test_the_heads_are_a_dense_layer_away_from_the_features(content, dataset):
    features, heads = FeatureReader(content).read(dataset.images[:16])
    assert features.shape == (16, 256)
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    parts = {}
    for part in ("MatMul", "BiasAdd"):
        details = interpreter.get_tensor_details()
        (detail,) = [d for d in details if "/fer2013_1/" in d["name"] and d["name"].endswith(part)]
        scales = detail["quantization_parameters"]["scales"]
        values = interpreter.get_tensor(detail["index"]).astype(np.float64)
        parts[part] = values * (scales[:, None] if values.ndim == 2 else scales)
    logits = features @ parts["MatMul"].T + parts["BiasAdd"]
    np.testing.assert_allclose(
        softmax(logits, axis=-1), heads["fer2013"], atol=0.03
    )  # logits are rounded to eight bits


def test_reading_features_changes_no_answer(content, shipped, dataset):
    _, heads = FeatureReader(content).read(dataset.images[:8])
    for head, probabilities in load_network(shipped).predict(dataset.images[:8]).items():
        np.testing.assert_allclose(heads[head], probabilities, atol=1e-6)


def test_what_is_no_network_of_this_kind_is_refused_in_a_sentence(content):
    with pytest.raises(ModelError, match="no LiteRT model"):
        FeatureReader(b"nothing at all")


def test_heads_that_read_different_numbers_have_no_map(content, monkeypatch):
    monkeypatch.setattr(module.schema.BuiltinOperator, "FULLY_CONNECTED", -1)  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match="no place on a map"):
        FeatureReader(content)


def test_only_faces_that_are_new_to_the_network_are_mapped_each_class_in_its_share(dataset):
    rows = rows_to_map(dataset, dataset.splits, 56)
    assert len(rows) == 56
    assert Split.TRAINING not in dataset.splits[rows]
    assert np.bincount(dataset.labels[rows]).tolist() == [8] * 7
    assert rows.tolist() == rows_to_map(dataset, dataset.splits, 56).tolist()
    assert len(rows_to_map(dataset, None)) == len(dataset)  # of other data all are new
    dataset.labels[0] = -1
    assert 0 not in rows_to_map(dataset, None)


def test_a_network_that_learnt_from_all_faces_has_no_map(dataset):
    with pytest.raises(DatasetError, match="found 0 labelled faces"):
        rows_to_map(dataset, np.full(len(dataset), Split.TRAINING))


def test_faces_that_are_alike_lie_together():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    places = layout(rng.normal(size=(60, 12)) + 20 * np.eye(12)[labels])
    assert places.shape == (60, 2)
    assert neighbours_alike(places, labels) > 0.95


def test_neighbours_are_other_people():
    points = np.array([[0.0], [0.1], [5.0], [5.1]])
    labels = np.array([0, 0, 1, 1])
    assert neighbours_alike(points[:2], labels[:2]) == 1
    assert neighbours_alike(points, labels, np.array(["a", "a", "b", "b"])) == 0
    assert neighbours_alike(points, labels) == pytest.approx(1 / 3)  # of three neighbours one is alike


@pytest.fixture
def face_map(shipped, dataset, monkeypatch):
    monkeypatch.setattr(module, "MOST_FACES", 40)
    monkeypatch.setattr(module, "layout", lambda features: features[:, :2])
    return map_faces(shipped, dataset, "f")


def test_a_map_says_what_it_shows(face_map, shipped, dataset):
    assert (face_map.network, face_map.features, face_map.answer_set) == ("SE-ResNet", 256, FER2013)
    assert not face_map.unseen  # the patterns are of another data set than the network's
    np.testing.assert_array_equal(face_map.labels, dataset.labels[face_map.rows])
    classified = shipped.card.default_rule.apply(load_network(shipped).predict(dataset.images[face_map.rows]))
    np.testing.assert_array_equal(face_map.answers, classified.argmax(axis=1))
    assert 0 <= min(face_map.alike) <= max(face_map.alike) <= 1


def test_a_map_is_kept_by_weights_and_faces(face_map, shipped, cache):
    keep_map(face_map)
    read = kept_map(shipped, "f")
    np.testing.assert_array_equal(read.rows, face_map.rows)
    np.testing.assert_allclose(read.places, face_map.places, rtol=1e-3, atol=1e-3)
    assert replace(read, rows=0, labels=0, answers=0, places=0) == replace(
        face_map, rows=0, labels=0, answers=0, places=0
    )
    assert kept_map(shipped, "other faces") is None


def test_a_map_of_other_faces_or_a_damaged_one_is_not_shown(face_map, tmp_path):
    path = tmp_path / "my-set" / MAP_FILE
    face_map.save(path)
    assert shipped_map("My Set", "f", tmp_path) is not None
    assert shipped_map("My Set", "other", tmp_path) is None
    path.write_bytes(path.read_bytes()[:100])
    assert load_map(path) is None


def test_an_ensemble_has_no_features_of_its_own(made_up, dataset):
    from fer_core.evaluation.ensembles import build_ensemble
    from fer_core.store.store import ModelStore

    store = ModelStore(made_up("one").folder.parent)
    made_up("two")
    with pytest.raises(ModelError, match="one of its members"):
        map_faces(build_ensemble(store, "pair", ["one", "two"]), dataset, "f")


@pytest.mark.parametrize("place", shipped_summaries(), ids=lambda place: place.name)
def test_the_map_that_ships_is_of_the_network_and_the_faces_that_ship(place, shipped):
    face_map = shipped_map(load_summary(place).name, load_summary(place).fingerprint, DEFAULT_SUMMARIES)
    assert face_map is not None
    assert face_map.digest == network_digest(shipped)
    assert (place / MAP_FILE).stat().st_size < 60_000


def test_a_map_is_written_beside_the_summary_when_asked_for(tmp_path, monkeypatch, capsys):
    import cv2

    from fer_core.cli.main import main

    monkeypatch.setattr(module, "layout", lambda features: features[:, :2])
    rng = np.random.default_rng(0)
    for name in ("happy", "sad"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(6):
            picture = rng.integers(0, 256, (48, 48)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / "photos" / name / f"{number}.png"), picture)
    out = tmp_path / "out"
    assert main(["summarise", "--data", str(tmp_path / "photos"), "--out", str(out), "--map", "senet"]) == 0
    assert "12 of them on the map of SE-ResNet" in capsys.readouterr().out
    (place,) = shipped_summaries(out)
    summary = load_summary(place)
    assert len(shipped_map(summary.name, summary.fingerprint, out).rows) == 12
