"""Stored models side by side as numbers: a table to sort, costs, and one model's answers to labelled faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.datasets.splits import divided
from fer_core.errors import DatasetError, ModelError
from fer_core.evaluation.significance import Comparison
from fer_core.labels import LabelSet
from fer_core.store.card import reported_splits, split_title
from fer_core.store.decision import DecisionRule
from fer_core.store.predictions import Network
from fer_core.store.store import StoredModel


@dataclass(frozen=True)
class ScoredSplit:
    """One model's answers to the labelled faces of a split."""

    name: str
    rule: DecisionRule
    network: Network
    split: Split
    split_title: str
    rows: np.ndarray
    """``(N,) int64``: the labelled rows of the split."""
    labels: np.ndarray
    """``(N,) int64`` class indices of the rule's label set."""
    probabilities: np.ndarray
    """``(N, C) float64``."""
    uncalibrated: np.ndarray
    """The same before temperature scaling."""

    @property
    def answers(self) -> np.ndarray:
        """``(N,) int64``: the most probable class."""
        return self.probabilities.argmax(axis=1)

    @property
    def correct(self) -> np.ndarray:
        """``(N,) bool``."""
        return self.answers == self.labels

    def cell(self, true: int, answered: int) -> np.ndarray:
        """Places in the arrays above of the faces in a cell of the confusion matrix, worst first.

        Worst is the least probability for the true class.
        """
        places = np.flatnonzero((self.labels == true) & (self.answers == answered))
        return places[np.argsort(self.probabilities[places, true], kind="stable")]


def reported(model: StoredModel, rule: DecisionRule) -> dict[Split, tuple[Network, Mapping[str, Any]]]:
    """The splits an answer is reported on, each with its network and metrics: the served one's, or else the float one's."""
    found: dict[Split, tuple[Network, Mapping[str, Any]]] = {}
    for network in (Network.INT8, Network.FLOAT):
        metrics = model.card.figures.get(network, {}).get(rule.name, {})
        for split in reported_splits(metrics):
            found.setdefault(split, (network, metrics))
    return found


def rules_in(model: StoredModel, label_set: LabelSet) -> list[DecisionRule]:
    """The answers of a model in a label set that metrics are reported for."""
    return [rule for rule in model.card.answers if rule.label_set == label_set and reported(model, rule)]


def score_split(model: StoredModel, rule: DecisionRule, split: Split) -> ScoredSplit:
    """A model's stored answers to the labelled faces of a split.

    Raises:
        ModelError: no metrics are reported of it there, or the predictions cannot be read.
    """
    of_split = reported(model, rule)
    predictions = model.predictions()
    labels = predictions.labels.get((split, rule.label_set.name))
    if split not in of_split or labels is None:
        raise ModelError(f"{model.name} has no stored predictions on {split} in {rule.label_set.title}.")
    network = of_split[split][0]
    rows = np.flatnonzero(labels >= 0)
    heads = {head: p[rows] for head, p in predictions.heads(network, split).items()}
    return ScoredSplit(
        model.name,
        rule,
        network,
        split,
        split_title(model.card, rule.label_set, split),
        rows,
        labels[rows].astype(np.int64),
        rule.apply(heads).astype(np.float64),
        replace(rule, temperature=1.0).apply(heads).astype(np.float64),
    )


def compare_scored(a: ScoredSplit, b: ScoredSplit, titles: tuple[str, str]) -> Comparison:
    """As :func:`fer_core.evaluation.significance.compare`, of answers that are at hand.

    Raises:
        ModelError: the two were evaluated on different faces or labels.
    """
    if not (np.array_equal(a.rows, b.rows) and np.array_equal(a.labels, b.labels)):
        raise ModelError(
            f"{titles[0]} and {titles[1]} were evaluated on different faces or labels of {a.split}, so they cannot be "
            "compared face by face."
        )
    return Comparison.of(
        titles, (a.rule, b.rule), (a.split, a.split_title), (a.network, b.network), (a.correct, b.correct)
    )


def images_behind(scored: ScoredSplit, seed: int, dataset: FaceDataset) -> np.ndarray:
    """The images that a model's answers are of.

    Args:
        scored: the answers.
        seed: of the model's card, which drew the random split where the data set has none of its own.
        dataset: as it was read.

    Returns:
        ``(len(scored.rows), H, W) uint8`` grey.

    Raises:
        DatasetError: these are not the faces that the model was evaluated on.
    """
    faces = dataset if scored.split == Split.CROSS_VALIDATION else divided(dataset, seed).split(scored.split)
    labels = faces.as_label_set(scored.rule.label_set).labels
    if not np.array_equal(np.flatnonzero(labels >= 0), scored.rows) or not np.array_equal(
        labels[scored.rows], scored.labels
    ):
        raise DatasetError(
            f"{dataset.name} does not hold the faces of {scored.split_title} that {scored.name} was judged on; name the "
            "data that its card says."
        )
    return faces.images[scored.rows]
