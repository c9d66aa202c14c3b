"""Connection settings are read from two places, and mistakes in them are told in a sentence."""

import json
from typing import Any

import numpy as np
import pytest

from fer_core.emotions import FER2013
from fer_core.live import StreamError
from fer_core.observations import ExpressionScores
from fer_core.ui import live

TURN = {"urls": ["turn:turn.example.org:3478"], "username": "u", "credential": "c"}


class Secrets(dict[str, Any]):
    def load_if_toml_exists(self) -> bool:
        return bool(self)


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live.st, "secrets", Secrets())
    monkeypatch.delenv("FER_ICE_SERVERS", raising=False)


def test_without_settings_there_are_no_servers() -> None:
    assert live.ice_servers() == []


def test_servers_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_ICE_SERVERS", json.dumps([{"urls": "stun:stun.example.org"}, TURN]))
    assert live.ice_servers() == [{"urls": "stun:stun.example.org"}, TURN]


def test_secrets_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_ICE_SERVERS", "not even JSON")
    monkeypatch.setattr(live.st, "secrets", Secrets(ice_servers=[TURN]))
    assert live.ice_servers() == [TURN]


@pytest.mark.parametrize(
    "text", ["stun:stun.example.org", "[", '{"urls": "stun:x"}', '["stun:x"]', '[{"urls": 3}]', "[{}]"]
)
def test_a_malformed_variable_is_told_in_a_sentence(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_ICE_SERVERS", text)
    with pytest.raises(StreamError, match=r"^FER_ICE_SERVERS .*expected a list such as .*correct it"):
        live.ice_servers()


def test_a_malformed_secret_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live.st, "secrets", Secrets(ice_servers="stun:x"))
    with pytest.raises(StreamError, match=r"^The secret ice_servers .*expected"):
        live.ice_servers()


def test_the_answer_card_names_answer_and_runner_up() -> None:
    probabilities = np.array([0.01, 0.01, 0.02, 0.8, 0.05, 0.01, 0.1], np.float32)
    card = live.answer_card(ExpressionScores("net", FER2013, probabilities))
    assert "happy" in card
    assert "80%" in card
    assert "then neutral 10%" in card


def test_the_answer_card_tells_no_face_from_no_frame() -> None:
    assert "No face" in live.answer_card(None)
    assert "Waiting" in live.answer_card(None, waiting=True)
