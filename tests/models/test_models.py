"""Every architecture of the registry passes through these."""

import keras
import numpy as np
import pytest

from fer_core.emotions import FER2013, FERPLUS
from fer_core.errors import ModelError
from fer_core.models import get_architecture, list_architectures
from fer_core.models.export import to_litert
from fer_core.models.normalisation import FusedBatchNormalization, with_plain_layers
from fer_core.training.run import predict_logits
from fer_core.vision.expression import LiteRTNetwork

FACES = np.random.default_rng(0).integers(0, 256, (6, 48, 48)).astype(np.uint8)


@pytest.fixture(params=list_architectures(), scope="module")
def network(request) -> keras.Model:
    """Each architecture with two heads, its normalisation moved away from its initial state."""
    keras.utils.set_random_seed(1)
    model = get_architecture(request.param).build((FER2013, FERPLUS))
    rng = np.random.default_rng(2)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = (w.shape for w in layer.weights)
            layer.set_weights(
                [
                    rng.uniform(0.8, 1.2, gamma),
                    rng.normal(0, 0.1, beta),
                    rng.normal(0, 0.1, mean),
                    rng.uniform(0.8, 1.2, variance),
                ]
            )
    return model


def test_a_network_answers_with_one_row_of_logits_per_face_and_head(network):
    logits = predict_logits(network, FACES)
    assert {head: array.shape for head, array in logits.items()} == {"fer2013": (6, 7), "ferplus": (6, 8)}
    assert all(np.isfinite(array).all() for array in logits.values())


def test_a_training_step_lowers_the_loss_of_the_same_batch(network):
    model = keras.models.clone_model(network)
    model.set_weights(network.get_weights())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.02, momentum=0.9), loss={"fer2013": loss, "ferplus": loss})
    images = FACES[..., None].astype(np.float32)
    labels = {"fer2013": np.arange(6), "ferplus": np.arange(6)}
    losses = [float(model.train_on_batch(images, labels, return_dict=True)["loss"]) for _ in range(8)]
    assert losses[-1] < losses[0]


def test_the_stored_network_has_keras_own_layers_only_and_answers_alike(network, tmp_path):
    plain = with_plain_layers(network)
    assert not any(isinstance(layer, FusedBatchNormalization) for layer in plain.layers)
    plain.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    before, after = predict_logits(network, FACES), predict_logits(loaded, FACES)
    for head in before:
        np.testing.assert_allclose(before[head], after[head], atol=1e-4)


def test_the_litert_files_are_small_and_answer_like_keras(network):
    plain = with_plain_layers(network)
    exact, half, int8 = predict_logits(plain, FACES), to_litert(plain), to_litert(plain, FACES)
    weights = plain.count_params()
    assert len(half) < weights * 2 * 1.1 + 60_000
    assert len(int8) < weights * 1.1 + 120_000
    for content, tolerance in ((half, 0.01), (int8, 0.1)):
        answers = LiteRTNetwork(content).predict(FACES)
        for head, logits in exact.items():
            expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            np.testing.assert_allclose(answers[head], expected, atol=tolerance)


def test_fused_normalisation_is_keras_own_in_training_and_after_it():
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (16, 5, 5, 4)).astype(np.float32)
    fused, own = (
        kind(momentum=0.9, epsilon=1e-5) for kind in (FusedBatchNormalization, keras.layers.BatchNormalization)
    )
    for _ in range(3):
        np.testing.assert_allclose(fused(x, training=True), own(x, training=True), atol=1e-4)
    for one, other in zip(fused.get_weights(), own.get_weights(), strict=True):
        # The fused kernel keeps the sample variance, n / (n - 1) of the batch's.
        np.testing.assert_allclose(one, other, rtol=3e-3, atol=1e-5)
    np.testing.assert_allclose(fused(x, training=False), own(x, training=False), atol=2e-2)


def test_an_unknown_architecture_is_refused_with_the_names_there_are():
    with pytest.raises(ModelError, match=r"'resnext'; known are cnn4, senet"):
        get_architecture("resnext")


def test_cnn4_is_the_classic_stack():
    convolutions = [
        (layer.filters, layer.kernel_size[0])
        for layer in get_architecture("cnn4").build((FER2013,)).layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    assert convolutions == [(64, 3), (128, 5), (512, 3), (512, 3)]
