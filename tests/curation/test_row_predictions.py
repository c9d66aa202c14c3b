"""What networks say of rows: stored predictions find their rows, the rest is asked once, and memory is called memory."""

from dataclasses import replace

import numpy as np
import pytest

from fer_core.curation import row_predictions as module
from fer_core.curation.row_predictions import (
    Exposure,
    can_run,
    hardest,
    known_predictions,
    network_digest,
    own_division,
    predict_rest,
)
from fer_core.datasets import FaceDataset, Split
from fer_core.evaluation.scored import score_split
from fer_core.labels import FER2013
from fer_core.store.predictions import Network

TRAINING = 70


@pytest.fixture
def model(made_up, shipped):
    """A model of made-up predictions with a real network."""
    model = made_up("judged")
    (model.folder / "model.int8.tflite").symlink_to(shipped.litert_path)
    return model


@pytest.fixture
def faces(model) -> FaceDataset:
    """Noise under the labels that the model was judged by, validation first."""
    stored = model.predictions().labels
    splits = [Split.VALIDATION] * 400 + [Split.TRAINING] * TRAINING + [Split.TEST] * 400
    labels = [stored[Split.VALIDATION, "fer2013"], np.zeros(TRAINING), stored[Split.TEST, "fer2013"]]
    images = np.random.default_rng(0).integers(0, 256, (len(splits), 48, 48)).astype(np.uint8)
    return FaceDataset("noise", images, np.concatenate(labels).astype(np.int64), np.array(splits), FER2013)


def test_stored_predictions_are_put_on_their_rows(model, faces, cache):
    answers = known_predictions(model, faces, "f")
    of_test = model.predictions().probabilities[Network.INT8, Split.TEST, "fer2013"]
    np.testing.assert_array_equal(answers.heads["fer2013"][-400:], of_test)
    assert answers.known.tolist() == [True] * 400 + [False] * TRAINING + [True] * 400
    assert answers.row(410) is None
    rule = model.card.default_rule
    losses = answers.losses(rule, faces)
    of_label = rule.apply({"fer2013": of_test})[-1, faces.labels[-1]]
    assert losses[-1] == pytest.approx(-np.log(of_label), rel=1e-5)
    assert np.isnan(losses[400:470]).all()


def test_a_row_without_a_label_has_no_loss(model, faces, cache):
    answers = known_predictions(model, faces, "f")
    faces.labels[-1] = -1
    assert np.isnan(answers.losses(model.card.default_rule, faces)[-1])


def test_of_other_data_nothing_is_known(model, faces, cache):
    other = replace(faces, labels=(faces.labels + 1) % 7)
    answers = known_predictions(model, other, "f")
    assert answers.splits is None
    assert not answers.known.any()


def test_labels_of_ferplus_are_compared_only_where_there_are_votes(model, faces):
    predictions = model.predictions()
    with_ferplus = replace(predictions, labels={**predictions.labels, (Split.TEST, "ferplus"): np.zeros(400, np.int8)})
    assert own_division(model, with_ferplus, faces) is not None
    voted = replace(faces, votes=np.ones((len(faces), 10), np.uint8))
    assert own_division(model, with_ferplus, voted) is None


def test_the_rest_is_asked_once(model, faces, cache, monkeypatch):
    shares: list = []
    answers = predict_rest(model, faces, "f", shares.append)
    assert answers.known.all()
    assert shares[-1] == 1
    assert len(shares) == 2
    np.testing.assert_allclose(answers.heads["fer2013"].sum(axis=1), 1, atol=1e-4)
    again = known_predictions(model, faces, "f")
    np.testing.assert_array_equal(again.heads["fer2013"], answers.heads["fer2013"])
    assert not known_predictions(model, faces, "other data").known[400:470].any()


def test_what_was_asked_before_a_stop_is_kept(model, faces, cache):
    def stop(share):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        predict_rest(model, faces, "f", stop)
    assert known_predictions(model, faces, "f").known.sum() == 800 + module.FACES_PER_CALL


def test_a_damaged_cache_is_asked_anew(model, faces, cache):
    predict_rest(model, faces, "f")
    (kept,) = (cache / "answers").iterdir()
    kept.write_bytes(b"nothing")
    assert known_predictions(model, faces, "f").known.sum() == 800


def test_other_weights_have_another_digest_and_may_be_absent(model, made_up):
    before = network_digest(model)
    path = model.folder / "model.int8.tflite"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert network_digest(model) != before
    assert can_run(model)
    assert not can_run(made_up("bare"))


def test_how_a_network_met_a_face_is_told_by_its_own_division(model, faces, cache):
    answers = known_predictions(model, faces, "f")
    none = np.empty(0, np.int64)
    assert answers.exposure(410, none) == Exposure.TRAINED_ON
    assert answers.exposure(0, none) == Exposure.SELECTED_ON
    assert answers.exposure(600, none) == Exposure.UNSEEN
    assert answers.exposure(600, np.array([3, 410])) == Exposure.COPY_TRAINED_ON
    assert replace(answers, splits=None).exposure(410, none) == Exposure.OTHER_DATA


def test_the_hardest_face_comes_first(model):
    scored = score_split(model, model.card.default_rule, Split.TEST)
    table = hardest(scored)
    assert len(table) == 400
    assert table["loss"].is_monotonic_decreasing
    first = table.iloc[0]
    place = scored.rows.tolist().index(first["place"])
    assert first["label"] == str(FER2013.emotions[scored.labels[place]])
    assert first["loss"] == pytest.approx(-np.log(scored.probabilities[place, scored.labels[place]]))
    assert first["for the label"] == scored.probabilities[np.arange(400), scored.labels].min()
