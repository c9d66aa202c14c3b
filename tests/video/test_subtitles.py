import numpy as np

from fer_core.labels import FER2013
from fer_core.video.persons import PersonSeries
from fer_core.video.subtitles import webvtt


def person(track: int, words: list[str], masks: list[str | None] | None = None, times=None) -> PersonSeries:
    """Seen ten times a second."""
    count = len(words)
    frames = np.arange(count)
    times = frames / 10 if times is None else np.array(times, float)
    shares = np.full((count, 7), 1 / 7, np.float32)
    masked = np.array(masks or [None] * count, object)
    return PersonSeries(
        track, FER2013, frames, times, shares, np.array(words, object), masked, np.array([None] * count)
    )


def cues(text: str) -> list[list[str]]:
    head, *blocks = text.strip().split("\n\n")
    assert head == "WEBVTT"
    return [block.split("\n") for block in blocks]


def test_a_cue_lasts_as_long_as_a_verdict_and_a_flicker_is_not_told():
    text = webvtt([person(1, ["neutral"] * 10 + ["happy"] * 2 + ["neutral"] * 5 + ["sad or neutral"] * 6)], 0.1)
    assert cues(text) == [
        ["00:00:00.000 --> 00:00:01.700", "Person 1: neutral"],
        ["00:00:01.700 --> 00:00:02.300", "Person 1: sad or neutral"],
    ]


def test_people_have_cues_of_their_own_and_masks_are_told():
    text = webvtt([person(2, ["happy"] * 8, ["masked"] * 8), person(1, ["unsure"] * 8, ["bare"] * 8)], 0.1)
    assert [words for _, words in cues(text)] == ["Person 1: unsure", "Person 2: happy, masked"]


def test_who_is_out_of_sight_has_no_subtitle():
    times = [3600.0, 3600.1, 3600.2, 3600.3, 3600.4, 3603.0, 3603.1, 3603.2, 3603.3, 3603.4]
    assert [clock for clock, _ in cues(webvtt([person(1, ["happy"] * 10, times=times)], 0.1))] == [
        "01:00:00.000 --> 01:00:00.500",
        "01:00:03.000 --> 01:00:03.500",
    ]
    assert "00:00:03.000 --> 00:00:03.500" in webvtt([person(1, ["happy"] * 10, times=times)], 0.1, offset=3600)
