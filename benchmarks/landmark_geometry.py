"""Does the geometry of landmarks tell of an expression what a network does not? Measured, not built in.

A small classifier learns from the distances and angles of FER2013's training faces, and its probabilities are fused with a
stored network's by logarithmic opinion pooling (Genest & Zidek 1986). Features, classifier and exponents are chosen on
PublicTest; PrivateTest says whether the fusion is right more often than the network alone.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
import pandas as pd
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.geometry_features import GEOMETRY_FEATURES, geometry_features
from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.errors import ModelError
from fer_core.evaluation.hardware import hardware
from fer_core.evaluation.metrics import SMALLEST_PROBABILITY, accuracy_interval
from fer_core.evaluation.significance import McNemar, mcnemar
from fer_core.labels import FER2013
from fer_core.results import BoundingBox
from fer_core.storage import ARTIFACTS
from fer_core.store.decision import softmax
from fer_core.store.store import StoredModel
from fer_core.vision.landmarks import FACE_POINTS, LandmarkReader

GEOMETRY_FOLDER = ARTIFACTS / "geometry"


ENLARGED_PIXELS = 192
"""Side that faces are enlarged to, that of the landmark network's input."""


HIDDEN_UNITS, WEIGHT_DECAY, EPOCHS, BATCH = 256, 0.3, 30, 256
"""Of one hidden layer. On PublicTest 1 to 3 points above logistic regression; two layers and coordinates of 106 landmarks in
place of distances and angles are no better."""


_JUDGED = (Split.VALIDATION, Split.TEST)


@dataclass(frozen=True)
class GeometryPredictions:
    """What geometry says about the splits that it was not trained on."""

    rows: Mapping[Split, np.ndarray]
    """By split: ``(M,) int64`` faces in which landmarks are found, of the split's N."""
    probabilities: Mapping[Split, np.ndarray]
    """By split: ``(M, 7) float32`` in FER2013's classes."""


@dataclass(frozen=True)
class GeometryVerdict:
    """Geometry, a network and both together on the same faces of one split."""

    faces: int
    right: Mapping[str, np.ndarray]
    """By ``geometry``, ``network`` and ``fused``: ``(M,) bool``."""
    exponents: tuple[float, float]
    """Of the network's and of geometry's probabilities in the fusion."""
    test: McNemar
    """The network alone against the fusion."""

    @property
    def helps(self) -> bool:
        """Whether the fusion is right more often beyond chance."""
        return self.test.significant and self.test.only_b > self.test.only_a

    def as_json(self) -> dict[str, Any]:
        """Figures for a card."""
        return {
            "faces": self.faces,
            "accuracy": {name: float(right.mean()) for name, right in self.right.items()},
            "accuracy_interval": {name: list(accuracy_interval(right)) for name, right in self.right.items()},
            "only_network_right": self.test.only_a,
            "only_fused_right": self.test.only_b,
            "p_value": self.test.p_value,
        }


def read_points(faces: np.ndarray, report: Callable[[int], object] = lambda _: None) -> np.ndarray:
    """Landmarks of ``(N, 48, 48) uint8`` faces: ``(N, 468, 3) float32``, NaN where none are found.

    Args:
        faces: framed as FER2013's are.
        report: called with 1 after every face.
    """
    reader = LandmarkReader(with_eyes=False)
    points = np.full((len(faces), FACE_POINTS, 3), np.nan, np.float32)
    size = (ENLARGED_PIXELS, ENLARGED_PIXELS)
    for of_face, face in zip(points, faces, strict=True):
        large = cv2.resize(face, size, interpolation=cv2.INTER_CUBIC)
        (found,) = reader.read(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR), [BoundingBox(0, 0, *size)])
        if found:
            of_face[:] = found.points
        report(1)
    return points


def learn_geometry(
    dataset: FaceDataset, seed: int = 0, report: Callable[[int], object] = lambda _: None
) -> GeometryPredictions:
    """Train the classifier on the training faces and ask it about the others.

    Args:
        dataset: FER2013.
        seed: of weights and batches.
        report: called with 1 after every face whose landmarks are read.
    """
    features, rows = {}, {}
    for split in (Split.TRAINING, *_JUDGED):
        points = read_points(dataset.split(split).images, report)
        rows[split] = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))
        features[split] = geometry_features(points[rows[split]])
    network = MLPClassifier(HIDDEN_UNITS, alpha=WEIGHT_DECAY, batch_size=BATCH, max_iter=EPOCHS, random_state=seed)
    classifier = make_pipeline(StandardScaler(), network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it stops after as many epochs as were chosen
        classifier.fit(features[Split.TRAINING], dataset.split(Split.TRAINING).labels[rows[Split.TRAINING]])
    probabilities = {}
    for split in _JUDGED:
        probabilities[split] = np.zeros((len(rows[split]), len(FER2013)), np.float32)
        probabilities[split][:, network.classes_] = classifier.predict_proba(features[split])
    return GeometryPredictions({split: rows[split] for split in _JUDGED}, probabilities)


def judge_geometry(predictions: GeometryPredictions, model: StoredModel) -> dict[Split, GeometryVerdict]:
    """By split, the answers of geometry, of a stored model's FER2013 answer, and of both fused.

    Raises:
        ModelError: the model has no predictions on PublicTest and PrivateTest, or no answer in FER2013's seven classes.
    """
    rule = next((rule for rule in model.card.answers if rule.label_set == FER2013), None)
    stored = model.predictions()
    if rule is None or not all((split, FER2013.name) in stored.labels for split in _JUDGED):
        raise ModelError(
            f"{model.name} has no stored answers in {FER2013.title} on PublicTest and PrivateTest; name a model that "
            "learnt FER2013."
        )
    labels, logs = {}, {}
    for split in _JUDGED:
        rows = predictions.rows[split]
        labels[split] = stored.labels[split, FER2013.name][rows].astype(np.int64)
        of_network = rule.apply(stored.heads(stored.served, split))[rows]
        logs[split] = [
            np.log(np.maximum(p, SMALLEST_PROBABILITY)) for p in (of_network, predictions.probabilities[split])
        ]
    exponents = pooling_exponents(logs[Split.VALIDATION], labels[Split.VALIDATION])
    verdicts = {}
    for split in _JUDGED:
        network, geometry = logs[split]
        answers = {"geometry": geometry, "network": network}
        answers["fused"] = exponents[0] * network + exponents[1] * geometry
        right = {name: each.argmax(axis=1) == labels[split] for name, each in answers.items()}
        test = mcnemar(right["network"], right["fused"])
        verdicts[split] = GeometryVerdict(len(labels[split]), right, exponents, test)
    return verdicts


def pooling_exponents(logs: Sequence[np.ndarray], labels: np.ndarray) -> tuple[float, float]:
    """The exponents, not below 0, of two classifiers' ``(N, C)`` log-probabilities that make labels ``(N,)`` most likely."""

    def loss(exponents: np.ndarray) -> float:
        pooled = softmax(exponents[0] * logs[0] + exponents[1] * logs[1])
        return -float(np.log(np.maximum(pooled[np.arange(len(labels)), labels], SMALLEST_PROBABILITY)).mean())

    best = minimize(loss, (1.0, 0.0), method="L-BFGS-B", bounds=[(0, None)] * 2)
    return float(best.x[0]), float(best.x[1])


def geometry_table(verdicts: Mapping[Split, GeometryVerdict], model: str) -> str:
    """Accuracies with 95% intervals side by side, and what McNemar's test says of them."""
    rows, lines = [], []
    for split, verdict in verdicts.items():
        for name, right in verdict.right.items():
            low, high = accuracy_interval(right)
            title = {"network": model, "fused": f"{model} and geometry"}.get(name, "geometry alone")
            accuracy = f"{right.mean():.2%} [{100 * low:.1f}, {100 * high:.1f}]"
            rows.append({"split": str(split), "faces": verdict.faces, "answer": title, "accuracy": accuracy})
        test = verdict.test
        lines.append(f"{split}: only {model} right {test.only_a}, only fused {test.only_b}, p = {test.p_value:.2g}")
    network, geometry = next(iter(verdicts.values())).exponents
    lines.append(f"exponents fitted on PublicTest: {model} {network:.2f}, geometry {geometry:.2f}")
    helps = "is right more often beyond chance" if verdicts[Split.TEST].helps else "is not shown to be right more often"
    return "\n".join([pd.DataFrame(rows).to_string(index=False), *lines, f"On PrivateTest the fusion {helps}."])


def save_geometry(
    folder: Path, predictions: GeometryPredictions, verdicts: Mapping[Split, GeometryVerdict], model: str
) -> None:
    """Write the predictions, which :func:`load_geometry` reads, and a card of how they came about."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f"rows/{split}": rows.astype(np.int16) for split, rows in predictions.rows.items()}
    arrays |= {f"probabilities/{split}": p.astype(np.float16) for split, p in predictions.probabilities.items()}
    np.savez_compressed(folder / "predictions.npz", **arrays)  # type: ignore[arg-type]  # the stub's allow_pickle
    card = {
        "name": "geometry",
        "summary": "An experiment: distances and angles of landmarks as a second opinion. The app does not use it.",
        "features": GEOMETRY_FEATURES,
        "classifier": f"one hidden layer of {HIDDEN_UNITS} units, weight decay {WEIGHT_DECAY}, {EPOCHS} epochs",
        "data": {
            "training": f"FER2013 training faces, enlarged to {ENLARGED_PIXELS} pixels, in which landmarks are found",
            "chosen_on": "PublicTest: features, classifier, exponents of the fusion",
            "reported_on": "PrivateTest",
        },
        "fused_with": model,
        "exponents": list(verdicts[Split.TEST].exponents),
        "figures": {str(split): verdict.as_json() for split, verdict in verdicts.items()},
        "helps": verdicts[Split.TEST].helps,
        "hardware": hardware(),
        "versions": {name: importlib.metadata.version(name) for name in ("scikit-learn", "numpy", "ai-edge-litert")},
    }
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def load_geometry(folder: Path = GEOMETRY_FOLDER) -> GeometryPredictions:
    """Read stored predictions; raises :class:`ModelError` where they are missing or damaged."""
    try:
        with np.load(folder / "predictions.npz", allow_pickle=False) as file:
            return GeometryPredictions(
                {split: file[f"rows/{split}"].astype(np.int64) for split in _JUDGED},
                {split: file[f"probabilities/{split}"].astype(np.float32) for split in _JUDGED},
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ModelError(
            f"{folder.name}/predictions.npz cannot be read ({error}); make it anew with "
            "`python -m fer_core train-geometry --data PATH`."
        ) from error


def _add_train_geometry(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "train-geometry", help="measure what distances and angles of landmarks add to a network's answers"
    )
    parser.add_argument("--data", type=Path, help="FER2013, to learn from (default: the stored predictions)")
    parser.add_argument("--model", default="senet", help="to fuse with (default: senet)")
    parser.add_argument("--out", type=Path, help="where predictions and card are (default: artifacts/geometry)")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_train_geometry)


def _train_geometry(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from benchmarks import landmark_geometry as geometry
    from fer_core.datasets import read_dataset
    from fer_core.store.store import ModelStore

    folder, model = options.out or geometry.GEOMETRY_FOLDER, ModelStore().load(options.model)
    if options.data:
        dataset = read_dataset(options.data)
        with tqdm(total=len(dataset), desc="landmarks") as bar:
            learnt = geometry.learn_geometry(dataset, options.seed, bar.update)
        geometry.save_geometry(folder, learnt, geometry.judge_geometry(learnt, model), options.model)
    print(geometry.geometry_table(geometry.judge_geometry(geometry.load_geometry(folder), model), options.model))
    return 0
