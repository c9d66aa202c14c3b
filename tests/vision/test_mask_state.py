"""Masked faces get the answer of a network that learnt to read them, in the classes that were asked for."""

from dataclasses import replace

import numpy as np
import pytest

from fer_core.analysis import pipeline
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.errors import ModelError
from fer_core.results import MASK_STATES, MaskReading, MaskState
from fer_core.store.store import ModelStore
from fer_core.vision import mask_state
from fer_core.vision.expression import ExpressionClassifier
from fer_core.vision.mask_state import MaskStateNetwork

COVERED, UNMASKED = np.array([0.1, 0.8, 0.1], np.float32), np.array([0.9, 0.1, 0.0], np.float32)


class Says:
    """Reads the mask of faces from left to right as it was told."""

    def __init__(self, *readings: np.ndarray) -> None:
        self.readings = readings

    def read(self, crops: np.ndarray) -> list[MaskReading]:
        return [MaskReading(reading) for reading in self.readings[: len(crops)]]


@pytest.fixture
def store(shipped, tmp_path):
    """The shipped network twice: as it is, and as one that answers masked faces apart, twice as unsure."""
    store = ModelStore(tmp_path)
    for name, masked in (("plain", ()), ("aware", shipped.card.answers)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.int8.tflite").symlink_to(shipped.folder / "model.int8.tflite")
        apart = tuple(replace(rule, temperature=2 * rule.temperature) for rule in masked)
        store.save_card(replace(shipped.card, name=name, masked_answers=apart))
    return store


@pytest.fixture
def analyse(store, photo, monkeypatch):
    """Analyses two astronauts side by side."""
    monkeypatch.setattr(pipeline, "MASK_AWARE_MODEL", "aware")
    pair = np.concatenate([photo, photo // 2], axis=1)

    def analyse(models, *readings, answer=None):
        monkeypatch.setattr(MaskStateNetwork, "shipped", lambda threads: Says(*readings))
        return FrameAnalyser.from_store(models, decision_rule=answer, store=store).analyse(pair)

    return analyse


def test_a_masked_face_is_answered_for_by_the_mask_aware_network_and_a_bare_one_by_the_chosen(analyse):
    covered, unmasked = analyse(["plain"], COVERED, UNMASKED)
    assert [scores.model for scores in covered.scores] == ["aware"]
    assert [scores.model for scores in unmasked.scores] == ["plain"]
    assert (covered.mask.state, unmasked.mask.state) == (MaskState.MASKED, MaskState.UNMASKED)


def test_one_network_for_both_answers_masked_faces_less_surely(analyse):
    of_covered, _ = analyse(["aware"], COVERED, COVERED)
    of_unmasked, _ = analyse(["aware"], UNMASKED, UNMASKED)
    (masked,), (plain,) = of_covered.scores, of_unmasked.scores
    assert masked.model == plain.model == "aware"
    assert masked.top == plain.top
    assert masked.confidence < plain.confidence


def test_several_models_are_replaced_by_one_answer(analyse):
    covered, unmasked = analyse(["plain", "plain"], COVERED, UNMASKED)
    assert [scores.model for scores in covered.scores] == ["aware"]
    assert [scores.model for scores in unmasked.scores] == ["plain", "plain"]
    covered, unmasked = analyse(["plain", "aware"], COVERED, UNMASKED)
    assert [scores.model for scores in covered.scores] == ["aware"]
    assert [scores.model for scores in unmasked.scores] == ["plain", "aware"]


def test_the_answer_stays_in_the_classes_that_were_asked_for(analyse):
    covered, _ = analyse(["plain"], COVERED, UNMASKED, answer="ferplus")
    assert covered.scores[0].label_set.name == "ferplus"


def test_without_a_mask_aware_network_the_chosen_model_answers_and_the_mask_is_still_read(analyse, monkeypatch):
    monkeypatch.setattr(pipeline, "MASK_AWARE_MODEL", "absent")
    covered, _ = analyse(["plain"], COVERED, UNMASKED)
    assert [scores.model for scores in covered.scores] == ["plain"]
    assert covered.covered


def test_only_the_masked_rows_get_the_answer_for_masked_faces(store):
    classifier = ExpressionClassifier(store.load("aware"))
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48)).astype(np.uint8)
    plain, mixed = classifier.classify(faces), classifier.classify(faces, np.array([False, True, False]))
    same = [bool(np.allclose(a.probabilities, b.probabilities)) for a, b in zip(plain, mixed, strict=True)]
    assert same == [True, False, True]


def test_a_missing_network_is_told_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(mask_state, "MASK_STATE_FOLDER", tmp_path)
    with pytest.raises(ModelError, match="is missing; fetch it anew or train it"):
        MaskStateNetwork.shipped()


@pytest.mark.parametrize("content", [b"", b"TFL3" * 100])
def test_bytes_that_are_no_network_are_refused_in_a_sentence(content):
    with pytest.raises(ModelError, match="no mask-state model of this project"):
        MaskStateNetwork(content)


def test_an_expression_network_is_no_mask_state_network(shipped):
    with pytest.raises(ModelError, match="no mask-state model"):
        MaskStateNetwork((shipped.folder / "model.int8.tflite").read_bytes())


def test_the_shipped_network_calls_the_astronaut_bare(photo):
    (face,) = FrameAnalyser.from_store(["senet"]).analyse(photo)
    assert face.mask.state == MaskState.UNMASKED
    assert len(face.mask.probabilities) == len(MASK_STATES)
