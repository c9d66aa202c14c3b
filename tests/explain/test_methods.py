import numpy as np
import pytest

from fer_core.errors import ModelError
from fer_core.explain import attribution
from fer_core.explain.methods import Method, explain, running_class_activation


@pytest.mark.parametrize(
    ("method", "function"),
    [
        (Method.GRAD_CAM, attribution.grad_cam),
        (Method.GRAD_CAM_PLUS_PLUS, attribution.grad_cam_plus_plus),
        (Method.OCCLUSION, attribution.occlusion_sensitivity),
        (Method.INTEGRATED_GRADIENTS, attribution.integrated_gradients),
    ],
)
def test_every_method_is_asked_by_its_name(by_hand, small_face, method, function):
    found = explain(method, by_hand, small_face, "fer2013", 1)
    np.testing.assert_array_equal(found, function(by_hand, small_face, "fer2013", 1))
    assert found.min() >= 0 or method.is_signed


def test_integrated_gradients_take_at_least_64_steps():
    assert attribution.GRADIENT_STEPS >= 64


def test_the_running_mean_ends_at_the_mean_and_says_how_far_it_is(by_hand):
    faces = np.random.default_rng(2).integers(0, 256, (11, 12, 12)).astype(np.uint8)
    steps = list(running_class_activation(by_hand, faces, "fer2013", 2, at_once=4))
    assert [done for done, _ in steps] == [4, 8, 11]
    for done, cam in steps:
        expected = attribution.mean_class_activation(by_hand, faces[:done], "fer2013", 2)
        np.testing.assert_allclose(cam, expected, atol=1e-6)
        assert cam.dtype == np.float32


def test_a_mean_of_no_faces_is_refused_in_a_sentence(by_hand):
    with pytest.raises(ModelError, match="no faces"):
        next(running_class_activation(by_hand, np.empty((0, 12, 12), np.uint8), "fer2013", 0))
