"""What masks, poor light, noise and small faces cost a stored model: the test split made hard to read, predicted anew.

The family of tests follows Hendrycks & Dietterich 2019 (arXiv:1903.12261), at one strength each. Every draw follows
from :data:`SEED` and the condition's name, so that a new condition changes no other. A new one is one decorated function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.errors import DatasetError, ModelError
from fer_core.evaluation.metrics import classification_metrics
from fer_core.evaluation.robustness.conditions import CONDITIONS, UNMASKED, Condition
from fer_core.labels import FER2013
from fer_core.store.decision import DecisionRule
from fer_core.store.predictions import RobustnessPredictions
from fer_core.store.store import ModelStore, StoredModel
from fer_core.vision.expression import load_network, pool_heads

CONDITION_BATCH = 256
"""Faces between two steps of the progress bar."""
Predictor = Callable[[np.ndarray], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class ConditionMetrics:
    """How one answer of a model fares under one condition."""

    condition: Condition
    metrics: Mapping[str, Any]
    """As :func:`fer_core.evaluation.metrics.classification_metrics` gives them."""
    share: float
    """Of the accuracy on unmasked faces."""
    recall_lost: Mapping[str, float]
    """By emotion: recall on unmasked faces minus recall under the condition, in [-1, 1]."""

    @property
    def accuracy(self) -> float:
        """In [0, 1]."""
        return self.metrics["accuracy"]

    @property
    def interval(self) -> tuple[float, float]:
        """Bootstrap 95% interval of the accuracy."""
        low, high = self.metrics["accuracy_interval"]
        return low, high


def measured_rules(model: StoredModel) -> list[DecisionRule]:
    """The answers of the table: the default one, and every one in FER2013's seven classes."""
    rules = [model.card.default_rule, *(rule for rule in model.card.answers if rule.label_set == FER2013)]
    return list({rule.name: rule for rule in rules}.values())


def robustness_metrics(model: StoredModel, rule: DecisionRule) -> list[ConditionMetrics]:
    """Metrics of one answer under every condition, computed from stored predictions; the first is :data:`UNMASKED`.

    Faces under masks get the answer that the model gives masked faces, where it has one.

    Empty where nothing is measured, or not for this answer's classes. Conditions measured at another setting than
    today's are left out.

    Raises:
        ModelError: stored predictions cannot be read, or are of different faces.
    """
    robustness = model.robustness()
    labels = model.predictions().labels.get((Split.TEST, rule.label_set.name)) if robustness else None
    if robustness is None or labels is None or not (labels >= 0).any():
        return []
    masked_rule = model.card.masked_rule(rule.name)
    current = [c for c in CONDITIONS.values() if robustness.settings.get(c.name) == c.setting]
    by_condition = {}
    for condition in current:
        heads = robustness.heads(condition.name)
        if not {*rule.head_weights, *(masked_rule.head_weights if masked_rule else ())} <= heads.keys():
            return []
        if any(len(p) != len(labels) for p in heads.values()):
            raise ModelError(
                f"{model.name}: its robustness was measured on other faces than its predictions; measure it anew with "
                "`python -m fer_core robustness`."
            )
        answering = masked_rule if masked_rule and condition.masked else rule
        by_condition[condition.name] = classification_metrics(answering.apply(heads), labels, rule.label_set)
    if UNMASKED not in by_condition:
        return []
    unmasked = by_condition[UNMASKED]
    return [
        ConditionMetrics(
            condition,
            by_condition[condition.name],
            by_condition[condition.name]["accuracy"] / max(unmasked["accuracy"], 1 / unmasked["faces"]),
            {
                emotion: of_unmasked["recall"] - by_condition[condition.name]["per_class"][emotion]["recall"]
                for emotion, of_unmasked in unmasked["per_class"].items()
            },
        )
        for condition in current
    ]


def served_predictor(model: StoredModel) -> tuple[str, Predictor]:
    """The network that answers for a model, by name, and what it says: int8, else the Keras file.

    An ensemble is asked by its members, each by its own.

    Raises:
        ModelError: none of them is here.
    """
    if model.has_litert:
        return "int8", load_network(model).predict
    if model.card.members:
        members = [(*served_predictor(member), share) for member, share in model.members()]
        shares = [share for *_, share in members]
        name = " and ".join(dict.fromkeys(name for name, *_ in members))
        return name, lambda faces: pool_heads([predict(faces) for _, predict, _ in members], shares)
    if not model.has_keras:
        raise ModelError(f"{model.name} has no weights here to run; fetch its files or train it.")
    return "keras", _keras_predictor(model)


def _keras_predictor(model: StoredModel) -> Predictor:
    import keras  # only for models without LiteRT files

    from fer_core.models.prediction import predict_probabilities

    network = keras.saving.load_model(model.keras_path, compile=False, safe_mode=True)
    return lambda faces: predict_probabilities(network, faces)


def faces_of(model: StoredModel, dataset: FaceDataset) -> np.ndarray:
    """The test faces ``(N, S, S) uint8`` that a model is reported on.

    Raises:
        DatasetError: the data set does not hold them.
    """
    faces = dataset.split(Split.TEST)
    labels = model.predictions().labels.get((Split.TEST, FER2013.name))
    found = faces.as_label_set(FER2013).labels if len(faces) else faces.labels
    if labels is None or not np.array_equal(found, labels):
        raise DatasetError(
            f"{dataset.name} does not hold the test faces that {model.name} is reported on; expected FER2013's PrivateTest."
        )
    return faces.images


def measure_robustness(
    model: StoredModel, images: np.ndarray, progress: Callable[[int], object] = lambda count: None
) -> RobustnessPredictions:
    """Run a model's served network on faces under every condition.

    Args:
        model: from the store.
        images: ``(N, S, S) uint8`` grey.
        progress: called with the number of faces that were predicted since its last call.

    Raises:
        ModelError: no network of the model is here.
    """
    network, predict = served_predictor(model)
    probabilities = {}
    for condition in CONDITIONS.values():
        changed = condition.apply(images)
        parts = []
        for start in range(0, len(changed), CONDITION_BATCH):
            batch = changed[start : start + CONDITION_BATCH]
            parts.append(predict(batch))
            progress(len(batch))
        for head in parts[0]:
            probabilities[condition.name, head] = np.concatenate([part[head] for part in parts])
    return RobustnessPredictions(network, {c.name: c.setting for c in CONDITIONS.values()}, probabilities)


def measure_store(
    store: ModelStore,
    names: Sequence[str],
    dataset: FaceDataset,
    progress: Callable[[str, int], object] = lambda name, count: None,
) -> Iterator[str]:
    """Measure stored models and write their predictions; yields each name once it is written, whole.

    Args:
        store: the models.
        names: which; of all of the store if empty, those that are reported on FER2013's PrivateTest.
        dataset: FER2013.
        progress: called with a model's name and the number of faces predicted since its last call.

    Raises:
        ModelError: there is no such model, or none of its networks is here.
        DatasetError: the data set is not what a named model is reported on.
    """
    for model in models_to_measure(store, names):
        images = faces_of(model, dataset)
        store.save_robustness(model.name, measure_robustness(model, images, partial(progress, model.name)))
        yield model.name


def models_to_measure(store: ModelStore, names: Sequence[str]) -> list[StoredModel]:
    """The named models, or all with an answer in FER2013's seven classes that was reported on its test split."""
    if names:
        return [store.load(name) for name in names]
    return [model for model in store.all() if (Split.TEST, FER2013.name) in model.predictions().labels]
