"""Counts, weights and mean faces against values worked out by hand."""

import numpy as np
import pytest

from fer_core.curation.statistics import (
    class_counts,
    class_weights,
    image_measures,
    imbalance_ratio,
    mean_faces,
    seen_shares,
)
from fer_core.datasets.dataset import FaceDataset
from fer_core.labels import FER2013, FER2013_FIVE, FERPLUS


def small(labels: list[int], images: np.ndarray | None = None) -> FaceDataset:
    faces = np.zeros((len(labels), 4, 4), np.uint8) if images is None else images
    return FaceDataset("small", faces, np.array(labels), np.full(len(labels), "training"), FER2013)


def test_counts_are_per_class_and_split_with_shares_of_the_split(dataset):
    counts = class_counts(dataset, FER2013)
    assert set(counts["split"]) == {"training", "validation", "test"}
    assert (counts["faces"] == 8).all()
    assert counts["share"].to_numpy() == pytest.approx(1 / 7)


def test_rows_without_a_class_of_the_label_set_are_not_counted(dataset):
    five = class_counts(dataset, FER2013_FIVE)
    assert five["faces"].sum() == 5 * 8 * 3
    assert class_counts(dataset, FERPLUS).query("emotion == 'contempt'")["faces"].sum() == 0


def test_imbalance_is_the_largest_over_the_smallest_class_that_has_faces():
    assert imbalance_ratio([436, 7215, 0]) == pytest.approx(16.548, abs=1e-3)
    assert np.isnan(imbalance_ratio([0, 0]))


def test_weights_average_one_over_the_faces_and_balance_the_classes_at_power_one():
    counts = np.array([1, 3, 12])
    half = class_weights(counts, 0.5)
    assert (counts * half).sum() / counts.sum() == pytest.approx(1)
    assert half[0] / half[2] == pytest.approx(np.sqrt(12))
    assert class_weights(counts, 0) == pytest.approx(np.ones(3))
    assert seen_shares(counts, 1) == pytest.approx(np.full(3, 1 / 3))
    assert seen_shares(counts, 0) == pytest.approx(counts / 16)
    assert seen_shares(np.array([2, 0]), 1) == pytest.approx([1, 0])


def test_weights_are_those_that_training_uses(dataset):
    from dataclasses import replace

    from fer_core.training.batches import Batches
    from fer_core.training.recipes import COMMON

    uneven = dataset.take(np.flatnonzero(dataset.splits == "training")[:40]).take(np.r_[0:40, 0:5, 1:6, 1:6])
    recipe = replace(COMMON["senet"], class_weight_power=0.5, batch_size=len(uneven), sizes=((0.0, 48),), epochs=1)
    _, targets, weights = next(Batches(uneven, recipe, seed=0).epoch(0))
    expected = class_weights(uneven.counts(), 0.5)
    np.testing.assert_allclose(weights["fer2013"], expected[targets["fer2013"].argmax(axis=1)], rtol=1e-5)


def test_measures_tell_bright_from_dark_and_sharp_from_smooth():
    images = np.zeros((3, 8, 8), np.uint8)
    images[1] = 200
    images[2, :, ::2] = 255
    measures = image_measures(images)
    assert measures["brightness"].tolist() == [0, 200, 127.5]
    assert measures["contrast"].tolist() == [0, 0, 127.5]
    assert measures["sharpness"][2] > 100 > measures["sharpness"][1] == 0


def test_mean_faces_are_pixel_means_of_each_class():
    images = np.stack([np.full((4, 4), value, np.uint8) for value in (10, 30, 7)])
    means = mean_faces(small([3, 3, 0], images), FER2013)
    assert means.means[3] == pytest.approx(20)
    assert means.spreads[3] == pytest.approx(10)
    assert means.means[0] == pytest.approx(7)
    assert means.faces.tolist() == [1, 0, 0, 2, 0, 0, 0]
    assert means.means[1].max() == 0
