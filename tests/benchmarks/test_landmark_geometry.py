"""Geometry is learnt, stored, fused and judged; what ships is what its card says."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import landmark_geometry as geometry
from benchmarks.landmark_geometry import GeometryPredictions, judge_geometry
from fer_core.cli.main import main
from fer_core.datasets import FaceDataset, Split
from fer_core.errors import ModelError
from fer_core.labels import FER2013
from fer_core.results import BoundingBox
from fer_core.store.store import StoredModel
from fer_core.vision.crops import crop_faces
from fer_core.vision.landmarks import FACE_POINTS

SPLITS = Split.VALIDATION, Split.TEST


def predictions_of(model: StoredModel, sure_of_truth: float) -> GeometryPredictions:
    """Predictions on the first 500 faces of each split, with so many nats in favour of the truth."""
    labels = {split: model.predictions().labels[split, FER2013.name][:500].astype(int) for split in SPLITS}
    odds = {split: np.exp(sure_of_truth * np.eye(7)[labels[split]]) for split in SPLITS}
    probabilities = {split: (o / o.sum(axis=1, keepdims=True)).astype(np.float32) for split, o in odds.items()}
    return GeometryPredictions({split: np.arange(500) for split in SPLITS}, probabilities)


def test_landmarks_are_read_of_a_face_and_not_of_noise(photo: np.ndarray) -> None:
    face = crop_faces(photo, [BoundingBox(162, 52, 125, 125)], 48)[0]
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    points = geometry.read_points(np.stack([face, noise]))
    assert points.shape == (2, FACE_POINTS, 3)
    assert [bool(np.isfinite(p).all()) for p in points] == [True, False]


def test_shapes_are_learnt_and_faces_without_landmarks_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.tile(np.arange(7), 60)
    splits = np.repeat([Split.TRAINING, *SPLITS], [280, 70, 70])
    rng = np.random.default_rng(0)
    shape, by_class = rng.normal(0, 50, (FACE_POINTS, 3)), rng.normal(0, 5, (7, FACE_POINTS, 3))
    images = np.zeros((420, 48, 48), np.uint8)
    images[:, 0, 0] = labels

    def read(faces: np.ndarray, report: object) -> np.ndarray:
        points = shape + by_class[faces[:, 0, 0]] + rng.normal(0, 1, (len(faces), FACE_POINTS, 3))
        points[3] = np.nan
        return points

    monkeypatch.setattr(geometry, "read_points", read)
    learnt = geometry.learn_geometry(FaceDataset("shapes", images, labels, splits, FER2013))
    for split in SPLITS:
        assert 3 not in learnt.rows[split]
        assert (learnt.probabilities[split].argmax(axis=1) == labels[:70][learnt.rows[split]]).mean() > 0.9


def test_a_second_opinion_that_knows_more_is_trusted_and_said_to_help(shipped: StoredModel) -> None:
    verdict = judge_geometry(predictions_of(shipped, 3.0), shipped)[Split.TEST]
    assert verdict.exponents[1] > 0.5
    assert verdict.helps
    assert verdict.right["fused"].mean() > verdict.right["network"].mean() + 0.1


def test_one_that_knows_nothing_changes_no_answer(shipped: StoredModel) -> None:
    verdict = judge_geometry(predictions_of(shipped, 0.0), shipped)[Split.TEST]
    np.testing.assert_array_equal(verdict.right["fused"], verdict.right["network"])
    assert not verdict.helps


def test_a_model_of_other_classes_cannot_be_fused_with(shipped: StoredModel, made_up) -> None:
    from fer_core.labels import FER2013_FIVE

    with pytest.raises(ModelError, match="five has no stored answers"):
        judge_geometry(predictions_of(shipped, 0.0), made_up("five", FER2013_FIVE))


def test_what_ships_is_what_the_card_says(shipped: StoredModel, capsys: pytest.CaptureFixture[str]) -> None:
    card = json.loads((geometry.GEOMETRY_FOLDER / "card.json").read_text(encoding="utf-8"))
    verdicts = judge_geometry(geometry.load_geometry(), shipped)
    for split, verdict in verdicts.items():
        assert card["figures"][str(split)]["accuracy"] == pytest.approx(verdict.as_json()["accuracy"], abs=0.001)
    assert card["helps"] == verdicts[Split.TEST].helps
    assert main(["train-geometry"]) == 0
    said = "is right more often beyond chance" if card["helps"] else "is not shown to be right more often"
    assert said in capsys.readouterr().out


def test_missing_predictions_are_told_how_to_make(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train-geometry", "--out", str(tmp_path)]) == 1
    assert "train-geometry --data PATH" in capsys.readouterr().err
