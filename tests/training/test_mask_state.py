"""The network that reads masks learns from faces whose lower halves change owners, and says how well it does."""

import json

import numpy as np
import pytest

from fer_core.datasets import Split
from fer_core.evaluation.mask_state import MASK_PREDICTIONS, load_mask_predictions
from fer_core.evaluation.verification import verify_mask_state
from fer_core.training import mask_state
from fer_core.training.mask_photos import MaskPhotos
from fer_core.training.mask_state import (
    MaskBatches,
    drawn_masks,
    swap_lower_faces,
    train_mask_state,
    unmasked_advantage,
)
from fer_core.vision.mask_state import MASK_STATE_FILE, MaskStateNetwork
from tests.conftest import make_dataset


def test_a_swapped_face_keeps_its_eyes_and_takes_mouth_and_state_of_another():
    faces = np.repeat(np.arange(10, 210, 10, dtype=np.uint8), 48 * 48).reshape(20, 48, 48)
    states = np.arange(20)
    mixed, of = swap_lower_faces(faces, states, np.random.default_rng(0), share=1.0)
    assert (mixed[:, :18] == faces[:, :18]).all()
    assert (mixed[:, 32:] == faces[of][:, 32:]).all()
    assert (of != states).sum() > 15
    unmixed, same = swap_lower_faces(faces, states, np.random.default_rng(0), share=0.0)
    assert (unmixed == faces).all()
    assert (same == states).all()


def test_a_third_of_the_faces_wear_a_drawn_mask_and_the_rest_stay_bare():
    faces = np.random.default_rng(0).integers(90, 160, (200, 48, 48)).astype(np.uint8)
    images, states = drawn_masks(faces, np.random.default_rng(0), 0)
    assert (states == 0).mean() == pytest.approx(0.65, abs=0.1)
    assert (states == 2).sum() < (states == 1).sum()
    changed = (images != faces)[:, 30:].mean(axis=(1, 2)) > 0.3
    assert (changed == (states > 0)).mean() > 0.97  # sunglasses reach no lower


def test_an_epoch_is_the_same_whenever_it_is_drawn_and_unlike_the_next(monkeypatch):
    monkeypatch.setattr(mask_state, "MASK_BATCH", 32)
    faces = np.random.default_rng(0).integers(0, 256, (64, 48, 48)).astype(np.uint8)
    batches = MaskBatches(faces, faces[:10], np.arange(10) < 5, seed=3)
    one, again, other = (list(batches.epoch(number)) for number in (0, 0, 1))
    assert len(one) == len(batches) == (19 + 2 * 10) // 32
    np.testing.assert_array_equal(one[0][0], again[0][0])
    assert (one[0][0] != other[0][0]).any()


def test_the_bare_state_gets_the_advantage_that_tells_most_faces_rightly_and_bounds_false_alarms():
    unmasked, masked = np.array([[0.4, 0.6, 0.0]]), np.array([[0.1, 0.9, 0.0]])
    faces = np.concatenate([np.repeat(unmasked, 100, axis=0), np.repeat(masked, 100, axis=0)])
    truth = np.repeat([0, 1], 100)
    shift = unmasked_advantage(faces, truth == 1, faces, truth)
    assert np.log(0.6 / 0.4) < shift < np.log(0.9 / 0.1)
    sure = np.where(truth[:, None] == 1, [0.0, 1.0, 0.0], [1.0, 0.0, 0.0])
    assert unmasked_advantage(sure, truth == 1, sure, truth) == 0.0


def test_a_network_is_trained_judged_and_stored_and_the_card_says_how(tmp_path, monkeypatch):
    monkeypatch.setattr(mask_state, "MASK_BATCH", 16)
    monkeypatch.setattr(mask_state, "MASK_LAYERS", ((4, 2), (4, 2)))
    dataset = make_dataset(per_class=6)
    crops = np.random.default_rng(0).integers(0, 256, (30, 48, 48)).astype(np.uint8)
    splits = np.repeat([Split.TRAINING, Split.VALIDATION, Split.TEST], 10)
    photos = MaskPhotos(crops, np.arange(30) % 2 == 0, splits, np.arange(30) % 5 > 0, np.full(30, 0.5, np.float32))
    rows: list[dict[str, float]] = []
    card = train_mask_state(dataset, photos, tmp_path, epochs=2, report=rows.append)
    assert [row["epoch"] for row in rows] == [1, 2]
    assert card == json.loads((tmp_path / "card.json").read_text())
    assert card["data"]["faces"]["PrivateTest"] == 42
    assert "advantage of the bare state" in card["data"]["chosen_on"]
    stored = load_mask_predictions(tmp_path / MASK_PREDICTIONS)
    assert [finding for finding in verify_mask_state(tmp_path, dataset) if not finding.equal] == []
    assert len(list(verify_mask_state(tmp_path, dataset))) == 3
    network = MaskStateNetwork((tmp_path / MASK_STATE_FILE).read_bytes())
    card["figures"]["PrivateTest"]["called masked"] += 0.01
    (tmp_path / "card.json").write_text(json.dumps(card))
    assert [finding.equal for finding in verify_mask_state(tmp_path)] == [False]
    np.testing.assert_allclose(network.predict(crops[20:]), stored.probabilities["photos"], atol=2e-3)
