"""From a finished training run to a model in the store: export, predictions, decision rules, the card."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pandas as pd

from fer_core.datasets import FaceDataset, Split
from fer_core.evaluation.calibration import fit_decision_rules, fit_masked_rules
from fer_core.evaluation.cards import card_metrics
from fer_core.labels import FER2013, FER2013_FIVE, FERPLUS, LabelSet
from fer_core.models import ArchitectureConfig, get_architecture
from fer_core.models.export import to_litert
from fer_core.models.normalisation import with_plain_layers
from fer_core.models.prediction import predict_probabilities
from fer_core.store.card import ModelCard
from fer_core.store.decision import plain_rule, with_mirror
from fer_core.store.predictions import Network, Predictions
from fer_core.store.store import ModelStore, StoredModel
from fer_core.training.loop import TrainingRun, with_masks
from fer_core.training.recipes import Recipe
from fer_core.vision.litert import LiteRTNetwork

EVALUATED_SPLITS = (Split.VALIDATION, Split.TEST)

INTENDED_USE = (
    "Teaching, research and the comparison of networks; a hint about which expression a face shows. Not for decisions "
    "about people, and in the EU not for inferring emotions at work or in education save for medical or safety reasons."
)
KNOWN_LIMITS = (
    "A score says how much a face looks like the faces that annotators gave that word to; it does not say what a "
    "person feels.",
    "Annotators of FER2013 agree with each other on about two thirds of the faces, which bounds what accuracy means.",
    "Trained on single 48x48 grey photos from web searches: mostly frontal, posed, few elderly and few dark-skinned "
    "faces.",
    "Faces turned by more than about 45 degrees or smaller than about 40 pixels are answered less reliably.",
)
UNMASKED_LIMIT = "Learnt from bare faces alone; what a mask costs it stands in the robustness table."
MASKED_LIMIT = (
    "Under a mask it sees eyes and brows alone: disgust and anger, or sadness and neutral, look alike there, so it is less "
    "often right and less sure."
)
MAX_KERAS_BYTES = 6_000_000
"""Larger ``.keras`` files are not shipped; the card says how to train the network."""
MAX_LITERT_BYTES = 10_000_000
"""Bytes, and so weights, of the largest int8 network that is shipped: every version of a file stays in a clone for ever."""


def package(
    run: TrainingRun,
    dataset: FaceDataset,
    store: ModelStore,
    name: str,
    held_out: Predictions | None = None,
    notes: Mapping[str, Any] | None = None,
) -> StoredModel:
    """Write the kept weights of a run into the store as model ``name``, and ``model.keras`` into the run's folder.

    Decision rules are chosen on the validation split by the int8 network, which is the one that is served. The test split
    is predicted once, here, and decides nothing.

    Args:
        run: with at least one complete epoch.
        dataset: the data that it was trained on.
        store: where the model goes.
        name: of the model.
        held_out: predictions of other runs that belong to the same model, such as those of cross-validation.
        notes: entries of the card's ``data`` about the protocol.
    """
    recipe = run.recipe
    config = get_architecture(recipe.architecture).config
    model, content = write_network(run)
    shipped = len(content) < MAX_KERAS_BYTES
    int8 = None
    if exports_to_litert(model):
        training = dataset.split(Split.TRAINING)
        calibration = training.images[np.random.default_rng(run.seed).permutation(len(training))]
        int8 = to_litert(model, calibration)
        int8 = int8 if len(int8) < MAX_LITERT_BYTES else None
    predictions = predict_splits(model, int8, dataset, recipe.label_sets)
    if recipe.augmentation.mask:
        predictions = replace(predictions, masked=_predict_masked(model, int8, dataset))
    if held_out:
        predictions = replace(
            predictions,
            probabilities={**predictions.probabilities, **held_out.probabilities},
            labels={**predictions.labels, **held_out.labels},
            train_duplicates={**predictions.train_duplicates, **held_out.train_duplicates},
        )
    if (Split.VALIDATION, recipe.heads[0]) in predictions.labels:
        answers = fit_decision_rules(predictions, recipe.label_sets, predictions.served)
        chosen_on = "validation (PublicTest): epoch, fusion of heads, class biases, temperatures"
    else:
        answers = tuple(plain_rule(head) for head in recipe.label_sets)
        chosen_on = "nothing: the last epoch of a fixed recipe"
    history = pd.DataFrame(run.history)
    card = ModelCard(
        name=name,
        title=f"{config.title}, mask-aware" if recipe.augmentation.mask else config.title,
        architecture=recipe.architecture,
        summary=config.summary,
        reference=config.reference,
        input_size=config.input_size,
        parameters=model.count_params(),
        heads=recipe.heads,
        answers=answers,
        masked_answers=fit_masked_rules(predictions, recipe.label_sets),
        data={
            "dataset": dataset.name + (" with FER+ votes" if dataset.votes is not None else ""),
            "faces": {str(s): int(count) for s in Split if (count := (dataset.splits == s).sum())},
            "preprocessing": _preprocessing(config, recipe),
            "chosen_on": chosen_on,
            "reported_on": "test (PrivateTest), predicted once",
            **(notes or {}),
        },
        recipe=asdict(recipe),
        seed=run.seed,
        best_epoch=run.best_epoch + 1,
        training_seconds=round(float(history["seconds"].sum()), 1),
        hardware=run.trained_on["hardware"],
        versions=run.trained_on["versions"],
        intended_use=INTENDED_USE,
        limits=(*KNOWN_LIMITS, MASKED_LIMIT if recipe.augmentation.mask else UNMASKED_LIMIT),
    )
    card = replace(card, figures=card_metrics(predictions, card.answers))
    return store.save(card, content if shipped else None, int8, history, predictions)


def exports_to_litert(model: keras.Model) -> bool:
    """Whether a network is small enough, at a byte a weight, for a LiteRT file to be made of it."""
    return model.count_params() < MAX_LITERT_BYTES


def write_network(run: TrainingRun) -> tuple[keras.Model, bytes]:
    """Write ``model.keras`` into the run's folder, where other runs find it; returns the network and the file's bytes."""
    model = _finished_network(run)
    content = _keras_file(model)
    (run.folder / "model.keras").write_bytes(content)
    return model, content


def _finished_network(run: TrainingRun) -> keras.Model:
    """The kept weights as a float32 network of plain layers and a fixed input size.

    Exported graphs are smaller this way, and a crop of another size is refused.
    """
    recipe = run.recipe
    trained = run.best_model()
    keras.mixed_precision.set_global_policy("float32")
    model = get_architecture(recipe.architecture).build(recipe.label_sets, working_size=recipe.working_size)
    model.set_weights([_rounded(w) for w in trained.get_weights()])
    return with_plain_layers(model)


def _rounded(weights: np.ndarray) -> np.ndarray:
    """Half precision, kernels to eight significant bits: trailing zeros pack well.

    Rounding errors of 0.2% change no prediction that matters; all metrics are of the rounded network.
    """
    half = weights.astype(np.float16)
    if half.ndim > 1:
        half = _without_low_bits(half, 3)
    return half.astype(np.float32)


def _preprocessing(config: ArchitectureConfig, recipe: Recipe) -> str:
    size = recipe.working_size or config.working_size
    enlarged = f", enlarged to {size}x{size} by the network" if size else ""
    colour = ", grey repeated into three channels" if config.channels == 3 else ""
    return f"FER2013's own framing, grey, 48x48{enlarged}{colour}; {config.preprocessing}"


def predict_splits(
    model: keras.Model, int8_file: bytes | None, dataset: FaceDataset, heads: tuple[LabelSet, ...]
) -> Predictions:
    """Predictions of the float network, its mean over mirror images, and the int8 network, on the held-out splits."""
    int8 = LiteRTNetwork(int8_file, threads=os.cpu_count() or 1) if int8_file else None
    training = dataset.split(Split.TRAINING)
    label_sets = {*heads}
    if dataset.label_set == FER2013:
        label_sets |= {FER2013, FER2013_FIVE}
    if dataset.votes is None:
        label_sets -= {FERPLUS}
    probabilities: dict[tuple[Network, Split, str], np.ndarray] = {}
    labels: dict[tuple[Split, str], np.ndarray] = {}
    train_duplicates: dict[Split, np.ndarray] = {}
    for split in EVALUATED_SPLITS:
        faces = dataset.split(split)
        if not len(faces):
            continue
        of_float, of_both = with_mirror(partial(predict_probabilities, model), faces.images)
        for head in of_float:
            probabilities[Network.FLOAT, split, head] = of_float[head]
            probabilities[Network.MIRRORED, split, head] = of_both[head]
        for head, quantised in (int8.predict(faces.images) if int8 else {}).items():
            probabilities[Network.INT8, split, head] = quantised
        for label_set in label_sets:
            labels[split, label_set.name] = faces.as_label_set(label_set).labels.astype(np.int8)
        train_duplicates[split] = faces.duplicates_of(training)
    # Eleven significant bits, a relative error under 0.03%, pack into two thirds of the bytes.
    short = {key: _without_low_bits(p.astype(np.float32), 13) for key, p in probabilities.items()}
    return Predictions(short, labels, train_duplicates)


def _without_low_bits(values: np.ndarray, count: int) -> np.ndarray:
    """Floats rounded so that so many of their lowest bits are zero, which pack well."""
    whole = values.view(f"u{values.itemsize}")
    return ((whole + (1 << count - 1)) >> count << count).view(values.dtype)


def _predict_masked(model: keras.Model, int8_file: bytes | None, dataset: FaceDataset) -> dict[str, np.ndarray]:
    """Probabilities of the served network for the validation faces under masks."""
    faces = dataset.split(Split.VALIDATION)
    if not len(faces):
        return {}
    predict = (
        LiteRTNetwork(int8_file, threads=os.cpu_count() or 1).predict
        if int8_file
        else partial(predict_probabilities, model)
    )
    return dict(predict(with_masks(faces).images))


def _keras_file(model: keras.Model) -> bytes:
    """The network as a ``.keras`` file whose weights are kept in half precision; it loads as float32."""
    with tempfile.TemporaryDirectory() as folder:
        whole, half = Path(folder) / "whole.keras", Path(folder) / "half.keras"
        model.save(whole)
        with zipfile.ZipFile(whole) as source, zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED) as target:
            for member in source.namelist():
                content = source.read(member)
                target.writestr(member, _halved(content) if member.endswith(".h5") else content)
        return half.read_bytes()


def _halved(weights: bytes) -> bytes:
    """An HDF5 file with its float32 arrays in half precision."""
    result = io.BytesIO()
    with h5py.File(io.BytesIO(weights)) as source, h5py.File(result, "w") as target:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                made = target.require_group(name)
            else:
                half = item.dtype == np.float32
                made = target.create_dataset(name, data=item[()], dtype=np.float16 if half else item.dtype)
            made.attrs.update(item.attrs)

        target.attrs.update(source.attrs)
        source.visititems(copy)
    return result.getvalue()
