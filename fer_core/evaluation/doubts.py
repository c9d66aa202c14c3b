"""Labels that stored networks make unlikely, on faces that they were not trained on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fer_core.datasets.audit import suspects
from fer_core.datasets.face_dataset import FaceDataset, Split
from fer_core.datasets.summary import DatasetSummary
from fer_core.evaluation.standings import Judged


def speaks_of(judged: Judged, summary: DatasetSummary) -> bool:
    """Whether a network's stored answers are to the faces of a data set: as many of each class in the same split."""
    counts = summary.counts.get(judged.rule.label_set.name)
    if counts is None:
        return False
    if judged.split != Split.CROSS_VALIDATION:
        counts = counts[counts["split"] == str(judged.split)]
    by_class = counts.groupby("emotion")["faces"].sum()
    expected = [by_class.get(str(emotion), 0) for emotion in judged.rule.label_set.emotions]
    return bool(np.array_equal(np.bincount(judged.labels, minlength=len(expected)), expected))


def suspects_by_network(judged: Judged, dataset: FaceDataset | None = None) -> pd.DataFrame:
    """Likely label errors by confident learning, see :func:`fer_core.datasets.audit.suspect_labels`.

    Args:
        judged: a network's answers to a split that it was not trained on.
        dataset: whose rows are to be named; without it rows are numbered within the split.

    Returns:
        As :func:`fer_core.datasets.audit.suspects`, with ``split``.
    """
    rows = judged.rows
    if dataset is not None and judged.split != Split.CROSS_VALIDATION:
        rows = np.flatnonzero(dataset.splits == judged.split)[rows]
    found = suspects(judged.labels, judged.probabilities, judged.rule.label_set, rows)
    found.insert(1, "split", str(judged.split))
    return found
