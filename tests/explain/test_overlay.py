import numpy as np
import pytest

from fer_core.explain.overlay import overlay, signed_overlay

FACE = np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)
RAMP = np.tile(np.linspace(0, 1, 48), (48, 1))


@pytest.mark.parametrize("draw", [overlay, signed_overlay])
def test_without_strength_the_bare_face_is_shown(draw):
    picture = draw(FACE, RAMP, 0, side=48)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, np.repeat(FACE[..., None], 3, axis=-1))


@pytest.mark.parametrize("draw", [overlay, signed_overlay])
def test_the_picture_has_the_side_asked_for_and_strength_has_bounds(draw):
    assert draw(FACE, RAMP).shape == (240, 240, 3)
    with pytest.raises(ValueError, match=r"strength of 0 to 1, got 1\.5"):
        draw(FACE, RAMP, 1.5)


def test_heat_grows_lighter_from_blue_to_yellow():
    picture = overlay(FACE, RAMP, 1, side=48).astype(int)
    lightness = picture[0] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > -1).all()
    (red, _, blue), (bright_red, _, bright_blue) = picture[0, 0], picture[0, -1]
    assert red < blue
    assert bright_red > bright_blue


def test_signs_have_their_colours_and_nothing_leaves_the_face_bare():
    values = np.zeros((48, 48))
    values[:, :12], values[:, 36:] = -2, 2
    picture = signed_overlay(FACE, values, 1, side=48)
    assert picture[20, 2].tolist() == [0x00, 0x72, 0xB2]
    assert picture[20, 45].tolist() == [0xD5, 0x5E, 0x00]
    assert (picture[:, 24] == FACE[:, 24, None]).all()
    assert (signed_overlay(FACE, np.zeros((48, 48)), 1, side=48) == FACE[..., None]).all()
