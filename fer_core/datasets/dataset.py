"""The one form of every data set, and its label sets as views of the same data.

FER+ majority protocol: Barsoum et al. 2016, arXiv:1608.01041, sec. 3 and 4.1, as their published code applies it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from fer_core.errors import DatasetError
from fer_core.labels import FERPLUS, LabelSet

DATASET_SIDE = 48
"""Side in pixels of FER2013's faces, and of the faces that all readers give."""
NO_LABEL = -1
"""Label of a row for which the label set at hand has no class."""
FERPLUS_COLUMNS = len(FERPLUS) + 2
"""Vote columns: the eight emotions, then ``unknown`` and ``NF`` (not a face)."""


class Split(StrEnum):
    """Which part of the protocol a row belongs to; FER2013 calls them Training, PublicTest and PrivateTest."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"
    CROSS_VALIDATION = "cross-validation"
    """Of stored predictions, never of a row: every face predicted by the network of the fold that did not train on its
    subject, so that all rows of a data set are predicted once."""


@dataclass(frozen=True)
class FaceDataset:
    """Faces with labels and splits; every array has one entry per face, in the order of the source."""

    name: str
    images: np.ndarray
    """``(N, H, W) uint8`` grey."""
    labels: np.ndarray
    """``(N,) int64`` index into ``label_set``, :data:`NO_LABEL` where the set has no class for the row."""
    splits: np.ndarray
    """``(N,)`` of :class:`Split` values as strings."""
    label_set: LabelSet
    votes: np.ndarray | None = None
    """``(N, 10) uint8`` FER+ votes: the columns of ``FERPLUS``, then ``unknown`` and ``NF``; ``None`` without FER+."""
    subjects: np.ndarray | None = None
    """``(N,) str``: who is on the photo; ``None`` where the data set does not say."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> FaceDataset:
        """The rows given by a boolean mask or an index array."""
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            splits=self.splits[rows],
            votes=None if self.votes is None else self.votes[rows],
            subjects=None if self.subjects is None else self.subjects[rows],
        )

    def split(self, split: Split) -> FaceDataset:
        """The rows of one split, in order."""
        return self.take(self.splits == split)

    def counts(self) -> np.ndarray:
        """Rows per class: ``(len(label_set),) int64``."""
        return np.bincount(self.labels[self.labels >= 0], minlength=len(self.label_set))

    def as_label_set(self, target: LabelSet) -> FaceDataset:
        """The same rows with labels of another set; rows without a class there get :data:`NO_LABEL`.

        ``FERPLUS`` takes its labels from the votes (majority protocol), every other set from the present labels.

        Raises:
            DatasetError: ``FERPLUS`` is asked for and the data set has no votes.
        """
        if target == self.label_set:
            return self
        if target == FERPLUS:
            return replace(self, labels=ferplus_majority(self.need_votes()), label_set=FERPLUS)
        columns = np.append(self.label_set.indices_in(target), NO_LABEL)  # the last entry serves label -1
        return replace(self, labels=columns[self.labels], label_set=target)

    def targets(self, label_set: LabelSet) -> tuple[np.ndarray, np.ndarray]:
        """Training targets for a head of ``label_set``.

        Returns:
            Target distributions ``(N, len(label_set)) float32`` and weights ``(N,) float32``, 0 where a row has no
            label. FER+ gives the annotators' votes as soft labels (single votes dropped), weighted by the share
            of votes that name an emotion; every other set gives one-hot rows of weight 1.
        """
        if label_set == FERPLUS:
            return ferplus_distribution(self.need_votes())
        labels = self.as_label_set(label_set).labels
        known = labels >= 0
        one_hot = np.zeros((len(labels), len(label_set)), np.float32)
        one_hot[known, labels[known]] = 1
        return one_hot, known.astype(np.float32)

    def duplicates_of(self, other: FaceDataset) -> np.ndarray:
        """``(N,) bool``: rows whose image occurs, pixel for pixel, in ``other``."""
        seen = {image.tobytes() for image in other.images}
        return np.array([image.tobytes() in seen for image in self.images], bool)

    def need_votes(self) -> np.ndarray:
        """The votes; raises :class:`DatasetError` where the data set has none."""
        if self.votes is None:
            raise DatasetError(
                f"{self.name} was read without FER+ votes; the eight FER+ classes need fer2013new.csv beside it "
                "or named with --votes."
            )
        return self.votes


def _without_single_votes(votes: np.ndarray) -> np.ndarray:
    return np.where(votes > 1, votes, 0).astype(np.int64)


def ferplus_majority(votes: np.ndarray) -> np.ndarray:
    """Majority label of FER+ votes.

    Counts of one are dropped; a row keeps its top class if that holds more than half of what remains and is an
    emotion (not ``unknown``, not ``NF``).

    Args:
        votes: ``(N, 10)``.

    Returns:
        ``(N,) int64`` index into ``FERPLUS``, :data:`NO_LABEL` where no majority exists.
    """
    kept = _without_single_votes(votes)
    top = kept.argmax(axis=1)
    majority = kept.max(axis=1) * 2 > kept.sum(axis=1)
    return np.where(majority & (top < len(FERPLUS)), top, NO_LABEL)


def ferplus_distribution(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Votes ``(N, 10)`` as soft labels ``(N, 8) float32`` and weights ``(N,) float32`` in [0, 1]."""
    kept = _without_single_votes(votes)
    emotional = kept[:, : len(FERPLUS)].sum(axis=1)
    weights = emotional / np.maximum(kept.sum(axis=1), 1)
    distribution = kept[:, : len(FERPLUS)] / np.maximum(emotional, 1)[:, None]
    return distribution.astype(np.float32), weights.astype(np.float32)
