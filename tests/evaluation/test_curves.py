import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from fer_core.evaluation import curves
from fer_core.evaluation.metrics import expected_calibration_error
from fer_core.labels import FER2013


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 500)
    logits = rng.normal(size=(500, 7))
    logits[np.arange(500), labels] += 1.5
    return softmax(logits, axis=-1), labels


def test_roc_points_and_areas_are_those_of_scikit_learn(answers):
    probabilities, labels = answers
    macro, *by_class = curves.roc_curves(probabilities, labels, FER2013)
    for number, curve in enumerate(by_class):
        false, true, _ = roc_curve(labels == number, probabilities[:, number])
        assert np.array_equal(curve.x, false)
        assert np.array_equal(curve.y, true)
        assert curve.auc == pytest.approx(roc_auc_score(labels == number, probabilities[:, number]))
    assert macro.auc == pytest.approx(roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"))
    assert np.trapezoid(macro.y, macro.x) == pytest.approx(macro.auc, abs=0.005)
    assert (macro.x[0], macro.y[0], macro.x[-1], macro.y[-1]) == (0, 0, 1, 1)


def test_precision_recall_points_and_areas_are_those_of_scikit_learn(answers):
    probabilities, labels = answers
    macro, *by_class = curves.precision_recall_curves(probabilities, labels, FER2013)
    for number, curve in enumerate(by_class):
        precision, recall, _ = precision_recall_curve(
            labels == number, probabilities[:, number], drop_intermediate=True
        )
        assert np.array_equal(curve.x[::-1], recall)
        assert np.array_equal(curve.y[::-1], precision)
    assert macro.auc == pytest.approx(average_precision_score(np.eye(7)[labels], probabilities, average="macro"))
    assert macro.y.mean() == pytest.approx(macro.auc, abs=0.02)


def test_a_class_that_never_occurs_has_no_curve(answers):
    probabilities, labels = answers
    kept = labels != 1
    for draw in (curves.roc_curves, curves.precision_recall_curves):
        names = [curve.name for curve in draw(probabilities[kept], labels[kept], FER2013)]
        assert names == [curves.MACRO, "angry", "fear", "happy", "sad", "surprise", "neutral"]
    with pytest.raises(ValueError, match="at least two classes"):
        curves.roc_curves(probabilities[:3], np.zeros(3, int), FER2013)


def test_reliability_has_the_bins_of_the_calibration_error_and_of_scikit_learn(answers):
    probabilities, labels = answers
    bins = curves.reliability(probabilities, labels)
    right = probabilities.argmax(axis=1) == labels
    accuracy, confidence = calibration_curve(right, probabilities.max(axis=1), n_bins=15)
    assert np.allclose(bins.accuracy, accuracy)
    assert np.allclose(bins.confidence, confidence)
    assert bins.error == pytest.approx(expected_calibration_error(probabilities, labels))
    assert bins.faces.sum() == 500


def test_coverage_is_the_accuracy_of_the_answers_above_each_threshold(answers):
    probabilities, labels = answers
    curve = curves.coverage_curve(probabilities, labels)
    said, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    assert curve.coverage[-1] == 1
    for share, accuracy, threshold in zip(curve.coverage, curve.accuracy, curve.confidence, strict=True):
        answered = confidence >= threshold
        assert share == pytest.approx(answered.mean())
        assert accuracy == pytest.approx(accuracy_score(labels[answered], said[answered]))


def test_equally_sure_faces_are_answered_together():
    curve = curves.coverage_curve(np.tile([0.7, 0.3], (4, 1)), np.array([0, 1, 0, 0]))
    assert (curve.coverage.tolist(), curve.accuracy.tolist()) == ([1.0], [0.75])


def test_classes_that_are_taken_for_each_other_stand_side_by_side():
    confusion = np.diag([90, 90, 90, 90])
    confusion[0, 3] = confusion[3, 0] = confusion[1, 2] = confusion[2, 1] = 30
    order = curves.similarity_order(confusion).tolist()
    assert sorted(order) == [0, 1, 2, 3]
    assert abs(order.index(0) - order.index(3)) == 1
    assert abs(order.index(1) - order.index(2)) == 1


def test_disagreements_are_told_apart_by_who_is_right():
    found = curves.disagreements(np.array([0, 0, 1, 2, 1]), np.array([0, 1, 0, 1, 1]), np.array([0, 0, 0, 0, 0]))
    assert (found.only_a.tolist(), found.only_b.tolist(), found.both_wrong.tolist()) == ([1], [2], [3])
    assert len(found) == 3


def test_the_front_holds_what_nothing_beats_by_rising_cost():
    costs = np.array([3.0, 1.0, 2.0, 1.0, np.nan, 3.0, 9.0])
    accuracies = np.array([0.8, 0.5, 0.4, 0.6, 0.9, 0.8, 0.8])
    assert curves.pareto_front(costs, accuracies).tolist() == [3, 0, 5]
    assert curves.pareto_front(np.array([np.nan]), np.array([0.5])).tolist() == []


def test_the_interval_of_macro_f1_is_that_of_resampled_faces(answers):
    probabilities, labels = answers
    said = probabilities.argmax(axis=1)
    confusion = np.zeros((7, 7), int)
    np.add.at(confusion, (labels, said), 1)
    rng = np.random.default_rng(1)
    draws = [f1_score(labels[r], said[r], average="macro") for r in rng.integers(0, 500, (300, 500))]
    assert curves.macro_f1_interval(confusion) == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.01)


@pytest.mark.parametrize(
    ("training", "words"), [(0.95, "strong overfitting"), (0.75, "mild overfitting"), (0.69, "does not overfit")]
)
def test_the_gap_is_stated_in_words_at_the_kept_epoch(training, words):
    history = pd.DataFrame(
        {"epoch": [1, 2], "training_accuracy_fer2013": [0.3, training], "validation_accuracy_fer2013": [0.3, 0.7]}
    )
    text = curves.training_gap(history, "fer2013", 2)
    assert words in text
    assert f"{training:.1%}" in text


def test_without_validation_or_history_the_words_say_so():
    history = pd.DataFrame({"epoch": [1], "training_accuracy_ckplus": [0.9]})
    assert "no validation split" in curves.training_gap(history, "ckplus", 1)
    assert "does not say" in curves.training_gap(history, "fer2013", 1)
    assert "does not say" in curves.training_gap(history, "ckplus", 7)
    assert curves.kept_epoch(history, 7) is None
