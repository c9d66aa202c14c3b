"""Duplicates, contradictions and pictures without a face in a data set whose faults are known."""

import cv2
import numpy as np
import pandas as pd
import pytest

from fer_core.curation.audit import (
    Reason,
    agreement,
    agreement_matrix,
    contradicted,
    find_duplicates,
    read_exclusions,
    redundant_rows,
    suspect_labels,
    unusable,
    vote_entropy,
    without,
    write_exclusions,
)
from fer_core.datasets import FaceDataset, Split
from fer_core.errors import DatasetError
from fer_core.labels import FER2013, FERPLUS

HAPPY, SAD = FER2013.index("happy"), FER2013.index("sad")


def smooth_faces(count: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.stack([cv2.resize(rng.integers(0, 256, (6, 6)).astype(np.uint8), (48, 48)) for _ in range(count)])


@pytest.fixture
def flawed() -> FaceDataset:
    """Twelve faces: 1 copies 0, 2 copies 0 under another label, 5 copies 4 in the test split, 7 is 6 made darker."""
    images = smooth_faces(12)
    images[1] = images[2] = images[0]
    images[5] = images[4]
    images[7] = (images[6] * 0.8 + 10).astype(np.uint8)
    images[10] = 0
    images[11] = 0
    labels = np.full(12, HAPPY)
    labels[2] = SAD
    splits = np.full(12, str(Split.TRAINING), dtype="<U16")
    splits[5] = str(Split.TEST)
    return FaceDataset("flawed", images, labels, splits, FER2013)


def test_exact_and_near_duplicates_are_told_apart_and_grouped(flawed):
    shares: list = []
    groups = find_duplicates(flawed, shares.append).groups
    members = {tuple(frame["row"]): set(frame["kind"]) for _, frame in groups.groupby("group")}
    assert members == {(0, 1, 2): {"exact"}, (4, 5): {"exact"}, (6, 7): {"near"}}
    assert groups.set_index("row")["correlation"][7] == pytest.approx(1, abs=1e-3)
    assert shares[-1] == 1


def test_pictures_of_nothing_are_no_duplicates_of_each_other(flawed):
    assert not {10, 11} & set(find_duplicates(flawed).groups["row"])


def test_faces_that_merely_resemble_each_other_are_no_duplicates(flawed):
    other = flawed.images[8].astype(np.float32) * 0.75 + flawed.images[9] * 0.25
    flawed.images[9] = other.astype(np.uint8)
    assert 0.9 < np.corrcoef(flawed.images[8].ravel(), flawed.images[9].ravel())[0, 1] < 0.985
    assert not {8, 9} & set(find_duplicates(flawed).groups["row"])


def test_duplicates_across_splits_and_under_several_labels_are_counted(flawed):
    duplicates = find_duplicates(flawed)
    assert duplicates.across_splits == 1
    assert duplicates.conflicting["row"].tolist() == [0, 1, 2]


def test_a_cleaned_set_drops_leaks_torn_labels_and_later_copies_of_training(flawed):
    flawed.labels[2] = HAPPY
    assert redundant_rows(find_duplicates(flawed))["row"].tolist() == [1, 2, 4]
    flawed.labels[2] = SAD
    assert redundant_rows(find_duplicates(flawed))["row"].tolist() == [0, 1, 2, 4]


def test_flat_and_cut_pictures_and_those_that_annotators_see_no_face_in_are_listed(flawed):
    flawed.images[3, :, :16] = 0
    votes = np.zeros((12, 10), np.uint8)
    votes[:, 1], votes[8, 1], votes[8, 9] = 10, 0, 10
    listed = unusable(FaceDataset(**{**vars(flawed), "votes": votes})).set_index("row")["reason"]
    assert listed.to_dict() == {3: Reason.CUT, 8: Reason.NO_FACE, 10: Reason.FLAT, 11: Reason.FLAT}


def votes_for(*columns: str) -> np.ndarray:
    votes = np.zeros((len(columns), 10), np.uint8)
    for row, name in enumerate(columns):
        votes[row, FERPLUS.index(name)] = 9
    return votes


def voted(labels: list[str], votes: np.ndarray) -> FaceDataset:
    indices = np.array([FER2013.index(label) for label in labels])
    return FaceDataset("voted", smooth_faces(len(labels)), indices, np.full(len(labels), "training"), FER2013, votes)


def test_agreement_with_ferplus_is_counted_class_by_class():
    votes = votes_for("happy", "neutral", "sad", "sad")
    votes[3, FERPLUS.index("neutral")] = 9  # no majority
    dataset = voted(["happy", "happy", "sad", "fear"], votes)
    matrix = agreement_matrix(dataset)
    assert (matrix.loc["happy", "happy"], matrix.loc["happy", "neutral"], matrix.loc["sad", "sad"]) == (1, 1, 1)
    assert matrix.loc["fear", "no majority"] == 1
    assert matrix.to_numpy().sum() == 4
    assert agreement(dataset) == pytest.approx(2 / 4)
    assert contradicted(dataset)[["row", "reason", "majority"]].to_numpy().tolist() == [
        [1, Reason.CONTRADICTED, "neutral"],
        [3, Reason.NO_MAJORITY, ""],
    ]


def test_vote_entropy_is_in_bits():
    votes = np.zeros((4, 10), np.uint8)
    votes[0, 0] = 10
    votes[1, :2] = 5
    votes[2, :4] = 2
    assert vote_entropy(votes)[:3] == pytest.approx([0, 1, 2])
    assert np.isnan(vote_entropy(votes)[3])


def test_a_label_that_a_sure_network_contradicts_is_suspect():
    labels = np.tile([0, 1], 20)
    probabilities = np.where(np.arange(2) == labels[:, None], 0.9, 0.1)
    probabilities[5] = [0.97, 0.03]
    assert suspect_labels(labels, probabilities).tolist() == [5]


def test_excluded_rows_leave_training_alone_and_survive_the_file(flawed, tmp_path):
    listed = pd.DataFrame({"row": [5, 1, 1], "reason": ["duplicate", "duplicate", "cut off"]})
    write_exclusions(tmp_path / "clean.csv", listed)
    excluded = read_exclusions(tmp_path / "clean.csv", len(flawed))
    assert np.flatnonzero(excluded).tolist() == [1, 5]
    kept = without(flawed, excluded)
    assert len(kept) == 11
    assert (kept.splits == Split.TEST).sum() == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows\n1\n", "found the columns rows, expected a column 'row'"),
        ("row\n1\n12\n", "line 3: found row 12, expected 0 to 11"),
        ("row\n-1\n", "line 2: found row -1"),
        ("row\nsix\n", "line 2: found row six"),
        ("", "cannot be read as csv"),
    ],
)
def test_files_that_name_no_rows_are_refused_in_a_sentence(text, message, tmp_path):
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_exclusions(tmp_path / "bad.csv", 12)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_exclusions(tmp_path / "missing.csv", 12)


def test_a_data_set_of_nothing_but_black_pictures_has_no_duplicates():
    black = FaceDataset("black", np.zeros((3, 48, 48), np.uint8), np.arange(3), np.full(3, "training"), FER2013)
    assert find_duplicates(black).groups.empty
