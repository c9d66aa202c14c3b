"""People of a stream keep ids, mask states and answers of their own, for as long as they are there."""

from collections.abc import Callable

import numpy as np
import pytest

from fer_core.analysis.scheduling import CLASSIFICATION_INTERVAL, Scheduler
from fer_core.analysis.stream import Person, StreamMemory
from fer_core.labels import FER2013, Emotion
from fer_core.results import BoundingBox, ExpressionScores, FaceDetection, MaskReading, MaskState

UNMASKED, COVERED = np.array([0.97, 0.02, 0.01], np.float32), np.array([0.03, 0.9, 0.07], np.float32)


def scores(emotion: str, model: str = "net") -> ExpressionScores:
    probabilities = np.full(7, 0.02, np.float32)
    probabilities[FER2013.index(Emotion(emotion))] = 0.88
    return ExpressionScores(model, FER2013, probabilities)


def seconds_until(says: Callable[[float], bool], start: float, rate: float) -> float:
    """How long after ``start`` something is said for the first time, asked so many times a second."""
    return next(step / rate for step in range(1, 100) if says(start + step / rate))


@pytest.mark.parametrize("rate", [10.0, 30.0])
@pytest.mark.parametrize(("before", "after", "state"), [(UNMASKED, COVERED, "masked"), (COVERED, UNMASKED, "bare")])
def test_a_mask_is_followed_within_half_a_second_both_ways(rate, before, after, state):
    person = StreamMemory().person(1)
    for step in range(20):
        person.update_mask(MaskReading(before), step / rate)
    changed = seconds_until(
        lambda now: person.update_mask(MaskReading(after), now).state == MaskState(state), 19 / rate, rate
    )
    assert changed <= 0.5


def test_a_single_misread_frame_changes_no_mask_state():
    person = StreamMemory().person(1)
    for step in range(60):
        reading = MaskReading(COVERED if step == 40 else UNMASKED)
        assert person.update_mask(reading, step / 30).state == MaskState.UNMASKED


def test_an_answer_goes_on_when_another_model_takes_over_for_a_masked_face():
    memory = StreamMemory()
    for step in range(30):
        memory.person(1).update_scores([scores("happy"), scores("sad")], step / 30)
    (taken_over,) = memory.person(1).update_scores([scores("neutral", "aware")], 1.0)
    assert (taken_over.model, str(taken_over.top)) == ("aware", "happy")
    assert taken_over.probabilities.sum() == pytest.approx(1)
    (other,) = memory.person(2).update_scores([scores("neutral")], 1.0)
    assert str(other.top) == "neutral", "another person has another past"


def test_without_smoothing_every_answer_is_that_of_its_frame():
    person = Person()
    person.update_scores([scores("happy")], 0.0, smoothing=0)
    (answer,) = person.update_scores([scores("sad")], 0.1, smoothing=0)
    np.testing.assert_array_equal(answer.probabilities, scores("sad").probabilities)


def test_what_is_known_of_a_person_ends_with_their_track():
    memory = StreamMemory()
    face = [FaceDetection(BoundingBox(10, 10, 80, 80), 0.9)]
    for round_ in range(50):
        (track,) = memory.identify(face, 10.0 * round_, None)
        memory.person(track).update_mask(MaskReading(UNMASKED), 10.0 * round_)
        memory.person(track).update_scores([scores("happy")], 10.0 * round_)
    assert track == 50
    assert len(memory._people) == 1


def test_each_person_has_an_average_of_their_own() -> None:
    memory = StreamMemory()
    memory.person(1).update_scores([scores("happy")], 0.0)
    (other,) = memory.person(2).update_scores([scores("sad")], 0.0)
    assert other.probabilities.tolist() == scores("sad").probabilities.tolist()
    (again,) = memory.person(1).update_scores([scores("happy")], 0.1)
    assert again.probabilities.tolist() == pytest.approx(scores("happy").probabilities.tolist())


def test_who_has_gone_is_forgotten() -> None:
    memory = StreamMemory()
    for track in range(1, 6):
        memory.person(track).update_scores([scores("happy")], 0.0)
    memory.forget([1, 2, 99])
    assert len(memory._people) == 3
    (new,) = memory.person(1).update_scores([scores("sad")], 0.1)
    assert new.probabilities.tolist() == scores("sad").probabilities.tolist()
    (known,) = memory.person(3).update_scores([scores("sad")], 0.1)
    assert known.probabilities[FER2013.index(Emotion("happy"))] > 0.5


def test_turns_of_those_who_have_left_are_not_remembered() -> None:
    scheduler = Scheduler(CLASSIFICATION_INTERVAL)
    for track in range(1000):
        scheduler.due([track], track / 25)
    assert len(scheduler._last) < 10
