"""Connection settings are read from two places, and mistakes in them are told in a sentence."""

import json
from typing import Any

import numpy as np
import pytest

from fer_core.app.live import stream as live
from fer_core.labels import FER2013
from fer_core.live.session import StreamError
from fer_core.results import ExpressionScores, MaskReading

TURN = {"urls": ["turn:turn.example.org:3478"], "username": "u", "credential": "c"}


class Secrets(dict[str, Any]):
    def load_if_toml_exists(self) -> bool:
        return bool(self)


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live.st, "secrets", Secrets())  # type: ignore[attr-defined]
    monkeypatch.delenv("FER_ICE_SERVERS", raising=False)


def test_without_settings_there_are_no_servers() -> None:
    assert live.ice_servers() == []


def test_servers_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_ICE_SERVERS", json.dumps([{"urls": "stun:stun.example.org"}, TURN]))
    assert live.ice_servers() == [{"urls": "stun:stun.example.org"}, TURN]


def test_secrets_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_ICE_SERVERS", "not even JSON")
    monkeypatch.setattr(live.st, "secrets", Secrets(ice_servers=[TURN]))  # type: ignore[attr-defined]
    assert live.ice_servers() == [TURN]


@pytest.mark.parametrize(
    "text", ["stun:stun.example.org", "[", '{"urls": "stun:x"}', '["stun:x"]', '[{"urls": 3}]', "[{}]"]
)
def test_a_malformed_variable_is_told_in_a_sentence(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_ICE_SERVERS", text)
    with pytest.raises(StreamError, match=r"^FER_ICE_SERVERS .*expected a list such as .*correct it"):
        live.ice_servers()


def test_a_malformed_secret_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live.st, "secrets", Secrets(ice_servers="stun:x"))  # type: ignore[attr-defined]
    with pytest.raises(StreamError, match=r"^The secret ice_servers .*expected"):
        live.ice_servers()


def test_the_answer_card_names_answer_and_runner_up() -> None:
    probabilities = np.array([0.01, 0.01, 0.02, 0.8, 0.05, 0.01, 0.1], np.float32)
    card = live.answer_card(ExpressionScores("net", FER2013, probabilities))
    assert "happy" in card
    assert "80%" in card
    assert "then neutral 10%" in card


def test_the_answer_card_names_two_emotions_or_none_where_one_is_not_sure() -> None:
    two = live.answer_card(ExpressionScores("net", FER2013, np.array([0.42, 0.4, 0.1, 0.02, 0.02, 0.02, 0.02])))
    assert "angry or disgust" in two
    assert "82%" in two
    assert "then fear 10%" in two
    none = live.answer_card(ExpressionScores("net", FER2013, np.array([0.25, 0.1, 0.1, 0.1, 0.2, 0.1, 0.15])))
    assert "unsure" in none
    assert "perhaps angry 25% or sad 20%" in none


@pytest.mark.parametrize(
    ("probabilities", "words"),
    [((0.9, 0.1, 0.0), "No mask"), ((0.1, 0.9, 0.0), "Mask: read from eyes"), ((0.1, 0.2, 0.7), "Mask under the nose")],
)
def test_the_answer_card_says_whether_a_mask_is_worn(probabilities: tuple[float, ...], words: str) -> None:
    answer = ExpressionScores("net", FER2013, np.array([0.01, 0.01, 0.02, 0.8, 0.05, 0.01, 0.1], np.float32))
    assert words in live.answer_card(answer, MaskReading(np.array(probabilities, np.float32)))


def test_the_answer_card_tells_no_face_from_no_frame() -> None:
    assert "No face" in live.answer_card(None)
    assert "Waiting" in live.answer_card(None, waiting=True)
