import numpy as np
import pytest

from fer_core.explain.attention import REGION_BOXES, FaceRegion, attribution_shares


def test_an_even_map_gives_the_regions_their_shares_of_the_area():
    for side in (48, 50, 96):
        shares = attribution_shares(np.ones((side, side), np.float32))
        assert shares["eyes"] == pytest.approx(38 * 16 / 48**2)
        assert shares["mouth"] == pytest.approx(22 * 12 / 48**2)
        assert sum(shares.values()) == pytest.approx(1)


def test_what_lies_in_a_box_is_counted_there():
    left, top, right, bottom = REGION_BOXES[FaceRegion.MOUTH]
    cam = np.zeros((48, 48))
    cam[top:bottom, left:right] = -3
    assert attribution_shares(cam) == {"eyes": 0, "mouth": 1, "rest": 0}
    cam[0, 0] = 3 * (right - left) * (bottom - top)
    assert attribution_shares(cam) == pytest.approx({"eyes": 0, "mouth": 0.5, "rest": 0.5})


def test_a_map_of_zeros_has_no_shares():
    assert set(attribution_shares(np.zeros((48, 48))).values()) == {0.0}
