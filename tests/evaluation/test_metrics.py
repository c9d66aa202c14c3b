import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

from fer_core.evaluation.metrics import accuracy_interval, classification_metrics, expected_calibration_error
from fer_core.labels import FER2013


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 7, 500)
    logits = rng.normal(size=(500, 7))
    logits[np.arange(500), labels] += 1.5
    return softmax(logits, axis=-1), labels


def test_figures_are_those_of_scikit_learn_over_the_labelled_rows(answers):
    probabilities, labels = answers
    metrics = classification_metrics(probabilities, labels, FER2013)
    known = labels >= 0
    truth, said = labels[known], probabilities[known].argmax(axis=1)
    assert metrics["faces"] == known.sum() < 500
    assert metrics["accuracy"] == pytest.approx(accuracy_score(truth, said))
    assert metrics["macro_f1"] == pytest.approx(f1_score(truth, said, average="macro"))
    precision, recall, _, support = precision_recall_fscore_support(truth, said)
    assert metrics["macro_precision"] == pytest.approx(precision.mean())
    assert metrics["macro_recall"] == pytest.approx(recall.mean())
    for i, of_class in enumerate(metrics["per_class"].values()):
        assert (of_class["precision"], of_class["recall"]) == pytest.approx((precision[i], recall[i]))
        assert of_class["support"] == support[i]
    assert metrics["negative_log_likelihood"] == pytest.approx(log_loss(truth, probabilities[known]))
    assert metrics["confusion"] == confusion_matrix(truth, said).tolist()


def test_a_class_that_never_occurs_is_counted_as_nought_not_left_out():
    probabilities = np.eye(7)[[0, 0, 3]]
    metrics = classification_metrics(probabilities, np.array([0, 0, 3]), FER2013)
    assert metrics["accuracy"] == 1
    assert metrics["macro_f1"] == pytest.approx(2 / 7)


def test_calibration_error_is_the_gap_of_confidence_and_accuracy():
    probabilities = np.tile([0.8, 0.2], (10, 1))
    half_right = np.array([0] * 5 + [1] * 5)
    assert expected_calibration_error(probabilities, half_right) == pytest.approx(0.3)
    assert expected_calibration_error(probabilities, np.array([0] * 8 + [1] * 2)) == pytest.approx(0)


def test_calibration_error_adds_up_the_gaps_of_its_fifteen_bins():
    # Confidences 0.62 and 0.66 share a bin of width 1/15, 0.95 has its own; 0.72 would be a bin further.
    probabilities = np.array([[0.62, 0.38], [0.66, 0.34], [0.95, 0.05], [0.95, 0.05]])
    labels = np.array([0, 1, 0, 1])
    by_hand = 0.5 * abs(0.5 - 0.64) + 0.5 * abs(0.5 - 0.95)
    assert expected_calibration_error(probabilities, labels) == pytest.approx(by_hand)
    split = expected_calibration_error(np.array([[0.66, 0.34], [0.67, 0.33]]), np.array([0, 1]))
    assert split == pytest.approx(0.5 * (1 - 0.66) + 0.5 * 0.67)


def test_figures_before_temperature_scaling_stand_beside_those_after(answers):
    probabilities, labels = answers
    sharper = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    metrics = classification_metrics(probabilities, labels, FER2013, uncalibrated=sharper)
    known = labels >= 0
    assert metrics["negative_log_likelihood_uncalibrated"] == pytest.approx(log_loss(labels[known], sharper[known]))
    assert metrics["expected_calibration_error_uncalibrated"] == pytest.approx(
        expected_calibration_error(sharper[known], labels[known])
    )
    alone = classification_metrics(probabilities, labels, FER2013)
    for name in ("negative_log_likelihood", "expected_calibration_error"):
        assert metrics[name] == alone[name] == alone[f"{name}_uncalibrated"] != metrics[f"{name}_uncalibrated"]


def test_the_interval_is_the_one_that_resampling_face_by_face_gives():
    correct = np.arange(1000) < 700
    rng = np.random.default_rng(1)
    resampled = correct[rng.integers(0, 1000, (20_000, 1000))].mean(axis=1)
    assert accuracy_interval(correct) == pytest.approx(np.percentile(resampled, [2.5, 97.5]), abs=0.003)


def test_the_interval_is_the_same_every_time_and_the_one_on_record():
    correct = np.arange(3589) < 2534
    assert accuracy_interval(correct) == accuracy_interval(correct[::-1])
    assert accuracy_interval(correct) == pytest.approx((0.6912719, 0.7205350), abs=1e-6)
    assert accuracy_interval(correct, resamples=1000) != accuracy_interval(correct)
    assert accuracy_interval(correct, seed=1) != accuracy_interval(correct)


def test_the_interval_of_a_classifier_that_is_always_right_is_a_point():
    assert accuracy_interval(np.ones(10, bool)) == (1.0, 1.0)


def test_a_probability_of_nought_for_the_truth_costs_much_and_not_infinitely():
    metrics = classification_metrics(np.eye(7)[[0, 1]], np.array([0, 0]), FER2013)
    assert metrics["negative_log_likelihood"] == pytest.approx(-np.log(np.finfo(float).eps) / 2)


def test_faces_without_any_label_have_no_figures():
    with pytest.raises(ValueError, match="at least one row labelled in fer2013, got none of 2"):
        classification_metrics(np.eye(7)[[0, 1]], np.array([-1, -1]), FER2013)
