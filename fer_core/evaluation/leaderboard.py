"""The table of all stored models, as text and as Markdown for the README."""

from __future__ import annotations

import pandas as pd

from fer_core.datasets.face_dataset import Split
from fer_core.model_store import ModelStore, Network

_NETWORKS = {
    Network.INT8: "int8 (the pages)",
    Network.FLOAT: "float",
    Network.MIRRORED: "float, mean with mirror image",
}


def leaderboard(store: ModelStore) -> pd.DataFrame:
    """One row per model, network and answer; shares in percent with one decimal."""
    rows = []
    for model in store.all():
        for network, label in _NETWORKS.items():
            for answer in model.card.answers:
                splits = model.card.figures[network][answer.name]
                validation, test = splits[Split.VALIDATION], splits[Split.TEST]
                unique = splits[f"{Split.TEST}-without-repeats"]
                rows.append(
                    {
                        "model": model.name,
                        "network": label,
                        "answer": answer.name,
                        "classes": len(answer.label_set),
                        "PublicTest accuracy": _percent(validation["accuracy"]),
                        "PrivateTest accuracy": _percent(test["accuracy"]),
                        "without repeats": _percent(unique["accuracy"]),
                        "macro F1": _percent(test["macro_f1"]),
                        "disgust recall": _percent(test["per_class"]["disgust"]["recall"]),
                        "fear recall": _percent(test["per_class"]["fear"]["recall"]),
                        "faces": test["faces"],
                    }
                )
    return pd.DataFrame(rows)


def as_markdown(table: pd.DataFrame) -> str:
    """The table in Markdown."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{share:.1%}"
