import numpy as np
import pytest

from fer_core.datasets import FaceDataset, Split
from fer_core.datasets.splits import fold_split, grouped_folds, random_split
from fer_core.errors import DatasetError
from fer_core.labels import CKPLUS
from tests.conftest import make_dataset


def posed(subjects: int = 40, frames: int = 3) -> FaceDataset:
    """Like CK+: every subject shows some of the classes, each in a few frames of one sequence."""
    rng = np.random.default_rng(1)
    shown = [(subject, label) for subject in range(subjects) for label in rng.permutation(7)[: rng.integers(1, 5)]]
    labels = np.repeat([label for _, label in shown], frames)
    names = np.repeat([f"S{subject:03}" for subject, _ in shown], frames)
    images = np.zeros((len(labels), 48, 48), np.uint8)
    return FaceDataset("CK+", images, labels, np.full(len(labels), Split.TRAINING), CKPLUS, subjects=names)


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_no_subject_is_in_two_folds_and_every_row_is_in_one(folds):
    dataset = posed()
    fold_of = grouped_folds(dataset, folds)
    assert fold_of.shape == (len(dataset),)
    assert sorted(set(fold_of)) == list(range(folds))
    for subject in np.unique(dataset.subjects):
        assert len(set(fold_of[dataset.subjects == subject])) == 1, subject


def test_classes_are_even_over_the_folds():
    dataset = posed(subjects=100)
    fold_of = grouped_folds(dataset, 5)
    counts = np.stack([dataset.take(fold_of == fold).counts() for fold in range(5)])
    assert (np.abs(counts - counts.mean(axis=0)) <= 6).all()  # two sequences of three frames


def test_folds_are_the_same_for_the_same_seed_only():
    dataset = posed()
    np.testing.assert_array_equal(grouped_folds(dataset, seed=3), grouped_folds(dataset, seed=3))
    assert (grouped_folds(dataset, seed=3) != grouped_folds(dataset, seed=4)).any()


def test_there_are_ten_folds_unless_asked_otherwise():
    assert set(grouped_folds(posed())) == set(range(10))


def test_folds_need_subjects_and_enough_of_them():
    with pytest.raises(DatasetError, match="patterns does not say who is on which photo"):
        grouped_folds(make_dataset())
    with pytest.raises(DatasetError, match=r"CK\+: found 7 subjects, expected at least 10"):
        grouped_folds(posed(subjects=7))


def test_one_fold_is_the_test_and_the_rest_is_training():
    dataset = posed()
    fold_of = grouped_folds(dataset, 5)
    divided = fold_split(dataset, fold_of, 2)
    assert set(divided.splits) == {Split.TRAINING, Split.TEST}
    np.testing.assert_array_equal(divided.splits == Split.TEST, fold_of == 2)
    training, test = divided.split(Split.TRAINING), divided.split(Split.TEST)
    assert not set(training.subjects) & set(test.subjects)
    assert set(dataset.splits) == {Split.TRAINING}  # the data set itself stays as it was


@pytest.mark.parametrize(("rows", "fold"), [(slice(None), 10), (slice(1, None), 0)])
def test_a_fold_that_is_not_there_or_of_other_rows_is_refused(rows, fold):
    dataset = posed()
    with pytest.raises(ValueError, match=f"fold {fold} of"):
        fold_split(dataset, grouped_folds(dataset)[rows], fold)


def test_the_random_split_is_the_literatures_seventy_to_thirty_in_every_class():
    dataset = posed(subjects=100)
    divided = random_split(dataset, seed=5)
    test = divided.split(Split.TEST)
    assert len(test) == int(np.ceil(0.3 * len(dataset)))
    assert len(test) + len(divided.split(Split.TRAINING)) == len(dataset)
    assert (np.abs(test.counts() - 0.3 * dataset.counts()) <= 1).all()
    np.testing.assert_array_equal(divided.labels, dataset.labels)


def test_the_random_split_has_subjects_on_both_sides_which_is_why_folds_exist():
    divided = random_split(posed())
    assert set(divided.split(Split.TRAINING).subjects) & set(divided.split(Split.TEST).subjects)


def test_the_random_split_is_the_same_for_the_same_seed_only():
    dataset = posed()
    assert random_split(dataset, seed=1).splits.tolist() == random_split(dataset, seed=1).splits.tolist()
    assert random_split(dataset, seed=1).splits.tolist() != random_split(dataset, seed=2).splits.tolist()


def test_a_random_split_of_too_few_rows_is_refused():
    with pytest.raises(DatasetError, match=r"CK\+: found 5 rows, expected enough of every class"):
        random_split(posed().take(np.array([0, 3, 4, 5, 6])))
