"""What charts of a comparison draw, as plain arrays: curves, bins, orders, fronts and what a history says.

Areas are scikit-learn's. ROC: Fawcett 2006, Pattern Recognition Letters 27, sec. 4-8. Reliability: Guo et al. 2017,
arXiv:1706.04599, sec. 2. Coverage: El-Yaniv & Wiener 2010, JMLR 11, sec. 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from fer_core.evaluation.metrics import (
    BOOTSTRAP_RESAMPLES,
    BOOTSTRAP_SEED,
    CALIBRATION_BINS,
    INTERVAL,
    confidence_bins,
)
from fer_core.labels import LabelSet

MACRO = "mean of classes"
"""Name of the curve that is the mean of the classes' curves."""
MACRO_POINTS = 201
"""Places at which the classes' curves are averaged; areas are those of the whole curves."""
LARGEST_EQUAL_GAP = 0.02
"""Accuracy by which training may lead validation before the words speak of overfitting at all."""
LARGEST_MILD_GAP = 0.10
"""Accuracy from which the words call the overfitting strong."""


@dataclass(frozen=True)
class Curve:
    """One line of a chart with the area under it."""

    name: str
    x: np.ndarray
    """``(P,) float64`` in [0, 1]: false positive rate, or recall."""
    y: np.ndarray
    """``(P,) float64`` in [0, 1]: true positive rate, or precision."""
    auc: float
    """Area under the curve: ROC AUC, or average precision."""


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy, bin by bin; the arrays hold the bins that a face fell into."""

    confidence: np.ndarray
    """``(B,)`` mean confidence in [0, 1]."""
    accuracy: np.ndarray
    """``(B,)`` share of right answers in [0, 1]."""
    faces: np.ndarray
    """``(B,) int64``."""

    @property
    def error(self) -> float:
        """The expected calibration error, see :func:`fer_core.evaluation.metrics.expected_calibration_error`."""
        return float((np.abs(self.confidence - self.accuracy) * self.faces).sum() / self.faces.sum())


@dataclass(frozen=True)
class Coverage:
    """What is right among the surest answers, as ever less sure ones are let in."""

    coverage: np.ndarray
    """``(P,)`` share of the faces that are answered, rising to 1."""
    accuracy: np.ndarray
    """``(P,)`` among those."""
    confidence: np.ndarray
    """``(P,)`` the least confidence that is still answered; below it a model says 'unsure'."""


@dataclass(frozen=True)
class Disagreement:
    """Faces for which two models give different answers, by who is right."""

    only_a: np.ndarray
    """``(n,) int64`` rows where the first alone is right."""
    only_b: np.ndarray
    """Rows where the second alone is right."""
    both_wrong: np.ndarray
    """Rows where they differ and both are wrong."""

    def __len__(self) -> int:
        return len(self.only_a) + len(self.only_b) + len(self.both_wrong)


def roc_curves(probabilities: np.ndarray, labels: np.ndarray, label_set: LabelSet) -> list[Curve]:
    """One class against the rest by its probability, for every class, and the mean of these curves first.

    Args:
        probabilities: ``(N, len(label_set))``.
        labels: ``(N,)`` class indices, none negative.
        label_set: the classes; one that every or no face has is left out, since it has no curve.

    Returns:
        The mean, named :data:`MACRO`, whose area is the mean of the areas; then classes in their order.

    Raises:
        ValueError: no class has a curve.
    """
    curves = []
    for name, truth, scores in _one_against_rest(probabilities, labels, label_set):
        false, true, _ = roc_curve(truth, scores)
        curves.append(Curve(name, false, true, float(roc_auc_score(truth, scores))))
    rates = np.linspace(0, 1, MACRO_POINTS)
    mean = _mean_of(curves, rates, [np.interp(rates, curve.x, curve.y) for curve in curves])
    # np.interp starts at the top of a jump at 0; the curve itself starts in the corner.
    return [Curve(mean.name, np.r_[0.0, mean.x], np.r_[0.0, mean.y], mean.auc), *curves]


def precision_recall_curves(probabilities: np.ndarray, labels: np.ndarray, label_set: LabelSet) -> list[Curve]:
    """As :func:`roc_curves`, with recall against precision and average precision as the area."""
    curves = []
    for name, truth, scores in _one_against_rest(probabilities, labels, label_set):
        precision, recall, _ = precision_recall_curve(truth, scores, drop_intermediate=True)
        auc = float(average_precision_score(truth, scores))
        curves.append(Curve(name, recall[::-1], precision[::-1], auc))
    recalls = np.linspace(0, 1, MACRO_POINTS)
    # The precision at a recall is that of the first threshold that reaches it: steps, as average precision sums them.
    heights = [curve.y[np.minimum(np.searchsorted(curve.x, recalls), len(curve.x) - 1)] for curve in curves]
    return [_mean_of(curves, recalls, heights), *curves]


def _one_against_rest(
    probabilities: np.ndarray, labels: np.ndarray, label_set: LabelSet
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, truth and scores of every class that some faces have and others have not."""
    for number, emotion in enumerate(label_set.emotions):
        truth = labels == number
        if truth.any() and not truth.all():
            yield str(emotion), truth, probabilities[:, number]


def _mean_of(curves: Sequence[Curve], x: np.ndarray, heights: Sequence[np.ndarray]) -> Curve:
    if not curves:
        raise ValueError("expected faces of at least two classes, got fewer")
    return Curve(MACRO, x, np.mean(heights, axis=0), float(np.mean([curve.auc for curve in curves])))


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = CALIBRATION_BINS) -> Reliability:
    """The bins of :func:`fer_core.evaluation.metrics.expected_calibration_error`.

    Args:
        probabilities: ``(N, C)``.
        labels: ``(N,)`` class indices.
        bins: equal parts that [0, 1] is cut into.
    """
    confidence, correct, bin_of = confidence_bins(probabilities, labels, bins)
    faces = np.bincount(bin_of, minlength=bins)
    filled = faces > 0
    sums = (np.bincount(bin_of, values, bins)[filled] for values in (confidence, correct))
    means = [total / faces[filled] for total in sums]
    return Reliability(means[0], means[1], faces[filled])


def coverage_curve(probabilities: np.ndarray, labels: np.ndarray) -> Coverage:
    """Accuracy among the answers whose confidence reaches a threshold, for every threshold that changes it.

    Args:
        probabilities: ``(N, C)``, N at least 1.
        labels: ``(N,)`` class indices.
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum(probabilities.argmax(axis=1)[order] == labels[order])
    confidence = confidence[order]
    answered = np.arange(1, len(labels) + 1)
    last_of_equals = np.append(confidence[1:] < confidence[:-1], True)  # equally sure faces are answered together
    return Coverage(
        (answered / len(labels))[last_of_equals], (right / answered)[last_of_equals], confidence[last_of_equals]
    )


def similarity_order(confusion: np.ndarray) -> np.ndarray:
    """Classes so ordered that those taken for each other stand side by side.

    Similarity is the share of a class answered as another, mean of both directions; leaves of the average-linkage tree
    in their optimal order (Bar-Joseph et al. 2001, Bioinformatics 17, sec. 2).

    Args:
        confusion: ``(C, C)`` counts, row true, column answered; C at least 2.

    Returns:
        ``(C,) int64`` class indices.
    """
    counts = np.asarray(confusion, np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    distance = 1 - (shares + shares.T) / 2
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return leaves_list(tree).astype(np.int64)


def disagreements(answers_a: np.ndarray, answers_b: np.ndarray, labels: np.ndarray) -> Disagreement:
    """Where two models answer differently, and who is right.

    Args:
        answers_a: ``(N,)`` class indices.
        answers_b: the same of the second, for the same faces.
        labels: ``(N,)`` class indices.
    """
    right_a, right_b = answers_a == labels, answers_b == labels
    both_wrong = (answers_a != answers_b) & ~right_a & ~right_b
    return Disagreement(*(np.flatnonzero(rows) for rows in (right_a & ~right_b, right_b & ~right_a, both_wrong)))


def pareto_front(costs: np.ndarray, accuracies: np.ndarray) -> np.ndarray:
    """Models that no other beats: none is both at most as costly and at least as accurate, and better in one.

    Args:
        costs: ``(N,)``, less is better; NaN where it was not measured.
        accuracies: ``(N,)``, more is better.

    Returns:
        ``(n,) int64`` indices by rising cost; none of a NaN.
    """
    known = np.flatnonzero(np.isfinite(costs) & np.isfinite(accuracies))
    order = known[np.lexsort((-accuracies[known], costs[known]))]
    front: list[int] = []
    for number in order:
        equal = bool(front) and (costs[number], accuracies[number]) == (costs[front[-1]], accuracies[front[-1]])
        if not front or accuracies[number] > accuracies[front[-1]] or equal:
            front.append(int(number))
    return np.array(front, np.int64)


def macro_f1_interval(confusion: np.ndarray) -> tuple[float, float]:
    """Bootstrap 95% percentile interval of a macro F1 (Efron & Tibshirani 1993, ch. 13).

    Faces drawn with replacement fall into the cells of the confusion matrix with the cells' shares, so resampled
    matrices are drawn as such.

    Args:
        confusion: ``(C, C)`` counts, at least one of them above 0.

    Returns:
        Lower and upper end, both in [0, 1].
    """
    counts = np.asarray(confusion, np.float64)
    faces = int(counts.sum())
    draws = np.random.default_rng(BOOTSTRAP_SEED).multinomial(faces, counts.ravel() / faces, BOOTSTRAP_RESAMPLES)
    matrices = draws.reshape(-1, *counts.shape)
    right = np.diagonal(matrices, axis1=1, axis2=2)
    f1 = 2 * right / np.maximum(matrices.sum(axis=1) + matrices.sum(axis=2), 1)
    low, high = np.percentile(f1.mean(axis=1), INTERVAL)
    return float(low), float(high)


def kept_epoch(history: pd.DataFrame, best_epoch: int) -> int | None:
    """The epoch whose weights were kept, counted from 1: the card's, or ``None`` where the history does not reach it."""
    return best_epoch if (history["epoch"] == best_epoch).any() else None


def training_gap(history: pd.DataFrame, head: str, best_epoch: int) -> str:
    """How far training leads validation at the kept epoch, in one sentence.

    Args:
        history: one row per epoch, with ``training_accuracy_<head>`` and, if there was validation, its accuracy alike.
        head: name of the label set that accuracies are read of.
        best_epoch: the kept one, counted from 1.
    """
    training, validation = f"training_accuracy_{head}", f"validation_accuracy_{head}"
    epoch = kept_epoch(history, best_epoch)
    if epoch is None or training not in history:
        return "The history does not say how training and validation compare."
    row = history[history["epoch"] == epoch].iloc[0]
    if validation not in history or not np.isfinite(row[validation]):
        return f"Epoch {epoch} was kept; there was no validation split, so nothing says how far it overfits."
    gap = float(row[training] - row[validation])
    if gap > LARGEST_MILD_GAP:
        reading = "it knows its training faces much better than others, which is strong overfitting"
    elif gap > LARGEST_EQUAL_GAP:
        reading = "it knows its training faces somewhat better than others, which is mild overfitting"
    else:
        reading = "it does as well on faces it was not trained on, so it does not overfit"
    order = "above" if gap >= 0 else "below"
    return (
        f"At epoch {epoch}, which was kept, training accuracy is {row[training]:.1%} and {abs(gap) * 100:.1f} points "
        f"{order} validation: {reading}."
    )
