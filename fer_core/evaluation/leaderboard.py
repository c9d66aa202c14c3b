"""The tables of all stored models, one per label set, as text and as Markdown for the README."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fer_core.datasets.dataset import Split
from fer_core.errors import ModelError
from fer_core.evaluation.baselines import PUBLISHED, published_for
from fer_core.evaluation.curves import macro_f1_interval
from fer_core.evaluation.metrics import lowest_recall
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
        every_network: also the networks that people do not get an answer from by default; without it there are, of
            every model, the served one (int8 where predicted) and the float one's mean over mirror images.

    Returns:
        By label set; models by the accuracy of their first row, the best first. Cells are texts for people, ``-`` where
        there is nothing.
    """
    models = store.all()
    tables = {}
    for label_set in LABEL_SETS.values():
        groups = [list(_rows(model, label_set, every_network)) for model in models]
        ranked = sorted((rows for rows in groups if rows), key=lambda rows: -rows[0][0])
        if ranked:
            tables[label_set] = pd.DataFrame([row for rows in ranked for _, row in rows])
    return tables


def as_text(tables: Mapping[LabelSet, pd.DataFrame]) -> str:
    """The tables for a terminal."""
    parts = [f"{label_set.title}\n{table.to_string(index=False)}" for label_set, table in tables.items()]
    return "\n\n".join([*parts, NOTE]) if parts else "The store holds no evaluated model."


def as_markdown(tables: Mapping[LabelSet, pd.DataFrame]) -> str:
    """The tables in Markdown."""
    lines = []
    for label_set, table in tables.items():
        lines += [f"### {label_set.title}", ""]
        lines += ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
        lines += ["| " + " | ".join(map(str, row)) + " |" for row in table.itertuples(index=False)]
        lines.append("")
    return "\n".join([*lines, NOTE])


def _rows(model: StoredModel, label_set: LabelSet, every_network: bool) -> Iterator[tuple[float, dict[str, str]]]:
    """Accuracy and cells of each row of a model."""
    card = model.card
    present = [network for network in NETWORK_TITLES if network in card.figures]
    served = present[:1]
    shown = present if every_network else [n for n in present if n in (*served, Network.MIRRORED)]
    for network in shown:
        for rule in card.answers:
            metrics = card.figures[network].get(rule.name, {})
            if rule.label_set == label_set:
                for split in reported_splits(metrics):
                    yield metrics[split]["accuracy"], _cells(model, network, rule, split, metrics)


def _cells(
    model: StoredModel, network: Network, rule: DecisionRule, split: Split, metrics: Mapping[str, Any]
) -> dict[str, str]:
    card, label_set, of_split = model.card, rule.label_set, metrics[split]
    unique = metrics.get(f"{split}-without-repeats")
    low, high = (100 * end for end in of_split["accuracy_interval"])
    lowest, recall = lowest_recall(of_split["per_class"])
    before, after = (of_split[f"expected_calibration_error{kind}"] for kind in ("_uncalibrated", ""))
    milliseconds = card.costs.get("milliseconds_per_face", {}).get(network)
    size = model.litert_bytes(network) if network == Network.INT8 else None
    chosen = split_title(card, label_set, Split.VALIDATION) if Split.VALIDATION in metrics else NONE
    return {
        "model": model.name,
        "network": NETWORK_TITLES[network],
        "answer": rule.name,
        "parameters (M)": f"{card.parameters / 1e6:.2f}",
        "int8 MB": f"{size / 1e6:.2f}" if size else NONE,
        "ms/face": f"{milliseconds:.2f}" if milliseconds else NONE,
        "chosen on": chosen,
        "reported on": f"{split_title(card, label_set, split)}, {of_split['faces']} faces",
        "accuracy": f"{of_split['accuracy']:.1%} [{low:.1f}, {high:.1f}]",
        "without repeats": f"{unique['accuracy']:.1%}" if unique else NONE,
        "macro F1": f"{of_split['macro_f1']:.1%}",
        "lowest recall": f"{lowest} {recall:.1%}",
        "ECE": f"{before:.1%} → {after:.1%}",
        "published": "; ".join(map(str, published_for(card.architecture, label_set))) or NONE,
    }


MEASURED, PUBLISHED_MARK = "measured here", "◇ published, not measured here"


COSTS = {
    "ms/face": "Time per face, ms (int8, one thread)",
    "multiply-adds (M)": "Multiply-adds per face, millions",
    "parameters (M)": "Parameters, millions",
    "int8 MB": "Size of the int8 file, MB",
    "training (min)": "Training time, minutes",
}
"""Columns of costs, with their titles as axes, those first that say most about running a model."""


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


def leaderboard_table(models: Sequence[StoredModel], label_set: LabelSet, titles: Mapping[str, str]) -> pd.DataFrame:
    """Every model, answer and reported split in a label set, then what others publish; best accuracy first in each.

    Shares are in [0, 1]; intervals are texts for people, of 95%. Figures are those of the network that is served.
    """
    rows = [row for model in models for row in _answer_rows(model, label_set, titles[model.name])]
    rows.sort(key=lambda row: -row["accuracy"])
    return pd.DataFrame([*rows, *_published(label_set)])


def _answer_rows(model: StoredModel, label_set: LabelSet, title: str) -> Iterator[dict[str, Any]]:
    costs = cost_row(model)
    for rule in rules_in(model, label_set):
        for split, (_, metrics) in reported(model, rule).items():
            of_split = metrics[split]
            unique = metrics.get(f"{split}-without-repeats")
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
