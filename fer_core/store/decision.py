"""From the heads of one network to the probabilities that people see; the only place where that is done.

A network has a head of logits per label set that it learnt from, and each head's softmax gives probabilities. A
:class:`DecisionRule`, stored in the model's card and fitted on the validation split, turns them into one answer:

1. *Restriction and fusion.* A head of a larger label set is restricted to the rule's classes and rescaled to sum to one;
   then the log-probabilities of all heads that take part are added, each times its weight: logarithmic opinion pooling
   (Genest & Zidek 1986).
2. *Class bias.* A constant per class is added, which makes up for classes that are rare in training: logit adjustment
   (Menon et al. 2021, arXiv:2007.07314, sec. 4.1).
3. *Temperature.* The sums are divided by one number, which brings confidence in line with accuracy and leaves the order of
   the classes as it is: temperature scaling (Guo et al. 2017, arXiv:1706.04599, sec. 4.2).
4. *Softmax* makes probabilities of them. What is said of these, "happy", "sad or neutral" or "unsure", is
   :meth:`fer_core.results.ExpressionScores.verdict`.

Example:
    Three classes and two heads that disagree. Pooled with a weight of one half each, the second class wins (the square root
    of 0.3 * 0.7 against that of 0.6 * 0.2); a bias of 0.3 for the first turns the answer; a temperature of 2 makes it
    less sure.

    >>> import numpy as np
    >>> one, other = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.7, 0.1])
    >>> pooled = 0.5 * np.log(one) + 0.5 * np.log(other)
    >>> np.round(softmax(pooled), 3)
    array([0.383, 0.507, 0.111])
    >>> balanced = pooled + np.array([0.3, 0.0, 0.0])
    >>> np.round(softmax(balanced), 3)
    array([0.456, 0.447, 0.097])
    >>> np.round(softmax(balanced / 2), 3)
    array([0.408, 0.404, 0.189])

    The same by a rule, on FER2013's five classes from its seven: disgust and fear are left out and the rest is rescaled.

    >>> from fer_core.labels import FER2013, FER2013_FIVE
    >>> seven = {"fer2013": np.array([[0.1, 0.2, 0.2, 0.3, 0.1, 0.05, 0.05]], np.float32)}
    >>> rule = DecisionRule("five", "Five classes", FER2013_FIVE, {"fer2013": 1.0}, (0.0,) * 5)
    >>> for emotion, p in zip(FER2013_FIVE.emotions, rule.apply(seven)[0], strict=True):
    ...     print(f"{emotion} {p:.3f}")
    angry 0.167
    happy 0.500
    sad 0.167
    surprise 0.083
    neutral 0.083
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from fer_core.labels import LABEL_SETS, LabelSet, restrict

_SMALLEST = 1e-12


@dataclass(frozen=True)
class DecisionRule:
    """How the probabilities of a network's heads become the probabilities that people see."""

    name: str
    title: str
    label_set: LabelSet
    head_weights: Mapping[str, float]
    """Exponent of each head that takes part, by name of its label set; a head of a larger set is restricted."""
    class_bias: tuple[float, ...]
    """Added to the pooled log-probability of each class of ``label_set``."""
    temperature: float = 1.0
    """What the biased log-probabilities are divided by before the softmax: above 1 the answers become less sure, below
    1 surer; which class is on top stays as it is."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"expected a temperature above 0, got {self.temperature}")

    def apply(self, heads: Mapping[str, np.ndarray]) -> np.ndarray:
        """Pool the heads, balance the classes, scale the confidence.

        Args:
            heads: probabilities per head, ``(N, classes of that head)``.

        Returns:
            ``(N, len(label_set)) float32``, rows summing to one.
        """
        return softmax(self.logits(heads) / self.temperature, axis=-1).astype(np.float32)

    def logits(self, heads: Mapping[str, np.ndarray]) -> np.ndarray:
        """The pooled log-probabilities with their biases, before temperature: ``(N, len(label_set)) float64``."""
        pooled = np.asarray(self.class_bias, np.float64)
        for head, weight in self.head_weights.items():
            probabilities = restrict(heads[head].astype(np.float64), LABEL_SETS[head], self.label_set)
            pooled = pooled + weight * np.log(np.maximum(probabilities, _SMALLEST))
        return pooled

    @property
    def composition(self) -> str:
        """Which heads answer, in words: ``0.8 FER2013 + 0.2 FER+, class biases chosen on PublicTest``."""
        names = {head: LABEL_SETS[head].title.split(",")[0] for head in self.head_weights}
        if len(self.head_weights) == 1:
            (head,) = self.head_weights
            heads = f"{names[head]} head"
            if head != self.label_set.name:
                heads += f" restricted to {len(self.label_set)} classes"
        else:
            heads = " + ".join(f"{weight:.2g} {names[head]}" for head, weight in self.head_weights.items())
        chosen = ["class biases"] if any(self.class_bias) else []
        chosen += [f"temperature {self.temperature:g}"] if self.temperature != 1 else []
        return f"{heads}, {' and '.join(chosen)} chosen on PublicTest" if chosen else f"{heads}, as trained"

    def as_json(self) -> dict[str, Any]:
        """Plain data that :meth:`from_json` reads back."""
        return {
            "name": self.name,
            "title": self.title,
            "label_set": self.label_set.name,
            "head_weights": dict(self.head_weights),
            "class_bias": list(self.class_bias),
            "temperature": self.temperature,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DecisionRule:
        """Read what :meth:`as_json` wrote."""
        return cls(
            data["name"],
            data["title"],
            LABEL_SETS[data["label_set"]],
            dict(data["head_weights"]),
            tuple(data["class_bias"]),
            data.get("temperature", 1.0),  # cards from before temperature scaling
        )


def plain_rule(head: LabelSet) -> DecisionRule:
    """One head as it was trained."""
    return DecisionRule(head.name, head.title, head, {head.name: 1.0}, (0.0,) * len(head))


def with_mirror(
    predict: Callable[[np.ndarray], Mapping[str, np.ndarray]], faces: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Test-time augmentation: what ``predict`` says of ``(N, S, S)`` faces, and the mean with their mirror images.

    Args:
        predict: faces to probabilities per head, ``{head: (N, classes)}``.
        faces: any that ``predict`` takes.
    """
    plain, mirrored = dict(predict(faces)), predict(faces[:, :, ::-1])
    return plain, {head: (plain[head] + mirrored[head]) / 2 for head in plain}
