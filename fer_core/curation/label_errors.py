"""Labels that stored networks make unlikely, on faces that they were not trained on."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from fer_core.curation.audit import suspects
from fer_core.curation.summary import DatasetSummary
from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.evaluation.scored import Judged, answers_in, judge, reported
from fer_core.labels import LabelSet
from fer_core.store.store import StoredModel


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


def judged_on(summary: DatasetSummary, label_set: LabelSet, models: Iterable[StoredModel]) -> dict[str, Judged]:
    """What each model is stored to have said of the faces of a data set, by model and split, in the order of the models.

    Args:
        summary: of the data set.
        label_set: that the models answer in; the first answer of each is taken.
        models: to look at; those that were judged on other faces are left out.
    """
    known = {}
    for model in models:
        for rule in answers_in(model, label_set)[:1]:
            for split in reported(model, rule):
                judged = judge(model, rule, Split(split))
                if speaks_of(judged, summary):
                    known[f"{model.name}-{split}"] = judged
    return known


def suspects_by_network(judged: Judged, dataset: FaceDataset | None = None) -> pd.DataFrame:
    """Likely label errors by confident learning, see :func:`fer_core.curation.audit.suspect_labels`.

    Args:
        judged: a network's answers to a split that it was not trained on.
        dataset: whose rows are to be named; without it rows are numbered within the split.

    Returns:
        As :func:`fer_core.curation.audit.suspects`, with ``split``.
    """
    rows = judged.rows
    if dataset is not None and judged.split != Split.CROSS_VALIDATION:
        rows = np.flatnonzero(dataset.splits == judged.split)[rows]
    found = suspects(judged.labels, judged.probabilities, judged.rule.label_set, rows)
    found.insert(1, "split", str(judged.split))
    return found
