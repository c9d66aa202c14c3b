"""Metrics of a classifier from its probabilities; tests hold them against scikit-learn's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fer_core.labels import LabelSet

CALIBRATION_BINS = 15
BOOTSTRAP_RESAMPLES = 2000
BOOTSTRAP_SEED = 0
INTERVAL = (2.5, 97.5)
"""Percentiles of the resampled accuracies: what lies between holds 95% of them."""
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""A probability below this counts as this in the negative log-likelihood, as in scikit-learn."""


def accuracy_interval(
    correct: np.ndarray, resamples: int = BOOTSTRAP_RESAMPLES, seed: int = BOOTSTRAP_SEED
) -> tuple[float, float]:
    """Bootstrap 95% percentile interval of an accuracy (Efron & Tibshirani 1993, ch. 13).

    A resample draws N of the N faces with replacement, and each draw is correct with the share of the correct ones; so
    the number of correct faces in a resample is binomial, and is drawn as such in one call.

    Args:
        correct: ``(N,) bool``, N at least 1.
        resamples: how many accuracies are drawn.
        seed: of the draws; the same faces give the same interval.

    Returns:
        Lower and upper end, both in [0, 1].
    """
    draws = np.random.default_rng(seed).binomial(len(correct), correct.mean(), resamples) / len(correct)
    low, high = np.percentile(draws, INTERVAL)
    return float(low), float(high)


def confidence_bins(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = CALIBRATION_BINS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of ``(N, C)`` probabilities and ``(N,)`` labels: the confidence of each answer, whether it is right, its bin.

    Bins are equal parts of [0, 1], counted from 0; three arrays ``(N,)`` of float, bool and int.
    """
    confidence = probabilities.max(axis=1)
    return confidence, probabilities.argmax(axis=1) == labels, np.minimum((confidence * bins).astype(int), bins - 1)


def lowest_recall(per_class: Mapping[str, Mapping[str, Any]]) -> tuple[str, float]:
    """The class with the lowest recall in ``per_class`` of :func:`classification_metrics`, and that recall."""
    emotion = min(per_class, key=lambda emotion: per_class[emotion]["recall"])
    return emotion, per_class[emotion]["recall"]


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """Mean distance of confidence from accuracy over equal-width bins (Guo et al. 2017, arXiv:1706.04599, eq. 3).

    Args:
        probabilities: ``(N, C)``.
        labels: ``(N,)`` class indices.
        bins: how many bins [0, 1] is cut into.
    """
    confidence, correct, bin_of = confidence_bins(probabilities, labels, bins)
    gaps = np.bincount(bin_of, confidence, bins) - np.bincount(bin_of, correct, bins)
    return float(np.abs(gaps).sum() / len(labels))


def negative_log_likelihood(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean of minus the log-probability of the true class, in nats.

    Args:
        probabilities: ``(N, C)``, rows summing to one.
        labels: ``(N,)`` class indices.
    """
    of_truth = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(of_truth, SMALLEST_PROBABILITY)).mean())


def classification_metrics(
    probabilities: np.ndarray, labels: np.ndarray, label_set: LabelSet, uncalibrated: np.ndarray | None = None
) -> dict[str, Any]:
    """Every metric that a card reports.

    Args:
        probabilities: ``(N, len(label_set))``, rows summing to one.
        labels: ``(N,)``; rows with a negative label are left out.
        label_set: the classes.
        uncalibrated: the same before temperature scaling; ``probabilities`` themselves if left out.

    Returns:
        Plain data: ``faces, accuracy, accuracy_interval`` (see :func:`accuracy_interval`), ``macro_precision,
        macro_recall, macro_f1, negative_log_likelihood, expected_calibration_error``, the last two also before
        temperature scaling as ``..._uncalibrated``, ``per_class`` (precision, recall, f1, support by emotion) and
        ``confusion`` (counts, row true, column answered). A class that never occurs, or is never answered, counts as
        0.

    Raises:
        ValueError: no row has a label.
    """
    known = labels >= 0
    if not known.any():
        raise ValueError(f"expected at least one row labelled in {label_set.name}, got none of {len(labels)}")
    before = _rows(probabilities if uncalibrated is None else uncalibrated, known)
    probabilities, labels = _rows(probabilities, known), labels[known].astype(np.int64)
    answers = probabilities.argmax(axis=1)
    classes = len(label_set)
    confusion = np.bincount(labels * classes + answers, minlength=classes**2).reshape(classes, classes)
    right, support, answered = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = right / np.maximum(answered, 1), right / np.maximum(support, 1)
    f1 = 2 * right / np.maximum(support + answered, 1)
    return {
        "faces": len(labels),
        "accuracy": float(right.sum() / len(labels)),
        "accuracy_interval": list(accuracy_interval(answers == labels)),
        "macro_precision": float(precision.mean()),
        "macro_recall": float(recall.mean()),
        "macro_f1": float(f1.mean()),
        "negative_log_likelihood": negative_log_likelihood(probabilities, labels),
        "negative_log_likelihood_uncalibrated": negative_log_likelihood(before, labels),
        "expected_calibration_error": expected_calibration_error(probabilities, labels),
        "expected_calibration_error_uncalibrated": expected_calibration_error(before, labels),
        "per_class": {
            str(emotion): {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "support": int(support[i]),
            }
            for i, emotion in enumerate(label_set.emotions)
        },
        "confusion": confusion.tolist(),
    }


def _rows(probabilities: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Float64, summing to one more closely than float32 can."""
    kept = probabilities[known].astype(np.float64)
    return kept / kept.sum(axis=1, keepdims=True)


def percent_with_interval(share: float, interval: Sequence[float]) -> str:
    """A share in [0, 1] with the ends of its interval: ``70.6% [69.1, 72.1]``."""
    low, high = (100 * end for end in interval)
    return f"{share:.1%} [{low:.1f}, {high:.1f}]"


def markdown_lines(table: pd.DataFrame) -> list[str]:
    """A table's lines in Markdown: columns, rule, rows."""
    rows = [table.columns, *table.itertuples(index=False)]
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return [lines[0], "|" + " --- |" * len(table.columns), *lines[1:]]
