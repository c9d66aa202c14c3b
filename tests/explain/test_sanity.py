import keras
import numpy as np
import pytest

from fer_core.explain.attribution import grad_cam
from fer_core.explain.sanity import randomised_twin, similarity
from fer_core.models import list_architectures


def test_random_weights_change_the_map(shipped_network, faces):
    twin = randomised_twin(shipped_network, seed=0)
    learnt = grad_cam(shipped_network, faces[0], "fer2013", 3)
    assert similarity(learnt, grad_cam(twin, faces[0], "fer2013", 3)) < 0.9
    assert similarity(learnt, grad_cam(shipped_network, faces[0], "fer2013", 3)) == pytest.approx(1)


# Drawing ResNet152V2's 58 million weights proves no more than ResNet50's 24 million.
@pytest.mark.parametrize("network", sorted({*list_architectures()} - {"resnet152v2"}), indirect=True)
def test_every_architecture_still_answers_with_random_weights(network, faces):
    twin = randomised_twin(network, seed=1)
    cam = grad_cam(twin, faces[0], "fer2013", 3)
    assert np.isfinite(cam).all()
    for layer in twin.layers:
        for weight in layer.weights:
            if len(weight.shape) > 1:
                assert not np.array_equal(weight.numpy(), network.get_layer(layer.name).get_weights()[0])


def test_the_twin_is_redrawn_from_the_answer_down_and_the_model_stays(by_hand):
    before = by_hand.get_weights()
    twin = randomised_twin(by_hand, seed=5, layers=1)
    for one, other in zip(before, by_hand.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(twin.get_layer("maps").get_weights()[0], by_hand.get_layer("maps").get_weights()[0])
    drawn = twin.get_layer("logits").get_weights()[0]
    assert not np.array_equal(drawn, by_hand.get_layer("logits").get_weights()[0])
    again = randomised_twin(by_hand, seed=5, layers=1).get_layer("logits").get_weights()[0]
    np.testing.assert_array_equal(drawn, again)
    assert drawn.std() == pytest.approx(np.sqrt(2 / drawn.shape[0]), rel=0.1)


def test_a_normalisation_is_reset_and_a_depthwise_kernel_drawn_by_its_window():
    image = keras.Input((8, 8, 1))
    x = keras.layers.DepthwiseConv2D(3, depth_multiplier=400)(image)
    model = keras.Model(image, keras.layers.BatchNormalization()(x))
    model.layers[-1].set_weights([np.full(400, 7.0)] * 4)
    twin = randomised_twin(model, seed=0)
    assert [weight.mean() for weight in twin.layers[-1].get_weights()] == [1, 0, 0, 1]
    assert twin.layers[1].get_weights()[0].std() == pytest.approx(np.sqrt(2 / 9), rel=0.1)


def test_similarity_is_spearmans_rank_correlation():
    values = np.random.default_rng(0).normal(size=(6, 6))
    assert similarity(values, np.exp(3 * values)) == pytest.approx(1)
    assert similarity(values, -values) == pytest.approx(-1)
    assert similarity(values, np.zeros((6, 6))) == 0
    with pytest.raises(ValueError, match="expected maps of one shape"):
        similarity(values, values[:3])
