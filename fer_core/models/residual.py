"""Residual networks for small grey faces, with and without squeeze-and-excitation.

Basic blocks after He et al. 2016, arXiv:1512.03385, sec. 4.2; channels reweighted by squeeze-and-excitation after
Hu et al. 2018, arXiv:1709.01507, sec. 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import layers

from fer_core.models import register_architecture

HE = "He et al. 2016, arXiv:1512.03385"
HU = "Hu et al. 2018, arXiv:1709.01507"


@dataclass(frozen=True)
class ResidualStages:
    """How many basic blocks of which width follow each other; every stage but the first halves the resolution."""

    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    squeeze_ratio: int | None = None
    """Channels per unit of the squeeze-and-excitation bottleneck; ``None`` is a plain residual network."""
    dropout: float = 0.2

    def features(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """Features ``(N, widths[-1])`` of a scaled image ``(N, S, S, 1)``, S of any size from 32 up."""
        x = layers.ReLU()(_convolve(image, self.widths[0], 3))
        for stage, (filters, blocks) in enumerate(zip(self.widths, self.blocks, strict=True)):
            for number in range(blocks):
                x = self._block(x, filters, strides=2 if stage and not number else 1)
        x = layers.GlobalAveragePooling2D()(x)
        return layers.Dropout(self.dropout)(x)

    def _block(self, x: keras.KerasTensor, filters: int, strides: int) -> keras.KerasTensor:
        y = layers.ReLU()(_convolve(x, filters, 3, strides))
        y = _convolve(y, filters, 3)
        if self.squeeze_ratio:
            y = _squeeze_and_excite(y, self.squeeze_ratio)
        if strides != 1 or x.shape[-1] != filters:
            x = _convolve(x, filters, 1, strides)
        return layers.ReLU()(layers.Add()([x, y]))


def _convolve(x: keras.KerasTensor, filters: int, kernel: int, strides: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal")(
        x
    )
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def _squeeze_and_excite(x: keras.KerasTensor, ratio: int) -> keras.KerasTensor:
    channels = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(channels // ratio, 1, activation="relu")(gate)
    gate = layers.Conv2D(channels, 1, activation="sigmoid")(gate)
    return layers.Multiply()([x, gate])


SENET = ResidualStages(widths=(32, 64, 128, 256), blocks=(1, 2, 2, 2), squeeze_ratio=8)
"""One block at full resolution, where a block costs most time per weight."""
RESNET = ResidualStages(widths=(32, 64, 128, 256), blocks=(1, 1, 1, 1))
SENET_WIDE = ResidualStages(widths=(64, 128, 256, 512), blocks=(1, 2, 2, 2), squeeze_ratio=8, dropout=0.3)
"""Twice the width, four times the work: what a GPU can train to teach the others."""
TINY = ResidualStages(widths=(24, 48, 72, 128), blocks=(1, 1, 1, 1), squeeze_ratio=8, dropout=0.0)


@register_architecture(
    title="SE-ResNet",
    reference=f"{HU}; {HE}",
    summary="Residual network that learns which of its channels matter for the face at hand.",
)
def senet(image: keras.KerasTensor, weights: str | None = None) -> keras.KerasTensor:
    """Features ``(N, 256)``: :data:`SENET`."""
    return SENET.features(image)


@register_architecture(
    title="SE-ResNet, wide",
    reference=f"{HU}; {HE}",
    summary="The SE-ResNet at twice its width; four times the work, and the teacher of the others.",
)
def senet_wide(image: keras.KerasTensor, weights: str | None = None) -> keras.KerasTensor:
    """Features ``(N, 512)``: :data:`SENET_WIDE`."""
    return SENET_WIDE.features(image)


@register_architecture(
    title="ResNet",
    reference=HE,
    summary="Residual network: every block adds to what it was given instead of replacing it.",
)
def resnet(image: keras.KerasTensor, weights: str | None = None) -> keras.KerasTensor:
    """Features ``(N, 256)``: :data:`RESNET`."""
    return RESNET.features(image)


@register_architecture(
    title="Tiny SE-ResNet",
    reference=f"{HU}; taught by larger networks after Hinton et al. 2015, arXiv:1503.02531",
    summary="Under half a million weights, for weak machines; learnt from larger networks.",
)
def tiny(image: keras.KerasTensor, weights: str | None = None) -> keras.KerasTensor:
    """Features ``(N, 128)``: :data:`TINY`."""
    return TINY.features(image)
