"""What every explanation starts from: faces as a network takes them, its inner layers as outputs, its heads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np

from fer_core.errors import ModelError
from fer_core.store.store import StoredModel

PROBE_BATCH = 64
"""Faces that run through a network at once; more gain nothing on a CPU and cost memory."""
KEPT_PROBES = 8
"""Choices of layers per model whose probe is kept; the oldest goes first."""

_probes: WeakKeyDictionary[keras.Model, dict[tuple[tuple[str, ...], bool], keras.Model]] = WeakKeyDictionary()
_building = threading.Lock()  # pages of several people share models


def as_input(model: keras.Model, faces: np.ndarray) -> np.ndarray:
    """Faces as the network takes them.

    Args:
        model: ``(N, S, S, 1) ->`` anything.
        faces: ``(N, S, S)``, pixels in 0..255 of any type.

    Returns:
        ``(N, S, S, 1) float32``.

    Raises:
        ModelError: the network takes faces of another shape.
    """
    wanted = tuple(model.inputs[0].shape[1:])
    given = (*faces.shape[1:], 1)
    if faces.ndim != 3 or any(w not in (None, g) for w, g in zip(wanted, given, strict=True)):
        raise ModelError(f"{model.name} takes faces of shape {_shape(wanted)}; these have {_shape(given)}.")
    return faces.astype(np.float32)[..., None]


def probe(model: keras.Model, layer_names: Sequence[str], with_answers: bool = False) -> keras.Model:
    """The model with inner layers as its outputs; built once for each choice and kept as long as the model.

    Returns:
        A model that shares every layer with ``model`` and answers with a list of the layers' outputs, in that order;
        with that list and the model's own outputs as a pair if those are wanted too.

    Raises:
        ModelError: the model has no layer of that name.
    """
    key = (tuple(layer_names), with_answers)
    with _building:
        kept = _probes.setdefault(model, {})
        if key not in kept:
            if len(kept) >= KEPT_PROBES:
                del kept[next(iter(kept))]
            inner = [layer_called(model, name).output for name in layer_names]
            kept[key] = keras.Model(model.inputs[0], (inner, model.output) if with_answers else inner)
        return kept[key]


def layer_called(model: keras.Model, name: str) -> keras.layers.Layer:
    """The layer of that name; raises :class:`ModelError` if there is none."""
    try:
        return model.get_layer(name)
    except ValueError:
        raise ModelError(f"{model.name} has no layer {name!r}; describe_layers lists those it has.") from None


def check_places(tensor: Any, name: str) -> None:
    """Raises :class:`ModelError` if the output of the layer of this name has no places."""
    if len(tensor.shape) != 4:
        raise ModelError(f"{name} answers with a vector, not with maps; choose a layer before the pooling.")


def answer_of(outputs: Any, head: str) -> Any:
    """One head's output among those of a call; a network of one unnamed output answers for every head.

    Raises:
        ModelError: the network has no such head.
    """
    if not isinstance(outputs, dict):
        return outputs
    if head not in outputs:
        raise ModelError(f"The network has no head {head!r}; it has {', '.join(outputs)}.")
    return outputs[head]


def check_class(logits: Any, class_index: int) -> None:
    """Raises :class:`ModelError` if a head of this output has no class of this index."""
    classes = logits.shape[-1]
    if not 0 <= class_index < classes:
        raise ModelError(f"The head has classes 0 to {classes - 1}; there is no class {class_index}.")


def probabilities(model: keras.Model, images: np.ndarray, head: str) -> np.ndarray:
    """Softmax of one head for ``(N, S, S, 1) float32``: ``(N, classes) float32``; one that ends in softmax is kept."""
    parts = []
    for start in range(0, len(images), PROBE_BATCH):
        answer = answer_of(model(images[start : start + PROBE_BATCH], training=False), head)
        parts.append(keras.ops.convert_to_numpy(answer))
    outputs = np.concatenate(parts)
    if (outputs >= 0).all() and np.allclose(outputs.sum(axis=-1), 1, atol=1e-3):
        return outputs
    return keras.ops.convert_to_numpy(keras.ops.softmax(outputs))


def require_tensorflow() -> Any:
    """TensorFlow, whose tape records gradients; raises :class:`ModelError` where Keras runs on another backend."""
    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"Gradients are taken on the TensorFlow backend and Keras runs on {keras.backend.backend()}; "
            "start with KERAS_BACKEND=tensorflow, or look at occlusion sensitivity, which needs none."
        )
    import tensorflow as tf  # the backend that is already loaded

    return tf


def _shape(sides: Sequence[int | None]) -> str:
    return " x ".join("any" if side is None else str(side) for side in sides)


def open_network(model: StoredModel) -> keras.Model:
    """The Keras network of a stored model.

    Raises:
        ModelError: the Keras file is not here, or is none of this project.
    """
    path = model.keras_path
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{model.name}: model.keras cannot be opened ({error}); train or fetch the model anew."
        ) from None
