"""Batches of training faces: shuffled, augmented, weighted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from fer_core.augmentation.mixing import mix_labels
from fer_core.augmentation.policy import sample_epoch
from fer_core.curation.statistics import class_weights
from fer_core.datasets import FaceDataset
from fer_core.labels import FERPLUS
from fer_core.training.recipes import Recipe

Batch = tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]
"""Images ``(B, S, S, 1) float32 in 0..255``, targets and weights per head."""


class Batches:
    """Augmented batches of the training split. They follow from the seed and the number of the epoch alone, so a resumed
    run sees the batches of an uninterrupted one.

    Args:
        dataset: the training split.
        recipe: augmentation, batch size, heads and their weights.
        seed: of every random choice.
        distilled: teachers' probabilities ``(N, classes)`` per head, for the heads that teachers answer.
    """

    def __init__(
        self, dataset: FaceDataset, recipe: Recipe, seed: int, distilled: Mapping[str, np.ndarray] | None = None
    ) -> None:
        self.images = dataset.images
        self._recipe = recipe
        self._seed = seed
        self.targets: dict[str, np.ndarray] = {}
        self.weights: dict[str, np.ndarray] = {}
        for head in recipe.label_sets:
            targets, weights = dataset.targets(head)
            if head != FERPLUS:
                weights = weights * self._class_weights(targets)
                targets = targets * (1 - recipe.label_smoothing) + recipe.label_smoothing / len(head)
            if distilled and head.name in distilled:
                targets = targets * (1 - recipe.teacher_share) + recipe.teacher_share * distilled[head.name]
            self.targets[head.name] = targets.astype(np.float32)
            self.weights[head.name] = weights.astype(np.float32)

    def __len__(self) -> int:
        return len(self.images) // self._recipe.batch_size

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of one epoch; the last, incomplete one is dropped, since the order changes every epoch."""
        recipe = self._recipe
        size = recipe.size_at(number)
        for batch in sample_epoch(self.images, recipe.policy, recipe.batch_size, self._seed, number, size):
            targets = {head: targets[batch.rows] for head, targets in self.targets.items()}
            weights = {head: weights[batch.rows] for head, weights in self.weights.items()}
            yield batch.mixed.images, *mix_labels(batch.mixed, targets, weights)

    def _class_weights(self, one_hot: np.ndarray) -> np.ndarray:
        """Weight of each row ``(N,)``, one on average over the labelled rows."""
        counts = one_hot.sum(axis=0)
        if not counts.any():
            return np.zeros(len(one_hot))
        return one_hot @ class_weights(counts, self._recipe.class_weight_power)
