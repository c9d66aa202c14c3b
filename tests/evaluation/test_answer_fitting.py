import numpy as np
import pytest
from sklearn.metrics import f1_score

from fer_core.answers import softmax
from fer_core.datasets import Split
from fer_core.emotions import FER2013, FERPLUS
from fer_core.evaluation.answer_fitting import ACCURACY_COST, fit_answers
from fer_core.model_store import Network, Predictions

RARE = 1


def predictions(seed: int = 0, second_head_knows_more: bool = False) -> Predictions:
    """A classifier that is shy of a rare class, on both splits."""
    rng = np.random.default_rng(seed)
    probabilities, labels, repeats = {}, {}, {}
    for split in (Split.VALIDATION, Split.TEST):
        truth = rng.choice(7, 1500, p=[0.18, 0.04, 0.18, 0.2, 0.14, 0.13, 0.13])
        logits = rng.normal(size=(len(truth), 7))
        logits[np.arange(len(truth)), truth] += 2.0
        logits[:, RARE] -= 2.0
        eight = rng.normal(size=(len(truth), 8))
        eight[np.arange(len(truth)), FER2013.indices_in(FERPLUS)[truth]] += 4.0 if second_head_knows_more else 0.0
        for head, scores in (("fer2013", logits), ("ferplus", eight)):
            probabilities[Network.INT8, split, head] = softmax(scores).astype(np.float32)
        labels[split, "fer2013"] = truth.astype(np.int8)
        repeats[split] = np.zeros(len(truth), bool)
    return Predictions(probabilities, labels, repeats)


def judge(data: Predictions, rule, split: Split) -> tuple[float, float]:
    truth = data.labels[split, "fer2013"]
    said = rule.apply(data.heads(Network.INT8, split)).argmax(axis=1)
    return float((said == truth).mean()), float(f1_score(truth, said, average="macro"))


def test_the_balanced_answer_comes_first_and_hears_the_rare_class_at_a_bounded_cost():
    data = predictions()
    balanced, plain, eight = fit_answers(data, (FER2013, FERPLUS), Network.INT8)
    assert (balanced.name, plain.name, eight.name) == ("balanced", "fer2013", "ferplus")
    assert balanced.class_bias[RARE] > max(b for i, b in enumerate(balanced.class_bias) if i != RARE)
    accuracy, f1 = judge(data, balanced, Split.VALIDATION)
    plain_accuracy, plain_f1 = judge(data, plain, Split.VALIDATION)
    assert f1 > plain_f1 + 0.02
    assert accuracy >= plain_accuracy - ACCURACY_COST


def test_what_was_chosen_on_one_split_holds_on_the_other():
    data = predictions()
    balanced, plain, _ = fit_answers(data, (FER2013, FERPLUS), Network.INT8)
    assert judge(data, balanced, Split.TEST)[1] > judge(data, plain, Split.TEST)[1] + 0.01


def test_a_second_head_takes_part_when_it_helps():
    balanced, *_ = fit_answers(predictions(second_head_knows_more=True), (FER2013, FERPLUS), Network.INT8)
    assert balanced.head_weights["ferplus"] > 0.5


def test_the_test_split_plays_no_part():
    data = predictions()
    without = Predictions(
        {k: p for k, p in data.probabilities.items() if k[1] == Split.VALIDATION},
        {k: v for k, v in data.labels.items() if k[0] == Split.VALIDATION},
        {Split.VALIDATION: data.repeats[Split.VALIDATION]},
    )
    assert fit_answers(without, (FER2013, FERPLUS), Network.INT8) == fit_answers(data, (FER2013, FERPLUS), Network.INT8)


def test_a_validation_split_without_labels_is_refused():
    data = predictions()
    data.labels[Split.VALIDATION, "fer2013"][:] = -1
    with pytest.raises(Exception, match="no row labelled"):
        fit_answers(data, (FER2013, FERPLUS), Network.INT8)
