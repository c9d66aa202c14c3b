"""The ways to ask a network where it looks, under one verb, and one of them over many faces.

The methods are those of :mod:`fer_core.explain.attribution`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum

import keras
import numpy as np

from fer_core.explain.attribution import (
    grad_cam,
    grad_cam_plus_plus,
    integrated_gradients,
    mean_class_activation,
    occlusion_sensitivity,
)

FACES_AT_ONCE = 8
"""Faces between two answers of a long mean: seconds even for a network of 152 layers."""


class Method(StrEnum):
    """A way to ask where a network looks."""

    GRAD_CAM = "Grad-CAM"
    GRAD_CAM_PLUS_PLUS = "Grad-CAM++"
    OCCLUSION = "Occlusion"
    INTEGRATED_GRADIENTS = "Integrated gradients"

    @property
    def is_signed(self) -> bool:
        """Whether its maps also say what speaks against a class."""
        return self in (Method.OCCLUSION, Method.INTEGRATED_GRADIENTS)


_FUNCTIONS: dict[Method, Callable[..., np.ndarray]] = {
    Method.GRAD_CAM: grad_cam,
    Method.GRAD_CAM_PLUS_PLUS: grad_cam_plus_plus,
    Method.OCCLUSION: occlusion_sensitivity,
    Method.INTEGRATED_GRADIENTS: integrated_gradients,
}


def explain(method: Method, model: keras.Model, face: np.ndarray, head: str, class_index: int) -> np.ndarray:
    """Where a network looks, by any method with its default settings.

    Args:
        method: how to ask.
        model: ``(N, S, S, 1) -> {head: (N, classes) logits}``.
        face: ``(S, S) uint8`` grey.
        head: name of the label set to explain.
        class_index: of the class in that head.

    Returns:
        ``(S, S) float32``, 0..1 or signed, see the method's function.

    Raises:
        ModelError: as :func:`fer_core.explain.attribution.grad_cam` does.
    """
    return _FUNCTIONS[method](model, face, head, class_index)


def running_class_activation(
    model: keras.Model, faces: np.ndarray, head: str, class_index: int, at_once: int = FACES_AT_ONCE
) -> Iterator[tuple[int, np.ndarray]]:
    """Mean class activation that says how far it is, so that whoever waits can stop and keep what there is.

    Args:
        model: ``(N, S, S, 1) -> {head: (N, classes) logits}``.
        faces: ``(N, S, S) uint8`` grey.
        head: name of the label set to explain.
        class_index: of the class in that head.
        at_once: faces between two answers.

    Yields:
        How many faces are in and the mean of their Grad-CAMs, ``(S, S) float32``; the last one equals
        :func:`fer_core.explain.attribution.mean_class_activation` of all faces.

    Raises:
        ModelError: as :func:`fer_core.explain.attribution.mean_class_activation` does.
    """
    total = np.zeros(faces.shape[1:])
    for start in range(0, max(1, len(faces)), at_once):  # no faces at all are refused below
        part = faces[start : start + at_once]
        total += len(part) * mean_class_activation(model, part, head, class_index).astype(np.float64)
        done = start + len(part)
        yield done, (total / done).astype(np.float32)
