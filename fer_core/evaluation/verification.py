"""Does the store still say what it computed? Figures against predictions, LiteRT against Keras, networks against data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_core import ARTIFACTS
from fer_core.answers import softmax
from fer_core.datasets.face_dataset import FaceDataset
from fer_core.evaluation.cards import card_figures
from fer_core.media.images import read_image
from fer_core.model_store import ModelStore, Network, Predictions, StoredModel
from fer_core.vision.detectors import create_detector
from fer_core.vision.expression import LiteRTNetwork
from fer_core.vision.face_crops import crop_faces

SAMPLE_PHOTO = ARTIFACTS / "samples" / "astronaut.jpg"

FIGURE_TOLERANCE = 1e-6
"""Figures are recomputed from the very same probabilities; only the order of a sum may differ."""
FLOAT_TOLERANCE = 0.01
"""In probability: the float LiteRT file keeps its weights in half precision."""
INT8_TOLERANCE = 0.15
"""In probability, on one face: eight bits move single answers, hardly ever the top one."""
REPEAT_TOLERANCE = 0.005
"""In probability: another processor sums in another order."""


@dataclass(frozen=True)
class Finding:
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


def verify_store(store: ModelStore, dataset: FaceDataset | None = None) -> Iterator[Finding]:
    """Verify every model of a store; with a data set, also run every stored network on the held-out splits again."""
    for model in store.all():
        yield from verify_model(model, dataset)


def verify_model(model: StoredModel, dataset: FaceDataset | None = None) -> Iterator[Finding]:
    """All comparisons for one model."""
    predictions = model.predictions()
    recomputed = card_figures(predictions, model.card.answers)
    difference = largest_difference(recomputed, model.card.figures)
    yield Finding(model.name, "figures of the card against stored predictions", difference, FIGURE_TOLERANCE)

    import keras  # only the commands that train or verify wait for it

    network = keras.saving.load_model(model.keras_path, compile=False, safe_mode=True)
    litert = {n: LiteRTNetwork(model.litert_path(n).read_bytes()) for n in (Network.FLOAT, Network.INT8)}
    faces = _sample_face(model.card.input_size)
    reference = _keras_probabilities(network, faces)
    for precision, tolerance in ((Network.FLOAT, FLOAT_TOLERANCE), (Network.INT8, INT8_TOLERANCE)):
        difference = largest_difference(reference, litert[precision].predict(faces))
        yield Finding(model.name, f"{precision} LiteRT file against Keras file on a real face", difference, tolerance)
    if dataset is not None:
        yield from _verify_on_data(model, predictions, network, litert, dataset)


def _verify_on_data(
    model: StoredModel,
    predictions: Predictions,
    network: Any,
    litert: dict[Network, LiteRTNetwork],
    dataset: FaceDataset,
) -> Iterator[Finding]:
    for split in predictions.splits():
        faces = dataset.split(split)
        for label_set in model.card.label_sets:
            stored = predictions.labels[split, label_set.name]
            now = faces.as_label_set(label_set).labels
            difference = float("inf") if len(now) != len(stored) else float(np.count_nonzero(now != stored))
            yield Finding(model.name, f"{split} labels of {label_set.name} against the data", difference, 0)
            if difference:
                return
        plain = _keras_probabilities(network, faces.images)
        mirrored = _keras_probabilities(network, faces.images[:, :, ::-1])
        again = {
            Network.FLOAT: plain,
            Network.MIRRORED: {head: (plain[head] + mirrored[head]) / 2 for head in plain},
            Network.INT8: litert[Network.INT8].predict(faces.images),
        }
        for name, heads in again.items():
            difference = largest_difference(heads, predictions.heads(name, split))
            yield Finding(
                model.name, f"{name} network on {split} against stored predictions", difference, REPEAT_TOLERANCE
            )


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


def _keras_probabilities(network: Any, faces: np.ndarray) -> dict[str, np.ndarray]:
    from fer_core.training.run import predict_logits

    return {head: softmax(logits) for head, logits in predict_logits(network, faces).items()}


def _sample_face(size: int) -> np.ndarray:
    photo = read_image(SAMPLE_PHOTO)
    detector = create_detector()
    boxes = [detector.framing.crop_box(face.box) for face in detector.detect(photo)]
    return crop_faces(photo, boxes, size)
