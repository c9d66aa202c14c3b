"""Does the store still say what it computed?

Metrics against predictions, LiteRT against Keras, networks against data, ensembles against their members.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.evaluation.cards import card_metrics
from fer_core.evaluation.ensembles import pooled_predictions
from fer_core.evaluation.mask_state import (
    DRAWN_GROUP,
    MASK_PREDICTIONS,
    UNMASKED_GROUP,
    drawn_test_faces,
    load_mask_predictions,
    mask_metrics,
)
from fer_core.evaluation.robustness.conditions import CONDITIONS, UNMASKED
from fer_core.evaluation.robustness.evaluate import faces_of, served_predictor
from fer_core.labels import FER2013
from fer_core.media.images import read_image
from fer_core.storage import ARTIFACTS
from fer_core.store.decision import with_mirror
from fer_core.store.predictions import Network, Predictions, RobustnessPredictions
from fer_core.store.store import ModelStore, StoredModel
from fer_core.vision.crops import crop_faces
from fer_core.vision.detection.registry import create_detector
from fer_core.vision.litert import LiteRTNetwork
from fer_core.vision.mask_state import MASK_STATE_FILE, MaskStateNetwork

SAMPLE_PHOTO = ARTIFACTS / "samples" / "astronaut.jpg"

METRIC_TOLERANCE = 1e-6
"""Metrics are recomputed from the very same probabilities; only the order of a sum may differ."""
POOL_TOLERANCE = 1e-6
"""In probability: a mean of the very same probabilities, which is stored as float32."""
INT8_TOLERANCE = 0.15
"""In probability, on one face: eight bits move single answers, hardly ever the top one."""
SUM_TOLERANCE = 1e-4
"""Of float32 probabilities that sum to one."""
REPEAT_TOLERANCE = 0.005
"""In probability: another processor sums in another order."""

ROBUSTNESS_TOLERANCE = 0.02
"""In probability: they are stored in steps of a thirty-second of a nat, and are made to sum to one again."""
ROBUSTNESS_FACES = 500
"""The first ones, predicted again under every condition; a network that differs shows on few."""


@dataclass(frozen=True)
class VerifiedValue:
    """One comparison."""

    model: str
    what: str
    difference: float
    tolerance: float

    @property
    def equal(self) -> bool:
        """Whether the difference is within the tolerance; a missing or non-finite value never is."""
        return bool(self.difference <= self.tolerance)

    def __str__(self) -> str:
        mark = "equal  " if self.equal else "DIFFERS"
        return (
            f"{mark} {self.model}: {self.what}, largest difference {self.difference:.2g} (allowed {self.tolerance:g})"
        )


def verify_store(store: ModelStore, dataset: FaceDataset | None = None) -> Iterator[VerifiedValue]:
    """Verify every model of a store; with a data set, also run every stored network on the held-out splits again."""
    for model in store.all():
        yield from verify_model(model, dataset)


def verify_mask_state(folder: Path, dataset: FaceDataset | None = None) -> Iterator[VerifiedValue]:
    """The network that reads masks: its card against its stored predictions, and with FER2013 the network itself.

    Raises:
        ModelError: a file is missing or damaged.
    """
    predictions = load_mask_predictions(folder / MASK_PREDICTIONS)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    difference = largest_difference(mask_metrics(predictions), card["figures"])
    yield VerifiedValue("mask state", "figures of the card against stored predictions", difference, METRIC_TOLERANCE)
    if dataset is None or dataset.label_set != FER2013 or not len(dataset.split(Split.TEST)):
        return
    network, faces = MaskStateNetwork((folder / MASK_STATE_FILE).read_bytes()), dataset.split(Split.TEST).images
    for group, images in ((UNMASKED_GROUP, faces), (DRAWN_GROUP, drawn_test_faces(faces)[0])):
        stored = predictions.probabilities[group]
        difference = largest_difference({group: network.predict(images)}, {group: stored})
        yield VerifiedValue(
            "mask state", f"int8 network on {group} against stored predictions", difference, REPEAT_TOLERANCE
        )


def verify_model(model: StoredModel, dataset: FaceDataset | None = None) -> Iterator[VerifiedValue]:
    """All comparisons for one model that its files allow; what is not there is compared with nothing.

    An ensemble, which has no files of its own, is compared with its members' stored predictions, data set or not.
    """
    predictions = model.predictions()
    recomputed = card_metrics(predictions, model.card.answers)
    difference = largest_difference(recomputed, model.card.figures)
    yield VerifiedValue(model.name, "figures of the card against stored predictions", difference, METRIC_TOLERANCE)
    if model.card.costs:
        difference = largest_difference(model.file_bytes, model.card.costs["bytes"])
        yield VerifiedValue(model.name, "file sizes of the card against the files", difference, 0)
    robustness = model.robustness()
    if robustness is not None:
        yield from _verify_robustness(model, predictions, robustness, dataset)
    if model.card.members:
        yield from _verify_against_members(model, predictions)
        return

    network = _load_keras(model) if model.has_keras else None
    int8 = LiteRTNetwork(model.litert_path.read_bytes()) if model.has_litert else None
    yield from _verify_networks(model, network, int8)
    if dataset is not None and _was_evaluated_on(predictions, dataset):
        yield from _verify_on_data(model, predictions, network, int8, dataset)


def _verify_robustness(
    model: StoredModel, predictions: Predictions, robustness: RobustnessPredictions, dataset: FaceDataset | None
) -> Iterator[VerifiedValue]:
    """Conditions against the current ones, unmasked faces against the stored predictions, the network against the data."""
    now = {condition.name: condition.setting for condition in CONDITIONS.values()}
    other = sum(robustness.settings.get(name) != now.get(name) for name in robustness.settings.keys() | now.keys())
    yield VerifiedValue(model.name, "robustness: conditions that are not today's", other, 0)
    if robustness.network in predictions.networks():
        stored = predictions.heads(Network(robustness.network), Split.TEST)
        difference = largest_difference(robustness.heads(UNMASKED), stored)
        yield VerifiedValue(
            model.name, "robustness: bare faces against stored predictions", difference, ROBUSTNESS_TOLERANCE
        )
    if dataset is None or not len(dataset.split(Split.TEST)) or not _was_evaluated_on(predictions, dataset):
        return
    network, predict = served_predictor(model)
    if network != robustness.network:
        return  # the network that was measured is not here
    images = faces_of(model, dataset)
    for condition in CONDITIONS.values():
        if robustness.settings.get(condition.name) == condition.setting:
            again = predict(condition.apply(images)[:ROBUSTNESS_FACES])
            first = {head: p[:ROBUSTNESS_FACES] for head, p in robustness.heads(condition.name).items()}
            what = f"robustness: {network} network under {condition.name!r} against stored predictions"
            yield VerifiedValue(model.name, what, largest_difference(again, first), ROBUSTNESS_TOLERANCE)


def _verify_against_members(ensemble: StoredModel, predictions: Predictions) -> Iterator[VerifiedValue]:
    """An ensemble's stored predictions against its members'; the members are verified on their own."""
    pooled = pooled_predictions(ensemble)
    difference = largest_difference(pooled.probabilities, predictions.probabilities)
    yield VerifiedValue(
        ensemble.name, "stored predictions against its members' by their weights", difference, POOL_TOLERANCE
    )
    one, other = ({"labels": p.labels, "repeats": p.train_duplicates} for p in (pooled, predictions))
    yield VerifiedValue(ensemble.name, "labels and repeats against its members'", largest_difference(one, other), 0)


def _verify_networks(model: StoredModel, network: Any, int8: LiteRTNetwork | None) -> Iterator[VerifiedValue]:
    """The int8 LiteRT file against the Keras file on a real face; where only one is here, its sums of probabilities."""
    faces = _sample_face(model.card.input_size)
    answers = {} if network is None else {"Keras file": _keras_probabilities(network, faces)}
    answers |= {} if int8 is None else {"int8 LiteRT file": int8.predict(faces)}
    if len(answers) == 2:
        difference = largest_difference(*answers.values())
        yield VerifiedValue(
            model.name, "int8 LiteRT file against Keras file on a real face", difference, INT8_TOLERANCE
        )
        return
    for (
        name,
        heads,
    ) in answers.items():  # little, but a file of another model, or one that answers NaN, does not pass it
        sums = {head: probabilities.sum(axis=1) for head, probabilities in heads.items()}
        difference = largest_difference(sums, {head: np.ones(len(faces)) for head in model.card.heads})
        what = f"{name}'s probabilities on a real face against a sum of 1"
        yield VerifiedValue(model.name, what, difference, SUM_TOLERANCE)


def _was_evaluated_on(predictions: Predictions, dataset: FaceDataset) -> bool:
    return any(name == dataset.label_set.name for _, name in predictions.labels)


def _verify_on_data(
    model: StoredModel,
    predictions: Predictions,
    network: Any,
    int8: LiteRTNetwork | None,
    dataset: FaceDataset,
) -> Iterator[VerifiedValue]:
    """The networks that are here, run again on every split of the data set that predictions are stored of."""
    for split in predictions.splits():
        faces = dataset.split(split)
        if not len(faces):
            continue  # not of this data set, or of networks that are not stored, as those of the folds
        for label_set in model.card.label_sets:
            if (split, label_set.name) not in predictions.labels:
                continue
            stored = predictions.labels[split, label_set.name]
            now = faces.as_label_set(label_set).labels
            difference = float("inf") if len(now) != len(stored) else float(np.count_nonzero(now != stored))
            yield VerifiedValue(model.name, f"{split} labels of {label_set.name} against the data", difference, 0)
            if difference:
                return
        for name, heads in _predict_again(network, int8, faces.images).items():
            stored_heads = predictions.heads(name, split)
            if stored_heads:
                what = f"{name} network on {split} against stored predictions"
                yield VerifiedValue(model.name, what, largest_difference(heads, stored_heads), REPEAT_TOLERANCE)


def _predict_again(
    network: Any, int8: LiteRTNetwork | None, images: np.ndarray
) -> dict[Network, dict[str, np.ndarray]]:
    """Probabilities by network and head; the float network is the Keras file."""
    again = {}
    if network is not None:
        again[Network.FLOAT], again[Network.MIRRORED] = with_mirror(partial(_keras_probabilities, network), images)
    if int8 is not None:
        again[Network.INT8] = int8.predict(images)
    return again


def largest_difference(one: Any, other: Any) -> float:
    """Largest absolute difference of two equally nested mappings of numbers and arrays; infinite if shapes differ."""
    if isinstance(one, dict):
        if not isinstance(other, dict) or one.keys() != other.keys():
            return float("inf")
        return max((largest_difference(one[key], other[key]) for key in one), default=0.0)
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if a.shape != b.shape or not np.isfinite(a).all() or not np.isfinite(b).all():
        return float("inf")
    return float(np.abs(a - b).max(initial=0.0))


def _load_keras(model: StoredModel) -> Any:
    import keras  # only the commands that train or verify wait for it

    return keras.saving.load_model(model.keras_path, compile=False, safe_mode=True)


def _keras_probabilities(network: Any, faces: np.ndarray) -> dict[str, np.ndarray]:
    from fer_core.models.prediction import predict_probabilities

    return predict_probabilities(network, faces)


def _sample_face(size: int) -> np.ndarray:
    photo = read_image(SAMPLE_PHOTO)
    detector = create_detector()
    boxes = [detector.framing.crop_box(face.box) for face in detector.detect(photo)]
    return crop_faces(photo, boxes, size)
