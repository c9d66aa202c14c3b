import cv2
import keras
import numpy as np
import pytest
from keras import layers

from fer_core.errors import ModelError
from fer_core.explain import probing
from fer_core.explain.attribution import (
    grad_cam,
    grad_cam_plus_plus,
    integrated_gradients,
    mean_class_activation,
    occlusion_sensitivity,
)
from fer_core.explain.layers import last_map_layer
from fer_core.models.prediction import predict_logits


def enlarged(activation: np.ndarray, side: int) -> np.ndarray:
    cam = cv2.resize(activation, (side, side), interpolation=cv2.INTER_LINEAR)
    return cam / cam.max()


@pytest.fixture(scope="module")
def maps_and_gradients(by_hand, small_face):
    """Of class 2, straight from the weights: maps ``(12, 12, 4)`` and the dense kernel as their gradients."""
    kernel, bias = by_hand.get_layer("maps").get_weights()
    padded = np.pad(small_face / 255, 1)
    maps = np.zeros((12, 12, 4))
    for y in range(12):
        for x in range(12):
            window = padded[y : y + 3, x : x + 3]
            maps[y, x] = np.maximum((window[..., None] * kernel[:, :, 0]).sum(axis=(0, 1)) + bias, 0)
    gradients = by_hand.get_layer("logits").get_weights()[0][:, 2].reshape(12, 12, 4).astype(np.float64)
    return maps, gradients


def test_grad_cam_is_the_computation_of_the_paper(by_hand, small_face, maps_and_gradients):
    maps, gradients = maps_and_gradients
    activation = np.zeros((12, 12))
    for channel in range(4):
        activation += gradients[..., channel].mean() * maps[..., channel]
    cam = grad_cam(by_hand, small_face, "fer2013", 2, layer="maps")
    assert cam.dtype == np.float32
    np.testing.assert_allclose(cam, enlarged(np.maximum(activation, 0), 12), atol=1e-5)
    np.testing.assert_array_equal(cam, grad_cam(by_hand, small_face, "fer2013", 2))


def test_grad_cam_plus_plus_is_the_computation_of_the_paper(by_hand, small_face, maps_and_gradients):
    maps, gradients = maps_and_gradients
    activation = np.zeros((12, 12))
    for channel in range(4):
        g, a = gradients[..., channel], maps[..., channel]
        alpha = g**2 / (2 * g**2 + a.sum() * g**3)
        activation += (alpha * np.maximum(g, 0)).sum() * a
    cam = grad_cam_plus_plus(by_hand, small_face, "fer2013", 2)
    np.testing.assert_allclose(cam, enlarged(np.maximum(activation, 0), 12), atol=1e-4)


def test_grad_cam_of_a_deeper_network_is_that_of_a_plain_gradient(shipped_network, faces):
    import tensorflow as tf

    name = last_map_layer(shipped_network)
    probe = keras.Model(shipped_network.input, [shipped_network.get_layer(name).output, shipped_network.output])
    with tf.GradientTape() as tape:
        maps, answers = probe(faces[:1, ..., None].astype(np.float32), training=False)
        logit = answers["fer2013"][0, 3]
    weights = tf.reduce_mean(tape.gradient(logit, maps), axis=(1, 2))
    activation = tf.nn.relu(tf.reduce_sum(maps * weights[:, None, None], axis=-1))[0].numpy()
    assert activation.shape == (6, 6)
    np.testing.assert_allclose(grad_cam(shipped_network, faces[0], "fer2013", 3), enlarged(activation, 48), atol=1e-4)


def test_every_architecture_says_where_it_looks(network, faces):
    for explain in (grad_cam, grad_cam_plus_plus):
        cams = explain(network, faces[:2], "fer2013", 3)
        assert cams.shape == (2, 48, 48)
        assert cams.dtype == np.float32
        assert cams.min() >= 0
        assert all(cam.max() in (0, 1) for cam in cams)


def test_several_faces_are_explained_as_one_by_one(shipped_network, faces):
    for explain in (grad_cam, grad_cam_plus_plus):
        together = explain(shipped_network, faces, "ferplus", 1)
        for face, cam in zip(faces, together, strict=True):
            np.testing.assert_allclose(cam, explain(shipped_network, face, "ferplus", 1), atol=1e-4)
    mean = mean_class_activation(shipped_network, faces, "ferplus", 1)
    np.testing.assert_allclose(mean, grad_cam(shipped_network, faces, "ferplus", 1).mean(axis=0), atol=1e-6)


def looking_at_a_patch() -> keras.Model:
    """Answers for class 1 as the pixels of rows 16 to 23, columns 24 to 31 are bright."""
    image = keras.Input((48, 48, 1))
    dense = layers.Dense(2, use_bias=False)
    model = keras.Model(image, {"fer2013": dense(layers.Flatten()(layers.Rescaling(1 / 255)(image)))})
    kernel = np.zeros((48, 48, 2), np.float32)
    kernel[16:24, 24:32, 1] = 0.05
    dense.set_weights([kernel.reshape(-1, 2)])
    return model


def test_occlusion_finds_the_patch_that_matters():
    face = np.full((48, 48), 20, np.uint8)
    face[16:24, 24:32] = 250
    model = looking_at_a_patch()
    drop = occlusion_sensitivity(model, face, "fer2013", 1, patch=8, stride=8)
    inside = np.zeros((48, 48), bool)
    inside[16:24, 24:32] = True

    def probability(bright: float) -> float:
        return 1 / (1 + np.exp(-64 * 0.05 * bright / 255))

    assert drop[inside] == pytest.approx(probability(250) - probability(face.mean()), abs=1e-4)
    assert drop[~inside] == pytest.approx(0, abs=1e-6)
    assert occlusion_sensitivity(model, face, "fer2013", 0).min() < -0.1
    peak = np.unravel_index(occlusion_sensitivity(model, face, "fer2013", 1).argmax(), (48, 48))
    assert inside[peak]
    pair = occlusion_sensitivity(model, np.stack([face, face[::-1]]), "fer2013", 1, patch=8, stride=8)
    np.testing.assert_allclose(pair[0], drop, atol=1e-6)


def test_a_network_that_ends_in_softmax_is_not_softened_twice():
    image = keras.Input((12, 12, 1))
    model = keras.Model(
        image, layers.Dense(3, activation="softmax")(layers.Flatten()(layers.Rescaling(1 / 255)(image)))
    )
    images = np.random.default_rng(0).uniform(0, 255, (2, 12, 12, 1)).astype(np.float32)
    np.testing.assert_allclose(
        probing.probabilities(model, images, "any name"), model.predict_on_batch(images), atol=1e-6
    )


def test_the_occluded_edge_is_covered_whatever_the_stride():
    face = np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)
    assert np.isfinite(occlusion_sensitivity(looking_at_a_patch(), face, "fer2013", 1, patch=13, stride=11)).all()
    with pytest.raises(ValueError, match="expected 1 <= stride <= patch <= 48, got patch 8 and stride 9"):
        occlusion_sensitivity(looking_at_a_patch(), face, "fer2013", 1, patch=8, stride=9)


def test_integrated_gradients_sum_to_the_difference_of_the_logits(shipped_network, photo):
    face = cv2.resize(cv2.cvtColor(photo[60:190, 160:290], cv2.COLOR_BGR2GRAY), (48, 48), interpolation=cv2.INTER_AREA)
    attributions = integrated_gradients(shipped_network, face, "fer2013", 3, steps=128)
    before, after = predict_logits(shipped_network, np.stack([np.zeros_like(face), face]))["fer2013"][:, 3]
    assert attributions.sum() == pytest.approx(float(after - before), rel=0.05)


def test_integrated_gradients_of_a_linear_network_are_weight_times_difference():
    face = np.random.default_rng(0).integers(0, 256, (2, 48, 48)).astype(np.uint8)
    model = looking_at_a_patch()
    weights = model.layers[-1].get_weights()[0][:, 1].reshape(48, 48) / 255
    grey = integrated_gradients(model, face, "fer2013", 1, steps=3, baseline=100.0)
    np.testing.assert_allclose(grey, weights * (face - 100.0), atol=1e-4)
    from_itself = integrated_gradients(model, face[0], "fer2013", 1, steps=3, baseline=face[0])
    np.testing.assert_array_equal(from_itself, np.zeros((48, 48)))


def test_what_cannot_be_explained_is_refused_in_words(by_hand, small_face, monkeypatch):
    for explain in (grad_cam, integrated_gradients, occlusion_sensitivity):
        with pytest.raises(ModelError, match="no head 'ferplus'; it has fer2013"):
            explain(by_hand, small_face, "ferplus", 0)
        with pytest.raises(ModelError, match="classes 0 to 2; there is no class 3"):
            explain(by_hand, small_face, "fer2013", 3)
        with pytest.raises(ModelError, match="takes faces of shape 12 x 12 x 1"):
            explain(by_hand, np.zeros((20, 20), np.uint8), "fer2013", 0)
    with pytest.raises(ModelError, match="logits answers with a vector"):
        grad_cam(by_hand, small_face, "fer2013", 0, layer="logits")
    with pytest.raises(ModelError, match="There are no faces"):
        mean_class_activation(by_hand, np.zeros((0, 12, 12), np.uint8), "fer2013", 0)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ModelError, match=r"Keras runs on jax; start with KERAS_BACKEND=tensorflow"):
        grad_cam(by_hand, small_face, "fer2013", 0)
