"""An alert fires once, after its state has lasted, at any frame rate, and never on an unsure answer."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from fer_core.errors import FerError
from fer_core.labels import FER2013, FER2013_FIVE, FERPLUS, Emotion
from fer_core.live.alerts import DEFAULT_RULES, MAX_ALERTS_KEPT, Alert, AlertError, AlertRule, AlertSignal, AlertWatch
from fer_core.results import ExpressionScores

DISTRESS = AlertRule(AlertSignal.EMOTIONS, 20.0, (Emotion.SAD, Emotion.FEAR, Emotion.ANGRY))
NO_FACE = AlertRule(AlertSignal.NO_FACE, 60.0)
RATES = (1, 10, 30)


def scores(**probabilities: float) -> ExpressionScores:
    """The rest goes to neutral."""
    given = {Emotion(word): p for word, p in probabilities.items()}
    values = [given.get(emotion, 0.0) for emotion in FER2013.emotions]
    values[FER2013.index(Emotion.NEUTRAL)] += 1 - sum(values)
    return ExpressionScores("senet", FER2013, np.array(values, np.float32))


SAD, CALM, BETWEEN = scores(sad=0.65), scores(), scores(sad=0.5)
UNSURE = scores(sad=0.3, fear=0.25, angry=0.2, happy=0.2)
Scene = Callable[[float], Mapping[int, ExpressionScores]]


def watched(scene: Scene, seconds: float, rate: float = 10, rule: AlertRule = DISTRESS) -> AlertWatch:
    watch = AlertWatch([rule])
    for frame in range(round(seconds * rate) + 1):
        watch.update(frame / rate, scene(frame / rate))
    return watch


def fired(scene: Scene, seconds: float, rate: float = 10, rule: AlertRule = DISTRESS) -> list[float]:
    return [alert.timestamp for alert in watched(scene, seconds, rate, rule).log]


def alone(*parts: tuple[float, ExpressionScores | None]) -> Scene:
    """One person who shows each for so many seconds, the last one ever after; None is out of view."""

    ends = np.cumsum([seconds for seconds, _ in parts[:-1]])

    def scene(time: float) -> Mapping[int, ExpressionScores]:
        shown = parts[int(np.searchsorted(ends, time + 1e-9, side="right"))][1]
        return {} if shown is None else {1: shown}

    return scene


@pytest.mark.parametrize("rate", RATES)
def test_an_alert_fires_once_when_its_state_has_lasted_and_not_a_moment_earlier(rate: float) -> None:
    watch = AlertWatch([DISTRESS])
    new = [alert for frame in range(120 * rate) for alert in watch.update(1.7 + frame / rate, {7: SAD})]  # type: ignore[call-overload]
    assert new == [Alert(pytest.approx(21.7), DISTRESS, 7)]
    assert watch.log == tuple(new)


def test_update_returns_an_alert_with_the_frame_in_which_it_fires() -> None:
    watch = AlertWatch([DISTRESS])
    assert [len(watch.update(second, {1: SAD})) for second in range(23)] == [0] * 20 + [1, 0, 0]


@pytest.mark.parametrize(("shown", "fires"), [(0.59, False), (0.61, True)])
def test_probabilities_of_the_rules_emotions_are_summed_against_its_threshold(shown: float, fires: bool) -> None:
    assert bool(fired(alone((0, scores(sad=shown - 0.1, fear=0.05, angry=0.05))), 30)) is fires


@pytest.mark.parametrize("rate", RATES)
def test_short_gaps_add_nothing_and_reset_nothing(rate: float) -> None:
    for gap in (CALM, None):
        scene = alone((10, SAD), (1, gap), (0, SAD))
        assert fired(scene, 60, rate) == pytest.approx([21.0])


@pytest.mark.parametrize("rate", RATES)
def test_longer_gaps_start_the_count_anew(rate: float) -> None:
    for gap in (CALM, BETWEEN, None):
        assert fired(alone((10, SAD), (2, gap), (0, SAD)), 60, rate) == pytest.approx([32.0])


@pytest.mark.parametrize("rate", RATES)
def test_an_unsure_answer_never_fires_though_its_emotions_sum_to_more_than_the_threshold(rate: float) -> None:
    assert not UNSURE.verdict().emotions
    assert float(UNSURE.probabilities[:5].sum()) > 0.6
    assert fired(alone((0, UNSURE)), 120, rate) == []
    assert fired(alone((20, SAD), (0, UNSURE)), 60, rate) == []


@pytest.mark.parametrize("rate", RATES)
def test_unsure_answers_pause_the_count_and_after_ten_seconds_reset_it(rate: float) -> None:
    assert fired(alone((10, SAD), (8, UNSURE), (0, SAD)), 60, rate) == pytest.approx([28.0])
    assert fired(alone((10, SAD), (12, UNSURE), (0, SAD)), 60, rate) == pytest.approx([42.0])


@pytest.mark.parametrize("rate", RATES)
def test_an_episode_goes_on_until_the_probability_is_under_the_lower_threshold_for_three_seconds(rate: float) -> None:
    lower = scores(sad=0.46)
    assert fired(alone((30, SAD), (25, lower), (0, SAD)), 80, rate) == pytest.approx([20.0])
    assert fired(alone((30, SAD), (2, CALM), (0, SAD)), 60, rate) == pytest.approx([20.0])
    assert fired(alone((30, SAD), (9, UNSURE), (0, SAD)), 60, rate) == pytest.approx([20.0])
    assert fired(alone((30, SAD), (4, CALM), (0, SAD)), 60, rate) == pytest.approx([20.0, 54.0])
    assert fired(alone((30, SAD), (4, scores(sad=0.44)), (0, SAD)), 60, rate) == pytest.approx([20.0, 54.0])


@pytest.mark.parametrize("rate", RATES)
def test_the_log_says_when_an_episode_ended(rate: float) -> None:
    assert watched(alone((0, SAD)), 40, rate).log[0].ended is None
    for end in (CALM, None, UNSURE):
        assert watched(alone((30, SAD), (0, end)), 60, rate).log[0].ended == pytest.approx(30.0)


def test_someone_who_leaves_ends_their_own_episode_only() -> None:
    watch = watched(lambda time: {1: SAD, 2: SAD} if time < 30 else {2: SAD}, 60)
    assert [(alert.track, alert.ended) for alert in watch.log] == [(1, pytest.approx(30.0)), (2, None)]


@pytest.mark.parametrize("rate", RATES)
def test_no_face_at_all_is_told_after_its_time_and_once(rate: float) -> None:
    assert fired(alone((10, CALM), (0, None)), 150, rate, NO_FACE) == pytest.approx([70.0])
    assert fired(alone((50, None), (1, CALM), (0, None)), 130, rate, NO_FACE) == pytest.approx([61.0])
    assert fired(alone((50, None), (2, CALM), (0, None)), 130, rate, NO_FACE) == pytest.approx([112.0])
    assert watched(alone((70, None), (0, UNSURE)), 80, rate, NO_FACE).log[0].ended == pytest.approx(70.0)
    assert watched(alone((70, None), (0, CALM)), 80, rate, NO_FACE).log[0].track is None


def test_closed_eyes_are_told_of_whom_they_are() -> None:
    watch = AlertWatch([AlertRule(AlertSignal.EYES_CLOSED, 5.0)])
    new = [alert for second in range(9) for alert in watch.update(second, {1: CALM, 2: CALM}, {2})]
    assert [(alert.track, alert.timestamp) for alert in new] == [(2, 5)]


def test_rules_are_watched_side_by_side() -> None:
    asleep, happy = AlertRule(AlertSignal.EYES_CLOSED, 5.0), AlertRule(AlertSignal.EMOTIONS, 9.0, (Emotion.HAPPY,))
    watch = AlertWatch([DISTRESS, asleep, NO_FACE, happy])
    for second in range(100):
        watch.update(second, {1: SAD, 2: scores(happy=0.9)} if second < 30 else {}, {1})
    assert [(alert.timestamp, alert.rule, alert.track, alert.ended) for alert in watch.log] == [
        (5, asleep, 1, None),
        (9, happy, 2, 30),
        (20, DISTRESS, 1, 30),
        (90, NO_FACE, None, None),
    ]


def test_a_pause_of_the_stream_counts_for_nothing() -> None:
    for rule, people in ((DISTRESS, {1: SAD}), (NO_FACE, {})):
        watch = AlertWatch([rule])
        assert not watch.update(0.0, people)
        assert not watch.update(1000.0, people)


def test_a_clock_that_goes_backwards_ends_every_episode_and_starts_anew() -> None:
    watch = watched(alone((0, SAD)), 30)
    watch.update(0.0, {1: SAD})
    assert watch.log[0].ended == pytest.approx(30.0)
    assert [len(watch.update(second, {1: SAD})) for second in range(1, 22)] == [0] * 19 + [1, 0]


def test_memory_is_bounded_however_many_people_come_and_go() -> None:
    watch = AlertWatch([AlertRule(AlertSignal.EMOTIONS, 0.5, (Emotion.SAD,))])
    for second in range(MAX_ALERTS_KEPT + 50):
        watch.update(float(second), {second // 2: SAD, 10_000 + second // 2: SAD})
    assert len(watch.log) == MAX_ALERTS_KEPT == 1000
    assert watch.log[-1].track == 10_000 + (MAX_ALERTS_KEPT + 49) // 2
    assert len(watch._episodes) < 12
    for second in range(10):
        watch.update(MAX_ALERTS_KEPT + 50.0 + second, {})
    assert not watch._episodes
    assert all(alert.ended is not None for alert in watch.log)


def test_emotions_that_the_model_does_not_know_count_nothing() -> None:
    five = ExpressionScores("small", FER2013_FIVE, np.array([0.1, 0.1, 0.65, 0.1, 0.05], np.float32))
    assert fired(alone((0, five)), 30) == pytest.approx([20.0])
    assert fired(alone((0, five)), 30, rule=AlertRule(AlertSignal.EMOTIONS, 5, (Emotion.CONTEMPT,))) == []


def test_a_rule_that_a_model_can_never_meet_is_refused_in_a_sentence() -> None:
    contempt = AlertRule(AlertSignal.EMOTIONS, 5, (Emotion.CONTEMPT,))
    with pytest.raises(AlertError, match=r"waits for contempt, but the model only knows angry, .*: choose"):
        contempt.check(FER2013)
    contempt.check(FERPLUS)
    for rule in DEFAULT_RULES:
        rule.check(FER2013_FIVE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((AlertSignal.NO_FACE, 0.0), "above 0"),
        ((AlertSignal.NO_FACE, float("nan")), "above 0"),
        ((AlertSignal.EMOTIONS, 5.0), "at least one"),
        ((AlertSignal.NO_FACE, 5.0, (Emotion.SAD,)), "leave them out"),
        ((AlertSignal.EMOTIONS, 5.0, (Emotion.SAD,), 1.2), "threshold of 120%"),
    ],
)
def test_rules_that_make_no_sense_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(FerError, match=message):
        AlertRule(*arguments)


def test_a_rules_title_is_plain_words() -> None:
    assert DISTRESS.title == "sad, fear or angry over 60% for 20 s"
    assert AlertRule(AlertSignal.EMOTIONS, 7.5, (Emotion.SAD,), 0.7).title == "sad over 70% for 7.5 s"
    assert NO_FACE.title == "no face for 60 s"
