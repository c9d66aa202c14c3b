import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, recall_score

from fer_core.answers import softmax
from fer_core.emotions import FER2013
from fer_core.evaluation.metrics import classification_figures, expected_calibration_error


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 7, 500)
    logits = rng.normal(size=(500, 7))
    logits[np.arange(500), labels] += 1.5
    return softmax(logits), labels


def test_figures_are_those_of_scikit_learn_over_the_labelled_rows(answers):
    probabilities, labels = answers
    figures = classification_figures(probabilities, labels, FER2013)
    known = labels >= 0
    truth, said = labels[known], probabilities[known].argmax(axis=1)
    assert figures["faces"] == known.sum() < 500
    assert figures["accuracy"] == pytest.approx(accuracy_score(truth, said))
    assert figures["macro_f1"] == pytest.approx(f1_score(truth, said, average="macro"))
    assert figures["macro_recall"] == pytest.approx(recall_score(truth, said, average="macro"))
    assert figures["negative_log_likelihood"] == pytest.approx(log_loss(truth, probabilities[known]))
    assert figures["confusion"] == confusion_matrix(truth, said).tolist()
    assert figures["per_class"]["disgust"]["support"] == (truth == 1).sum()


def test_a_class_that_never_occurs_is_counted_as_nought_not_left_out():
    probabilities = np.eye(7)[[0, 0, 3]]
    figures = classification_figures(probabilities, np.array([0, 0, 3]), FER2013)
    assert figures["accuracy"] == 1
    assert figures["macro_f1"] == pytest.approx(2 / 7)


def test_calibration_error_is_the_gap_of_confidence_and_accuracy():
    probabilities = np.tile([0.8, 0.2], (10, 1))
    half_right = np.array([0] * 5 + [1] * 5)
    assert expected_calibration_error(probabilities, half_right) == pytest.approx(0.3)
    assert expected_calibration_error(probabilities, np.array([0] * 8 + [1] * 2)) == pytest.approx(0)
