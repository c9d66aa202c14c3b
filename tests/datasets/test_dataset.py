from dataclasses import replace

import numpy as np
import pytest

from fer_core.datasets.dataset import NO_LABEL, Split, ferplus_distribution, ferplus_majority
from fer_core.errors import DatasetError
from fer_core.labels import FER2013, FER2013_FIVE, FERPLUS, Emotion
from tests.conftest import make_dataset

# Columns: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF.
HAPPY, UNKNOWN, NOT_A_FACE = 1, 8, 9


def votes(**counts: int) -> np.ndarray:
    columns = ["neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt", "unknown", "nf"]
    row = np.zeros((1, 10), np.uint8)
    for name, count in counts.items():
        row[0, columns.index(name)] = count
    return row


def test_a_majority_needs_more_than_half_of_the_votes_that_remain():
    assert ferplus_majority(votes(happy=6, neutral=4))[0] == HAPPY
    assert ferplus_majority(votes(happy=5, neutral=5))[0] == NO_LABEL
    assert ferplus_majority(votes(happy=4, neutral=3, sad=3))[0] == NO_LABEL


def test_single_votes_are_dropped_before_the_majority_is_sought():
    assert ferplus_majority(votes(happy=5, neutral=3, sad=1, fear=1))[0] == HAPPY
    assert ferplus_majority(votes(happy=5, neutral=3, sad=2))[0] == NO_LABEL


def test_a_majority_for_unknown_or_for_no_face_leaves_the_row_out():
    assert ferplus_majority(votes(unknown=8, happy=2))[0] == NO_LABEL
    assert ferplus_majority(votes(nf=10))[0] == NO_LABEL


def test_votes_become_soft_labels_weighted_by_the_share_that_names_an_emotion():
    distribution, weights = ferplus_distribution(votes(happy=6, neutral=2, sad=1, unknown=2))
    np.testing.assert_allclose(distribution[0, :4], [0.25, 0.75, 0, 0])
    assert weights[0] == pytest.approx(8 / 10)


def test_a_row_without_any_emotion_weighs_nothing():
    distribution, weights = ferplus_distribution(votes(nf=10))
    assert weights[0] == 0
    assert distribution.sum() == 0


def test_five_classes_are_a_view_that_leaves_disgust_and_fear_without_a_label():
    five = make_dataset().as_label_set(FER2013_FIVE)
    seven = make_dataset()
    for emotion in FER2013.emotions:
        labels = five.labels[seven.labels == FER2013.index(emotion)]
        expected = FER2013_FIVE.index(emotion) if emotion in FER2013_FIVE.emotions else NO_LABEL
        assert (labels == expected).all(), emotion


def test_eight_classes_come_from_the_votes_not_from_the_labels():
    dataset = make_dataset()
    dataset.votes[:] = 0
    dataset.votes[:, FERPLUS.index(Emotion.CONTEMPT)] = 10
    assert (dataset.as_label_set(FERPLUS).labels == FERPLUS.index(Emotion.CONTEMPT)).all()


def test_eight_classes_without_votes_are_refused_with_the_file_that_is_missing():
    with pytest.raises(DatasetError, match=r"fer2013new\.csv"):
        make_dataset(with_votes=False).as_label_set(FERPLUS)


def test_targets_of_one_label_a_face_are_one_hot():
    dataset = make_dataset()
    targets, weights = dataset.targets(FER2013_FIVE)
    disgust = dataset.labels == FER2013.index(Emotion.DISGUST)
    assert (weights[disgust] == 0).all()
    assert (targets[disgust] == 0).all()
    assert (targets[~disgust & (weights > 0)].sum(axis=1) == 1).all()


def test_repeats_are_images_that_occur_pixel_for_pixel():
    dataset = make_dataset()
    training, test = dataset.split(Split.TRAINING), dataset.split(Split.TEST)
    assert not test.duplicates_of(training).any()
    test.images[3] = training.images[5]
    assert test.duplicates_of(training).nonzero()[0].tolist() == [3]


def test_rows_taken_keep_their_subjects():
    dataset = make_dataset()
    assert dataset.split(Split.TEST).subjects is None
    named = replace(dataset, subjects=np.array([f"S{row:03}" for row in range(len(dataset))]))
    assert named.take(np.array([5, 2])).subjects.tolist() == ["S005", "S002"]
    assert named.as_label_set(FER2013_FIVE).subjects is named.subjects
