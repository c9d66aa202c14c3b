"""How uneven classes are, and what weights make of it."""

import pandas as pd
import pytest

from fer_core.curation.balance import balance_table, split_counts, splits_of, weight_table
from fer_core.curation.summary import load_summary, shipped_summaries
from fer_core.labels import FER2013, FER2013_FIVE, FERPLUS


@pytest.fixture(scope="module")
def summary():
    return load_summary(next(place for place in shipped_summaries() if place.name == "fer2013"))


def test_the_shipped_figures_are_those_of_the_public_data_set(summary):
    table = balance_table([(summary, FER2013, split) for split in splits_of(summary, FER2013)])
    assert table["faces"].tolist() == [28709, 3589, 3589]
    assert table.loc[0, ["largest class", "smallest class"]].tolist() == ["happy 7,215", "disgust 436"]
    assert table.loc[0, "imbalance ratio"] == pytest.approx(7215 / 436)
    assert summary.agreement == pytest.approx(0.63, abs=0.005)
    assert summary.duplicates.across_splits == 556


def test_views_of_a_data_set_have_counts_of_their_own(summary):
    assert splits_of(summary, FERPLUS) == ["training", "validation", "test"]
    faces = [int(split_counts(summary, FERPLUS, split)["faces"].sum()) for split in splits_of(summary, FERPLUS)]
    assert faces == [25060, 3199, 3153]
    five = split_counts(summary, FER2013_FIVE, "training")
    assert five["emotion"].tolist() == list(FER2013_FIVE.names)


def test_full_weights_make_classes_alike_and_none_leaves_them():
    counts = pd.DataFrame({"emotion": ["happy", "disgust"], "faces": [90, 10], "share": [0.9, 0.1]})
    full, half, none = (weight_table(counts, power) for power in (1.0, 0.5, 0.0))
    assert full["share seen"].tolist() == pytest.approx([0.5, 0.5])
    assert full["weight"].tolist() == pytest.approx([0.5 / 0.9, 0.5 / 0.1])
    assert full["draws"].tolist() == [50, 50]
    assert half["share seen"].tolist() == pytest.approx([0.75, 0.25])
    assert none["weight"].tolist() == [1, 1]
    assert none["draws"].tolist() == [90, 10]
