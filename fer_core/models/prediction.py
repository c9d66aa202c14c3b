"""Predictions of a Keras model for many faces."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from scipy.special import softmax

Predict = Callable[[np.ndarray], dict[str, np.ndarray]]
"""Faces ``(N, S, S) uint8`` to logits ``(N, classes)`` per head."""
EVALUATION_BATCH = 256
"""Faces in a batch."""


def predict_logits(model: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Logits of every head for ``(N, S, S) uint8`` faces: ``{head: (N, classes) float32}``."""
    parts = [
        model.predict_on_batch(batch)
        for batch in (
            images[start : start + EVALUATION_BATCH, ..., None].astype(np.float32)
            for start in range(0, len(images), EVALUATION_BATCH)
        )
    ]
    return {head: np.concatenate([part[head] for part in parts]).astype(np.float32) for head in parts[0]}


def predict_probabilities(model: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """As :func:`predict_logits`, as probabilities."""
    return {head: softmax(logits, axis=-1) for head, logits in predict_logits(model, images).items()}
