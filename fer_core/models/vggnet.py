"""Plain stacks of 3x3 convolutions for small grey faces, after VGG."""

from __future__ import annotations

import keras
from keras import layers

from fer_core.models import register_architecture

STAGES = ((32, 32), (64, 64), (128, 128, 128), (256, 256, 256))
"""Filters of the convolutions between two poolings: VGG's pattern at half its width, with batch normalisation."""
DROPOUT = 0.3


@register_architecture(
    title="VGGNet",
    reference="Simonyan & Zisserman 2015, arXiv:1409.1556; for FER2013 Khaireddin & Chen 2021, arXiv:2105.03588",
    summary="Plain stack of ten small convolutions, pooled four times.",
)
def vggnet(image: keras.KerasTensor, weights: str | None = None) -> keras.KerasTensor:
    """Features ``(N, 256)`` of a scaled image ``(N, S, S, 1)``, S of any size from 32 up."""
    x = image
    for stage in STAGES:
        for filters in stage:
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
            x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
        x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dropout(DROPOUT)(x)
