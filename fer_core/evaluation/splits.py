"""What people call the splits that figures are chosen on and reported on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fer_core.datasets.face_dataset import Split
from fer_core.emotions import FER2013, FER2013_FIVE, FERPLUS, LabelSet
from fer_core.model_store import ModelCard

FER2013_TITLES = {Split.TRAINING: "Training", Split.VALIDATION: "PublicTest", Split.TEST: "PrivateTest"}
"""FER2013's own names, which FER+ shares, being votes on the same photos."""
OTHER_TITLES = {Split.CROSS_VALIDATION: "ten folds by subject"}


def split_title(card: ModelCard, label_set: LabelSet, split: Split) -> str:
    """The name of a split for people.

    ``card.data["split_titles"]`` goes first, e.g. ``{"test": "random 30%"}``, for protocols that only that card knows of.
    """
    given = card.data.get("split_titles", {})
    known = FER2013_TITLES if label_set in (FER2013, FER2013_FIVE, FERPLUS) else OTHER_TITLES
    return given.get(split, known.get(split, str(split)))


def reported_splits(figures: Mapping[str, Any]) -> list[Split]:
    """The splits of one answer's figures that a table reports: those that neither trained nor chose."""
    return [split for split in Split if split in figures and split not in (Split.TRAINING, Split.VALIDATION)]
