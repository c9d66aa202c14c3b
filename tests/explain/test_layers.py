import keras
import numpy as np
import pytest
from keras import layers

from fer_core.errors import ModelError
from fer_core.explain.layers import (
    convolutions,
    describe_layers,
    last_map_layer,
    nearest_in_depth,
    shown_layer,
)
from fer_core.labels import FER2013
from fer_core.models import get_architecture
from fer_core.models.counting import multiply_adds

# Araujo et al. 2019, table 1, where a network is in it; the others by hand, as said beside them.
RECEPTIVE_FIELDS = {
    "senet": (105, 8),
    "cnn4": (1 + 2 + 1 + 4 * 2 + 2 + 2 * 4 + 4 + 2 * 8, 8),  # convolutions and the three poolings between them
    "mobilenet_v2": (491, 32),
    "resnet": (49, 8),  # 3, then 2 + 2 at stride 1 and each of 2 (before halving 1), 4 and 8
    "resnet50": (483, 32),
    "tiny": (49, 8),
    "vgg16": (196, 16),  # 212 after the last pooling
    "vggnet": (1 + 4 + 1 + 8 + 2 + 24 + 4 + 48, 8),
}


def test_the_parts_of_every_network_add_up_to_the_whole(network):
    described = describe_layers(network)
    assert sum(layer.parameters for layer in described) == network.count_params()
    assert sum(layer.multiply_adds for layer in described) == multiply_adds(network, 48)
    assert [layer.name for layer in described] == [layer.name for layer in network.layers[1:]]
    assert all(layer.title and 0 <= layer.depth <= 1 for layer in described)
    assert described[-1].depth == 1
    assert described[-1].sees_all


@pytest.mark.parametrize("network", RECEPTIVE_FIELDS, indirect=True)
def test_receptive_fields_are_those_of_the_literature(network):
    last = max(convolutions(network), key=lambda layer: layer.receptive_field)  # a shortcut may be listed after it
    assert (last.receptive_field, last.stride) == RECEPTIVE_FIELDS[network.name]


def test_gates_see_the_whole_face_and_are_no_convolutions_over_places():
    network = get_architecture("tiny").build((FER2013,))
    described = {layer.name: layer for layer in describe_layers(network)}
    gates = [
        d for d in described.values() if d.kind == "Conv2D" and d.output_shape[:2] == (1, 1) and not d.is_convolution
    ]
    assert len(gates) == 8
    assert all(gate.sees_all and gate.receptive_field == 48 and gate.stride == 0 for gate in gates)
    assert gates[0].title == "gate of 3 channels, relu"
    first, *_, last = convolutions(network)
    assert (first.sees_all, last.sees_all) == (False, True)
    assert first.title == "3×3 convolution, 24 filters"
    assert len(convolutions(network)) == 20 - 8


def branched() -> keras.Model:
    """Strides, dilation, padding, pooling and two branches, with kernels of ones so that no gradient is zero."""
    ones = {"kernel_initializer": "ones", "use_bias": False}
    image = keras.Input((41, 41, 1))
    x = layers.Conv2D(2, 5, strides=2, padding="same", **ones)(image)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(2, 2, **ones)(x)
    long = layers.Conv2D(2, 3, dilation_rate=2, padding="same", **ones)(x)
    long = layers.AveragePooling2D(3, strides=2, padding="same")(long)
    short = layers.Conv2D(2, 1, strides=2, padding="same", **ones)(x)
    return keras.Model(image, layers.Conv2D(1, 2, name="last", **ones)(layers.Add()([long, short])))


def enlarged() -> keras.Model:
    image = keras.Input((16, 16, 1))
    x = layers.Resizing(32, 32)(image)
    x = layers.Conv2D(1, 4, strides=3, kernel_initializer="ones", use_bias=False)(x)
    return keras.Model(image, layers.Conv2D(1, 2, name="last", kernel_initializer="ones", use_bias=False)(x))


def support(model: keras.Model) -> tuple[int, float]:
    """Largest side of the region that one value's gradient reaches, and how far regions of neighbours lie apart."""
    import tensorflow as tf

    side = model.inputs[0].shape[1]
    image = tf.ones((2, side, side, 1))  # two, see _in_company of the attribution
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(image)
        diagonal = [model(image)[0, i, i, 0] for i in range(model.output.shape[1])]
    rows = [np.flatnonzero(tape.gradient(value, image).numpy()[0, ..., 0].any(axis=1)) for value in diagonal]
    inner = [row for row in rows if row[0] > 0 and row[-1] < side - 1]
    return max(row[-1] - row[0] + 1 for row in inner), (inner[-1][0] - inner[0][0]) / (len(inner) - 1)


@pytest.mark.parametrize("build", [branched, enlarged])
def test_a_receptive_field_is_what_the_gradient_reaches(build):
    model = build()
    last = next(layer for layer in describe_layers(model) if layer.name == "last")
    side, stride = support(model)
    assert last.receptive_field == side
    assert last.stride == pytest.approx(stride, abs=0.26)


def test_the_receptive_field_of_the_branched_network_by_hand():
    # 5; +1*2 by the kernel of 2; +4*2 dilated; +2*2 pooled, stride 4; the short branch lies within; +1*4.
    last = describe_layers(branched())[-1]
    assert (last.receptive_field, last.stride, last.depth) == (5 + 2 + 8 + 4 + 4, 4, 1)


def test_a_share_of_depth_finds_comparable_layers(network):
    found = convolutions(network)
    assert nearest_in_depth(found, 0).name == found[0].name
    assert nearest_in_depth(found, 1).depth == 1
    assert nearest_in_depth(found, 0.5).depth == pytest.approx(0.5, abs=0.13)


def test_a_convolution_is_shown_as_the_activation_that_follows_it():
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(2, 3, padding="same", name="one")(image)
    x = layers.ReLU(name="one_relu")(layers.BatchNormalization()(x))
    y = layers.Conv2D(2, 3, padding="same", activation="relu", name="two")(x)
    y = layers.Conv2D(2, 3, padding="same", name="three")(y)
    y = layers.BatchNormalization(name="three_normalised")(y)
    x = layers.ReLU(name="sum_relu")(layers.Add()([x, y]))
    x = layers.MaxPooling2D()(x)
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    assert [shown_layer(model, name) for name in ("one", "two", "three")] == ["one_relu", "two", "three_normalised"]
    assert last_map_layer(model) == "sum_relu"


def test_networks_of_another_form_are_refused_in_words():
    image = keras.Input((8, 8, 1))
    shared = layers.Conv2D(1, 3, padding="same")
    with pytest.raises(ModelError, match="shares layers or nests models"):
        describe_layers(keras.Model(image, shared(layers.ReLU()(shared(image)))))
    nested = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(1, 3)])
    with pytest.raises(ModelError, match="shares layers or nests models"):
        describe_layers(keras.Model(image, layers.Flatten()(nested(image))))
    anything = keras.Input((None, None, 1))
    with pytest.raises(ModelError, match="takes faces of any size"):
        describe_layers(keras.Model(anything, layers.Conv2D(1, 3)(anything)))
    dense = keras.Model(image, layers.Dense(2)(layers.Flatten()(image)), name="flat")
    with pytest.raises(ModelError, match="flat has no layer that keeps places"):
        last_map_layer(dense)


def test_a_sequential_model_is_described_too():
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)])
    assert [layer.receptive_field for layer in describe_layers(model)] == [3, 8, 8]


def test_of_two_equally_near_layers_the_later_one_is_taken():
    network = get_architecture("cnn4").build((FER2013,))
    layers_of_it = convolutions(network)
    assert nearest_in_depth(layers_of_it, 0.375) == layers_of_it[1]  # between 25% and 50%
    assert nearest_in_depth(layers_of_it, 0.6) == layers_of_it[1]
