"""Models that people bring along: their predictions beside those of the store, for as long as they are looked at.

A :class:`ExternalModel` is a stored model whose predictions are held in memory: nothing of it is on disk, and every metric
is computed from those predictions as for any other model. They are evaluated by the labels of the store's models.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.errors import ModelError
from fer_core.evaluation.calibration import FIVE_OF_SEVEN
from fer_core.evaluation.cards import evaluated
from fer_core.evaluation.scored import ScoredSplit, images_behind, rules_in
from fer_core.external.model_files import FileKind, ModelFile
from fer_core.external.prediction_tables import SUM_TOLERANCE
from fer_core.external.sandbox import SandboxTask
from fer_core.labels import FER2013, FER2013_FIVE, FERPLUS, Emotion, LabelSet, parse_emotion
from fer_core.store.card import ModelCard, split_title
from fer_core.store.decision import plain_rule
from fer_core.store.predictions import Network, Predictions
from fer_core.store.store import StoredModel

YOURS = "yours"
MARK = "yours, this session only"
"""In the column that says where a row comes from."""
ADVICE_FACES = 256
"""Faces of PublicTest that are tried in every pixel range: enough to tell a mix-up, which costs tens of points."""
ADVICE_MARGIN = 0.05
"""Accuracy by which another choice must be better to be suggested."""
PIXEL_RANGES = {"0 to 255": (0.0, 255.0), "0 to 1": (0.0, 1.0), "-1 to 1": (-1.0, 1.0)}
"""What black and white become, by title."""
_NAME = re.compile(r"[^a-z0-9]+")
_LONGEST_TITLE = 40


@dataclass(frozen=True)
class ExternalModel(StoredModel):
    """A model that was brought along: in memory, for one session."""

    stored_predictions: Predictions
    digest: str
    """Tells its predictions from all others."""

    def predictions(self) -> Predictions:
        """Those that were brought along or that the model made here."""
        return self.stored_predictions

    def history(self) -> pd.DataFrame:
        """None: raises :class:`ModelError`, for how it was trained is not known here."""
        raise ModelError("it was brought along without a history of its training.")


@dataclass(frozen=True)
class EvaluationFaces:
    """The labels that predictions of a label set are evaluated by: those of the store's models, by split."""

    label_set: LabelSet
    labels: Mapping[tuple[Split, str], np.ndarray]
    """By split and label set, ``(N,) int8``, negative where the protocol leaves a face out."""
    train_duplicates: Mapping[Split, np.ndarray]
    """``(N,) bool``: the image also occurs in Training."""
    card: ModelCard
    """Of the stored model that they are taken from: the names of splits, and the seed that drew them."""

    @property
    def by_split(self) -> dict[Split, np.ndarray]:
        """The labels in :attr:`label_set`, by split."""
        return {split: labels for (split, name), labels in self.labels.items() if name == self.label_set.name}

    def title(self, split: Split) -> str:
        """What people call a split."""
        return split_title(self.card, self.label_set, split)

    def images(self, split: Split, dataset: FaceDataset) -> np.ndarray:
        """The labelled faces of a split, ``(N, H, W) uint8`` grey.

        Raises:
            DatasetError: these are not the faces that the store's models were evaluated on.
        """
        labels = self.by_split[split].astype(np.int64)
        rows = np.flatnonzero(labels >= 0)
        nothing = np.empty((0, len(self.label_set)))
        rule = plain_rule(self.label_set)
        scored = ScoredSplit(
            self.card.name, rule, Network.FLOAT, split, self.title(split), rows, labels[rows], nothing, nothing
        )
        return images_behind(scored, self.card.seed, dataset)


def faces_of(models: Sequence[StoredModel], label_set: LabelSet) -> EvaluationFaces:
    """The labels that external models of a label set are evaluated by: those of the first model that answers in it.

    Raises:
        ModelError: no model does.
    """
    for model in models:
        if isinstance(model, ExternalModel) or not rules_in(model, label_set):
            continue
        predictions = model.predictions()
        sets = (label_set.name, FER2013_FIVE.name) if label_set == FER2013 else (label_set.name,)
        labels = {key: values for key, values in predictions.labels.items() if key[1] in sets}
        return EvaluationFaces(label_set, labels, predictions.train_duplicates, model.card)
    raise ModelError(f"No stored model was judged in {label_set.title}, so there are no labels to judge others by.")


def label_orders(label_set: LabelSet) -> dict[str, tuple[Emotion, ...]]:
    """The orders in which networks usually give the classes of a set, by title; orders that agree come once."""
    plain = label_set.title.split(",")[0]
    orders = {
        f"{plain}'s own": label_set.emotions,
        "alphabetical, as from folders": tuple(sorted(label_set.emotions)),
    }
    if set(label_set.emotions) <= set(FERPLUS.emotions):
        orders["FER+'s"] = tuple(emotion for emotion in FERPLUS.emotions if emotion in label_set.emotions)
    first: dict[tuple[Emotion, ...], str] = {}
    for title, order in orders.items():
        first.setdefault(order, title)
    return {title: order for order, title in first.items()}


def parse_order(text: str, label_set: LabelSet) -> tuple[Emotion, ...]:
    """An order of one's own, as emotions between commas.

    Raises:
        ModelError: a word names no emotion, or the classes are not those of the set, each once.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    try:
        order = tuple(parse_emotion(word) for word in words)
    except ValueError as error:
        raise ModelError(
            f"The order names no known emotion ({error}); expected {', '.join(label_set.emotions)}."
        ) from error
    if sorted(order) != sorted(label_set.emotions):
        raise ModelError(
            f"The order has {', '.join(order) or 'nothing'}; expected {', '.join(label_set.emotions)}, each once."
        )
    return order


def in_order(outputs: np.ndarray, order: Sequence[Emotion], label_set: LabelSet) -> np.ndarray:
    """Outputs ``(N, C)`` whose columns are in ``order``, with their columns in the order of the label set."""
    return outputs[:, [list(order).index(emotion) for emotion in label_set.emotions]]


def as_probabilities(outputs: np.ndarray, name: str) -> np.ndarray:
    """Probabilities of what a network answered: its own where rows sum to one, and the softmax of logits.

    Args:
        outputs: ``(N, C)``.
        name: for messages.

    Returns:
        ``(N, C) float32``, rows summing to one.

    Raises:
        ModelError: a number is not finite.
    """
    if not np.isfinite(outputs).all():
        raise ModelError(f"{name} answers with numbers that are not finite; check its weights and the pixel range.")
    exact = outputs.astype(np.float64)
    sums = exact.sum(axis=1, keepdims=True)
    if (exact >= -SUM_TOLERANCE).all() and (np.abs(sums - 1) <= SUM_TOLERANCE).all():
        kept = np.maximum(exact, 0)
        return (kept / kept.sum(axis=1, keepdims=True)).astype(np.float32)
    return softmax(exact, axis=-1).astype(np.float32)


def tasks_for(
    faces: EvaluationFaces, dataset: FaceDataset, pixel_range: str, splits: Sequence[Split]
) -> list[SandboxTask]:
    """What a model file is run on: the labelled faces of splits, and for advice a few of PublicTest in every pixel range.

    Raises:
        DatasetError: the data does not hold those faces.
    """
    images = {split: faces.images(split, dataset) for split in splits}
    tasks = [SandboxTask(str(split), images[split], *PIXEL_RANGES[pixel_range]) for split in splits]
    if Split.VALIDATION in faces.by_split:
        sample = images.get(Split.VALIDATION, faces.images(Split.VALIDATION, dataset))[:ADVICE_FACES]
        tasks += [SandboxTask(f"advice/{title}", sample, *ends) for title, ends in PIXEL_RANGES.items()]
    return tasks


def order_accuracies(outputs: np.ndarray, labels: np.ndarray, label_set: LabelSet) -> dict[str, float]:
    """The accuracy that each usual order of classes would give, by title.

    Args:
        outputs: ``(N, C)`` as the network gave them.
        labels: ``(N,)`` class indices.
        label_set: of the labels.
    """
    return {
        title: float((in_order(outputs, order, label_set).argmax(axis=1) == labels).mean())
        for title, order in label_orders(label_set).items()
    }


@dataclass(frozen=True)
class Advice:
    """What other choices would give on PublicTest, which neither trains nor is reported."""

    orders: Mapping[str, float]
    """Accuracy by the title of the order, in the pixel range chosen."""
    ranges: Mapping[str, float]
    """Accuracy by the title of the pixel range, each in the order that suits it best."""
    faces: int
    """How many each share is of."""

    def sentences(self, order: tuple[Emotion, ...], pixel_range: str, label_set: LabelSet) -> list[str]:
        """What to look into, in words; empty where the choices made are about as good as any."""
        words = []
        own = next((t for t, o in label_orders(label_set).items() if o == order), None)
        best_range = max(self.ranges, key=self.ranges.__getitem__)
        if self.ranges[best_range] > self.ranges[pixel_range] + ADVICE_MARGIN:
            words.append(
                f"Pixels from {best_range} would give {self.ranges[best_range]:.1%} on {self.faces} faces of PublicTest, "
                f"{pixel_range} gives {self.ranges[pixel_range]:.1%} at best: the network was probably trained on "
                f"{best_range}. Choose it and run again."
            )
        best = max(self.orders, key=self.orders.__getitem__)
        if own and self.orders[best] > self.orders[own] + ADVICE_MARGIN:
            words.append(
                f"The order {best} would give {self.orders[best]:.1%} on {self.faces} faces of PublicTest, the one chosen "
                f"gives {self.orders[own]:.1%}: the classes are probably in another order than you say."
            )
        return words


@dataclass(frozen=True)
class Outputs:
    """The outputs of a model file, before the order of its classes is known."""

    file_name: str
    kind: FileKind
    parameters: int
    side: int
    pixel_range: str
    by_split: Mapping[Split, np.ndarray]
    """``(labelled faces, C) float32``."""
    advice: Mapping[str, np.ndarray]
    """The same for the first faces of PublicTest, by pixel range."""

    @classmethod
    def of(cls, file: ModelFile, answers: Mapping[str, np.ndarray], parameters: int, pixel_range: str) -> Outputs:
        """From the answers of a run by the names of :func:`tasks_for`."""
        advice = {name.partition("/")[2]: a for name, a in answers.items() if name.startswith("advice/")}
        by_split = {Split(name): a for name, a in answers.items() if not name.startswith("advice/")}
        return cls(file.name, file.kind, parameters, file.side, pixel_range, by_split, advice)

    def advise(self, faces: EvaluationFaces) -> Advice | None:
        """What other choices would give; ``None`` where the data set has no PublicTest."""
        if not self.advice:
            return None
        labels = faces.by_split[Split.VALIDATION].astype(np.int64)
        count = min(len(a) for a in self.advice.values())
        labels = labels[labels >= 0][:count]
        by_range = {title: order_accuracies(a, labels, faces.label_set) for title, a in self.advice.items()}
        ranges = {title: max(accuracies.values()) for title, accuracies in by_range.items()}
        return Advice(by_range[self.pixel_range], ranges, count)


def external_model_of_file(
    outputs: Outputs, order: Sequence[Emotion], faces: EvaluationFaces, taken: Iterable[str]
) -> ExternalModel:
    """The model behind a file beside the stored ones, classes in ``order``; see :func:`external_model_of_predictions`."""
    probabilities = {}
    for split, answers in outputs.by_split.items():
        labels = faces.by_split[split]
        all_rows = np.full((len(labels), len(faces.label_set)), 1 / len(faces.label_set), np.float32)
        all_rows[labels >= 0] = in_order(as_probabilities(answers, outputs.file_name), order, faces.label_set)
        probabilities[split] = all_rows
    what = "Keras" if outputs.kind == FileKind.KERAS else "LiteRT"
    summary = f"A {what} file brought along, run here on pixels from {outputs.pixel_range}."
    return external_model_of_predictions(
        probabilities, outputs.file_name, faces, taken, summary, parameters=outputs.parameters, side=outputs.side
    )


def external_model_of_predictions(
    probabilities: Mapping[Split, np.ndarray],
    file_name: str,
    faces: EvaluationFaces,
    taken: Iterable[str],
    summary: str = "A csv file of predictions, brought along.",
    parameters: int = 0,
    side: int = 0,
) -> ExternalModel:
    """Predictions beside the stored models, with every metric computed from them.

    With PublicTest among the splits an answer is balanced and its temperature fitted there, as for every other model.

    Args:
        probabilities: by split, ``(N, len(label_set))``, all rows of the split.
        file_name: the external model is named after it.
        faces: the labels.
        taken: names that are in use.
        summary: what it is, in a sentence.
        parameters: of the network; 0 where it is not known.
        side: of its input in pixels; 0 where it is not known.
    """
    label_set = faces.label_set
    held = Predictions(
        {(Network.FLOAT, split, label_set.name): p.astype(np.float32) for split, p in probabilities.items()},
        {key: labels for key, labels in faces.labels.items() if key[0] in probabilities},
        {split: mask for split, mask in faces.train_duplicates.items() if split in probabilities},
    )
    stem = Path(file_name).stem[:_LONGEST_TITLE].strip() or "model"
    name = f"{YOURS}-{_NAME.sub('-', stem.lower()).strip('-') or 'model'}"
    used = set(taken)
    name = next(n for n in (name, *(f"{name}-{i}" for i in range(2, len(used) + 3))) if n not in used)
    answers = (plain_rule(label_set), *((FIVE_OF_SEVEN,) if label_set == FER2013 else ()))
    card = ModelCard(
        name=name,
        title=f"{_plain(stem)} ({YOURS})",
        architecture=YOURS,
        summary=summary,
        reference="",
        input_size=side,
        parameters=parameters,
        heads=(label_set.name,),
        answers=answers,
        data={"split_titles": faces.card.data.get("split_titles", {})},
        recipe={},
        seed=faces.card.seed,
        best_epoch=0,
        training_seconds=0.0,
        hardware="not known",
        versions={},
        intended_use="comparison in this session",
        limits=(),
    )
    digest = hashlib.sha256(b"".join(held.probabilities[key].tobytes() for key in sorted(held.probabilities)))
    return ExternalModel(Path(name), evaluated(card, held), held, digest.hexdigest())


def _plain(stem: str) -> str:
    """A title without what charts and Markdown would read as markup."""
    return re.sub(r"[^\w .+-]", " ", stem).replace("_", " ").strip() or "model"
