"""From a finished training run to a model in the store: export, predictions, the choice of answers, the card."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from fer_core.answers import softmax
from fer_core.datasets import FaceDataset, Split
from fer_core.emotions import FER2013, FER2013_FIVE, FERPLUS, LabelSet
from fer_core.evaluation.answer_fitting import fit_answers
from fer_core.evaluation.cards import card_figures
from fer_core.model_store import ModelCard, ModelStore, Network, Predictions, StoredModel
from fer_core.models import get_architecture
from fer_core.models.export import to_litert
from fer_core.models.normalisation import with_plain_layers
from fer_core.training.run import TrainingRun, predict_logits
from fer_core.vision.expression import LiteRTNetwork

EVALUATED_SPLITS = (Split.VALIDATION, Split.TEST)

INTENDED_USE = (
    "Teaching, research and the comparison of networks; a hint about which expression a face shows. Not for decisions "
    "about people, and in the EU not for inferring emotions at work or in education save for medical or safety reasons."
)
LIMITS = (
    "A score says how much a face looks like the faces that annotators gave that word to; it does not say what a "
    "person feels.",
    "Annotators of FER2013 agree with each other on about two thirds of the faces, which bounds what accuracy means.",
    "Trained on single 48x48 grey photos from web searches: mostly frontal, posed, few elderly and few dark-skinned "
    "faces.",
    "Faces under masks, turned by more than about 45 degrees or smaller than about 40 pixels are answered less "
    "reliably.",
)


def package(run: TrainingRun, dataset: FaceDataset, store: ModelStore, name: str) -> StoredModel:
    """Write the best weights of a run into the store as model ``name``.

    The int8 network, being the one that is served, decides the default answer on the validation split; the test
    split is predicted once, here, and decides nothing.
    """
    recipe = run.recipe
    architecture = get_architecture(recipe.architecture)
    trained = run.best_model()
    keras.mixed_precision.set_global_policy("float32")
    # A fixed input size: the exported graphs are smaller and a crop of another size is refused.
    model = architecture.build(recipe.label_sets)
    model.set_weights(trained.get_weights())
    model = with_plain_layers(model)
    training = dataset.split(Split.TRAINING)
    calibration = training.images[np.random.default_rng(run.seed).permutation(len(training))]
    litert_files = {Network.FLOAT: to_litert(model), Network.INT8: to_litert(model, calibration)}
    predictions = predict_splits(model, litert_files[Network.INT8], dataset, recipe.label_sets)
    answers = fit_answers(predictions, recipe.label_sets, Network.INT8)
    history = pd.DataFrame(run.history)
    card = ModelCard(
        name=name,
        title=architecture.config.title,
        architecture=recipe.architecture,
        summary=architecture.config.summary,
        reference=architecture.config.reference,
        input_size=architecture.config.input_size,
        parameters=model.count_params(),
        heads=recipe.heads,
        answers=answers,
        data={
            "dataset": dataset.name + (" with FER+ votes" if dataset.votes is not None else ""),
            "faces": {str(split): int((dataset.splits == split).sum()) for split in Split},
            "preprocessing": "FER2013's own framing, grey, 48x48, pixels 0..255",
            "chosen_on": "validation (PublicTest): epoch, fusion of heads, class biases",
            "reported_on": "test (PrivateTest), predicted once",
        },
        recipe=asdict(recipe),
        seed=run.seed,
        best_epoch=run.best_epoch + 1,
        training_seconds=round(float(history["seconds"].sum()), 1),
        hardware=hardware(),
        versions=versions(),
        intended_use=INTENDED_USE,
        limits=LIMITS,
    )
    card = replace(card, figures=card_figures(predictions, card.answers))
    return store.save(card, _keras_file(model), litert_files, history, predictions)


def predict_splits(
    model: keras.Model, int8_file: bytes, dataset: FaceDataset, heads: tuple[LabelSet, ...]
) -> Predictions:
    """Predictions of the float network, its mean over mirror images, and the int8 network, on both held-out splits."""
    int8 = LiteRTNetwork(int8_file, threads=os.cpu_count() or 1)
    training = dataset.split(Split.TRAINING)
    probabilities: dict[tuple[Network, Split, str], np.ndarray] = {}
    labels: dict[tuple[Split, str], np.ndarray] = {}
    repeats: dict[Split, np.ndarray] = {}
    for split in EVALUATED_SPLITS:
        faces = dataset.split(split)
        plain = {head: softmax(logits) for head, logits in predict_logits(model, faces.images).items()}
        mirrored = {head: softmax(logits) for head, logits in predict_logits(model, faces.images[:, :, ::-1]).items()}
        for head, quantised in int8.predict(faces.images).items():
            probabilities[Network.FLOAT, split, head] = plain[head]
            probabilities[Network.MIRRORED, split, head] = (plain[head] + mirrored[head]) / 2
            probabilities[Network.INT8, split, head] = quantised
        for label_set in {FER2013, FER2013_FIVE, *heads} - ({FERPLUS} if faces.votes is None else set()):
            labels[split, label_set.name] = faces.as_label_set(label_set).labels.astype(np.int8)
        repeats[split] = faces.repeats_of(training)
    return Predictions(probabilities, labels, repeats)


def hardware() -> str:
    """Processor, cores and accelerators of this machine, in words."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores"


def versions() -> dict[str, str]:
    """Versions of what shaped the weights."""
    packages: Mapping[str, Any] = {"keras": "keras", "numpy": "numpy", "opencv": "opencv-python-headless"}
    found = {label: importlib.metadata.version(name) for label, name in packages.items()}
    backend = keras.backend.backend()
    for candidate in (backend, f"{backend}-cpu"):
        try:
            return {"python": platform.python_version(), backend: importlib.metadata.version(candidate), **found}
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **found}


def _keras_file(model: keras.Model) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()
