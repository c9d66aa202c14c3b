"""From what an audit found to the training rows that are left out."""

import numpy as np
import pytest

from fer_core.curation.audit import Reason, read_exclusions, write_exclusions
from fer_core.curation.exclusions import cleaned_index, findings
from fer_core.curation.summary import summarise
from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.labels import FERPLUS, Emotion


@pytest.fixture
def flawed(dataset: FaceDataset) -> FaceDataset:
    """Row 1 repeats row 0, row 5 is black, rows 7 (training) and 60 (validation) are labelled against all votes."""
    dataset.images[1] = dataset.images[0]
    dataset.labels[1] = dataset.labels[0]
    dataset.votes[1] = dataset.votes[0]
    dataset.images[5] = 0
    for row in (7, 60):
        other = Emotion.SAD if dataset.label_set.emotions[dataset.labels[row]] != Emotion.SAD else Emotion.HAPPY
        dataset.votes[row] = 0
        dataset.votes[row, FERPLUS.index(other)] = 10
    return dataset


def by_name(dataset: FaceDataset) -> dict:
    return {finding.name: finding for finding in findings(summarise(dataset))}


def test_every_kind_of_doubt_is_a_list_and_names_training_rows_alone_to_leave_out(flawed):
    found = by_name(flawed)
    assert list(found) == ["duplicates", "unusable", "suspects", "contradicted", "no-majority"]
    assert found["duplicates"].removable["row"].tolist() == [1]
    assert found["unusable"].removable["row"].tolist() == [5]
    assert found["suspects"].rows["row"].tolist() == [7, 60]
    assert found["suspects"].rows["split"].tolist() == [str(Split.TRAINING), str(Split.VALIDATION)]
    assert found["suspects"].removable["row"].tolist() == [7]
    assert found["contradicted"].removable["row"].tolist() == [7]
    assert found["no-majority"].rows.empty


def test_a_suspect_says_what_is_likelier(flawed):
    row = by_name(flawed)["suspects"].rows.iloc[0]
    assert row["likely"] in ("sad", "happy")
    assert row["likely"] != row["label"]
    assert row["probability"] == pytest.approx(0.5 / (10 + 7 * 0.5), abs=1e-4)


def test_a_cleaned_index_names_each_row_once_for_its_first_reason(flawed, tmp_path):
    found = by_name(flawed)
    index = cleaned_index([found["contradicted"], found["suspects"], found["unusable"]])
    assert index.to_numpy().tolist() == [[5, Reason.FLAT], [7, Reason.CONTRADICTED]]
    write_exclusions(tmp_path / "clean.csv", index)
    assert np.flatnonzero(read_exclusions(tmp_path / "clean.csv", len(flawed))).tolist() == [5, 7]


def test_nothing_chosen_leaves_nothing_out():
    assert cleaned_index([]).empty


def test_without_votes_there_are_no_lists_of_annotators(flawed):
    from dataclasses import replace

    assert list(by_name(replace(flawed, votes=None))) == ["duplicates", "unusable"]
