"""Choosing a model's default answer on the validation split: which heads, fused how, and balanced how far.

The choice maximises macro F1 on the validation split among the answers that cost at most a given share of accuracy
against the main head as trained. The test split plays no part in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from fer_core.answers import AnswerRule, plain_answer
from fer_core.datasets.face_dataset import Split
from fer_core.emotions import LABEL_SETS, LabelSet
from fer_core.errors import DatasetError
from fer_core.model_store import Network, Predictions

BALANCED = "balanced"
FUSION_WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Share of the second head that is tried: 0 is the main head alone, 1 the second alone."""
BIAS_STEP = 0.1
"""Grain of the class biases in nats: finer than what a few thousand faces can tell apart."""
BIAS_LIMIT = 1.5
ACCURACY_COST = 0.005
"""Accuracy that balance may cost on the validation split: half of what a user is asked to accept on others."""


@dataclass(frozen=True)
class _Candidate:
    head_weights: dict[str, float]
    bias: np.ndarray
    macro_f1: float


def fit_answers(predictions: Predictions, heads: tuple[LabelSet, ...], network: Network) -> tuple[AnswerRule, ...]:
    """The answers of a model: the balanced one first, then every head as it was trained.

    Args:
        predictions: of the validation split at least.
        heads: the model's label sets, the main one first.
        network: whose predictions decide; the one that will be served.
    """
    main = heads[0]
    labels = predictions.labels[Split.VALIDATION, main.name].astype(np.int64)
    probabilities = predictions.heads(network, Split.VALIDATION)
    known = labels >= 0
    if not known.any():
        raise DatasetError(f"The validation split has no row labelled in {main.title}, so no answer can be chosen.")
    labels = labels[known]
    probabilities = {head: p[known] for head, p in probabilities.items()}
    floor = (probabilities[main.name].argmax(axis=1) == labels).mean() - ACCURACY_COST
    # A second head can take part if it knows every class of the main one.
    partners = [head for head in heads[1:] if (main.indices_in(head) >= 0).all()]
    options: list[dict[str, float]] = [{main.name: 1.0}]
    for partner, share in product(partners, FUSION_WEIGHTS[1:]):
        options.append({main.name: 1.0 - share, partner.name: share} if share < 1 else {partner.name: 1.0})
    best = max(
        (_balance(weights, probabilities, labels, main, float(floor)) for weights in options),
        key=lambda candidate: candidate.macro_f1,
    )
    parts = " + ".join(f"{weight:.1f} {LABEL_SETS[head].name}" for head, weight in best.head_weights.items())
    balanced = AnswerRule(
        BALANCED,
        f"{main.title}, balanced ({parts})",
        main,
        {head: round(weight, 3) for head, weight in best.head_weights.items()},
        tuple(round(float(b), 3) for b in best.bias),
    )
    return (balanced, *(plain_answer(head) for head in heads))


def macro_f1(labels: np.ndarray, answers: np.ndarray, classes: int) -> float:
    """Mean F1 over classes, 0 for a class that never occurs; scikit-learn's figure in a hundredth of its time, which
    the search over biases asks for thousands of times."""
    hits = np.bincount(labels[labels == answers], minlength=classes)
    asked = np.bincount(labels, minlength=classes) + np.bincount(answers, minlength=classes)
    return float(np.mean(2 * hits / np.maximum(asked, 1)))


def _balance(
    weights: dict[str, float], heads: dict[str, np.ndarray], labels: np.ndarray, label_set: LabelSet, floor: float
) -> _Candidate:
    """Class biases by coordinate ascent on macro F1, never under the accuracy floor once above it."""
    rule = AnswerRule("", "", label_set, weights, (0.0,) * len(label_set))
    scores = np.log(np.maximum(rule.apply(heads), 1e-12))
    steps = np.arange(-BIAS_LIMIT, BIAS_LIMIT + BIAS_STEP / 2, BIAS_STEP)

    def judge(bias: np.ndarray) -> tuple[float, float]:
        answers = (scores + bias).argmax(axis=1)
        accuracy = float((answers == labels).mean())
        # Under the floor accuracy comes first, so that the search climbs back above it.
        return (min(accuracy, floor), macro_f1(labels, answers, len(label_set)))

    bias = np.zeros(len(label_set))
    best = judge(bias)
    improved = True
    while improved:
        improved = False
        for i in range(len(bias)):
            for step in steps:
                trial = bias.copy()
                trial[i] = step
                judged = judge(trial)
                if judged > best:
                    bias, best, improved = trial, judged, True
    return _Candidate(weights, bias, best[1] if best[0] >= floor else best[0] - 1)
