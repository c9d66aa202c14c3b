"""Figures of the mask state are those of the stored predictions."""

import numpy as np
import pytest

from fer_core.errors import ModelError
from fer_core.evaluation.mask_state import MaskPredictions, load_mask_predictions, mask_metrics, save_mask_predictions

PREDICTIONS = MaskPredictions(
    {"faces": np.array([[0.9, 0.1, 0], [0.4, 0.5, 0.1], [0.4, 0.2, 0.4], [0.6, 0.3, 0.1]], np.float32)},
    {"faces": np.array([0, 1, 1, 2])},
)


def test_covered_is_right_whatever_the_nose_and_states_are_recalled_one_by_one():
    metrics = mask_metrics(PREDICTIONS)["faces"]
    assert metrics["faces"] == 4
    assert metrics["covered or bare"] == 0.75
    assert metrics["called masked"] == 0.5
    assert metrics["states"] == {"bare": 1.0, "masked": 0.5, "mask under the nose": 0.0}


def test_what_is_stored_has_the_same_figures(tmp_path):
    save_mask_predictions(tmp_path / "p.npz", PREDICTIONS)
    assert mask_metrics(load_mask_predictions(tmp_path / "p.npz")) == mask_metrics(PREDICTIONS)
    (tmp_path / "p.npz").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read"):
        load_mask_predictions(tmp_path / "p.npz")
