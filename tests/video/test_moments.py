import numpy as np
import pytest

from fer_core.labels import FER2013, Emotion
from fer_core.video.moments import KeyMoment, MomentKind, key_moments
from fer_core.video.persons import PersonSeries


def person(track: int, spells: list[tuple[Emotion, float, float]]) -> PersonSeries:
    """Seen 25 times a second: each spell an emotion, its probability and its seconds."""
    rows = []
    for emotion, share, seconds in spells:
        row = np.full(7, (1 - share) / 6)
        row[FER2013.index(emotion)] = share
        rows += [row] * round(seconds * 25)
    count = len(rows)
    nobody = np.array([None] * count, object)
    frames = np.arange(count) + 100
    return PersonSeries(track, FER2013, frames, frames / 25, np.array(rows, np.float32), nobody, nobody, nobody)


def of_kind(moments: list[KeyMoment], kind: MomentKind) -> list[KeyMoment]:
    return [moment for moment in moments if moment.kind is kind]


def test_the_largest_changes_are_found_where_they_happen_with_their_frames():
    changing = person(1, [(Emotion.NEUTRAL, 0.9, 5), (Emotion.HAPPY, 0.8, 5), (Emotion.SAD, 0.6, 5)])
    first, second = of_kind(key_moments([changing]), MomentKind.CHANGE)
    assert (first.time, first.frame) == (pytest.approx(9.0), 225)
    assert first.words == "person 1 turns from neutral to happy"
    assert second.words == "person 1 turns from happy to sad"
    assert 0 < second.size < first.size <= 1


def test_a_steady_face_and_a_short_look_have_no_changes():
    assert of_kind(key_moments([person(1, [(Emotion.HAPPY, 0.9, 8)])]), MomentKind.CHANGE) == []
    assert of_kind(key_moments([person(1, [(Emotion.HAPPY, 0.9, 0.04)])]), MomentKind.CHANGE) == []
    assert key_moments([]) == []


def test_each_sure_emotion_has_one_peak_whoever_shows_it():
    people = [
        person(1, [(Emotion.HAPPY, 0.7, 2), (Emotion.SAD, 0.4, 2)]),
        person(2, [(Emotion.NEUTRAL, 0.6, 2), (Emotion.HAPPY, 0.9, 2)]),
    ]
    peaks = of_kind(key_moments(people), MomentKind.PEAK)
    assert {(peak.track, str(peak.emotion), round(peak.size, 2)) for peak in peaks} == {
        (2, "happy", 0.9),
        (2, "neutral", 0.6),
    }
    assert "person 2 looks most happy: 90%" in [peak.words for peak in peaks]


def test_only_so_many_changes_are_told():
    restless = person(1, [(Emotion.HAPPY if n % 2 else Emotion.SAD, 0.9, 4) for n in range(20)])
    assert len(of_kind(key_moments([restless, restless], most_changes=4), MomentKind.CHANGE)) == 4
