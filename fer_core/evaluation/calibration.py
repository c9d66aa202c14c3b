"""Choosing a model's answers on the validation split: which heads, fused how, balanced how far, and how sure.

A network trained on unbalanced, noisy labels answers some classes too rarely. Its answers are balanced after training by
class biases (logit adjustment, Menon et al. 2021, arXiv:2007.07314, sec. 4.1), here not from the class shares but from what
the network answers: the bias of the class with the lowest recall is raised, a little at a time, for as long as that
costs no more than a given share of accuracy. Few numbers follow from many faces, so what is chosen on one half of the
validation split holds on the other; a free search over all biases does not. Of the fusions the one with the best macro
F1 answers. The temperature of every answer is the one under which the true labels are most likely (Guo et al. 2017,
arXiv:1706.04599, sec. 4.2). The test split plays no part in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.metrics import f1_score

from fer_core.datasets.dataset import Split
from fer_core.errors import DatasetError
from fer_core.labels import FER2013, FER2013_FIVE, LabelSet
from fer_core.store.decision import DecisionRule, plain_rule
from fer_core.store.predictions import Network, Predictions

BALANCED = "balanced"
FUSION_SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Shares of the second head that are tried: 0 is the main head alone, 1 the second alone."""
BIAS_STEP = 0.02
"""Nats a bias is raised by at a time."""
LARGEST_BIAS = 3.0
"""Nats from which a bias is not raised further: the network does not know the class."""
ACCURACY_COST = 0.002
"""Accuracy on the validation split that balance may cost, against the same fusion without biases."""
TEMPERATURES = (0.05, 20.0)
"""Lowest and highest that are tried, far outside of what trained networks need."""
TEMPERATURE_DIGITS = 3
FIVE_OF_SEVEN = DecisionRule(
    FER2013_FIVE.name,
    "FER2013, the seven-class head restricted to five",
    FER2013_FIVE,
    {FER2013.name: 1.0},
    (0.0,) * len(FER2013_FIVE),
)
"""Five-class metrics of a network that was trained on seven: its probabilities given that it is one of the five."""


@dataclass(frozen=True)
class _Candidate:
    head_weights: dict[str, float]
    bias: np.ndarray
    macro_f1: float


def fit_decision_rules(
    predictions: Predictions, heads: tuple[LabelSet, ...], network: Network
) -> tuple[DecisionRule, ...]:
    """The answers of a model, each with its temperature.

    The balanced one comes first, then every head as it was trained, and where FER2013's seven classes are the main head
    and five are no head of their own, the seven restricted to the five.

    Args:
        predictions: of the validation split at least.
        heads: the model's label sets, the main one first.
        network: whose predictions decide; the one that will be served.

    Raises:
        DatasetError: no row of the validation split has a label of the main head.
    """
    main = heads[0]
    labels = predictions.labels[Split.VALIDATION, main.name].astype(np.int64)
    known = labels >= 0
    if not known.any():
        raise DatasetError(f"The validation split has no row labelled in {main.title}, so no answer can be chosen.")
    labels = labels[known]
    probabilities = {head: p[known] for head, p in predictions.heads(network, Split.VALIDATION).items()}
    fusions: list[dict[str, float]] = [{main.name: 1.0}]
    for partner in heads[1:]:
        if (main.indices_in(partner) >= 0).all():  # it knows every class of the main head
            fusions += [_fusion(main.name, partner.name, share) for share in FUSION_SHARES[1:]]
    best = max((_balanced(fusion, probabilities, labels, main) for fusion in fusions), key=lambda c: c.macro_f1)
    balanced = DecisionRule(
        BALANCED,
        f"Balanced, {len(main)} classes",
        main,
        best.head_weights,
        tuple(round(float(b), 2) for b in best.bias),
    )
    answers = [balanced, *(plain_rule(head) for head in heads)]
    if main == FER2013 and FER2013_FIVE not in heads:
        answers.append(FIVE_OF_SEVEN)
    return tuple(_calibrated(rule, predictions, network) for rule in answers)


def fit_masked_rules(predictions: Predictions, heads: tuple[LabelSet, ...]) -> tuple[DecisionRule, ...]:
    """As :func:`fit_decision_rules`, for masked faces, chosen on the validation faces under masks.

    Empty where the network was not asked about any, or there is nothing to choose by.
    """
    split = Split.VALIDATION
    if not predictions.masked or not (predictions.labels.get((split, heads[0].name), np.empty(0)) >= 0).any():
        return ()
    network = predictions.served
    of_masked = {(network, split, head): p for head, p in predictions.masked.items()}
    return fit_decision_rules(Predictions(of_masked, predictions.labels, {}), heads, network)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the least negative log-likelihood, to :data:`TEMPERATURE_DIGITS` decimals.

    Args:
        logits: ``(N, C)``, or log-probabilities, which differ from them by what a softmax takes away again.
        labels: ``(N,)`` class indices, N at least 1.
    """
    rows = np.arange(len(labels))

    def negative_log_likelihood(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float((np.logaddexp.reduce(scaled, axis=1) - scaled[rows, labels]).mean())

    best = minimize_scalar(negative_log_likelihood, bounds=np.log(TEMPERATURES), method="bounded")
    return round(float(np.exp(best.x)), TEMPERATURE_DIGITS)


def _calibrated(rule: DecisionRule, predictions: Predictions, network: Network) -> DecisionRule:
    """The rule with its temperature, or as it is where the validation split has no answer or no label of its set."""
    labels = predictions.labels.get((Split.VALIDATION, rule.label_set.name), np.empty(0, np.int8)).astype(np.int64)
    known = labels >= 0
    heads = predictions.heads(network, Split.VALIDATION)
    if not known.any() or not rule.head_weights.keys() <= heads.keys():
        return rule
    heads = {head: p[known] for head, p in heads.items()}
    return replace(rule, temperature=fit_temperature(rule.logits(heads), labels[known]))


def _fusion(main: str, partner: str, share: float) -> dict[str, float]:
    weights = {main: round(1.0 - share, 3), partner: share}
    return {head: weight for head, weight in weights.items() if weight}


def _balanced(
    fusion: dict[str, float], heads: dict[str, np.ndarray], labels: np.ndarray, label_set: LabelSet
) -> _Candidate:
    """Biases that raise the lowest recall as far as the accuracy they may cost allows."""
    classes = range(len(label_set))
    pooled = DecisionRule("", "", label_set, fusion, (0.0,) * len(label_set)).apply(heads)
    scores = np.log(np.maximum(pooled, 1e-12))
    support = np.maximum(np.bincount(labels, minlength=len(label_set)), 1)
    bias = np.zeros(len(label_set))
    best_bias, best_recall, floor = bias.copy(), -1.0, -1.0
    while bias.max() < LARGEST_BIAS:
        answers = (scores + bias).argmax(axis=1)
        accuracy = float((answers == labels).mean())
        floor = accuracy - ACCURACY_COST if floor < 0 else floor
        if accuracy < floor - 2 * ACCURACY_COST:
            break  # it will not come back
        recall = np.bincount(labels[answers == labels], minlength=len(label_set)) / support
        if accuracy >= floor and recall.min() > best_recall:
            best_bias, best_recall = bias.copy(), float(recall.min())
        bias[recall.argmin()] += BIAS_STEP
    answers = (scores + best_bias).argmax(axis=1)
    macro_f1 = float(f1_score(labels, answers, labels=classes, average="macro", zero_division=0))
    return _Candidate(fusion, best_bias, macro_f1)
