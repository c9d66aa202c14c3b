"""Trained models on disk; the only code that knows how ``artifacts/models`` is laid out.

``<name>/card.json``, ``history.csv``, ``predictions.npz``, and of ``model.keras`` and ``model.int8.tflite`` those that are
small enough to ship; of an ensemble the card and the predictions alone. Figures of a card are computed from its predictions
(:mod:`fer_core.evaluation.cards`). ``robustness.npz`` lies beside them once predictions of faces made hard to read are
measured (:mod:`fer_core.evaluation.robustness.evaluate`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fer_core.datasets.dataset import Split
from fer_core.errors import ModelError
from fer_core.storage import ARTIFACTS, DamagedFileError, read_arrays, write_arrays, write_text
from fer_core.store.card import ModelCard
from fer_core.store.predictions import (
    _STEPS_PER_NAT,
    Network,
    Predictions,
    RobustnessPredictions,
    _as_steps,
    _from_steps,
)

DEFAULT_STORE = ARTIFACTS / "models"
DEFAULT_MODEL = "senet"
"""What commands run unless another model is named."""
MASK_AWARE_MODEL = "senet-masks"
"""What answers for masked faces in the place of models that never saw any."""

_KERAS_FILE = "model.keras"
_HISTORY_FILE = "history.csv"
_ROBUSTNESS_FILE = "robustness.npz"
_LITERT_FILE = "model.int8.tflite"
_WEIGHTS = "model.*"
"""The pattern of the files of weights; older stores also have a float ``model.tflite``, which nothing runs."""


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
    def has_keras(self) -> bool:
        """Whether the Keras file is here; large ones are not shipped."""
        return (self.folder / _KERAS_FILE).is_file()

    def members(self) -> list[tuple[StoredModel, float]]:
        """The networks of an ensemble, which lie in folders beside its own, each with its share; none for a network.

        Raises:
            ModelError: a member is missing or cannot be read, or is an ensemble itself.
        """
        store = ModelStore(self.folder.parent)
        try:
            members = [(store.load(name), share) for name, share in self.card.members.items()]
        except ModelError as error:
            raise ModelError(f"{self.name} is an ensemble of {', '.join(self.card.members)}. {error}") from error
        for member, _ in members:
            if member.card.members:
                raise ModelError(
                    f"{self.name} has the ensemble {member.name} as a member; expected networks, so build it anew from "
                    f"{', '.join(member.card.members)}."
                )
        return members

    @property
    def has_litert(self) -> bool:
        """Whether the int8 LiteRT file is here, or of an ensemble those of all members."""
        folders = [member.folder for member, _ in self.members()] or [self.folder]
        return all((folder / _LITERT_FILE).is_file() for folder in folders)

    @property
    def file_bytes(self) -> dict[str, int]:
        """Size of each file of weights that is here, by its name; an ensemble has none of its own."""
        paths = sorted(self.folder.glob(_WEIGHTS), reverse=True)
        return {path.name: path.stat().st_size for path in paths if path.is_file()}

    @property
    def keras_path(self) -> Path:
        """The Keras file."""
        return self._existing(_KERAS_FILE)

    @property
    def litert_path(self) -> Path:
        """The int8 LiteRT file."""
        return self._existing(_LITERT_FILE)

    def litert_paths(self) -> list[Path]:
        """The LiteRT files that answer together: the model's one, or one of each member of an ensemble."""
        return [member.litert_path for member, _ in self.members()] or [self.litert_path]

    def litert_bytes(self) -> int | None:
        """Bytes of the LiteRT files that answer together; ``None`` where one is not here."""
        return sum(path.stat().st_size for path in self.litert_paths()) if self.has_litert else None

    def history(self) -> pd.DataFrame:
        """One row per epoch."""
        return pd.read_csv(self._existing(_HISTORY_FILE))

    def predictions(self) -> Predictions:
        """The stored predictions; raises :class:`ModelError` if the file is missing or damaged."""
        path = self._existing("predictions.npz")
        probabilities, labels, train_duplicates, masked = {}, {}, {}, {}
        try:
            for key, array in read_arrays(path).items():
                kind, *rest = key.split("/")
                if kind == "labels":
                    labels[Split(rest[0]), rest[1]] = array
                elif kind == "repeats":
                    train_duplicates[Split(rest[0])] = array
                elif kind == "masked":
                    masked[rest[0]] = array
                else:
                    probabilities[Network(kind), Split(rest[0]), rest[1]] = array
        except (DamagedFileError, ValueError) as error:
            raise ModelError(
                f"{self.name}: predictions.npz cannot be read ({error}); train or fetch it anew."
            ) from error
        return Predictions(probabilities, labels, train_duplicates, masked)

    @property
    def robustness_stamp(self) -> int:
        """Changes when :meth:`robustness` does; 0 where nothing is measured."""
        path = self.folder / _ROBUSTNESS_FILE
        return path.stat().st_mtime_ns if path.is_file() else 0

    def robustness(self) -> RobustnessPredictions | None:
        """The stored predictions of faces made hard to read; ``None`` if that was not measured.

        Raises:
            ModelError: the file is damaged.
        """
        path = self.folder / _ROBUSTNESS_FILE
        if not path.is_file():
            return None
        try:
            arrays = read_arrays(path)
            about = json.loads(str(arrays["about"]))
            probabilities = {
                (condition, head): _from_steps(arrays[f"{condition}/{head}"], about["steps_per_nat"])
                for condition in about["settings"]
                for head in about["heads"]
            }
        except (DamagedFileError, ValueError, KeyError) as error:
            raise ModelError(
                f"{self.name}: {_ROBUSTNESS_FILE} cannot be read ({error}); measure it anew with "
                "`python -m fer_core robustness`."
            ) from error
        return RobustnessPredictions(about["network"], about["settings"], probabilities)

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

    def served_names(self) -> list[str]:
        """Names of the models that can answer for a face here, sorted.

        Those are the ones with an int8 file, and the ensembles all of whose members have one.
        """
        names = self.names()
        networks = {name for name in names if (self.folder / name / _LITERT_FILE).is_file()}
        members = {name: self.load(name).card.members.keys() for name in names if name not in networks}
        return sorted(networks | {name for name, asked in members.items() if asked and asked <= networks})

    def or_shipped(self, name: str) -> ModelStore:
        """This store if it has a model called ``name``, else the one that ships."""
        return self if name in self.names() else ModelStore()

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
        keras_file: bytes | None,
        litert_file: bytes | None,
        history: pd.DataFrame | None,
        predictions: Predictions,
    ) -> StoredModel:
        """Write a model. The card comes last, so that a model is in the store whole or not at all.

        Args:
            card: its name is the folder's; a model that was there before is replaced.
            keras_file: ``None`` where it is too large to ship.
            litert_file: of the int8 network; ``None`` where it is too large to ship.
            history: one row per epoch; ``None`` for an ensemble, which is not trained.
            predictions: what the card's figures are computed from.
        """
        folder = self.folder / card.name
        folder.mkdir(parents=True, exist_ok=True)
        before = [folder / file for file in ("card.json", _HISTORY_FILE, _ROBUSTNESS_FILE)]
        for path in (*before, *folder.glob(_WEIGHTS)):
            path.unlink(missing_ok=True)  # one of an earlier training would belong to other weights
        history_file = None if history is None else history.to_csv(index=False).encode()
        for file, content in ((_KERAS_FILE, keras_file), (_LITERT_FILE, litert_file), (_HISTORY_FILE, history_file)):
            if content is not None:
                (folder / file).write_bytes(content)
        arrays = {f"{n}/{s}/{h}": p.astype(np.float32) for (n, s, h), p in predictions.probabilities.items()}
        arrays |= {f"labels/{s}/{name}": labels.astype(np.int8) for (s, name), labels in predictions.labels.items()}
        arrays |= {f"repeats/{s}": mask for s, mask in predictions.train_duplicates.items()}
        arrays |= {f"masked/{head}": p.astype(np.float32) for head, p in predictions.masked.items()}
        write_arrays(folder / "predictions.npz", arrays)
        self.save_card(card)
        return StoredModel(folder, card)

    def save_robustness(self, name: str, robustness: RobustnessPredictions) -> None:
        """Write what :meth:`StoredModel.robustness` reads; it is there whole or not at all."""
        heads = list(dict.fromkeys(head for _, head in robustness.probabilities))
        about = {
            "network": robustness.network,
            "settings": dict(robustness.settings),
            "heads": heads,
            "steps_per_nat": _STEPS_PER_NAT,
        }
        arrays = {f"{condition}/{head}": _as_steps(p) for (condition, head), p in robustness.probabilities.items()}
        folder = self.folder / name
        write_arrays(folder / _ROBUSTNESS_FILE, {"about": np.array(json.dumps(about)), **arrays})

    def save_card(self, card: ModelCard) -> None:
        """Write a card anew, one field a line; it is there whole or not at all."""
        folder = self.folder / card.name
        lines = (f" {json.dumps(key)}: {json.dumps(value)}" for key, value in card.as_json().items())
        write_text(folder / "card.json", "{\n" + ",\n".join(lines) + "\n}\n")
