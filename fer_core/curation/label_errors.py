"""Labels that stored networks make unlikely, on faces that they were not trained on."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from fer_core.curation.audit import suspects
from fer_core.curation.summary import DatasetSummary
from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.evaluation.scored import ScoredSplit, reported, rules_in, score_split
from fer_core.labels import LabelSet
from fer_core.store.store import StoredModel


def covers(scored: ScoredSplit, summary: DatasetSummary) -> bool:
    """Whether a network's stored answers are to the faces of a data set: as many of each class in the same split."""
    counts = summary.counts.get(scored.rule.label_set.name)
    if counts is None:
        return False
    if scored.split != Split.CROSS_VALIDATION:
        counts = counts[counts["split"] == str(scored.split)]
    by_class = counts.groupby("emotion")["faces"].sum()
    expected = [by_class.get(str(emotion), 0) for emotion in scored.rule.label_set.emotions]
    return bool(np.array_equal(np.bincount(scored.labels, minlength=len(expected)), expected))


def scored_splits_on(
    summary: DatasetSummary, label_set: LabelSet, models: Iterable[StoredModel]
) -> dict[str, ScoredSplit]:
    """The stored predictions of each model for the faces of a data set, by model and split, in the order of the models.

    Args:
        summary: of the data set.
        label_set: that the models answer in; the first answer of each is taken.
        models: to look at; those that were evaluated on other faces are left out.
    """
    known = {}
    for model in models:
        for rule in rules_in(model, label_set)[:1]:
            for split in reported(model, rule):
                scored = score_split(model, rule, Split(split))
                if covers(scored, summary):
                    known[f"{model.name}-{split}"] = scored
    return known


def suspects_by_network(scored: ScoredSplit, dataset: FaceDataset | None = None) -> pd.DataFrame:
    """Likely label errors by confident learning, see :func:`fer_core.curation.audit.suspect_labels`.

    Args:
        scored: a network's answers to a split that it was not trained on.
        dataset: whose rows are to be named; without it rows are numbered within the split.

    Returns:
        As :func:`fer_core.curation.audit.suspects`, with ``split``.
    """
    rows = scored.rows
    if dataset is not None and scored.split != Split.CROSS_VALIDATION:
        rows = np.flatnonzero(dataset.splits == scored.split)[rows]
    found = suspects(scored.labels, scored.probabilities, scored.rule.label_set, rows)
    found.insert(1, "split", str(scored.split))
    return found
