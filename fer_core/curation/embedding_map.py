"""Faces as a stored network tells them apart: the numbers that all its heads read, and those laid out on a plane.

The plane is t-SNE's (van der Maaten & Hinton 2008, "Visualizing data using t-SNE"), scikit-learn's implementation of its
tree-based form (van der Maaten 2014). It runs on the int8 LiteRT file, so no TensorFlow is needed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from scipy.special import softmax

from fer_core.curation.row_predictions import FACES_PER_CALL, crops_for, network_digest, own_division
from fer_core.curation.summary import DEFAULT_SUMMARIES, slug
from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.errors import DatasetError, ModelError
from fer_core.labels import LABEL_SETS, LabelSet
from fer_core.storage import DamagedFileError, cache_folder, read_arrays, write_arrays
from fer_core.store.store import StoredModel
from fer_core.vision.litert import LiteRTModel

MOST_FACES = 2000
"""On a map: more hide each other, and time grows with their number."""
FEWEST_FACES = 10
PERPLEXITY = 30
"""How many neighbours of a face count, about; the paper finds 5 to 50 much alike (sec. 2)."""
COMPONENTS = 30
"""That the features are reduced to before, by principal components (sec. 4.2)."""
NEIGHBOURS = 10
"""Of each face, to say how well the map keeps the distances of the features."""
SEED = 0
MAP_FILE = "map.npz"
"""Beside a data set's summary."""
_FEATURES = "features"
_PASSED = (schema.BuiltinOperator.DEQUANTIZE, schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.RESHAPE)
"""Steps between a head's layer and its output."""


@dataclass(frozen=True)
class FaceMap:
    """Faces on a plane, near each other where a network sees them alike."""

    network: str
    """Title of the model."""
    digest: str
    """Of its weights, see :func:`fer_core.curation.row_predictions.network_digest`."""
    fingerprint: str
    """Of the data set."""
    features: int
    """Numbers per face that the map was made of."""
    rows: np.ndarray
    """``(M,) int64``."""
    labels: np.ndarray
    """``(M,) int64`` in the data set's own classes."""
    label_set: LabelSet
    answers: np.ndarray
    """``(M,) int64``: the network's most probable class."""
    answer_set: LabelSet
    """What the answers are classes of."""
    places: np.ndarray
    """``(M, 2) float32``, without a unit."""
    unseen: bool
    """Whether the faces are those of its own data that it was not trained on; else it was trained on other data."""
    alike: tuple[float, float]
    """Share of a face's nearest :data:`NEIGHBOURS` that carry its label: by the features, and on the map."""

    def save(self, path: Path) -> None:
        """Write what :func:`load_map` reads; it is there whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {
            "about": np.array([self.network, self.digest, self.fingerprint, self.label_set.name, self.answer_set.name]),
            "numbers": np.array([self.features, self.unseen, *self.alike], np.float64),
            "rows": self.rows.astype(np.int32),
            "labels": self.labels.astype(np.int8),
            "answers": self.answers.astype(np.int8),
            "places": self.places.astype(np.float16),
        }
        write_arrays(path, arrays)


def load_map(path: Path) -> FaceMap | None:
    """A map that was saved; ``None`` where there is none, or a damaged one."""
    try:
        arrays = read_arrays(path)
        network, digest, fingerprint, label_set, answer_set = arrays["about"].tolist()
        features, unseen, by_features, on_map = arrays["numbers"].tolist()
        return FaceMap(
            network,
            digest,
            fingerprint,
            int(features),
            arrays["rows"].astype(np.int64),
            arrays["labels"].astype(np.int64),
            LABEL_SETS[label_set],
            arrays["answers"].astype(np.int64),
            LABEL_SETS[answer_set],
            arrays["places"].astype(np.float32),
            bool(unseen),
            (by_features, on_map),
        )
    except (DamagedFileError, ValueError, KeyError):
        return None


def shipped_map(name: str, fingerprint: str, folder: Path | None = None) -> FaceMap | None:
    """The map beside a data set's summary, if it is of the same faces.

    Args:
        name: of the data set.
        fingerprint: of the data set.
        folder: where the summaries are, by default ``artifacts/datasets``.
    """
    found = load_map((folder or DEFAULT_SUMMARIES) / slug(name) / MAP_FILE)
    return found if found is not None and found.fingerprint == fingerprint else None


def kept_map(model: StoredModel, fingerprint: str) -> FaceMap | None:
    """The map that :func:`map_faces` left in the cache folder for these weights and faces."""
    return load_map(_cache_path(network_digest(model), fingerprint))


def _cache_path(digest: str, fingerprint: str) -> Path:
    return cache_folder() / "maps" / f"{fingerprint}-{digest}.npz"


class FeatureReader(LiteRTModel):
    """A LiteRT network that also gives what its heads read, with nothing else changed.

    Args:
        content: the flatbuffer, as for :class:`fer_core.vision.litert.LiteRTNetwork`.
        threads: CPU threads of one call.

    Raises:
        ModelError: its heads do not all read the same numbers by a dense layer, or it is no network of this project.
    """

    def __init__(self, content: bytes, threads: int = 1) -> None:
        try:
            with_features = _with_features(content)
        except (ValueError, IndexError, KeyError, AttributeError, TypeError, struct.error) as error:
            raise ModelError(f"The file is no {self.expected}.") from error
        super().__init__(with_features, threads)
        self._scale, self._zero = self.outputs[_FEATURES]["quantization"]

    def read(self, crops: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Features ``(N, F) float32`` and probabilities per head of ``(N, S, S) uint8`` grey crops."""
        outputs = self.run(crops)
        features = outputs.pop(_FEATURES).astype(np.float32)
        if self._scale:  # 0 says that it is no int8
            features = (features - self._zero) * self._scale
        return features, {head: softmax(logits, axis=-1) for head, logits in outputs.items()}


def _with_features(content: bytes) -> bytes:
    """The same network with one more output: what the dense layers of all its heads read."""
    model = flatbuffer_utils.convert_bytearray_to_object(content)
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    makers = {int(output): operator for operator in graph.operators for output in operator.outputs}
    read = set()
    for output in signature.outputs:
        maker = makers[int(output.tensorIndex)]
        while codes[maker.opcodeIndex] in _PASSED:
            maker = makers[int(maker.inputs[0])]
        is_dense = codes[maker.opcodeIndex] == schema.BuiltinOperator.FULLY_CONNECTED
        read.add(int(maker.inputs[0]) if is_dense else None)
    if len(read) != 1 or None in read:
        raise ModelError("The heads of this network do not read the same numbers, so its faces have no place on a map.")
    (tensor,) = read
    output = schema.TensorMapT()
    output.name, output.tensorIndex = _FEATURES, tensor
    signature.outputs = [*signature.outputs, output]
    graph.outputs = [*graph.outputs, tensor]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def rows_to_map(dataset: FaceDataset, splits: np.ndarray | None, most: int = MOST_FACES) -> np.ndarray:
    """Labelled rows outside of the training split, at most so many, each class in its share: ``(M,) int64``.

    Faces that a network learnt from lie apart by label because it learnt their labels, which says nothing of others.

    Args:
        dataset: any.
        splits: ``(N,)`` the division that the network was trained by; ``None`` for one that was trained on other data,
            to which all rows are new.
        most: how many to draw.

    Raises:
        DatasetError: fewer than :data:`FEWEST_FACES` are left.
    """
    new = dataset.labels >= 0 if splits is None else (dataset.labels >= 0) & (splits != Split.TRAINING)
    rows = np.random.default_rng(SEED).permutation(np.flatnonzero(new))
    if len(rows) < FEWEST_FACES:
        raise DatasetError(
            f"{dataset.name}: found {len(rows)} labelled faces that the network was not trained on, expected at least "
            f"{FEWEST_FACES} for a map."
        )
    by_class = rows[np.argsort(dataset.labels[rows], kind="stable")]
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(np.int64))
    return np.sort(by_class[chosen])


def map_faces(
    model: StoredModel,
    dataset: FaceDataset,
    fingerprint: str,
    progress: Callable[[float], object] = lambda _: None,
    threads: int = 1,
) -> FaceMap:
    """Lay out faces by a network's features; half a minute for 2,000 faces.

    Args:
        model: a network with an int8 LiteRT file, no ensemble.
        dataset: as it was read.
        fingerprint: of the data set.
        progress: called with the share of the faces that are read, 0..1; the layout follows after 1.
        threads: of the network.

    Raises:
        DatasetError: too few faces are new to the network.
        ModelError: the network has no features of this kind.
    """
    if model.card.members:
        raise ModelError(f"{model.name} is an ensemble, which has no features of its own; choose one of its members.")
    splits = own_division(model, model.predictions(), dataset)
    rows = rows_to_map(dataset, splits, MOST_FACES)
    reader = FeatureReader(model.litert_path.read_bytes(), threads)
    parts = []
    for start in range(0, len(rows), FACES_PER_CALL):
        parts.append(reader.read(crops_for(reader.input_size, dataset.images[rows[start : start + FACES_PER_CALL]])))
        progress(min(1.0, (start + FACES_PER_CALL) / len(rows)))
    features = np.concatenate([part for part, _ in parts])
    heads = {head: np.concatenate([part[head] for _, part in parts]) for head in parts[0][1]}
    rule = next((r for r in model.card.answers if r.label_set == dataset.label_set), model.card.default_rule)
    labels = dataset.labels[rows]
    subjects = None if dataset.subjects is None else dataset.subjects[rows]
    places = layout(features)
    return FaceMap(
        model.card.title,
        network_digest(model),
        fingerprint,
        features.shape[1],
        rows,
        labels,
        dataset.label_set,
        rule.apply(heads).argmax(axis=1),
        rule.label_set,
        places,
        splits is not None,
        (neighbours_alike(features, labels, subjects), neighbours_alike(places, labels, subjects)),
    )


def keep_map(face_map: FaceMap) -> None:
    """Put a map where :func:`kept_map` finds it."""
    with suppress(OSError):  # a cache that cannot be written costs time, not the answer
        face_map.save(_cache_path(face_map.digest, face_map.fingerprint))


def layout(features: np.ndarray) -> np.ndarray:
    """``(N, F)`` features on a plane by t-SNE, ``(N, 2) float32``; the same ones always lie alike on one computer."""
    from sklearn.decomposition import PCA  # with the next one it takes a second to load
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    components = min(COMPONENTS, *features.shape)
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    with threadpool_limits(1):  # more threads wait for each other at every step, on a busy computer for minutes
        reduced = PCA(components, random_state=SEED).fit_transform(features)
        places = TSNE(2, perplexity=perplexity, init="pca", random_state=SEED).fit_transform(reduced)
    return places.astype(np.float32)


def neighbours_alike(points: np.ndarray, labels: np.ndarray, subjects: np.ndarray | None = None) -> float:
    """Share of the :data:`NEIGHBOURS` nearest other points that have a point's label, mean over all.

    Args:
        points: ``(N, D)``.
        labels: ``(N,)``.
        subjects: ``(N,)`` who is on the photo: other photos of the same person are no neighbours, since they are alike
            whatever the label.
    """
    from sklearn.metrics import pairwise_distances

    own = np.arange(len(points)) if subjects is None else subjects
    distances = pairwise_distances(points)
    distances[own[:, None] == own] = np.inf
    nearest = np.argsort(distances, axis=1)[:, :NEIGHBOURS]
    reached = np.isfinite(np.take_along_axis(distances, nearest, axis=1))
    return float((labels[nearest] == labels[:, None])[reached].mean())
