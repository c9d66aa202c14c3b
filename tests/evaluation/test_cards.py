import json
import time
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

from fer_core.cli.main import main
from fer_core.datasets import Split
from fer_core.evaluation.cards import card_metrics, evaluate_store, evaluated
from fer_core.evaluation.verification import largest_difference
from fer_core.labels import CKPLUS, FER2013
from fer_core.store.decision import plain_rule
from fer_core.store.predictions import Network, Predictions
from fer_core.store.store import ModelStore
from tests.stored_models import made_up_predictions


def test_shipped_cards_are_what_the_code_of_today_makes_of_their_predictions():
    for model in ModelStore().all():
        today = evaluated(model.card, model.predictions())
        assert today.answers == model.card.answers
        assert largest_difference(today.figures, model.card.figures) < 1e-6


def test_the_figures_of_a_model_take_less_than_a_second(shipped):
    predictions = shipped.predictions()
    started = time.thread_time()  # which a busy machine does not lengthen
    card_metrics(predictions, shipped.card.answers)
    assert time.thread_time() - started < 1


def test_figures_are_of_the_calibrated_answer_and_beside_it_the_uncalibrated():
    predictions = made_up_predictions()
    rule = replace(plain_rule(FER2013), temperature=2.5)
    metrics = card_metrics(predictions, (rule,))["int8"]["fer2013"]["test"]
    heads, truth = predictions.heads(Network.INT8, Split.TEST), predictions.labels[Split.TEST, "fer2013"]
    assert metrics["negative_log_likelihood"] == pytest.approx(log_loss(truth, rule.apply(heads)), abs=1e-6)
    plain = plain_rule(FER2013).apply(heads)
    assert metrics["negative_log_likelihood_uncalibrated"] == pytest.approx(log_loss(truth, plain), abs=1e-6)
    assert metrics["accuracy"] == accuracy_score(truth, plain.argmax(axis=1))


def test_without_repeats_is_the_split_without_the_faces_that_occur_in_training():
    predictions = made_up_predictions()
    metrics = card_metrics(predictions, (plain_rule(FER2013),))["int8"]["fer2013"]["test-without-repeats"]
    truth = predictions.labels[Split.TEST, "fer2013"][100:]
    said = predictions.probabilities[Network.INT8, Split.TEST, "fer2013"].argmax(axis=1)[100:]
    assert (metrics["faces"], metrics["accuracy"]) == (300, accuracy_score(truth, said))


def test_splits_without_predictions_labels_or_repeats_have_no_figures_of_them():
    data = made_up_predictions(splits=(Split.VALIDATION, Split.TEST, Split.CROSS_VALIDATION))
    del data.probabilities[Network.INT8, Split.TEST, "fer2013"]  # type: ignore[attr-defined]
    data.labels[Split.VALIDATION, "fer2013"][:] = -1
    del data.train_duplicates[Split.CROSS_VALIDATION]  # type: ignore[attr-defined]
    metrics = card_metrics(data, (plain_rule(FER2013), plain_rule(CKPLUS)))
    assert set(metrics["int8"]["fer2013"]) == {"cross-validation"}
    assert set(metrics["float"]["fer2013"]) == {"cross-validation", "test", "test-without-repeats"}
    assert metrics["float"]["ckplus"] == {}


def test_a_model_without_validation_faces_keeps_its_answers(shipped):
    data = made_up_predictions(CKPLUS, splits=(Split.CROSS_VALIDATION,), networks=(Network.FLOAT,))
    card = replace(shipped.card, heads=("ckplus",), answers=(replace(plain_rule(CKPLUS), temperature=1.5),))
    again = evaluated(card, data)
    assert again.answers == card.answers
    assert again.figures["float"]["ckplus"]["cross-validation"]["faces"] == 400


def test_answers_are_chosen_by_the_float_network_where_there_is_no_int8(shipped):
    data = made_up_predictions(networks=(Network.INT8, Network.FLOAT), seed=3)
    without = Predictions(
        {key: p for key, p in data.probabilities.items() if key[0] == Network.FLOAT}, data.labels, data.train_duplicates
    )
    card = replace(shipped.card, heads=("fer2013",))
    by_int8, by_float = evaluated(card, data).answers, evaluated(card, without).answers
    assert by_int8 != by_float
    renamed = {(Network.INT8, *key[1:]): p for key, p in without.probabilities.items()}
    assert by_float == evaluated(card, Predictions(renamed, data.labels, data.train_duplicates)).answers


def test_evaluate_brings_named_cards_up_to_date_and_leaves_the_others(made_up, capsys):
    stale = {name: made_up(name) for name in ("one", "two")}
    right = {name: model.card.as_json() for name, model in stale.items()}
    for model in stale.values():
        path = model.folder / "card.json"
        data = json.loads(path.read_text())
        data["figures"]["int8"]["fer2013"]["test"]["accuracy"] = 1.0
        data["answers"][0]["temperature"] = 9.0
        path.write_text(json.dumps(data))
    store = ModelStore(stale["one"].folder.parent)
    assert main(["evaluate", "two", "--store", str(store.folder)]) == 0
    assert "two, balanced: FER2013 head" in capsys.readouterr().out
    assert store.load("one").card.answers[0].temperature == 9.0
    assert json.loads(json.dumps(store.load("two").card.as_json())) == json.loads(json.dumps(right["two"]))
    assert [card.name for card in evaluate_store(store)] == ["one", "two"]
    assert largest_difference(store.load("one").card.figures, right["one"]["figures"]) == 0


def test_evaluating_an_unknown_model_is_an_error_in_a_sentence(made_up, capsys):
    model = made_up("one")
    assert main(["evaluate", "vgg", "--store", str(model.folder.parent)]) == 1
    assert "no model 'vgg' in the store; installed are: one" in capsys.readouterr().err


def test_the_figures_are_plain_data(made_up):
    metrics = made_up("one").card.figures
    assert json.loads(json.dumps(metrics)) == metrics
    low, high = metrics["int8"]["fer2013"]["test"]["accuracy_interval"]
    assert low < metrics["int8"]["fer2013"]["test"]["accuracy"] < high
    assert np.isfinite([low, high]).all()
