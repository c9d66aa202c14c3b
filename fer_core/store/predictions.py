"""Stored answers of a network on the splits of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from fer_core.datasets.dataset import Split


class Network(StrEnum):
    """Which of a model's networks made a prediction."""

    FLOAT = "float"
    """The Keras network."""
    MIRRORED = "mirrored"
    """The float network, mean over a face and its mirror image."""
    INT8 = "int8"
    """The int8 LiteRT file, which the pages run."""


_STEPS_PER_NAT = 32
"""Of the negative log-probabilities that are kept of faces made hard to read, a byte each: half the bytes of half precision.
A probability is off by 1.6% of itself at most, those below 0.0004 are raised to it; one answer in three thousand changes."""


@dataclass(frozen=True)
class Predictions:
    """What each network said about the splits it was not trained on, with the labels to judge it by."""

    probabilities: Mapping[tuple[Network, Split, str], np.ndarray]
    """By network, split and head: ``(N, classes) float32``."""
    labels: Mapping[tuple[Split, str], np.ndarray]
    """By split and label set: ``(N,) int8``, negative where the protocol leaves a row out."""
    train_duplicates: Mapping[Split, np.ndarray]
    """``(N,) bool``: the image also occurs, pixel for pixel, in the training split; a split may lack it."""
    masked: Mapping[str, np.ndarray] = field(default_factory=dict)
    """By head: what the served network said of the validation faces under masks, ``(N, classes) float32``; empty for
    networks that were not trained on masked faces."""

    @property
    def served(self) -> Network:
        """The network that answers, and whose predictions therefore choose and report: int8 where there is one."""
        return Network.INT8 if Network.INT8 in self.networks() else Network.FLOAT

    def heads(self, network: Network, split: Split) -> dict[str, np.ndarray]:
        """Probabilities of every head for one network and split."""
        return {h: p for (n, s, h), p in self.probabilities.items() if (n, s) == (network, split)}

    def networks(self) -> list[Network]:
        """The networks that predictions are stored of."""
        return sorted({network for network, _, _ in self.probabilities})

    def splits(self) -> list[Split]:
        """The splits that predictions are stored of."""
        return sorted({split for split, _ in self.labels})


@dataclass(frozen=True)
class RobustnessPredictions:
    """What the served network said about the test split under conditions that make faces hard to read."""

    network: str
    """``int8``, ``float`` or ``keras``; of an ensemble whose members differ, all of them."""
    settings: Mapping[str, str]
    """By condition: how strong it was, in words and units."""
    probabilities: Mapping[tuple[str, str], np.ndarray]
    """By condition and head: ``(N, classes) float32``, rows summing to one; read back, they were rounded."""

    def heads(self, condition: str) -> dict[str, np.ndarray]:
        """Probabilities of every head under one condition."""
        return {head: p for (name, head), p in self.probabilities.items() if name == condition}


def _as_steps(probabilities: np.ndarray) -> np.ndarray:
    steps = -np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)) * _STEPS_PER_NAT
    return np.minimum(np.rint(steps), np.iinfo(np.uint8).max).astype(np.uint8)


def _from_steps(steps: np.ndarray, per_nat: float) -> np.ndarray:
    probabilities = np.exp(-steps.astype(np.float32) / np.float32(per_nat))
    return probabilities / probabilities.sum(axis=1, keepdims=True)
