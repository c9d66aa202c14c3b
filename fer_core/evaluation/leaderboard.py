"""The tables of all stored models, one per label set, as text and as Markdown for the README."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from fer_core.answers import AnswerRule
from fer_core.datasets.face_dataset import Split
from fer_core.emotions import LABEL_SETS, LabelSet
from fer_core.evaluation.metrics import lowest_recall
from fer_core.evaluation.published import published_for
from fer_core.evaluation.splits import reported_splits, split_title
from fer_core.model_store import ModelStore, Network, StoredModel

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
            figures = card.figures[network].get(rule.name, {})
            if rule.label_set == label_set:
                for split in reported_splits(figures):
                    yield figures[split]["accuracy"], _cells(model, network, rule, split, figures)


def _cells(
    model: StoredModel, network: Network, rule: AnswerRule, split: Split, figures: Mapping[str, Any]
) -> dict[str, str]:
    card, label_set, of_split = model.card, rule.label_set, figures[split]
    unique = figures.get(f"{split}-without-repeats")
    low, high = (100 * end for end in of_split["accuracy_interval"])
    lowest, recall = lowest_recall(of_split["per_class"])
    before, after = (of_split[f"expected_calibration_error{kind}"] for kind in ("_uncalibrated", ""))
    milliseconds = card.costs.get("milliseconds_per_face", {}).get(network)
    size = model.litert_bytes(network) if network == Network.INT8 else None
    chosen = split_title(card, label_set, Split.VALIDATION) if Split.VALIDATION in figures else NONE
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
