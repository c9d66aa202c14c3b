"""The classic student network for FER2013: four convolutions and two dense layers."""

from __future__ import annotations

import keras
from keras import layers

from fer_core.models import register_architecture

FILTERS = ((64, 3), (128, 5), (512, 3), (512, 3))
"""Filters and kernel side of each convolution."""
DENSE = (256, 512)
DROPOUT = 0.25


@register_architecture(
    title="Four-conv CNN",
    reference="Goodfellow et al. 2013, arXiv:1307.0414 (the data set); the layout common in FER2013 course work",
    summary="Plain stack of four convolutions, the usual first network of a course.",
)
def cnn4(image: keras.KerasTensor, weights: str | None = None) -> keras.KerasTensor:
    """Features ``(N, 512)`` of a scaled image ``(N, S, S, 1)``; S must be known, since the top is dense."""
    x = image
    for filters, kernel in FILTERS:
        x = layers.Conv2D(filters, kernel, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(DROPOUT)(x)
    x = layers.Flatten()(x)
    for units in DENSE:
        x = layers.Dense(units, use_bias=False, kernel_initializer="he_normal")(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Dropout(DROPOUT)(x)
    return x
