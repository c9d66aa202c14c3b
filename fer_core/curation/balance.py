"""How uneven the classes are, across splits and data sets, and what class weights make of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fer_core.curation.statistics import class_weights, imbalance_ratio, seen_shares
from fer_core.curation.summary import DatasetSummary
from fer_core.datasets.dataset import Split
from fer_core.labels import LabelSet


def splits_of(summary: DatasetSummary, label_set: LabelSet) -> list[str]:
    """The splits that a view of the data set has labelled faces in, in the order of the protocol."""
    present = set(summary.counts[label_set.name]["split"])
    return [str(split) for split in Split if str(split) in present]


def split_counts(summary: DatasetSummary, label_set: LabelSet, split: str) -> pd.DataFrame:
    """``emotion, faces, share`` of one split, in the order of the label set."""
    counts = summary.counts[label_set.name]
    return counts.loc[counts["split"] == split, ["emotion", "faces", "share"]].reset_index(drop=True)


def balance_table(series: Sequence[tuple[DatasetSummary, LabelSet, str]]) -> pd.DataFrame:
    """One row per data set, view and split: faces, the largest and smallest class, imbalance ratio."""
    rows = []
    for summary, label_set, split in series:
        counts = split_counts(summary, label_set, split)
        faces = counts["faces"].to_numpy()
        present = counts[counts["faces"] > 0]
        largest, smallest = present.loc[present["faces"].idxmax()], present.loc[present["faces"].idxmin()]
        rows.append(
            {
                "data set": summary.name,
                "classes": label_set.title,
                "split": split,
                "faces": int(faces.sum()),
                "largest class": f"{largest['emotion']} {largest['faces']:,}",
                "smallest class": f"{smallest['emotion']} {smallest['faces']:,}",
                "imbalance ratio": imbalance_ratio(faces.tolist()),
            }
        )
    return pd.DataFrame(rows)


def weight_table(counts: pd.DataFrame, power: float) -> pd.DataFrame:
    """What class weights of a power do to the classes of a split.

    Args:
        counts: ``emotion, faces, share``.
        power: see :func:`fer_core.curation.statistics.class_weights`.

    Returns:
        ``emotion, faces, share, weight, share seen, draws``: the weight of one face, the share of the class in the loss,
        and how many faces of the class an epoch of as many faces would draw if faces were drawn by their weight instead.
    """
    faces = counts["faces"].to_numpy()
    seen = seen_shares(faces, power)
    return counts.assign(
        weight=class_weights(faces, power),
        **{"share seen": seen, "draws": np.rint(seen * faces.sum()).astype(np.int64)},
    )
