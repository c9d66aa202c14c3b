from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import f1_score

from fer_core.datasets import Split
from fer_core.evaluation.calibration import ACCURACY_COST, fit_decision_rules, fit_masked_rules, fit_temperature
from fer_core.labels import FER2013, FER2013_FIVE, FERPLUS
from fer_core.store.predictions import Network, Predictions

RARE = 1


def predictions(seed: int = 0, second_head_knows_more: bool = False) -> Predictions:
    """A classifier that is shy of a rare class, on both splits."""
    rng = np.random.default_rng(seed)
    probabilities, labels, train_duplicates = {}, {}, {}
    for split in (Split.VALIDATION, Split.TEST):
        truth = rng.choice(7, 1500, p=[0.18, 0.04, 0.18, 0.2, 0.14, 0.13, 0.13])
        logits = rng.normal(size=(len(truth), 7))
        logits[np.arange(len(truth)), truth] += 2.0
        logits[:, RARE] -= 2.0
        eight = rng.normal(size=(len(truth), 8))
        eight[np.arange(len(truth)), FER2013.indices_in(FERPLUS)[truth]] += 4.0 if second_head_knows_more else 0.0
        for head, scores in (("fer2013", logits), ("ferplus", eight)):
            probabilities[Network.INT8, split, head] = softmax(scores, axis=-1).astype(np.float32)
        labels[split, "fer2013"] = truth.astype(np.int8)
        train_duplicates[split] = np.zeros(len(truth), bool)
    return Predictions(probabilities, labels, train_duplicates)


def judge(data: Predictions, rule, split: Split) -> tuple[float, float]:
    truth = data.labels[split, "fer2013"]
    said = rule.apply(data.heads(Network.INT8, split)).argmax(axis=1)
    return float((said == truth).mean()), float(f1_score(truth, said, average="macro"))


def test_the_balanced_answer_comes_first_and_hears_the_rare_class_at_a_bounded_cost():
    data = predictions()
    balanced, plain, eight, _ = fit_decision_rules(data, (FER2013, FERPLUS), Network.INT8)
    assert (balanced.name, plain.name, eight.name) == ("balanced", "fer2013", "ferplus")
    assert balanced.class_bias[RARE] > max(b for i, b in enumerate(balanced.class_bias) if i != RARE)
    accuracy, f1 = judge(data, balanced, Split.VALIDATION)
    plain_accuracy, plain_f1 = judge(data, plain, Split.VALIDATION)
    assert f1 > plain_f1 + 0.02
    assert accuracy >= plain_accuracy - ACCURACY_COST


def test_what_was_chosen_on_one_split_holds_on_the_other():
    data = predictions()
    balanced, plain, *_ = fit_decision_rules(data, (FER2013, FERPLUS), Network.INT8)
    assert judge(data, balanced, Split.TEST)[1] > judge(data, plain, Split.TEST)[1] + 0.01


def test_a_second_head_takes_part_when_it_helps():
    balanced, *_ = fit_decision_rules(predictions(second_head_knows_more=True), (FER2013, FERPLUS), Network.INT8)
    assert balanced.head_weights["ferplus"] > 0.5


def test_answers_for_masked_faces_are_chosen_on_the_masked_validation_faces_alone():
    data = predictions()
    heads = (FER2013, FERPLUS)
    assert fit_masked_rules(data, heads) == ()
    masked = {
        h: p**0.25 / (p**0.25).sum(axis=1, keepdims=True) for h, p in data.heads(Network.INT8, Split.VALIDATION).items()
    }
    apart = fit_masked_rules(replace(data, masked=masked), heads)
    plain = fit_decision_rules(data, heads, Network.INT8)
    assert [rule.name for rule in apart] == [rule.name for rule in plain]
    (of_apart,), (of_plain,) = ([r for r in rules if r.name == "fer2013"] for rules in (apart, plain))
    assert of_apart.temperature == pytest.approx(of_plain.temperature / 4, abs=0.005)


def test_the_test_split_plays_no_part():
    data = predictions()
    without = Predictions(
        {k: p for k, p in data.probabilities.items() if k[1] == Split.VALIDATION},
        {k: v for k, v in data.labels.items() if k[0] == Split.VALIDATION},
        {Split.VALIDATION: data.train_duplicates[Split.VALIDATION]},
    )
    assert fit_decision_rules(without, (FER2013, FERPLUS), Network.INT8) == fit_decision_rules(
        data, (FER2013, FERPLUS), Network.INT8
    )


def test_a_validation_split_without_labels_is_refused():
    data = predictions()
    data.labels[Split.VALIDATION, "fer2013"][:] = -1
    with pytest.raises(Exception, match="no row labelled"):
        fit_decision_rules(data, (FER2013, FERPLUS), Network.INT8)


def test_a_temperature_that_was_put_on_is_found_again():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 7)) * 2
    labels = (softmax(logits, axis=-1).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    for put_on in (0.4, 1.0, 3.0):
        assert fit_temperature(logits * put_on, labels) == pytest.approx(put_on, rel=0.03)
    fitted = fit_temperature(logits, labels)
    assert fitted == round(fitted, 3) != round(fitted, 2)


def test_a_temperature_stays_within_what_is_tried():
    certain = np.eye(7)[[0, 1, 2]] * 0.1
    assert fit_temperature(certain, np.array([0, 1, 2])) == pytest.approx(0.05, abs=0.001)
    assert fit_temperature(certain, np.array([1, 2, 0])) == pytest.approx(20, abs=0.1)


def test_every_answer_has_the_temperature_of_its_own_labelled_rows():
    data = predictions(second_head_knows_more=True)
    for split in (Split.VALIDATION, Split.TEST):
        truth = data.labels[split, "fer2013"]
        five = FER2013.indices_in(FER2013_FIVE)[truth]
        data.labels[split, "fer2013-five"] = five.astype(np.int8)
        majority = FER2013.indices_in(FERPLUS)[truth]
        data.labels[split, "ferplus"] = np.where(np.arange(len(truth)) < 500, majority, -1).astype(np.int8)
    answers = fit_decision_rules(data, (FER2013, FERPLUS), Network.INT8)
    assert [rule.name for rule in answers] == ["balanced", "fer2013", "ferplus", "fer2013-five"]
    assert len({rule.temperature for rule in answers}) == 4
    for rule in answers:
        labels = data.labels[Split.VALIDATION, rule.label_set.name].astype(int)
        logits = rule.logits(data.heads(Network.INT8, Split.VALIDATION))
        assert rule.temperature == fit_temperature(logits[labels >= 0], labels[labels >= 0]) != 1


def test_an_answer_without_validation_labels_keeps_temperature_one():
    *_, eight, five = fit_decision_rules(predictions(), (FER2013, FERPLUS), Network.INT8)
    assert (eight.name, eight.temperature) == ("ferplus", 1.0)
    assert (five.name, five.temperature) == ("fer2013-five", 1.0)


def test_the_five_classes_are_the_seven_class_head_restricted():
    *_, five = fit_decision_rules(predictions(), (FER2013,), Network.INT8)
    assert five.title == "FER2013, the seven-class head restricted to five"
    heads = {"fer2013": softmax(np.random.default_rng(3).normal(size=(4, 7)), axis=-1)}
    kept = heads["fer2013"][:, FER2013_FIVE.indices_in(FER2013)]
    np.testing.assert_allclose(five.apply(heads), kept / kept.sum(axis=1, keepdims=True), rtol=1e-5)


def test_a_model_trained_on_five_classes_answers_in_them_itself():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 300)
    scores = rng.normal(size=(300, 5))
    scores[np.arange(300), truth] += 2
    data = Predictions(
        {(Network.INT8, Split.VALIDATION, "fer2013-five"): softmax(scores, axis=-1)},
        {(Split.VALIDATION, "fer2013-five"): truth.astype(np.int8)},
        {Split.VALIDATION: np.zeros(300, bool)},
    )
    balanced, plain = fit_decision_rules(data, (FER2013_FIVE,), Network.INT8)
    assert (balanced.name, plain.name) == ("balanced", "fer2013-five")
    assert plain.head_weights == {"fer2013-five": 1.0}
    assert plain.temperature != 1


def test_a_head_of_five_classes_beside_the_seven_is_not_doubled():
    data = predictions()
    data.probabilities[Network.INT8, Split.VALIDATION, "fer2013-five"] = np.full((1500, 5), 0.2, np.float32)
    names = [rule.name for rule in fit_decision_rules(data, (FER2013, FER2013_FIVE), Network.INT8)]
    assert names == ["balanced", "fer2013", "fer2013-five"]
