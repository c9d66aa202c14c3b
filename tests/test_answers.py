import numpy as np
import pytest

from fer_core.answers import AnswerRule, plain_answer, softmax
from fer_core.emotions import FER2013, FERPLUS, Emotion


def test_a_plain_answer_is_the_head_itself():
    heads = {"fer2013": softmax(np.random.default_rng(0).normal(size=(5, 7)))}
    np.testing.assert_allclose(plain_answer(FER2013).apply(heads), heads["fer2013"], atol=1e-6)


def test_fusing_two_heads_is_their_weighted_geometric_mean():
    rng = np.random.default_rng(1)
    seven, eight = softmax(rng.normal(size=(3, 7))), softmax(rng.normal(size=(3, 8)))
    fused = AnswerRule("f", "", FER2013, {"fer2013": 0.75, "ferplus": 0.25}, (0.0,) * 7).apply(
        {"fer2013": seven, "ferplus": eight}
    )
    by_hand = seven**0.75 * eight[:, FER2013.indices_in(FERPLUS)] ** 0.25
    np.testing.assert_allclose(fused, by_hand / by_hand.sum(axis=1, keepdims=True), rtol=1e-5)


def test_a_class_bias_of_log_two_doubles_the_odds_of_that_class():
    bias = np.zeros(7)
    bias[FER2013.index(Emotion.DISGUST)] = np.log(2)
    rule = AnswerRule("b", "", FER2013, {"fer2013": 1.0}, tuple(bias))
    even = rule.apply({"fer2013": np.full((1, 7), 1 / 7)})[0]
    assert even[FER2013.index(Emotion.DISGUST)] == pytest.approx(2 / 8)


def test_an_answer_reads_back_as_it_was_written():
    rule = AnswerRule("f", "title", FER2013, {"fer2013": 0.75, "ferplus": 0.25}, (0.5,) * 7)
    assert AnswerRule.from_json(rule.as_json()) == rule


def test_softmax_stands_logits_of_any_size():
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0], [-1e4, 0.0]])), [[0.5, 0.5], [0, 1]])
