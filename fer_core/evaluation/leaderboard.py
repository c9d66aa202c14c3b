"""The metrics of stored models in one row form, and what is shown of it: as text, in Markdown, as a table to sort."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from fer_core.datasets.dataset import Split
from fer_core.errors import ModelError
from fer_core.evaluation.baselines import PUBLISHED, published_for
from fer_core.evaluation.curves import macro_f1_interval
from fer_core.evaluation.metrics import lowest_recall, markdown_lines, percent_with_interval
from fer_core.evaluation.scored import reported, rules_in
from fer_core.labels import LABEL_SETS, LabelSet
from fer_core.store.card import reported_splits, split_title
from fer_core.store.decision import DecisionRule
from fer_core.store.predictions import Network
from fer_core.store.store import ModelStore, StoredModel

NONE = "-"
NETWORK_TITLES = {
    Network.INT8: "int8",
    Network.FLOAT: "float",
    Network.MIRRORED: "mean with mirror image",
}
NOTE = (
    "Accuracy with its 95% bootstrap interval; 'without repeats' leaves out the faces that also occur in Training; ECE is "
    "the expected calibration error before and after temperature scaling; ms/face is LiteRT on one thread. Published "
    "figures are the authors' own, under their own protocol, and were not measured here."
)


def leaderboard(store: ModelStore, every_network: bool = False) -> dict[LabelSet, pd.DataFrame]:
    """One table per label set that a stored model answers in, with one row per model, network, answer and split.

    Args:
        store: the models.
        every_network: also the networks that do not answer by default; without it there are, of every model, the served
            one (int8 where predicted) and the float one's mean over mirror images.

    Returns:
        By label set; models by the accuracy of their first row, the best first. Cells are texts for people, ``-`` where
        there is nothing.
    """
    models = store.all()
    tables = {}
    for label_set in LABEL_SETS.values():
        groups = [list(_network_rows(model, label_set, every_network)) for model in models]
        ranked = sorted((rows for rows in groups if rows), key=lambda rows: -rows[0]["accuracy"])
        if ranked:
            tables[label_set] = pd.DataFrame([_cells(row) for rows in ranked for row in rows])
    return tables


def as_text(tables: Mapping[LabelSet, pd.DataFrame]) -> str:
    """The tables for a terminal."""
    parts = [f"{label_set.title}\n{table.to_string(index=False)}" for label_set, table in tables.items()]
    return "\n\n".join([*parts, NOTE]) if parts else "The store holds no evaluated model."


def as_markdown(tables: Mapping[LabelSet, pd.DataFrame]) -> str:
    """The tables in Markdown."""
    parts = [[f"### {label_set.title}", "", *markdown_lines(table), ""] for label_set, table in tables.items()]
    return "\n".join([*chain.from_iterable(parts), NOTE])


def _network_rows(model: StoredModel, label_set: LabelSet, every_network: bool) -> Iterator[dict[str, Any]]:
    """The rows of a model's networks, the served one first."""
    present = [network for network in NETWORK_TITLES if network in model.card.figures]
    for network in present if every_network else [n for n in present if n in (present[0], Network.MIRRORED)]:
        for rule in model.card.answers:
            metrics = model.card.figures[network].get(rule.name, {})
            if rule.label_set == label_set:
                for split in reported_splits(metrics):
                    yield _row(model, network, rule, split, metrics) | cost_row(model, network)


def _row(
    model: StoredModel, network: Network, rule: DecisionRule, split: Split, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """A network's metrics by one answer on one split: numbers (NaN where there is none), intervals and names."""
    card, label_set, of_split = model.card, rule.label_set, metrics[split]
    unique = metrics.get(f"{split}-without-repeats", {"accuracy": math.nan, "accuracy_interval": None})
    lowest, recall = lowest_recall(of_split["per_class"])
    return {
        "model": model.name,
        "network": network,
        "answer": rule.name,
        "chosen on": split_title(card, label_set, Split.VALIDATION) if Split.VALIDATION in metrics else NONE,
        "reported on": split_title(card, label_set, split),
        "faces": of_split["faces"],
        "accuracy": of_split["accuracy"],
        "accuracy 95%": of_split["accuracy_interval"],
        "without repeats": unique["accuracy"],
        "without repeats 95%": unique["accuracy_interval"],
        "macro F1": of_split["macro_f1"],
        "macro F1 95%": None,  # resampled from the confusion where it is shown
        "confusion": of_split["confusion"],
        "lowest recall": recall,
        "of": lowest,
        "ECE": of_split["expected_calibration_error"],
        "ECE before": of_split["expected_calibration_error_uncalibrated"],
        "published": published_for(card.architecture, label_set),
    }


_TEXT_ALONE = ("network", "chosen on", "published")
"""What the terminal says of a row; the table to sort has published results as rows of their own."""


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    """A row as texts for the terminal and Markdown."""
    return {
        "model": row["model"],
        "network": NETWORK_TITLES[row["network"]],
        "answer": row["answer"],
        "parameters (M)": _cell(row["parameters (M)"], ".2f"),
        "int8 MB": _cell(row["int8 MB"], ".2f") if row["network"] == Network.INT8 else NONE,
        "ms/face": _cell(row["ms/face"], ".2f"),
        "chosen on": row["chosen on"],
        "reported on": f"{row['reported on']}, {row['faces']} faces",
        "accuracy": percent_with_interval(row["accuracy"], row["accuracy 95%"]),
        "without repeats": _cell(row["without repeats"], ".1%"),
        "macro F1": f"{row['macro F1']:.1%}",
        "lowest recall": f"{row['of']} {row['lowest recall']:.1%}",
        "ECE": f"{row['ECE before']:.1%} → {row['ECE']:.1%}",
        "published": "; ".join(map(str, row["published"])) or NONE,
    }


def _cell(number: float, form: str) -> str:
    return NONE if math.isnan(number) else format(number, form)


MEASURED, PUBLISHED_MARK = "measured here", "◇ published, not measured here"

COSTS = {
    "ms/face": "Time per face, ms (int8, one thread)",
    "multiply-adds (M)": "Multiply-adds per face, millions",
    "parameters (M)": "Parameters, millions",
    "int8 MB": "Size of the int8 file, MB",
    "training (min)": "Training time, minutes",
}
"""Columns of costs, with their titles as axes, those first that say most about running a model."""


def cost_row(model: StoredModel, network: Network = Network.INT8) -> dict[str, float]:
    """The columns of :data:`COSTS` for one model, the time being that of a network; NaN where it was not measured."""
    card = model.card
    try:
        size = model.litert_bytes()
    except ModelError:  # an ensemble whose members are not here still has its predictions
        size = None
    return {
        "ms/face": card.costs.get("milliseconds_per_face", {}).get(network, math.nan),
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


def leaderboard_table(models: Sequence[StoredModel], label_set: LabelSet, titles: Mapping[str, str]) -> pd.DataFrame:
    """Every model, answer and reported split in a label set, then what others publish; best accuracy first in each.

    Shares are in [0, 1]; intervals are texts for people, of 95%. Metrics are those of the served network.
    """
    rows = [row for model in models for row in _answer_rows(model, label_set, titles[model.name])]
    rows.sort(key=lambda row: -row["accuracy"])
    return pd.DataFrame([*rows, *_published(label_set)])


def _answer_rows(model: StoredModel, label_set: LabelSet, title: str) -> Iterator[dict[str, Any]]:
    costs = cost_row(model)
    for rule in rules_in(model, label_set):
        for split, (network, metrics) in reported(model, rule).items():
            row = _row(model, network, rule, split, metrics)
            unique, confusion = row["without repeats 95%"], row.pop("confusion")
            yield {column: cell for column, cell in row.items() if column not in _TEXT_ALONE} | {
                "model": title,
                "accuracy 95%": _interval(row["accuracy 95%"]),
                "without repeats 95%": _interval(unique) if unique else "",
                "macro F1 95%": _interval(macro_f1_interval(np.array(confusion))),
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
