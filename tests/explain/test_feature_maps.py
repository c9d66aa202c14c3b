import gc
import weakref

import keras
import numpy as np
import pytest

from fer_core.errors import ModelError
from fer_core.explain.feature_maps import feature_maps, first_kernels, scaled_map, strongest
from fer_core.explain.layers import convolutions
from fer_core.labels import FER2013
from fer_core.models import get_architecture


def test_maps_of_every_convolution_are_the_outputs_of_an_intermediate_model(shipped_network, faces):
    maps = feature_maps(shipped_network, faces[0])
    described = convolutions(shipped_network)
    assert list(maps) == [layer.name for layer in described]
    for layer in (described[0], described[7], described[-1]):
        inner = keras.Model(shipped_network.input, shipped_network.get_layer(layer.shown_as).output)
        expected = inner.predict_on_batch(faces[:1, ..., None].astype(np.float32))[0]
        assert maps[layer.name].dtype == np.float32
        assert maps[layer.name].shape == layer.output_shape
        np.testing.assert_allclose(maps[layer.name], expected, atol=1e-4)
    assert maps[described[0].name].min() == 0, "after the ReLU"


def test_every_architecture_shows_its_maps_and_first_kernels(network, faces):
    first, *_, last = convolutions(network)
    maps = feature_maps(network, faces[0], [last.name, first.name])
    assert list(maps) == [last.name, first.name]
    assert maps[last.name].shape == last.output_shape
    kernels = first_kernels(network)
    assert kernels.shape == network.get_layer(first.name).get_weights()[0].shape
    assert kernels.min() >= 0
    assert kernels.max() <= 1


def test_any_layer_with_places_can_be_asked_for_and_one_alone(by_hand, small_face):
    (name,) = (layer.name for layer in by_hand.layers if isinstance(layer, keras.layers.Rescaling))
    maps = feature_maps(by_hand, small_face, [name])
    np.testing.assert_allclose(maps[name][..., 0], small_face / 255, atol=1e-6)


def test_what_cannot_be_shown_is_refused_in_words(by_hand, small_face, faces):
    with pytest.raises(ModelError, match="logits answers with a vector"):
        feature_maps(by_hand, small_face, ["maps", "logits"])
    with pytest.raises(ModelError, match="by_hand has no layer 'none'"):
        feature_maps(by_hand, small_face, ["none"])
    with pytest.raises(ModelError, match="by_hand takes faces of shape 12 x 12 x 1; these have 48 x 48 x 1"):
        feature_maps(by_hand, faces[0])


def test_what_is_kept_of_a_model_goes_with_it(faces):
    model = get_architecture("tiny").build((FER2013,))
    feature_maps(model, faces[0])
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_the_strongest_maps_come_first():
    maps = np.zeros((2, 2, 4), np.float32)
    maps[..., 1], maps[..., 2], maps[0, 0, 3] = 1, -3, 4
    assert strongest(maps, 3).tolist() == [2, 1, 3]
    assert strongest(maps, 9).tolist() == [2, 1, 3, 0]


def test_each_map_is_scaled_on_its_own():
    for values in (np.eye(2), 100 * np.eye(2) - 7):
        assert scaled_map(values).tolist() == [[255, 0], [0, 255]]
    flat = scaled_map(np.full((2, 2), 5))
    assert flat.dtype == np.uint8
    assert not flat.any()


def test_kernels_are_shown_with_zero_in_the_middle(by_hand):
    shown, weights = first_kernels(by_hand), by_hand.get_layer("maps").get_weights()[0]
    assert shown.shape == (3, 3, 1, 4)
    np.testing.assert_array_equal(np.sign(shown - 0.5), np.sign(weights))
    np.testing.assert_allclose(np.abs(shown - 0.5).max(axis=(0, 1, 2)), 0.5)
