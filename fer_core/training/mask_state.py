"""Training of the small network that tells masked faces from unmasked ones, and from masks worn under the nose.

It learns from FER2013's training faces, some of them under drawn masks, and from the few photos of real masks. Lower faces
are swapped within a batch, as CutMix (Yun et al. 2019, arXiv:1905.04899) pastes patches, so that the network sees a mask
under many eyes. It is tested on photos of other sources, on FER2013's PrivateTest as it is, and on the same faces under
masks in styles that no training draws.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import layers
from scipy.special import softmax
from tqdm import tqdm

from fer_core.augmentation.masks.bank import MaskBank
from fer_core.augmentation.masks.textures import MaskKind
from fer_core.augmentation.transforms import Augmentation
from fer_core.datasets import read_dataset
from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.evaluation.hardware import hardware
from fer_core.evaluation.mask_state import (
    DRAWN_GROUP,
    MASK_PREDICTIONS,
    UNMASKED_GROUP,
    MaskPredictions,
    drawn_test_faces,
    load_mask_predictions,
    mask_metrics,
    save_mask_predictions,
)
from fer_core.models.export import to_litert
from fer_core.results import MASK_STATES, MaskState
from fer_core.storage import write_text
from fer_core.training.mask_photos import LIKE_TRAINING, MaskPhotos, read_mask_photos
from fer_core.vision.detection.registry import DEFAULT_DETECTOR, create_detector
from fer_core.vision.mask_state import INPUT_SIZE, MASK_STATE_FILE, MASK_STATE_FOLDER, MaskStateNetwork

MASK_LAYERS = ((16, 2), (32, 2), (64, 1), (64, 1), (128, 2), (128, 1))
"""Filters and stride of each convolution."""
DROPOUT = 0.3
EPOCHS = 30
MASK_BATCH = 64
PEAK_RATE = 4e-3
WEIGHT_DECAY = 1e-2
LABEL_SMOOTHING = 0.03
FACES_SHARE = 0.3
"""Share of FER2013's training faces in an epoch, sampled anew for each."""
PHOTO_REPEATS = 2
"""How often an epoch shows each photo: there are few of them, and drawn masks teach less about real ones."""
SWAPPED_SHARE = 0.3
"""Share of a batch that gets the lower face of another."""
SWAP_HEIGHTS = 0.45, 0.55
"""Where the lower face begins, as shares of the side: between the eyes and the tip of the nose."""
SWAP_TILT = 0.12
"""Largest slope of that border, to either side."""
SWAP_BLEND = 0.04
"""Width of the blend between both faces, as a share of the side."""
MAX_SHIFT, SHIFT_STEP = 4.0, 0.1
"""Largest advantage of the unmasked state that is tried, and the step, in nats."""
MAX_FALSE_ALARMS = 0.015
"""Share of PublicTest's unmasked faces that may be called masked."""
MASKED_SHARE, SUNGLASSES_SHARE = 0.35, 0.05
"""Shares of an epoch's FER2013 faces; sunglasses cover no mouth and count as unmasked."""
UNDER_NOSE = 0.35
"""Share of the drawn masks worn under the nose, so that the rarest state is learnt as well."""
AUGMENTATION = Augmentation(rotation=15, zoom=0.15, shift=0.1, flip=0.5, brightness=0.2, contrast=0.4)
_STATE = {state: number for number, state in enumerate(MASK_STATES)}


def build_mask_network() -> keras.Model:
    """``(N, 48, 48, 1) float in 0..255 -> (N, 3) logits``: a plain stack of convolutions of half a millisecond."""
    face = keras.Input((INPUT_SIZE, INPUT_SIZE, 1), name="face")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(face)
    for filters, strides in MASK_LAYERS:
        x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal")(
            x
        )
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    # No global pooling: the place of the mouth matters.
    x = layers.AveragePooling2D(2)(x)
    x = layers.Dropout(DROPOUT)(layers.Flatten()(x))
    return keras.Model(face, layers.Dense(len(MASK_STATES), dtype="float32", name="mask_state")(x), name="mask_state")


@dataclass(frozen=True)
class MaskBatches:
    """The batches of each epoch; every sample follows from the seed and the epoch."""

    faces: np.ndarray
    """``(N, 48, 48) uint8`` unmasked."""
    photos: np.ndarray
    """``(M, 48, 48) uint8``."""
    masked: np.ndarray
    """``(M,) bool``."""
    seed: int

    def epoch(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches ``(B, 48, 48, 1) float32`` with labels ``(B,) int64``."""
        rng = np.random.default_rng([self.seed, number])
        chosen = rng.permutation(len(self.faces))[: round(FACES_SHARE * len(self.faces))]
        images, labels = drawn_masks(self.faces[chosen], rng, self.seed)
        of_photos = np.where(self.masked, _STATE[MaskState.MASKED], _STATE[MaskState.UNMASKED])
        images = np.concatenate([images, np.repeat(self.photos, PHOTO_REPEATS, axis=0)])
        labels = np.concatenate([labels, np.repeat(of_photos, PHOTO_REPEATS)])
        order = rng.permutation(len(images))
        for start in range(0, len(order) - MASK_BATCH + 1, MASK_BATCH):
            rows = order[start : start + MASK_BATCH]
            mixed, states = swap_lower_faces(images[rows], labels[rows], rng)
            yield AUGMENTATION.apply(mixed, rng)[..., None].astype(np.float32), states

    def __len__(self) -> int:
        return (round(FACES_SHARE * len(self.faces)) + PHOTO_REPEATS * len(self.photos)) // MASK_BATCH


def swap_lower_faces(
    faces: np.ndarray, states: np.ndarray, rng: np.random.Generator, share: float = SWAPPED_SHARE
) -> tuple[np.ndarray, np.ndarray]:
    """Some faces with the lower face, and hence the mask state, of another.

    Args:
        faces: ``(N, S, S) uint8`` framed as FER2013's faces; not changed in place.
        states: ``(N,) int64``.
        rng: source of every random choice.
        share: share of the faces to change, in [0, 1].

    Returns:
        ``(N, S, S) uint8`` and ``(N,) int64``.
    """
    count, side = len(faces), faces.shape[1]
    swapped = rng.random(count) < share
    partners = np.where(swapped, rng.permutation(count), np.arange(count))
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side
    borders = rng.uniform(*SWAP_HEIGHTS, count).astype(np.float32)
    slopes = rng.uniform(-SWAP_TILT, SWAP_TILT, count).astype(np.float32)
    heights = borders[:, None] + slopes[:, None] * (axis - 0.5)
    lower = np.clip((axis[None, :, None] - heights[:, None, :]) / SWAP_BLEND + 0.5, 0, 1)
    mixed = faces + lower * (faces[partners].astype(np.float32) - faces)
    return np.rint(mixed).astype(np.uint8), states[partners]


def drawn_masks(faces: np.ndarray, rng: np.random.Generator, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Some of the faces under drawn masks, some of the others behind sunglasses: images and states ``(N,) int64``."""
    masks = MaskBank(INPUT_SIZE, under_nose=UNDER_NOSE, seed=seed).apply(faces, rng, MASKED_SHARE)
    glasses = MaskBank(INPUT_SIZE, kinds=(MaskKind.SUNGLASSES,), under_nose=0.0, seed=seed)
    unmasked = masks.kinds == str(MaskKind.NONE)
    images = masks.images
    images[unmasked] = glasses.apply(images[unmasked], rng, SUNGLASSES_SHARE).images
    states = np.where(masks.nose_covered, _STATE[MaskState.MASKED], _STATE[MaskState.NOSE_OUT])
    return images, np.where(unmasked, _STATE[MaskState.UNMASKED], states).astype(np.int64)


def train_mask_state(
    dataset: FaceDataset,
    photos: MaskPhotos,
    folder: Path,
    seed: int = 0,
    epochs: int = EPOCHS,
    report: Callable[[dict[str, float]], None] = lambda _: None,
) -> dict[str, Any]:
    """Train, export, test and store the network; the epoch is chosen on the validation photos and PublicTest.

    Args:
        dataset: FER2013, unmasked.
        photos: of real masks.
        folder: where the network, its card, history and predictions go.
        seed: of weights, batches and drawn masks.
        epochs: how many.
        report: called with the history's row after every epoch.

    Returns:
        The card.
    """
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    model = build_mask_network()
    training, validation = photos.rows(Split.TRAINING), photos.rows(Split.VALIDATION)
    batches = MaskBatches(dataset.split(Split.TRAINING).images, photos.crops[training], photos.masked[training], seed)
    public, public_states = drawn_masks(dataset.split(Split.VALIDATION).images, np.random.default_rng(seed), seed + 1)

    def probabilities() -> tuple[np.ndarray, np.ndarray]:
        return _probabilities(model, photos.crops[validation]), _probabilities(model, public)

    def validate() -> dict[str, float]:
        of_photos, of_faces = probabilities()
        scores = {
            "validation_photos": float(((of_photos[:, 0] < 0.5) == photos.masked[validation]).mean()),
            "validation_faces": float((of_faces.argmax(axis=1) == public_states).mean()),
        }
        return {**scores, "validation_score": sum(scores.values()) / 2}

    history = _fit(model, batches, epochs, validate, report)
    of_photos, of_faces = probabilities()
    shift = unmasked_advantage(of_photos, photos.masked[validation], of_faces, public_states)
    kernel, bias = model.get_layer("mask_state").get_weights()
    bias[_STATE[MaskState.UNMASKED]] += shift
    model.get_layer("mask_state").set_weights([kernel, bias])
    samples = [images for images, _ in islice(batches.epoch(epochs), 5)]
    content = to_litert(model, np.concatenate(samples)[..., 0].astype(np.uint8))
    folder.mkdir(parents=True, exist_ok=True)
    save_mask_predictions(folder / MASK_PREDICTIONS, predict_tests(MaskStateNetwork(content), dataset, photos))
    predictions = load_mask_predictions(folder / MASK_PREDICTIONS)  # rounded, as whoever verifies will find them
    card = {
        "name": "mask_state",
        "states": [str(state) for state in MASK_STATES],
        "parameters": model.count_params(),
        "bytes": len(content),
        "data": {
            "training": f"{dataset.name} training faces, a third under drawn masks, and {int(training.sum()):,} photos",
            "chosen_on": "validation photos and PublicTest, a third of it under drawn masks: the epoch, and the "
            f"advantage of the bare state, {shift:.1f} nats",
            "reported_on": "photos of other sources; PrivateTest, bare and under masks in styles not drawn in training",
            "faces": {group: len(p) for group, p in predictions.probabilities.items()},
        },
        "seed": seed,
        "best_epoch": 1 + int(np.argmax([row["validation_score"] for row in history])),
        "training_seconds": round(time.perf_counter() - started, 1),
        "hardware": hardware(),
        "versions": {name: importlib.metadata.version(name) for name in ("keras", "tensorflow", "numpy")},
        "figures": mask_metrics(predictions),
    }
    _store(folder, content, card, pd.DataFrame(history))
    return card


def _fit(
    model: keras.Model,
    batches: MaskBatches,
    epochs: int,
    validate: Callable[[], dict[str, float]],
    report: Callable[[dict[str, float]], None],
) -> list[dict[str, float]]:
    """Train, and leave the weights of the epoch with the highest ``validation_score`` in the network; the history."""
    steps = epochs * len(batches)
    schedule = keras.optimizers.schedules.CosineDecay(
        PEAK_RATE / 10, steps, warmup_target=PEAK_RATE, warmup_steps=steps // 10
    )
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING),
        jit_compile=False,
    )
    one_hot = np.eye(len(MASK_STATES), dtype=np.float32)
    history: list[dict[str, float]] = []
    best = model.get_weights()
    for epoch in range(epochs):
        losses = [float(model.train_on_batch(faces, one_hot[states])) for faces, states in batches.epoch(epoch)]
        row = {"epoch": epoch + 1, "loss": float(np.mean(losses)), **validate()}
        if row["validation_score"] > max((r["validation_score"] for r in history), default=0.0):
            best = model.get_weights()
        history.append(row)
        report(row)
    model.set_weights(best)
    return history


def predict_tests(network: MaskStateNetwork, dataset: FaceDataset, photos: MaskPhotos) -> MaskPredictions:
    """Predictions for all groups of test faces."""
    test = photos.rows(Split.TEST)
    private = dataset.split(Split.TEST).images
    drawn, states = drawn_test_faces(private)
    found, masked = photos.detected[test], photos.masked[test]
    of_photos = network.predict(photos.crops[test])
    labels = np.where(masked, _STATE[MaskState.MASKED], _STATE[MaskState.UNMASKED])
    unlike = photos.like_training[test] < LIKE_TRAINING
    return MaskPredictions(
        {
            "photos": of_photos,
            "photos, face detected": of_photos[found],
            "photos unlike any in training": of_photos[unlike],
            UNMASKED_GROUP: network.predict(private),
            DRAWN_GROUP: network.predict(drawn),
        },
        {
            "photos": labels,
            "photos, face detected": labels[found],
            "photos unlike any in training": labels[unlike],
            UNMASKED_GROUP: np.full(len(private), _STATE[MaskState.UNMASKED]),
            DRAWN_GROUP: states,
        },
    )


def unmasked_advantage(
    of_photos: np.ndarray, photos_masked: np.ndarray, of_faces: np.ndarray, face_states: np.ndarray
) -> float:
    """What to add to the logit of the unmasked state, in nats.

    The value with the highest accuracy of covered against unmasked, where photos and FER2013's faces count alike, among
    those that call at most :data:`MAX_FALSE_ALARMS` of FER2013's unmasked faces masked.

    Args:
        of_photos: ``(N, 3)`` probabilities.
        photos_masked: ``(N,) bool``.
        of_faces: ``(M, 3)`` probabilities.
        face_states: ``(M,) int``.
    """

    def covered(probabilities: np.ndarray, shift: float) -> np.ndarray:
        return probabilities[:, 0] * np.exp(shift) < 1 - probabilities[:, 0]

    best, best_score = MAX_SHIFT, -1.0
    for shift in np.arange(0, MAX_SHIFT, SHIFT_STEP):
        called = covered(of_faces, shift)
        unmasked = face_states == _STATE[MaskState.UNMASKED]
        if called[unmasked].mean() > MAX_FALSE_ALARMS:
            continue
        score = (covered(of_photos, shift) == photos_masked).mean() + (called == ~unmasked).mean()
        if score > best_score:
            best, best_score = float(shift), score
    return best


def _probabilities(model: keras.Model, faces: np.ndarray) -> np.ndarray:
    return softmax(model.predict(faces[..., None].astype(np.float32), batch_size=512, verbose=0), axis=-1)


def _store(folder: Path, content: bytes, card: dict[str, Any], history: pd.DataFrame) -> None:
    (folder / MASK_STATE_FILE).write_bytes(content)
    history.to_csv(folder / "history.csv", index=False)
    write_text(folder / "card.json", json.dumps(card, indent=1) + "\n")


def train_and_print(options: argparse.Namespace) -> int:
    """``python -m fer_core train-mask-state``: read, train, store, and print the card's metrics; the exit status."""
    dataset = read_dataset(options.data)
    with tqdm(total=100, unit="%", desc="photos") as bar:
        photos = read_mask_photos(
            options.masks,
            create_detector(DEFAULT_DETECTOR),
            INPUT_SIZE,
            options.seed,
            lambda share: bar.update(100 * share - bar.n),
        )

    def report(row: dict[str, float]) -> None:
        print("  ".join(f"{name} {value:.4g}" for name, value in row.items()), file=sys.stderr, flush=True)

    folder = options.out or MASK_STATE_FOLDER
    card = train_mask_state(dataset, photos, folder, options.seed, options.epochs or EPOCHS, report)
    for group, metrics in card["figures"].items():
        states = ", ".join(f"{state} {recall:.1%}" for state, recall in metrics["states"].items())
        print(f"{group:30} {metrics['faces']:5} faces  covered or bare {metrics['covered or bare']:.1%}  ({states})")
    return 0
