"""A network that trains in no time, for tests of what a training run does around its network."""

import keras

from fer_core.models import register_architecture


def register_small() -> None:
    """Enter ``small`` into the registry."""

    @register_architecture(title="Small", reference="", summary="")
    def small(image, weights=None):
        x = keras.layers.Conv2D(8, 3, strides=4, padding="same")(image)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        x = keras.layers.Conv2D(16, 3, strides=2, padding="same")(x)
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization()(x))
        return keras.layers.Dropout(0.2)(x)
