"""Where a network looks: which places of a face an answer rests on.

Class activation from gradients: Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391, eq. 1 and 2) and Grad-CAM++
(Chattopadhay et al. 2018, arXiv:1710.11063, eq. 5 and 19). Without a layer: occlusion sensitivity (Zeiler & Fergus
2014, arXiv:1311.2901, sec. 4.2) and integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365, eq. 1 and 3).

Every function takes one face ``(S, S)`` or several ``(N, S, S)`` and answers in the same shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import keras
import numpy as np

from fer_core.errors import ModelError
from fer_core.explain.layers import last_map_layer, shown_layer
from fer_core.explain.probing import (
    PROBE_BATCH,
    answer_of,
    as_input,
    check_class,
    check_places,
    layer_called,
    probabilities,
    require_tensorflow,
)
from fer_core.explain.probing import probe as probe_layers

OCCLUSION_PATCH = 8
"""Side of the grey patch in pixels: about an eye or half a mouth on a face of 48 pixels."""
OCCLUSION_STRIDE = 4
"""Pixels from one place of the patch to the next."""
GRADIENT_STEPS = 64
"""Points on the way from the baseline; the authors find 20 to 300 enough (sec. 5)."""
BLACK = 0.0
"""The authors' baseline for images, in pixel values (sec. 3)."""

_ChannelWeights = Callable[[np.ndarray, np.ndarray], np.ndarray]


def grad_cam(model: keras.Model, face: np.ndarray, head: str, class_index: int, layer: str | None = None) -> np.ndarray:
    """Grad-CAM: the maps of a layer, each weighted by the mean gradient of the class's logit to it.

    Args:
        model: ``(N, S, S, 1) -> {head: (N, classes) logits}``.
        face: ``(S, S)`` or ``(N, S, S) uint8`` grey.
        head: name of the label set to explain; a network of one unnamed output answers for every name.
        class_index: of the class in that head.
        layer: whose maps to weigh, a convolution's being those of its activation; by default the last one with places,
            see :func:`fer_core.explain.layers.last_map_layer`.

    Returns:
        The face's shape, float32 in 0..1: each map enlarged to the face, its greatest value 1; all 0 where nothing
        speaks for the class.

    Raises:
        ModelError: no such head, class or layer, a layer without places or without a path to the head, a face of the
            wrong size, or Keras runs on a backend other than TensorFlow.
    """
    return _class_activation(model, face, head, class_index, layer, _mean_gradients)


def grad_cam_plus_plus(
    model: keras.Model, face: np.ndarray, head: str, class_index: int, layer: str | None = None
) -> np.ndarray:
    """Grad-CAM++: as :func:`grad_cam`, with places weighed so that several small regions count beside a large one."""
    return _class_activation(model, face, head, class_index, layer, _weighted_positive_gradients)


def mean_class_activation(
    model: keras.Model, faces: np.ndarray, head: str, class_index: int, layer: str | None = None
) -> np.ndarray:
    """Mean of the Grad-CAMs of ``(N, S, S) uint8`` faces: ``(S, S) float32`` in 0..1.

    Raises:
        ModelError: as :func:`grad_cam` does, or there are no faces.
    """
    if not len(faces):
        raise ModelError("There are no faces to take the mean class activation of; choose a class that has some.")
    return grad_cam(model, faces, head, class_index, layer).mean(axis=0, dtype=np.float64).astype(np.float32)


def occlusion_sensitivity(
    model: keras.Model,
    face: np.ndarray,
    head: str,
    class_index: int,
    patch: int = OCCLUSION_PATCH,
    stride: int = OCCLUSION_STRIDE,
) -> np.ndarray:
    """How much the probability of a class drops while a patch of the face's mean grey covers a place.

    Args:
        model: ``(N, S, S, 1) -> {head: (N, classes) logits}``.
        face: ``(S, S)`` or ``(N, S, S) uint8`` grey.
        head: name of the label set to explain.
        class_index: of the class in that head.
        patch: side of the patch in pixels, 1 to S.
        stride: pixels from one place of the patch to the next, 1 to ``patch``; the last place ends at the edge.

    Returns:
        The face's shape, float32 in -1..1: at each pixel the mean drop over the patches that cover it; negative where
        covering speaks for the class.

    Raises:
        ModelError: no such head or class, or a face of the wrong size.
        ValueError: the patch or the stride is out of bounds.
    """
    side = face.shape[-1]
    if not (1 <= patch <= side and 1 <= stride <= patch):
        raise ValueError(f"expected 1 <= stride <= patch <= {side}, got patch {patch} and stride {stride}")
    starts = [*range(0, side - patch, stride), side - patch]
    places = [(slice(y, y + patch), slice(x, x + patch)) for y in starts for x in starts]
    covered = np.zeros((side, side))
    for place in places:
        covered[place] += 1

    def drops(one: np.ndarray) -> np.ndarray:
        images = np.repeat(as_input(model, one[None]), len(places) + 1, axis=0)
        for image, place in zip(images[1:], places, strict=True):
            image[place] = one.mean()
        answers = probabilities(model, images, head)
        check_class(answers, class_index)
        total = np.zeros((side, side))
        for place, answer in zip(places, answers[1:, class_index], strict=True):
            total[place] += float(answers[0, class_index]) - float(answer)
        return (total / covered).astype(np.float32)

    return _each(drops, face)


def integrated_gradients(
    model: keras.Model,
    face: np.ndarray,
    head: str,
    class_index: int,
    steps: int = GRADIENT_STEPS,
    baseline: float | np.ndarray = BLACK,
) -> np.ndarray:
    """Integrated gradients: what each pixel adds to the class's logit on the way from a baseline to the face.

    Args:
        model: ``(N, S, S, 1) -> {head: (N, classes) logits}``.
        face: ``(S, S)`` or ``(N, S, S) uint8`` grey.
        head: name of the label set to explain.
        class_index: of the class in that head.
        steps: points on the straight way, at the middle of equal parts; at least 1.
        baseline: grey level 0..255 or image ``(S, S)`` to start from. A pixel equal to it is given nothing.

    Returns:
        The face's shape, float32, signed: its sum approaches the logit of the face less that of the baseline
        (completeness, sec. 3) as the steps grow.

    Raises:
        ModelError: as :func:`grad_cam` does.
    """
    tf = require_tensorflow()

    def attributions(one: np.ndarray) -> np.ndarray:
        (end,) = as_input(model, one[None])
        start = np.broadcast_to(np.asarray(baseline, np.float32), one.shape)[..., None]
        total = np.zeros(end.shape)
        shares = (np.arange(steps, dtype=np.float32) + 0.5) / steps
        for first in range(0, steps, PROBE_BATCH):
            way = shares[first : first + PROBE_BATCH, None, None, None]
            images = tf.constant(_in_company(start + way * (end - start)))
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(images)
                answers = answer_of(model(images, training=False), head)
                check_class(answers, class_index)
                logits = answers[:, class_index]
            total += tape.gradient(logits, images).numpy()[: len(way)].sum(axis=0, dtype=np.float64)
        return ((end - start) * total / steps)[..., 0].astype(np.float32)

    return _each(attributions, face)


def _class_activation(
    model: keras.Model,
    face: np.ndarray,
    head: str,
    class_index: int,
    layer: str | None,
    channel_weights: _ChannelWeights,
) -> np.ndarray:
    faces = face[None] if face.ndim == 2 else face
    maps, gradients = _maps_and_gradients(model, faces, head, class_index, layer)
    weights = channel_weights(maps, gradients)
    activation = np.maximum(np.einsum("nhwc,nc->nhw", maps, weights), 0)
    cams = np.stack([_to_face(one, faces.shape[1:]) for one in activation]) if len(faces) else activation
    return cams[0] if face.ndim == 2 else cams


def _maps_and_gradients(
    model: keras.Model, faces: np.ndarray, head: str, class_index: int, layer: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """A layer's maps and the gradients of one class's logit to them, both ``(N, H, W, C) float64``."""
    tf = require_tensorflow()
    name = last_map_layer(model) if layer is None else _map_layer(model, layer)
    probe = probe_layers(model, [name], with_answers=True)
    maps, gradients = [], []
    for first in range(0, len(faces), PROBE_BATCH):
        batch = as_input(model, faces[first : first + PROBE_BATCH])
        images = tf.constant(_in_company(batch))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)  # and no weights, which nobody asks about
            (batch_maps,), answers = probe(images, training=False)
            answer = answer_of(answers, head)
            check_class(answer, class_index)
            logits = answer[:, class_index]
        batch_gradients = tape.gradient(logits, batch_maps)
        if batch_gradients is None:
            raise ModelError(f"The head {head} does not rest on {name}; choose a layer on the way to it.")
        maps.append(batch_maps.numpy()[: len(batch)].astype(np.float64))
        gradients.append(batch_gradients.numpy()[: len(batch)].astype(np.float64))
    return np.concatenate(maps), np.concatenate(gradients)


def _in_company(images: np.ndarray) -> np.ndarray:
    """A single image twice, several as they are.

    With oneDNN, TensorFlow 2.21 writes past its buffers in the gradient of a strided 1x1 kernel of few channels on a
    batch of one, which ends the process. The gradient of the kernel is computed though only that of the image is asked.
    """
    return np.repeat(images, 2, axis=0) if len(images) == 1 else images


def _map_layer(model: keras.Model, name: str) -> str:
    found: Any = layer_called(model, name)
    check_places(found.output, name)
    return shown_layer(model, name)


def _mean_gradients(maps: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Grad-CAM, eq. 1."""
    return gradients.mean(axis=(1, 2))


def _weighted_positive_gradients(maps: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Grad-CAM++, eq. 5 with eq. 19; the factor exp(logit), the same for every channel, falls away in the scaling."""
    squares, cubes = gradients**2, gradients**3
    denominators = 2 * squares + maps.sum(axis=(1, 2), keepdims=True) * cubes
    place_weights = np.divide(squares, denominators, out=np.zeros_like(squares), where=denominators != 0)
    return (place_weights * np.maximum(gradients, 0)).sum(axis=(1, 2))


def _to_face(activation: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Enlarged bilinearly to the face, ``float32`` with a greatest value of 1; all 0 stays so."""
    largest = activation.max()
    if largest <= 0:
        return np.zeros(shape, np.float32)
    cam = cv2.resize(activation / largest, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return (cam / cam.max()).astype(np.float32)


def _each(explain: Callable[[np.ndarray], np.ndarray], face: np.ndarray) -> np.ndarray:
    return explain(face) if face.ndim == 2 else np.stack([explain(one) for one in face])
