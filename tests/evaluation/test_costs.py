import json
import shutil
from collections import Counter
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from fer_core.cli.main import main
from fer_core.evaluation import costs
from fer_core.evaluation.costs import measure_costs
from fer_core.evaluation.hardware import hardware, peak_megabytes, peak_megabytes_of
from fer_core.models.counting import multiply_adds
from fer_core.store.store import ModelStore, StoredModel
from fer_core.vision.litert import LiteRTNetwork


@pytest.mark.parametrize(
    ("build", "by_hand"),
    [
        (lambda: layers.Conv2D(4, 3, strides=2, padding="same"), 4 * 4 * (3 * 3 * 2) * 4),
        (lambda: layers.Conv2D(4, 3), 6 * 6 * (3 * 3 * 2) * 4),
        (lambda: layers.Conv2D(4, 3, groups=2, padding="same"), 8 * 8 * (3 * 3 * 1) * 4),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), 8 * 8 * (3 * 3) * 2 * 2),
        (lambda: layers.SeparableConv2D(5, 3, strides=2, padding="same"), 4 * 4 * (3 * 3 * 2 + 2 * 5)),
        (lambda: layers.Dense(3), 8 * 8 * 2 * 3),
        (lambda: keras.Sequential([layers.Flatten(), layers.Dense(3)]), 8 * 8 * 2 * 3),
    ],
    ids=["strided", "valid", "grouped", "depthwise", "separable", "dense at every place", "dense"],
)
def test_multiply_adds_are_those_counted_by_hand(build, by_hand):
    face = keras.Input((8, 8, 1))
    two_channels = layers.Conv2D(2, 1)(face)
    assert multiply_adds(keras.Model(face, build()(two_channels)), 8) == 8 * 8 * 2 + by_hand


def test_a_layer_counts_as_often_as_it_is_used_also_in_a_nested_model_of_any_size():
    inner_input = keras.Input((None, None, 1))
    inner = keras.Model(inner_input, layers.Conv2D(1, 3, padding="same")(inner_input))
    face = keras.Input((8, 8, 1))
    model = keras.Model(face, inner(layers.MaxPooling2D()(inner(face))))
    by_hand = (8 * 8 + 4 * 4) * 9
    assert multiply_adds(model, 8) == by_hand
    assert multiply_adds(model, 8) == by_hand, "counting leaves the model as it was"


def test_a_model_is_measured_whole(shipped):
    measured = measure_costs(shipped, predictions=70, calls=3)
    assert measured["parameters"] == shipped.card.parameters
    assert measured["bytes"] == {
        file: (shipped.folder / file).stat().st_size for file in ("model.keras", "model.int8.tflite")
    }
    assert 50e6 < measured["multiply_adds"] < 500e6
    assert set(measured["milliseconds_per_face"]) == {"int8"}
    assert min(measured["milliseconds_per_face"].values()) > 0
    assert measured["seconds_for_predictions"].pop("faces") == 70
    assert set(measured["seconds_for_predictions"]) == {"keras", "int8"}
    assert min(measured["seconds_for_predictions"].values()) > 0
    assert measured["peak_megabytes"]["int8"] > measured["peak_megabytes"]["interpreter"] + 10
    assert measured["hardware"] == hardware()
    assert json.loads(json.dumps(measured)) == measured


@pytest.fixture
def without_keras(shipped, tmp_path) -> StoredModel:
    shutil.copytree(shipped.folder, tmp_path / shipped.name)
    (tmp_path / shipped.name / "model.keras").unlink()
    return ModelStore(tmp_path).load(shipped.name)


def test_a_network_of_the_same_architecture_stands_in_for_a_keras_file_that_is_not_here(without_keras):
    measured = measure_costs(without_keras, predictions=2, calls=1)
    assert measured["multiply_adds"] > 50e6
    assert set(measured["seconds_for_predictions"]) == {"faces", "keras", "int8"}
    assert set(measured["milliseconds_per_face"]) == {"int8"}
    assert set(measured["bytes"]) == {"model.int8.tflite"}


@pytest.mark.parametrize("changed", [{"parameters": 1}, {"architecture": "ensemble"}])
def test_a_network_that_cannot_be_built_again_is_not_guessed_at(changed, without_keras):
    other = replace(without_keras, card=replace(without_keras.card, **changed))
    (other.folder / "model.int8.tflite").unlink()
    measured = measure_costs(other, predictions=2, calls=1)
    assert "multiply_adds" not in measured
    assert "peak_megabytes" not in measured
    assert measured["milliseconds_per_face"] == {}
    assert measured["seconds_for_predictions"] == {"faces": 2}


def test_the_command_writes_what_it_measured_into_the_card(without_keras, monkeypatch, capsys):
    monkeypatch.setattr(costs, "measure_costs", lambda model: {"parameters": 7, "bytes": model.file_bytes})
    store = ModelStore(without_keras.folder.parent)
    assert main(["cost", "senet", "--store", str(store.folder)]) == 0
    assert capsys.readouterr().out.startswith('senet: {"parameters": 7')
    card = store.load("senet").card
    assert card.costs == {"parameters": 7, "bytes": without_keras.file_bytes}
    assert replace(card, costs={}).as_json() == replace(without_keras.card, costs={}).as_json()


def test_the_timed_series_are_those_of_the_comparison():
    assert (costs.PREDICTIONS, costs.SINGLE_CALLS) == (5000, 200)


def test_the_peak_of_a_fresh_process_is_its_own_and_not_that_of_its_parent():
    ballast = bytes(300 << 20)
    assert peak_megabytes() > len(ballast) >> 20
    assert 3 < peak_megabytes_of() < 60


@pytest.fixture
def ensemble(without_keras) -> StoredModel:
    """``a-pair``, of the shipped network and a copy of it whose cards know their multiply-adds."""
    store = ModelStore(without_keras.folder.parent)
    shutil.copytree(without_keras.folder, store.folder / "copy")
    for name, count in (("senet", 1_000), ("copy", 234)):
        store.save_card(replace(without_keras.card, name=name, costs={"multiply_adds": count}))
    (store.folder / "a-pair").mkdir()
    store.save_card(
        replace(without_keras.card, name="a-pair", architecture="ensemble", members={"senet": 0.5, "copy": 0.5})
    )
    return store.load("a-pair")


def test_an_ensemble_is_measured_running_all_its_members(ensemble, monkeypatch):
    faces_of: Counter[LiteRTNetwork] = Counter()
    predict = LiteRTNetwork.predict

    def counted(network: LiteRTNetwork, crops: np.ndarray) -> dict[str, np.ndarray]:
        faces_of[network] += len(crops)
        return predict(network, crops)

    monkeypatch.setattr(LiteRTNetwork, "predict", counted)
    measured = measure_costs(ensemble, predictions=70, calls=3)
    one, other = faces_of.values()
    assert one == other >= 70 + 3, "each member answers for every face that is timed"
    alone = measure_costs(ModelStore(ensemble.folder.parent).load("copy"), predictions=70, calls=3)
    assert measured["multiply_adds"] == 1_234
    assert measured["bytes"] == {}
    assert set(measured["milliseconds_per_face"]) == {"int8"}
    assert set(measured["seconds_for_predictions"]) == {"faces", "int8"}
    assert measured["seconds_for_predictions"]["int8"] > 0
    assert measured["peak_megabytes"]["int8"] > alone["peak_megabytes"]["int8"] + 2


def test_multiply_adds_of_an_ensemble_are_known_where_those_of_all_members_are(ensemble):
    store = ModelStore(ensemble.folder.parent)
    store.save_card(replace(store.load("copy").card, costs={}))
    assert "multiply_adds" not in measure_costs(ensemble, predictions=2, calls=1)


def test_members_are_measured_before_the_ensembles_that_sum_them_up(ensemble, monkeypatch):
    measured = []
    monkeypatch.setattr(costs, "measure_costs", lambda model: measured.append(model.name) or {})
    list(costs.measure_store(ModelStore(ensemble.folder.parent)))
    assert measured == ["copy", "senet", "a-pair"]
