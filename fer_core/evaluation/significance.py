"""Two models on the same faces: is one right more often than chance would have it?

McNemar 1947, Psychometrika 12, pp. 153-157, with the exact binomial test in place of the chi-square: only faces on which
one model is right and the other wrong can tell them apart, and if both were equally good, each such face would fall to
either with probability one half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from fer_core.datasets.dataset import Split
from fer_core.errors import ModelError
from fer_core.evaluation.metrics import accuracy_interval, percent_with_interval
from fer_core.store.card import split_title
from fer_core.store.decision import DecisionRule
from fer_core.store.predictions import Network
from fer_core.store.store import StoredModel

SIGNIFICANCE = 0.05
"""p-values below this are read as a difference."""


@dataclass(frozen=True)
class McNemar:
    """Counts of faces by who is right, and the two-sided p-value."""

    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    p_value: float

    @property
    def significant(self) -> bool:
        """Whether chance alone would rarely split the discordant faces so unevenly."""
        return self.p_value < SIGNIFICANCE


@dataclass(frozen=True)
class Comparison:
    """Two models' answers to the same labelled faces."""

    names: tuple[str, str]
    answers: tuple[DecisionRule, DecisionRule]
    split: Split
    split_title: str
    """What people call the split."""
    networks: tuple[Network, Network]
    faces: int
    accuracies: tuple[float, float]
    intervals: tuple[tuple[float, float], tuple[float, float]]
    test: McNemar

    @classmethod
    def of(
        cls,
        names: tuple[str, str],
        answers: tuple[DecisionRule, DecisionRule],
        split: tuple[Split, str],
        networks: tuple[Network, Network],
        correct: tuple[np.ndarray, np.ndarray],
    ) -> Comparison:
        """From whether each of the two is right about the same faces, ``(N,) bool``; the split comes with its title."""
        a, b = correct
        accuracies, intervals = (float(a.mean()), float(b.mean())), (accuracy_interval(a), accuracy_interval(b))
        return cls(names, answers, *split, networks, len(a), accuracies, intervals, mcnemar(a, b))

    @property
    def reading(self) -> str:
        """What the test says, in one sentence."""
        better, other = self.names if self.test.only_a >= self.test.only_b else self.names[::-1]
        points = abs(self.accuracies[0] - self.accuracies[1]) * 100
        if self.test.only_a == self.test.only_b:
            return f"{better} and {other} are right equally often."
        if self.test.significant:
            return f"{better} is right more often than {other}, by {points:.1f} points, which is more than chance explains."
        return (
            f"{better} is right more often than {other} here, by {points:.1f} points, but chance alone could do that, so "
            "neither is shown to be better."
        )

    def __str__(self) -> str:
        lines = [f"{self.answers[0].label_set.title}; {self.split_title}, {self.faces} faces"]
        for name, rule, network, accuracy, interval in zip(
            self.names, self.answers, self.networks, self.accuracies, self.intervals, strict=True
        ):
            lines.append(f"{name}, {network}, {rule.name}: {percent_with_interval(accuracy, interval)}")
        test = self.test
        lines += [
            f"both right {test.both_right}, only {self.names[0]} {test.only_a}, only {self.names[1]} {test.only_b}, "
            f"both wrong {test.both_wrong}",
            f"McNemar's exact test: p = {test.p_value:.2g}",
            self.reading,
        ]
        return "\n".join(lines)


def mcnemar(correct_a: np.ndarray, correct_b: np.ndarray) -> McNemar:
    """McNemar's exact test.

    Args:
        correct_a: ``(N,) bool``: whether the first classifier is right about each face.
        correct_b: the same of the second, for the same faces.

    Raises:
        ValueError: the two differ in length.
    """
    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if a.shape != b.shape:
        raise ValueError(f"expected answers to the same faces, got {a.shape} and {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    discordant = only_a + only_b
    p_value = float(binomtest(only_a, discordant, 0.5).pvalue) if discordant else 1.0
    return McNemar(int((a & b).sum()), only_a, only_b, int((~a & ~b).sum()), p_value)


def compare(
    model_a: StoredModel,
    model_b: StoredModel,
    split: Split = Split.TEST,
    answer: str | None = None,
    network: Network | None = None,
) -> Comparison:
    """Compare two stored models by their stored predictions.

    Args:
        model_a: the first.
        model_b: the second.
        split: which faces.
        answer: name of the answer of both; if left out, the first of either that share a label set.
        network: whose predictions; if left out, each model's served one.

    Raises:
        ModelError: the two share no label set, were not run on the split, or on different faces.
    """
    rules = _shared_answers(model_a, model_b, answer)
    label_set = rules[0].label_set
    labels, correct, networks = [], [], []
    for model, rule in zip((model_a, model_b), rules, strict=True):
        predictions = model.predictions()
        networks.append(network or predictions.served)
        heads = predictions.heads(networks[-1], split)
        truth = predictions.labels.get((split, label_set.name))
        if truth is None or not rule.head_weights.keys() <= heads.keys():
            raise ModelError(
                f"{model.name} has no stored predictions of its {networks[-1]} network on {split} in "
                f"{label_set.title}; it has some on {', '.join(predictions.splits())}."
            )
        labels.append(truth.astype(np.int64))
        correct.append(rule.apply(heads).argmax(axis=1) == labels[-1])
    if not np.array_equal(labels[0], labels[1]):
        raise ModelError(
            f"{model_a.name} and {model_b.name} were evaluated on different faces or labels of {split}, so they cannot "
            "be compared face by face."
        )
    known = labels[0] >= 0
    if not known.any():
        raise ModelError(f"No face of {split} has a label in {label_set.title}; compare on another split.")
    return Comparison.of(
        (model_a.name, model_b.name),
        rules,
        (split, split_title(model_a.card, label_set, split)),
        (networks[0], networks[1]),
        (correct[0][known], correct[1][known]),
    )


def _shared_answers(model_a: StoredModel, model_b: StoredModel, name: str | None) -> tuple[DecisionRule, DecisionRule]:
    choices_a = (model_a.card.decision_rule(name),) if name else model_a.card.answers
    choices_b = (model_b.card.decision_rule(name),) if name else model_b.card.answers
    for a in choices_a:
        for b in choices_b:
            if a.label_set == b.label_set:
                return a, b
    raise ModelError(
        f"{model_a.name} answers in {_titles(choices_a)}, {model_b.name} in {_titles(choices_b)}; only answers in the "
        "same classes can be compared."
    )


def _titles(rules: tuple[DecisionRule, ...]) -> str:
    return " and ".join(dict.fromkeys(rule.label_set.title for rule in rules))
