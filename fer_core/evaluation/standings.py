"""Stored models side by side as numbers: a table to sort, costs, and one model's answers to labelled faces."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from fer_core.answers import AnswerRule
from fer_core.datasets.face_dataset import FaceDataset, Split
from fer_core.datasets.protocols import divided
from fer_core.emotions import LabelSet
from fer_core.errors import DatasetError, ModelError
from fer_core.evaluation.comparison import Comparison
from fer_core.evaluation.curves import macro_f1_interval
from fer_core.evaluation.metrics import lowest_recall
from fer_core.evaluation.published import PUBLISHED
from fer_core.evaluation.splits import reported_splits, split_title
from fer_core.model_store import Network, StoredModel

MEASURED, PUBLISHED_MARK = "measured here", "◇ published, not measured here"

COSTS = {
    "ms/face": "Time per face, ms (int8, one thread)",
    "multiply-adds (M)": "Multiply-adds per face, millions",
    "parameters (M)": "Parameters, millions",
    "int8 MB": "Size of the int8 file, MB",
    "training (min)": "Training time, minutes",
}
"""Columns of costs, with their titles as axes, those first that say most about running a model."""


@dataclass(frozen=True)
class Judged:
    """One model's answers to the labelled faces of a split."""

    name: str
    rule: AnswerRule
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


def reported(model: StoredModel, rule: AnswerRule) -> dict[Split, tuple[Network, Mapping[str, Any]]]:
    """The splits an answer is reported on, each with its network and figures: the served one's, or else the float one's."""
    found: dict[Split, tuple[Network, Mapping[str, Any]]] = {}
    for network in (Network.INT8, Network.FLOAT):
        figures = model.card.figures.get(network, {}).get(rule.name, {})
        for split in reported_splits(figures):
            found.setdefault(split, (network, figures))
    return found


def answers_in(model: StoredModel, label_set: LabelSet) -> list[AnswerRule]:
    """The answers of a model in a label set that figures are reported of."""
    return [rule for rule in model.card.answers if rule.label_set == label_set and reported(model, rule)]


def judge(model: StoredModel, rule: AnswerRule, split: Split) -> Judged:
    """A model's stored answers to the labelled faces of a split.

    Raises:
        ModelError: no figures are reported of it there, or the predictions cannot be read.
    """
    of_split = reported(model, rule)
    predictions = model.predictions()
    labels = predictions.labels.get((split, rule.label_set.name))
    if split not in of_split or labels is None:
        raise ModelError(f"{model.name} has no stored predictions on {split} in {rule.label_set.title}.")
    network = of_split[split][0]
    rows = np.flatnonzero(labels >= 0)
    heads = {head: p[rows] for head, p in predictions.heads(network, split).items()}
    return Judged(
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


def compare_judged(a: Judged, b: Judged, titles: tuple[str, str]) -> Comparison:
    """As :func:`fer_core.evaluation.comparison.compare`, of answers that are at hand.

    Raises:
        ModelError: the two were judged on different faces or labels.
    """
    if not (np.array_equal(a.rows, b.rows) and np.array_equal(a.labels, b.labels)):
        raise ModelError(
            f"{titles[0]} and {titles[1]} were evaluated on different faces or labels of {a.split}, so they cannot be "
            "compared face by face."
        )
    return Comparison.of(
        titles, (a.rule, b.rule), (a.split, a.split_title), (a.network, b.network), (a.correct, b.correct)
    )


def images_behind(judged: Judged, seed: int, dataset: FaceDataset) -> np.ndarray:
    """The images that a model's answers are of.

    Args:
        judged: the answers.
        seed: of the model's card, which drew the random split where the data set has none of its own.
        dataset: as it was read.

    Returns:
        ``(len(judged.rows), H, W) uint8`` grey.

    Raises:
        DatasetError: these are not the faces that the model was judged on.
    """
    faces = dataset if judged.split == Split.CROSS_VALIDATION else divided(dataset, seed).split(judged.split)
    labels = faces.as_label_set(judged.rule.label_set).labels
    if not np.array_equal(np.flatnonzero(labels >= 0), judged.rows) or not np.array_equal(
        labels[judged.rows], judged.labels
    ):
        raise DatasetError(
            f"{dataset.name} does not hold the faces of {judged.split_title} that {judged.name} was judged on; name the "
            "data that its card says."
        )
    return faces.images[judged.rows]


def cost_row(model: StoredModel) -> dict[str, float]:
    """The columns of :data:`COSTS` for one model; NaN where it was not measured."""
    card = model.card
    try:
        size = model.litert_bytes(Network.INT8)
    except ModelError:  # an ensemble whose members are not here still has its predictions
        size = None
    return {
        "ms/face": card.costs.get("milliseconds_per_face", {}).get(Network.INT8, math.nan),
        "multiply-adds (M)": card.costs.get("multiply_adds", math.nan) / 1e6,
        "parameters (M)": card.parameters / 1e6 if card.parameters else math.nan,
        "int8 MB": size / 1e6 if size else math.nan,
        "training (min)": card.training_seconds / 60 if card.training_seconds else math.nan,
    }


def cost_table(models: Sequence[StoredModel], titles: Mapping[str, str]) -> pd.DataFrame:
    """Everything that is known of the costs of models, one row each."""
    rows = []
    for model in models:
        costs = model.card.costs
        series = costs.get("seconds_for_predictions", {})
        memory = costs.get("peak_megabytes", {})
        rows.append(
            {
                "model": titles[model.name],
                **cost_row(model),
                f"s for {series.get('faces', 5000)} faces (int8)": series.get("int8", math.nan),
                "s (Keras, all cores)": series.get("keras", math.nan),
                "peak MB": memory.get("int8", math.nan),
                "measured on": costs.get("hardware", "not measured"),
                "trained on": model.card.hardware,
            }
        )
    return pd.DataFrame(rows)


def standings(models: Sequence[StoredModel], label_set: LabelSet, titles: Mapping[str, str]) -> pd.DataFrame:
    """Every model, answer and reported split in a label set, then what others publish; best accuracy first in each.

    Shares are in [0, 1]; intervals are texts for people, of 95%. Figures are those of the network that is served.
    """
    rows = [row for model in models for row in _rows(model, label_set, titles[model.name])]
    rows.sort(key=lambda row: -row["accuracy"])
    return pd.DataFrame([*rows, *_published(label_set)])


def _rows(model: StoredModel, label_set: LabelSet, title: str) -> Iterator[dict[str, Any]]:
    costs = cost_row(model)
    for rule in answers_in(model, label_set):
        for split, (_, figures) in reported(model, rule).items():
            of_split = figures[split]
            unique = figures.get(f"{split}-without-repeats")
            lowest, recall = lowest_recall(of_split["per_class"])
            yield {
                "model": title,
                "answer": rule.name,
                "reported on": split_title(model.card, label_set, split),
                "faces": of_split["faces"],
                "accuracy": of_split["accuracy"],
                "accuracy 95%": _interval(of_split["accuracy_interval"]),
                "without repeats": unique["accuracy"] if unique else math.nan,
                "without repeats 95%": _interval(unique["accuracy_interval"]) if unique else "",
                "macro F1": of_split["macro_f1"],
                "macro F1 95%": _interval(macro_f1_interval(np.array(of_split["confusion"]))),
                "lowest recall": recall,
                "of": lowest,
                "ECE": of_split["expected_calibration_error"],
                "ECE before": of_split["expected_calibration_error_uncalibrated"],
                **costs,
                "source": MEASURED,
            }


def _published(label_set: LabelSet) -> list[dict[str, Any]]:
    rows = [
        {
            "model": f"◇ {figure.architecture}",
            "answer": "",
            "reported on": figure.protocol,
            "accuracy": math.nan if figure.accuracy is None else figure.accuracy,
            "accuracy 95%": "",
            "macro F1": math.nan if figure.macro_f1 is None else figure.macro_f1,
            "source": PUBLISHED_MARK
            + (
                "" if figure.training_accuracy is None else f"; {figure.training_accuracy * 100:.4g}% on training faces"
            ),
        }
        for figure in PUBLISHED
        if figure.label_set == label_set
    ]
    return sorted(rows, key=lambda row: -np.nan_to_num(row["accuracy"]))


def _interval(ends: Sequence[float]) -> str:
    low, high = (100 * end for end in ends)
    return f"{low:.1f}–{high:.1f}%"
