"""From the heads of one network to one answer: fusion of label sets and adjustment for rare classes.

Heads are fused by logarithmic opinion pooling (Genest & Zidek 1986); classes are balanced after training by adding
a bias per class to the log-probabilities (logit adjustment, Menon et al. 2021, arXiv:2007.07314, sec. 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_core.emotions import LABEL_SETS, LabelSet, restrict

_SMALLEST = 1e-12


@dataclass(frozen=True)
class AnswerRule:
    """How the probabilities of a network's heads become the probabilities that people see."""

    name: str
    title: str
    label_set: LabelSet
    head_weights: Mapping[str, float]
    """Exponent of each head that takes part, by name of its label set; a head of a larger set is restricted."""
    class_bias: tuple[float, ...]
    """Added to the pooled log-probability of each class of ``label_set``."""

    def apply(self, heads: Mapping[str, np.ndarray]) -> np.ndarray:
        """Pool the heads.

        Args:
            heads: probabilities per head, ``(N, classes of that head)``.

        Returns:
            ``(N, len(label_set)) float32``, rows summing to one.
        """
        pooled = np.asarray(self.class_bias, np.float64)
        for head, weight in self.head_weights.items():
            probabilities = restrict(heads[head].astype(np.float64), LABEL_SETS[head], self.label_set)
            pooled = pooled + weight * np.log(np.maximum(probabilities, _SMALLEST))
        return softmax(pooled).astype(np.float32)

    @property
    def composition(self) -> str:
        """Which heads answer, in words: ``0.8 FER2013 + 0.2 FER+, class biases chosen on PublicTest``."""
        names = {head: LABEL_SETS[head].title.split(",")[0] for head in self.head_weights}
        if len(self.head_weights) == 1:
            heads = f"{next(iter(names.values()))} head"
        else:
            heads = " + ".join(f"{weight:.2g} {names[head]}" for head, weight in self.head_weights.items())
        return f"{heads}, class biases chosen on PublicTest" if any(self.class_bias) else f"{heads}, as trained"

    def as_json(self) -> dict[str, Any]:
        """Plain data that :meth:`from_json` reads back."""
        return {
            "name": self.name,
            "title": self.title,
            "label_set": self.label_set.name,
            "head_weights": dict(self.head_weights),
            "class_bias": list(self.class_bias),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AnswerRule:
        """Read what :meth:`as_json` wrote."""
        return cls(
            data["name"],
            data["title"],
            LABEL_SETS[data["label_set"]],
            dict(data["head_weights"]),
            tuple(data["class_bias"]),
        )


def plain_answer(head: LabelSet) -> AnswerRule:
    """One head as it was trained."""
    return AnswerRule(head.name, head.title, head, {head.name: 1.0}, (0.0,) * len(head))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits ``(..., C)``, in their dtype."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
