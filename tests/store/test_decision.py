import numpy as np
import pytest
from scipy.special import softmax

from fer_core.labels import FER2013, FER2013_FIVE, FERPLUS, Emotion
from fer_core.store.decision import DecisionRule, plain_rule


def test_a_plain_answer_is_the_head_itself():
    heads = {"fer2013": softmax(np.random.default_rng(0).normal(size=(5, 7)), axis=-1)}
    np.testing.assert_allclose(plain_rule(FER2013).apply(heads), heads["fer2013"], atol=1e-6)


def test_fusing_two_heads_is_their_weighted_geometric_mean():
    rng = np.random.default_rng(1)
    seven, eight = softmax(rng.normal(size=(3, 7)), axis=-1), softmax(rng.normal(size=(3, 8)), axis=-1)
    fused = DecisionRule("f", "", FER2013, {"fer2013": 0.75, "ferplus": 0.25}, (0.0,) * 7).apply(
        {"fer2013": seven, "ferplus": eight}
    )
    by_hand = seven**0.75 * eight[:, FER2013.indices_in(FERPLUS)] ** 0.25
    np.testing.assert_allclose(fused, by_hand / by_hand.sum(axis=1, keepdims=True), rtol=1e-5)


def test_a_class_bias_of_log_two_doubles_the_odds_of_that_class():
    bias = np.zeros(7)
    bias[FER2013.index(Emotion.DISGUST)] = np.log(2)
    rule = DecisionRule("b", "", FER2013, {"fer2013": 1.0}, tuple(bias))
    even = rule.apply({"fer2013": np.full((1, 7), 1 / 7)})[0]
    assert even[FER2013.index(Emotion.DISGUST)] == pytest.approx(2 / 8)


def test_an_answer_reads_back_as_it_was_written():
    rule = DecisionRule("f", "title", FER2013, {"fer2013": 0.75, "ferplus": 0.25}, (0.5,) * 7, 1.25)
    assert DecisionRule.from_json(rule.as_json()) == rule


def test_an_answer_written_before_temperatures_reads_as_temperature_one():
    data = plain_rule(FER2013).as_json()
    del data["temperature"]
    assert DecisionRule.from_json(data).temperature == 1.0


def test_temperature_two_takes_the_square_root_of_the_odds_biases_included():
    bias = np.zeros(7)
    bias[FER2013.index(Emotion.DISGUST)] = np.log(9)
    rule = DecisionRule("t", "", FER2013, {"fer2013": 1.0}, tuple(bias), temperature=2.0)
    answer = rule.apply({"fer2013": np.full((1, 7), 1 / 7)})[0]
    assert answer[FER2013.index(Emotion.DISGUST)] / answer[0] == pytest.approx(3)


@pytest.mark.parametrize("temperature", [0.2, 0.9, 1.1, 5.0])
def test_temperature_changes_the_confidence_and_never_the_top_answer(temperature):
    heads = {"fer2013": softmax(np.random.default_rng(2).normal(size=(500, 7)), axis=-1)}
    plain = plain_rule(FER2013).apply(heads)
    scaled = DecisionRule("t", "", FER2013, {"fer2013": 1.0}, (0.0,) * 7, temperature).apply(heads)
    np.testing.assert_array_equal(scaled.argmax(axis=1), plain.argmax(axis=1))
    assert ((scaled.max(axis=1) < plain.max(axis=1)) == (temperature > 1)).all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature above 0"):
        DecisionRule("t", "", FER2013, {"fer2013": 1.0}, (0.0,) * 7, temperature)


def test_the_composition_says_what_was_chosen_and_what_is_as_trained():
    def composition(label_set, weights, bias=0.0, temperature=1.0):
        return DecisionRule("c", "", label_set, weights, (bias,) * len(label_set), temperature).composition

    assert composition(FER2013, {"fer2013": 1.0}) == "FER2013 head, as trained"
    assert (
        composition(FER2013, {"fer2013": 1.0}, temperature=0.9) == "FER2013 head, temperature 0.9 chosen on PublicTest"
    )
    assert (
        composition(FER2013, {"fer2013": 0.8, "ferplus": 0.2}, 0.5, 1.2)
        == "0.8 FER2013 + 0.2 FER+, class biases and temperature 1.2 chosen on PublicTest"
    )
    assert composition(FER2013_FIVE, {"fer2013": 1.0}) == "FER2013 head restricted to 5 classes, as trained"


def test_softmax_stands_logits_of_any_size():
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0], [-1e4, 0.0]]), axis=-1), [[0.5, 0.5], [0, 1]])
