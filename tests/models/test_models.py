"""Every architecture of the registry passes through these."""

import keras
import numpy as np
import pytest

from fer_core.errors import ModelError
from fer_core.labels import FER2013, FER2013_FIVE, FERPLUS
from fer_core.models import Architecture, ArchitectureConfig, get_architecture, list_architectures
from fer_core.models.export import to_litert
from fer_core.models.normalisation import FusedBatchNormalization, with_fused_layers, with_plain_layers
from fer_core.models.prediction import predict_logits
from fer_core.vision.litert import LiteRTNetwork

# The others, Keras' own, are built and run once; converting and training them takes minutes.
SMALL = ["cnn4", "resnet", "senet", "tiny", "vggnet"]

FACES = np.random.default_rng(0).integers(0, 256, (6, 48, 48)).astype(np.uint8)


@pytest.fixture(params=SMALL, scope="module")
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


@pytest.mark.parametrize("name", sorted(set(list_architectures()) - set(SMALL)))
def test_a_large_network_answers_too(name):
    logits = predict_logits(get_architecture(name).build((FER2013,), working_size=32), FACES[:1])
    assert logits["fer2013"].shape == (1, 7)
    assert np.isfinite(logits["fer2013"]).all()


def test_a_training_step_lowers_the_loss_of_the_same_batch(network):
    model = with_fused_layers(network)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.02, momentum=0.9), loss={"fer2013": loss, "ferplus": loss}, run_eagerly=True)
    images = FACES[..., None].astype(np.float32)
    labels = {"fer2013": np.arange(6), "ferplus": np.arange(6)}
    losses = [float(model.train_on_batch(images, labels, return_dict=True)["loss"]) for _ in range(4)]
    assert losses[-1] < losses[0]


def test_the_stored_network_has_keras_own_layers_only_and_answers_alike(network, tmp_path):
    fused = with_fused_layers(network)
    assert all(
        isinstance(layer, FusedBatchNormalization)
        for layer in fused.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    )
    plain = with_plain_layers(fused)
    assert not any(isinstance(layer, FusedBatchNormalization) for layer in plain.layers)
    plain.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    before, after = predict_logits(network, FACES), predict_logits(loaded, FACES)
    for head in before:
        np.testing.assert_allclose(before[head], after[head], atol=1e-4)


@pytest.mark.parametrize("network", ["senet"], indirect=True)  # every kind of layer that the others have
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
    with pytest.raises(ModelError, match=r"'resnext'; known are cnn4, mobilenet_v2, resnet"):
        get_architecture("resnext")


def test_cnn4_is_the_classic_stack():
    convolutions = [
        (layer.filters, layer.kernel_size[0])
        for layer in get_architecture("cnn4").build((FER2013,)).layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    assert convolutions == [(64, 3), (128, 5), (512, 3), (512, 3)]


def test_frozen_fused_normalisation_does_not_learn():
    layer = FusedBatchNormalization()
    x = np.random.default_rng(0).normal(3, 2, (8, 4, 4, 2)).astype(np.float32)
    layer.build(x.shape)
    layer.trainable = False
    before = layer.get_weights()
    layer(x, training=True)
    for one, other in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "parameters"), [("tiny", 500_000), ("vggnet", 2_000_000), ("mobilenet_v2", 2_500_000)]
)
def test_a_network_stays_under_its_size(name, parameters):
    assert get_architecture(name).build((FER2013, FERPLUS)).count_params() < parameters


def test_what_a_network_works_on_is_enlarged_inside_it():
    sizes = [
        layer.output.shape[1:3]
        for layer in get_architecture("mobilenet_v2").build((FER2013,), working_size=64).layers
        if isinstance(layer, keras.layers.Resizing)
    ]
    assert sizes == [(64, 64)]


def test_caffe_preprocessing_is_that_of_keras():
    model = get_architecture("vgg16").build((FER2013,), working_size=32)
    shifted = keras.Model(model.input, model.get_layer("caffe_means").output)
    faces = np.full((1, 48, 48, 1), 100, np.float32)
    expected = keras.applications.vgg16.preprocess_input(np.full((1, 1, 1, 3), 100, np.float32))
    np.testing.assert_allclose(shifted.predict_on_batch(faces)[:, :1, :1], expected, atol=1e-3)


def test_weights_of_a_stored_network_are_taken_up_but_for_heads_it_lacks(tmp_path):
    stored = get_architecture("tiny").build((FER2013, FERPLUS))
    stored.save(tmp_path / "model.keras")
    fresh = get_architecture("tiny").build((FER2013_FIVE, FERPLUS), weights=str(tmp_path / "model.keras"))
    plus_before, plus_after = (m.get_layer("ferplus").get_weights()[0] for m in (stored, fresh))
    np.testing.assert_array_equal(plus_before, plus_after)
    for theirs, ours in zip(stored.layers, fresh.layers, strict=True):
        if isinstance(theirs, keras.layers.Conv2D):
            np.testing.assert_array_equal(theirs.get_weights()[0], ours.get_weights()[0])


def test_weights_that_do_not_fit_are_refused_in_words(tmp_path):
    with pytest.raises(ModelError, match="tiny has no ImageNet weights"):
        get_architecture("tiny").build((FER2013,), weights="imagenet")
    with pytest.raises(ModelError, match="no file of weights at this path"):
        get_architecture("vgg16").build((FER2013,), weights=str(tmp_path / "none.h5"))
    (tmp_path / "bad.h5").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="no ImageNet weights of vgg16 without top"):
        get_architecture("vgg16").build((FER2013,), weights=str(tmp_path / "bad.h5"))
    (tmp_path / "bad.keras").write_bytes(b"not a network")
    with pytest.raises(ModelError, match="no Keras file of this project"):
        get_architecture("tiny").build((FER2013,), weights=str(tmp_path / "bad.keras"))


def test_offline_imagenet_weights_are_asked_for_in_a_sentence():
    def offline(image: keras.KerasTensor, weights: str | None = None) -> keras.KerasTensor:
        raise Exception("URL fetch failure")  # what Keras raises

    config = ArchitectureConfig("net", "Net", 48, "paper", "summary", imagenet=True)
    with pytest.raises(ModelError, match="could not be fetched; on a machine with a connection"):
        Architecture(config, offline).build((FER2013,), weights="imagenet")
