"""The large networks that Keras carries, on grey faces: from random or from ImageNet weights."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers

from fer_core.models import register_architecture

IMAGENET_MEANS = (103.939, 116.779, 123.68)
"""Mean of ImageNet's blue, green and red channel, subtracted in the training of VGG16 and ResNet50 (caffe's convention)."""
NORMALISATION_MOMENTUM = 0.99
"""Upper bound per step: MobileNetV2's own 0.999 adapts too slowly for a run of some thousand steps."""


def _features(
    application: Callable[..., keras.Model], image: keras.KerasTensor, weights: str | None, caffe: bool = False
) -> keras.KerasTensor:
    """Pooled features ``(N, F)`` of one of Keras' networks for a grey image ``(N, S, S, 1)`` in -1..1."""
    colour = layers.Concatenate(name="grey_to_colour")([image] * 3)
    if caffe:
        shift = layers.Rescaling([127.5] * 3, offset=[127.5 - mean for mean in IMAGENET_MEANS], name="caffe_means")
        colour = shift(colour)
    network = application(include_top=False, weights=weights, input_tensor=colour, pooling="avg")
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = min(layer.momentum, NORMALISATION_MOMENTUM)
    return network.output


def _dense(x: keras.KerasTensor, *units: int, dropout: float = 0.0) -> keras.KerasTensor:
    for width in units:
        x = layers.Dense(width, activation="relu", kernel_initializer="he_normal")(x)
        x = layers.Dropout(dropout)(x)
    return x


@register_architecture(
    title="MobileNetV2",
    working_size=96,
    full_size=224,
    channels=3,
    imagenet=True,
    reference="Sandler et al. 2018, arXiv:1801.04381; top of two dense layers",
    summary="Made for phones: separable convolutions, few multiply-adds.",
)
def mobilenet_v2(image: keras.KerasTensor, weights: str | None = None) -> keras.KerasTensor:
    """Features ``(N, 64)``: MobileNetV2, its top replaced by dense-ReLU-dense-ReLU."""
    return _dense(_features(keras.applications.MobileNetV2, image, weights), 128, 64)


@register_architecture(
    title="VGG16",
    full_size=224,
    channels=3,
    preprocessing="pixels less ImageNet's channel means",
    imagenet=True,
    reference="Simonyan & Zisserman 2015, arXiv:1409.1556",
    summary="Thirteen convolutions, the classic of transfer learning; heavy.",
)
def vgg16(image: keras.KerasTensor, weights: str | None = None) -> keras.KerasTensor:
    """Features ``(N, 512)``."""
    return layers.Dropout(0.5)(_features(keras.applications.VGG16, image, weights, caffe=True))


@register_architecture(
    title="ResNet152V2",
    full_size=224,
    channels=3,
    imagenet=True,
    reference="He et al. 2016, arXiv:1603.05027",
    summary="Very deep residual network, 58 million weights; the heaviest here.",
)
def resnet152v2(image: keras.KerasTensor, weights: str | None = None) -> keras.KerasTensor:
    """Features ``(N, 2048)``."""
    return layers.Dropout(0.5)(_features(keras.applications.ResNet152V2, image, weights))


@register_architecture(
    title="ResNet50",
    working_size=64,
    full_size=128,
    channels=3,
    preprocessing="pixels less ImageNet's channel means",
    imagenet=True,
    reference="He et al. 2016, arXiv:1512.03385; one dense layer added",
    summary="Fifty layers deep, the usual yardstick of transfer learning.",
)
def resnet50(image: keras.KerasTensor, weights: str | None = None) -> keras.KerasTensor:
    """Features ``(N, 256)``: ResNet50 with a dense layer added."""
    return _dense(_features(keras.applications.ResNet50, image, weights, caffe=True), 256, dropout=0.3)
