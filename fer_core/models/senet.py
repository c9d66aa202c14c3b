"""SE-ResNet for small grey faces.

Residual basic blocks (He et al. 2016, arXiv:1512.03385, sec. 4.2) whose channels are reweighted by
squeeze-and-excitation (Hu et al. 2018, arXiv:1709.01507, sec. 3).
"""

from __future__ import annotations

import keras
from keras import layers

from fer_core.models import ArchitectureConfig, register_architecture
from fer_core.models.normalisation import FusedBatchNormalization

WIDTHS = (32, 64, 128, 256)
# One block at full resolution, where a block costs most time per weight; two at every later stage.
BLOCKS = (1, 2, 2, 2)
SQUEEZE_RATIO = 8


def _convolve(x: keras.KerasTensor, filters: int, kernel: int, strides: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal")(
        x
    )
    return FusedBatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def _squeeze_and_excite(x: keras.KerasTensor) -> keras.KerasTensor:
    channels = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(channels // SQUEEZE_RATIO, 1, activation="relu")(gate)
    gate = layers.Conv2D(channels, 1, activation="sigmoid")(gate)
    return layers.Multiply()([x, gate])


def _block(x: keras.KerasTensor, filters: int, strides: int) -> keras.KerasTensor:
    y = layers.ReLU()(_convolve(x, filters, 3, strides))
    y = _squeeze_and_excite(_convolve(y, filters, 3))
    if strides != 1 or x.shape[-1] != filters:
        x = _convolve(x, filters, 1, strides)
    return layers.ReLU()(layers.Add()([x, y]))


@register_architecture(
    ArchitectureConfig(
        name="senet",
        title="SE-ResNet",
        input_size=48,
        reference="Hu et al. 2018, arXiv:1709.01507; He et al. 2016, arXiv:1512.03385",
        summary="Residual network that learns which of its channels matter for the face at hand.",
    )
)
def senet(image: keras.KerasTensor) -> keras.KerasTensor:
    """Features ``(N, 256)`` of a scaled image ``(N, S, S, 1)``, S of any size from 32 up."""
    x = layers.ReLU()(_convolve(image, WIDTHS[0], 3))
    for stage, (filters, blocks) in enumerate(zip(WIDTHS, BLOCKS, strict=True)):
        for number in range(blocks):
            x = _block(x, filters, strides=2 if stage and not number else 1)
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dropout(0.2)(x)
