"""A stored network's prediction for each row of a data set: from the store if it was evaluated there, else by running it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.datasets.splits import divided
from fer_core.errors import ModelError
from fer_core.evaluation.scored import ScoredSplit
from fer_core.labels import FERPLUS, LABEL_SETS
from fer_core.storage import DamagedFileError, cache_folder, read_arrays, write_arrays
from fer_core.store.decision import DecisionRule
from fer_core.store.predictions import Network, Predictions
from fer_core.store.store import StoredModel
from fer_core.vision.expression import load_network

FACES_PER_CALL = 64
"""Faces between two words about progress."""
SMALLEST_PROBABILITY = 1e-12
"""What a loss takes for 0: about 28 nats."""


class Exposure(StrEnum):
    """How a network met a face before it answers for it."""

    TRAINED_ON = "is in the training split, so the answer may be memory"
    COPY_TRAINED_ON = "is in the training split once more, pixel for pixel, so the answer may be memory"
    SELECTED_ON = "was not trained on, but is in the split that the epoch and the answers were chosen on"
    UNSEEN = "was neither trained on nor chosen by"
    OTHER_DATA = "is of other data than the training was"


@dataclass(frozen=True)
class RowPredictions:
    """What one model is known to say about the rows of one data set."""

    heads: Mapping[str, np.ndarray]
    """Probabilities per head, ``(N, classes) float32``, NaN where it was not asked."""
    splits: np.ndarray | None
    """``(N,) str``: the division that it was trained and evaluated by; ``None`` where it was trained on other data."""

    @property
    def known(self) -> np.ndarray:
        """``(N,) bool``: whether it was asked."""
        return np.logical_and.reduce([~np.isnan(probabilities[:, 0]) for probabilities in self.heads.values()])

    def row(self, row: int) -> dict[str, np.ndarray] | None:
        """Probabilities per head for one row, ``(1, classes)``; ``None`` where it was not asked."""
        heads = {head: probabilities[row : row + 1] for head, probabilities in self.heads.items()}
        return None if any(np.isnan(probabilities).any() for probabilities in heads.values()) else heads

    def losses(self, rule: DecisionRule, dataset: FaceDataset) -> np.ndarray:
        """Cross entropy of an answer against the labels, -log p(label): ``(N,) float64`` in nats.

        NaN for rows that the model was not asked about, or that have no class in the answer's label set.

        Raises:
            DatasetError: the answer is in FER+'s classes and the data set has no votes.
        """
        labels = dataset.as_label_set(rule.label_set).labels
        rows = np.flatnonzero(self.known & (labels >= 0))
        losses = np.full(len(labels), np.nan)
        probabilities = rule.apply({head: p[rows] for head, p in self.heads.items()})
        of_label = probabilities[np.arange(len(rows)), labels[rows]]
        losses[rows] = -np.log(np.maximum(of_label, SMALLEST_PROBABILITY))
        return losses

    def exposure(self, row: int, copies: np.ndarray) -> Exposure:
        """How the model met a face; ``copies`` are the other rows of the very same pixels."""
        if self.splits is None:
            return Exposure.OTHER_DATA
        if self.splits[row] == Split.TRAINING:
            return Exposure.TRAINED_ON
        if (self.splits[copies] == Split.TRAINING).any():
            return Exposure.COPY_TRAINED_ON
        return Exposure.SELECTED_ON if self.splits[row] == Split.VALIDATION else Exposure.UNSEEN


def known_predictions(model: StoredModel, dataset: FaceDataset, fingerprint: str) -> RowPredictions:
    """What is known without running anything: stored predictions, and what :func:`predict_rest` left in the cache.

    Args:
        model: from the store.
        dataset: as it was read.
        fingerprint: of the data set, see :func:`fer_core.curation.summary.fingerprint`.

    Raises:
        ModelError: the stored predictions cannot be read.
    """
    predictions = model.predictions()
    splits = own_division(model, predictions, dataset)
    heads = {head: np.full((len(dataset), len(LABEL_SETS[head])), np.nan, np.float32) for head in model.card.heads}
    if can_run(model, predictions.served):
        _fill_from_cache(heads, _cache_path(model, fingerprint))
    for split in _scored_splits(predictions) if splits is not None else []:
        for head, probabilities in predictions.heads(predictions.served, split).items():
            heads[head][splits == split] = probabilities
    return RowPredictions(heads, splits)


def own_division(model: StoredModel, predictions: Predictions, dataset: FaceDataset) -> np.ndarray | None:
    """``(N,) str``: the split of each row as the model was trained; ``None`` where it was not trained on this data.

    Recognised by the labels of every split that the model was evaluated on.
    """
    faces = divided(dataset, model.card.seed)
    compared = 0
    for split, name in predictions.labels:
        if split not in _scored_splits(predictions) or (name == FERPLUS.name and dataset.votes is None):
            continue
        labels = faces.as_label_set(LABEL_SETS[name]).labels[faces.splits == split]
        if not np.array_equal(labels, predictions.labels[split, name]):
            return None
        compared += 1
    return faces.splits if compared else None


def can_run(model: StoredModel, network: Network = Network.INT8) -> bool:
    """Whether the network whose predictions are stored can run here."""
    return network == Network.INT8 and model.has_litert


def predict_rest(
    model: StoredModel,
    dataset: FaceDataset,
    fingerprint: str,
    progress: Callable[[float], object] = lambda _: None,
    threads: int = 1,
) -> RowPredictions:
    """Run a model on all rows that nothing is known of; the answers stay in the cache folder.

    Args:
        model: with a network that :func:`can_run`; one of 16 layers takes 2 ms a face and thread.
        dataset: as it was read.
        fingerprint: as for :func:`known_predictions`.
        progress: called with the share that is done, 0..1; what it raises ends the work, and what is done is kept.
        threads: of the network.

    Raises:
        ModelError: a file is missing or is no network of this project.
    """
    answers = known_predictions(model, dataset, fingerprint)
    network = load_network(model, threads)
    if missing := [head for head in answers.heads if head not in network.heads]:
        raise ModelError(
            f"{model.name}: its int8 file answers {', '.join(network.heads)}, but its card promises "
            f"{', '.join(missing)} too; train or fetch the model anew."
        )
    rows = np.flatnonzero(~answers.known)
    try:
        for start in range(0, len(rows), FACES_PER_CALL):
            part = rows[start : start + FACES_PER_CALL]
            predicted = network.predict(crops_for(network.input_size, dataset.images[part]))
            for head, probabilities in answers.heads.items():
                probabilities[part] = predicted[head]
            progress((start + len(part)) / len(rows))
    finally:
        with suppress(OSError):  # a cache that cannot be written costs time, not the answer
            _save(answers.heads, _cache_path(model, fingerprint))
    return answers


def hardest(scored: ScoredSplit) -> pd.DataFrame:
    """The labelled faces of a split, largest loss first: ``place, label, answer, probability, for the label, loss``.

    ``place`` counts the rows of the split from 0; ``probability`` is the answer's, the loss is in nats.
    """
    emotions = np.array(scored.rule.label_set.names)
    of_label = scored.probabilities[np.arange(len(scored.rows)), scored.labels]
    table = pd.DataFrame(
        {
            "place": scored.rows,
            "label": emotions[scored.labels],
            "answer": emotions[scored.answers],
            "probability": scored.probabilities.max(axis=1),
            "for the label": of_label,
            "loss": -np.log(np.maximum(of_label, SMALLEST_PROBABILITY)),
        }
    )
    return table.sort_values("loss", ascending=False, kind="stable", ignore_index=True)


def crops_for(side: int, images: np.ndarray) -> np.ndarray:
    """``(N, H, W) uint8`` faces in the size that a network takes."""
    if images.shape[1:] == (side, side):
        return images
    return np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images])


def network_digest(model: StoredModel) -> str:
    """Sixteen hexadecimal digits that stand for the weights of a model's LiteRT files.

    Raises:
        ModelError: a file is missing.
    """
    digest = hashlib.blake2b(digest_size=8)
    for path in model.litert_paths():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _scored_splits(predictions: Predictions) -> list[Split]:
    """Cross-validation is of other networks than the stored one."""
    return [split for split in predictions.splits() if split != Split.CROSS_VALIDATION]


def _cache_path(model: StoredModel, fingerprint: str) -> Path:
    return cache_folder() / "answers" / f"{fingerprint}-{network_digest(model)}.npz"


def _fill_from_cache(heads: Mapping[str, np.ndarray], path: Path) -> None:
    with suppress(DamagedFileError, KeyError):
        arrays = read_arrays(path)
        read = {head: arrays[head] for head in heads}
        if all(read[head].shape == heads[head].shape for head in heads):  # else damaged: asked anew
            for head in heads:
                heads[head][:] = read[head]


def _save(heads: Mapping[str, np.ndarray], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path, heads, compressed=False)
