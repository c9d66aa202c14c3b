"""Trained models on disk; the only code that knows how ``artifacts/models`` is laid out.

``<name>/card.json``, ``model.keras``, ``model.tflite`` (float), ``model.int8.tflite``, ``history.csv`` and
``predictions.npz``. Figures of a card are computed from its predictions (:mod:`fer_core.evaluation.cards`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from fer_core import ARTIFACTS
from fer_core.answers import AnswerRule
from fer_core.datasets.face_dataset import Split
from fer_core.emotions import LABEL_SETS, LabelSet
from fer_core.errors import ModelError

DEFAULT_STORE = ARTIFACTS / "models"


class Network(StrEnum):
    """Which of a model's networks made a prediction."""

    FLOAT = "float"
    """The Keras network, and its float LiteRT file."""
    MIRRORED = "mirrored"
    """The float network, mean over a face and its mirror image."""
    INT8 = "int8"
    """The int8 LiteRT file, which the pages run."""


_LITERT_FILES = {Network.FLOAT: "model.tflite", Network.INT8: "model.int8.tflite"}


@dataclass(frozen=True)
class ModelCard:
    """What a model is, how it came to be, and how well it does (Mitchell et al. 2019, arXiv:1810.03993)."""

    name: str
    title: str
    architecture: str
    summary: str
    reference: str
    input_size: int
    parameters: int
    heads: tuple[str, ...]
    answers: tuple[AnswerRule, ...]
    """The first is what the pages answer with by default."""
    data: Mapping[str, Any]
    recipe: Mapping[str, Any]
    seed: int
    best_epoch: int
    training_seconds: float
    hardware: str
    versions: Mapping[str, str]
    intended_use: str
    limits: tuple[str, ...]
    figures: Mapping[str, Any] = field(default_factory=dict)
    """``figures[network][answer][split]``, see :func:`fer_core.evaluation.cards.card_figures`."""

    @property
    def default_answer(self) -> AnswerRule:
        """What the pages answer with unless asked otherwise."""
        return self.answers[0]

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """The label sets of the heads."""
        return tuple(LABEL_SETS[name] for name in self.heads)

    def answer(self, name: str) -> AnswerRule:
        """The answer called ``name``; raises :class:`ModelError` if the model has none of that name."""
        for rule in self.answers:
            if rule.name == name:
                return rule
        known = ", ".join(rule.name for rule in self.answers)
        raise ModelError(f"{self.name} has no answer {name!r}; it has {known}.")

    def figure(self, network: Network, answer: str, split: Split, name: str) -> float:
        """One stored figure, e.g. ``card.figure(Network.INT8, "balanced", Split.TEST, "accuracy")``."""
        return self.figures[network][answer][split][name]

    def as_json(self) -> dict[str, Any]:
        """Plain data that :meth:`from_json` reads back."""
        data = {key: value for key, value in asdict(self).items() if key != "answers"}
        return {**data, "answers": [rule.as_json() for rule in self.answers]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelCard:
        """Read what :meth:`as_json` wrote."""
        fields = dict(data)
        fields["answers"] = tuple(AnswerRule.from_json(rule) for rule in fields["answers"])
        fields["heads"], fields["limits"] = tuple(fields["heads"]), tuple(fields["limits"])
        return cls(**fields)


@dataclass(frozen=True)
class Predictions:
    """What each network said about the splits it was not trained on, with the labels to judge it by."""

    probabilities: Mapping[tuple[Network, Split, str], np.ndarray]
    """By network, split and head: ``(N, classes) float32``."""
    labels: Mapping[tuple[Split, str], np.ndarray]
    """By split and label set: ``(N,) int8``, negative where the protocol leaves a row out."""
    repeats: Mapping[Split, np.ndarray]
    """``(N,) bool``: the image also occurs, pixel for pixel, in the training split."""

    def heads(self, network: Network, split: Split) -> dict[str, np.ndarray]:
        """Probabilities of every head for one network and split."""
        return {h: p for (n, s, h), p in self.probabilities.items() if (n, s) == (network, split)}

    def networks(self) -> list[Network]:
        """The networks that predictions are stored of."""
        return sorted({network for network, _, _ in self.probabilities})

    def splits(self) -> list[Split]:
        """The splits that predictions are stored of."""
        return sorted({split for split, _ in self.labels})


@dataclass(frozen=True)
class StoredModel:
    """A model in the store."""

    folder: Path
    card: ModelCard

    @property
    def name(self) -> str:
        """The name of its folder and card."""
        return self.card.name

    @property
    def keras_path(self) -> Path:
        """The Keras file."""
        return self._existing("model.keras")

    def litert_path(self, network: Network) -> Path:
        """The LiteRT file, float or int8."""
        return self._existing(_LITERT_FILES[network])

    def history(self) -> pd.DataFrame:
        """One row per epoch."""
        return pd.read_csv(self._existing("history.csv"))

    def predictions(self) -> Predictions:
        """The stored predictions; raises :class:`ModelError` if the file is missing or damaged."""
        path = self._existing("predictions.npz")
        probabilities, labels, repeats = {}, {}, {}
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                for key in arrays.files:
                    kind, *rest = key.split("/")
                    if kind == "labels":
                        labels[Split(rest[0]), rest[1]] = arrays[key]
                    elif kind == "repeats":
                        repeats[Split(rest[0])] = arrays[key]
                    else:
                        probabilities[Network(kind), Split(rest[0]), rest[1]] = arrays[key]
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise ModelError(
                f"{self.name}: predictions.npz cannot be read ({error}); train or fetch it anew."
            ) from error
        return Predictions(probabilities, labels, repeats)

    def _existing(self, file: str) -> Path:
        path = self.folder / file
        if not path.is_file():
            raise ModelError(f"{self.name}: {file} is missing from {self.folder.name}/; train or fetch the model anew.")
        return path


class ModelStore:
    """The folder that holds all models.

    Args:
        folder: by default ``artifacts/models`` beside the package.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or DEFAULT_STORE

    def names(self) -> list[str]:
        """Names of the models that have a card, sorted."""
        return sorted(path.parent.name for path in self.folder.glob("*/card.json"))

    def load(self, name: str) -> StoredModel:
        """The model called ``name``.

        Raises:
            ModelError: there is none, or its card cannot be read.
        """
        if name not in self.names():
            known = ", ".join(self.names()) or "none"
            raise ModelError(f"There is no model {name!r} in the store; installed are: {known}.")
        path = self.folder / name / "card.json"
        try:
            return StoredModel(path.parent, ModelCard.from_json(json.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{name}: card.json does not hold a model card ({error}).") from error

    def all(self) -> list[StoredModel]:
        """Every model, by name."""
        return [self.load(name) for name in self.names()]

    def save(
        self,
        card: ModelCard,
        keras_file: bytes,
        litert_files: Mapping[Network, bytes],
        history: pd.DataFrame,
        predictions: Predictions,
    ) -> StoredModel:
        """Write a model. The card comes last, so that a model is in the store whole or not at all."""
        folder = self.folder / card.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "card.json").unlink(missing_ok=True)
        (folder / "model.keras").write_bytes(keras_file)
        for network, content in litert_files.items():
            (folder / _LITERT_FILES[network]).write_bytes(content)
        history.to_csv(folder / "history.csv", index=False)
        arrays = {f"{n}/{s}/{h}": p.astype(np.float32) for (n, s, h), p in predictions.probabilities.items()}
        arrays |= {f"labels/{s}/{name}": labels.astype(np.int8) for (s, name), labels in predictions.labels.items()}
        arrays |= {f"repeats/{s}": mask for s, mask in predictions.repeats.items()}
        np.savez_compressed(folder / "predictions.npz", **arrays)  # type: ignore[arg-type]  # the stub's allow_pickle
        self.save_card(card)
        return StoredModel(folder, card)

    def save_card(self, card: ModelCard) -> None:
        """Write a card anew; it is there whole or not at all."""
        folder = self.folder / card.name
        temporary = folder / "card.json.part"
        temporary.write_text(json.dumps(card.as_json(), indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, folder / "card.json")
