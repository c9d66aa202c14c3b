"""Figures of a classifier from its probabilities; scikit-learn does the counting."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, precision_recall_fscore_support

from fer_core.emotions import LabelSet

CALIBRATION_BINS = 15


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """Mean distance of confidence from accuracy over equal-width bins (Guo et al. 2017, arXiv:1706.04599, eq. 3).

    Args:
        probabilities: ``(N, C)``.
        labels: ``(N,)`` class indices.
        bins: how many bins [0, 1] is cut into.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(correct[bin_of == b].mean() - confidence[bin_of == b].mean()) * (bin_of == b).mean()
        for b in np.unique(bin_of)
    ]
    return float(sum(gaps))


def classification_figures(probabilities: np.ndarray, labels: np.ndarray, label_set: LabelSet) -> dict[str, Any]:
    """Every figure that a card reports.

    Args:
        probabilities: ``(N, len(label_set))``, rows summing to one.
        labels: ``(N,)``; rows with a negative label are left out.
        label_set: the classes.

    Returns:
        Plain data: ``faces, accuracy, macro_precision, macro_recall, macro_f1, negative_log_likelihood,
        expected_calibration_error, per_class`` (precision, recall, f1, support by emotion) and ``confusion``
        (counts, row true, column answered).
    """
    known = labels >= 0
    probabilities, labels = probabilities[known].astype(np.float64), labels[known]
    answers = probabilities.argmax(axis=1)
    classes = np.arange(len(label_set))
    precision, recall, f1, support = precision_recall_fscore_support(labels, answers, labels=classes, zero_division=0)
    return {
        "faces": len(labels),
        "accuracy": float(accuracy_score(labels, answers)),
        "macro_precision": float(precision.mean()),
        "macro_recall": float(recall.mean()),
        "macro_f1": float(f1.mean()),
        "negative_log_likelihood": float(
            log_loss(labels, probabilities / probabilities.sum(axis=1, keepdims=True), labels=classes)
        ),
        "expected_calibration_error": expected_calibration_error(probabilities, labels),
        "per_class": {
            str(emotion): {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "support": int(support[i]),
            }
            for i, emotion in enumerate(label_set.emotions)
        },
        "confusion": confusion_matrix(labels, answers, labels=classes).tolist(),
    }
