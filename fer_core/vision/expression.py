"""Face crops to expressions through LiteRT; no TensorFlow on this path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from fer_core.errors import ModelError
from fer_core.labels import LABEL_SETS
from fer_core.results import ExpressionScores
from fer_core.store.decision import DecisionRule
from fer_core.store.store import StoredModel
from fer_core.vision.litert import LiteRTNetwork


class FaceNetwork(Protocol):
    """Anything that gives probabilities for face crops: one network, or several pooled."""

    input_size: int
    """Side S of a crop in pixels."""
    heads: tuple[str, ...]
    """Names of its label sets."""

    def predict(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Probabilities of every head for ``(N, S, S) uint8`` grey crops: ``{head: (N, classes) float32}``."""
        ...


def pool_heads(answers: Sequence[Mapping[str, np.ndarray]], shares: Sequence[float]) -> dict[str, np.ndarray]:
    """The weighted mean of several networks' probabilities, head by head: a linear opinion pool (Stone 1961, sec. 2).

    Args:
        answers: per network, ``{head: (N, classes)}`` for the same faces.
        shares: of each network, above 0. For a head that some networks lack, the shares of the others are scaled to sum to
            one.

    Returns:
        ``{head: (N, classes) float32}``, rows summing to one, in the order of :data:`fer_core.labels.LABEL_SETS`.
    """
    pooled = {}
    for head in LABEL_SETS:
        parts = [(answer[head], share) for answer, share in zip(answers, shares, strict=True) if head in answer]
        if parts:
            total = sum(share for _, share in parts)
            mean = sum(share / total * probabilities.astype(np.float64) for probabilities, share in parts)
            pooled[head] = np.asarray(mean, np.float32)
    return pooled


class EnsembleNetwork:
    """Several networks on the same crops, their heads pooled by :func:`pool_heads`.

    Args:
        networks: the members.
        shares: of each member, above 0.

    Raises:
        ModelError: the members take crops of different sizes.
    """

    def __init__(self, networks: Sequence[FaceNetwork], shares: Sequence[float]) -> None:
        sizes = sorted({network.input_size for network in networks})
        if len(sizes) != 1:
            raise ModelError(
                f"The networks of an ensemble take faces of {' and '.join(map(str, sizes))} pixels; expected one size."
            )
        self.input_size = sizes[0]
        self.heads = tuple(head for head in LABEL_SETS if any(head in network.heads for network in networks))
        self._networks, self._shares = tuple(networks), tuple(shares)

    def predict(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Probabilities of every head that a member has: ``(N, S, S) uint8 -> {head: (N, classes) float32}``."""
        return pool_heads([network.predict(crops) for network in self._networks], self._shares)


def load_network(model: StoredModel, threads: int = 1) -> FaceNetwork:
    """A stored model's network, or those of all members of an ensemble, ready to run.

    Args:
        model: from the store.
        threads: CPU threads of one call.

    Raises:
        ModelError: a file or a member is missing, or is no network of this project.
    """
    networks = [LiteRTNetwork(path.read_bytes(), threads) for path in model.litert_paths()]
    return EnsembleNetwork(networks, list(model.card.members.values())) if model.card.members else networks[0]


class ExpressionClassifier:
    """A stored model that classifies face crops.

    Args:
        model: from the store.
        decision_rule: name of one of its card's decision rules; the default one if left out.
        threads: CPU threads of one call.

    Raises:
        ModelError: a file is missing, or does not answer what the card says.
    """

    def __init__(self, model: StoredModel, decision_rule: str | None = None, threads: int = 1) -> None:
        self.name = model.name
        self.rule: DecisionRule = model.card.decision_rule(decision_rule) if decision_rule else model.card.default_rule
        self.masked_rule: DecisionRule | None = model.card.masked_rule(self.rule.name)
        self._network = load_network(model, threads)
        for rule in filter(None, (self.rule, self.masked_rule)):
            missing = [head for head in rule.head_weights if head not in self._network.heads]
            if missing:
                raise ModelError(
                    f"{model.name}: its int8 file answers {', '.join(self._network.heads)}, but its answer "
                    f"{rule.name!r} is made of {', '.join(missing)}; train or fetch the model anew."
                )
        self.input_size = self._network.input_size

    @property
    def mask_aware(self) -> bool:
        """Whether it was trained on masked faces and has a decision rule of its own for them."""
        return self.masked_rule is not None

    def classify(self, crops: np.ndarray, masked: np.ndarray | None = None) -> list[ExpressionScores]:
        """One answer per crop.

        Args:
            crops: ``(N, S, S) uint8``.
            masked: ``(N,) bool``: which of them wear a mask; none if left out. Only mask-aware models use it.
        """
        heads = self._network.predict(crops)
        probabilities = self.rule.apply(heads)
        if self.masked_rule is not None and masked is not None and masked.any():
            probabilities[masked] = self.masked_rule.apply({head: p[masked] for head, p in heads.items()})
        return [ExpressionScores(self.name, self.rule.label_set, each) for each in probabilities]
