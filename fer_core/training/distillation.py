"""Probabilities of stored networks for the training faces, from which a smaller network learns.

Distillation (Hinton et al. 2015, arXiv:1503.02531) at temperature one: the teachers' probabilities are mixed into the
labels, so that a student needs no loss of its own.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import keras
import numpy as np

from fer_core.datasets import FaceDataset
from fer_core.labels import LABEL_SETS, restrict
from fer_core.models.prediction import Predict, predict_probabilities
from fer_core.storage import read_arrays, write_arrays
from fer_core.store.decision import with_mirror
from fer_core.store.store import ModelStore
from fer_core.training.recipes import Recipe
from fer_core.vision.expression import load_network


def distil(
    store: ModelStore, recipe: Recipe, training: FaceDataset, folder: Path, runs: Path | None = None
) -> dict[str, np.ndarray]:
    """Mean probabilities of a recipe's teachers over each training face and its mirror image.

    Args:
        store: holds the teachers, networks or ensembles with int8 LiteRT files; teachers that it lacks are taken from the
            store that ships.
        recipe: names the teachers and the heads that learn from them.
        training: ``N`` faces.
        folder: of the run; the probabilities are cached there, since predicting them takes minutes.
        runs: folder of finished runs; a teacher among them answers with its Keras network.

    Returns:
        ``{head: (N, classes) float32}`` for the heads that a teacher answers. A teacher whose label set holds all classes
        of a head and more is restricted to them.

    Raises:
        ModelError: a teacher is not in the store or lacks a LiteRT file.
    """
    sums: dict[str, list[np.ndarray]] = {}
    for name in recipe.teachers:
        for head, probabilities in _answers(store, name, training, folder, runs).items():
            source = LABEL_SETS[head]
            for target in recipe.label_sets:
                own_head = target.name == head
                if own_head or (target.name.startswith(head) and (target.indices_in(source) >= 0).all()):
                    sums.setdefault(target.name, []).append(restrict(probabilities, source, target))
    return {head: np.mean(answers, axis=0).astype(np.float32) for head, answers in sums.items()}


def _answers(
    store: ModelStore, name: str, training: FaceDataset, folder: Path, runs: Path | None
) -> dict[str, np.ndarray]:
    path = folder / f"taught-by-{name}.npz"
    if path.is_file():
        answers = read_arrays(path)
        if all(len(array) == len(training) for array in answers.values()):
            return answers
    predict: Predict
    if runs and (runs / name / "model.keras").is_file():
        model = keras.saving.load_model(runs / name / "model.keras", compile=False, safe_mode=True)
        predict = partial(predict_probabilities, model)
    else:
        predict = load_network(store.or_shipped(name).load(name), threads=os.cpu_count() or 1).predict
    _, answers = with_mirror(predict, training.images)
    folder.mkdir(parents=True, exist_ok=True)
    write_arrays(path, answers, compressed=False)
    return answers
