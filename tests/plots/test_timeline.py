"""The chart of the last minute says what it shows and keeps to what was seen."""

import numpy as np
import pytest

from fer_core.labels import FER2013
from fer_core.plots.timeline import mean_per_step, probability_timeline

NOW = 1000.0


def stream(seconds: float, rate: float = 30.0) -> tuple[np.ndarray, np.ndarray]:
    times = NOW - np.arange(0, seconds, 1 / rate)[::-1]
    probabilities = np.zeros((len(times), len(FER2013)), np.float32)
    probabilities[:, 3] = 0.8
    probabilities[:, 6] = 0.2
    return times, probabilities


def test_there_is_one_line_per_emotion_in_its_colour() -> None:
    figure = probability_timeline(*stream(60), FER2013, NOW)
    assert [line.name for line in figure.data] == list(FER2013.names)
    assert [line.line.color for line in figure.data] == [emotion.colour for emotion in FER2013.emotions]


def test_axes_name_what_they_show_and_its_unit() -> None:
    layout = probability_timeline(*stream(60), FER2013, NOW).layout
    assert layout.xaxis.title.text == "Seconds ago"
    assert tuple(layout.xaxis.range) == (-60, 0)
    assert tuple(layout.xaxis.ticktext) == ("60", "45", "30", "15", "0")
    assert layout.yaxis.title.text == "Probability, %"
    assert tuple(layout.yaxis.ticktext) == ("0", "25", "50", "75", "100")


def test_values_are_the_probabilities() -> None:
    happy = probability_timeline(*stream(60), FER2013, NOW).data[3]
    assert np.allclose(happy.y, 0.8)


def test_the_number_of_points_is_bounded_whatever_the_frame_rate() -> None:
    assert len(probability_timeline(*stream(60, 240), FER2013, NOW).data[0].x) <= 121


def test_frames_older_than_the_span_are_left_out() -> None:
    figure = probability_timeline(*stream(300), FER2013, NOW)
    assert min(figure.data[0].x) >= -60.5


def test_lines_break_where_no_face_was_seen() -> None:
    times, probabilities = stream(20)
    probabilities[(times > NOW - 12) & (times < NOW - 8)] = np.nan
    happy = probability_timeline(times, probabilities, FER2013, NOW).data[3]
    gap = np.isnan(np.asarray(happy.y, float))
    assert gap[(np.asarray(happy.x) > -11) & (np.asarray(happy.x) < -9)].all()
    assert not gap[np.asarray(happy.x) > -7].any()
    assert not happy.connectgaps


def test_a_slow_stream_still_gives_whole_lines() -> None:
    times, probabilities = stream(20, rate=1)
    _, means = mean_per_step(times, probabilities, NOW, 60)
    recent = means[-19:]
    assert not np.isnan(recent).any()


def test_lines_break_where_the_stream_stood_still() -> None:
    times, probabilities = stream(30)
    running = (times < NOW - 20) | (times > NOW - 10)
    centres, means = mean_per_step(times[running], probabilities[running], NOW, 60)
    assert np.isnan(means[(centres > NOW - 17) & (centres < NOW - 11)]).all()


def test_a_point_keeps_its_value_while_time_goes_on() -> None:
    times, probabilities = stream(30)
    probabilities[:, 3] = np.random.default_rng(0).random(len(times))
    early, early_means = mean_per_step(times, probabilities, NOW, 60)
    later, later_means = mean_per_step(times, probabilities, NOW + 0.3, 60)
    whole = np.intersect1d(early, later)[-30:-1]
    assert np.allclose(early_means[np.isin(early, whole)], later_means[np.isin(later, whole)], equal_nan=True)


@pytest.mark.parametrize("count", [0, 1])
def test_a_stream_that_has_just_begun_gives_a_chart(count: int) -> None:
    times, probabilities = stream(1)
    figure = probability_timeline(times[:count], probabilities[:count], FER2013, NOW)
    assert len(figure.data) == len(FER2013)
