import numpy as np
import pandas as pd
import pytest

from fer_core.labels import FER2013_FIVE, Emotion
from fer_core.logs.shares import Course
from fer_core.plots.insights import difference_intervals, dominant_map, facets, group_intervals, share_map

STARTS = np.arange(5) * 60.0


def made_up_course() -> Course:
    means = np.full((5, 2), 0.5)
    means[2] = np.nan
    return Course(("happy", "unsure"), STARTS, means, means - 0.1, means + 0.1, np.array([3, 3, 0, 3, 3]))


def test_a_band_and_its_line_break_where_nobody_was_seen():
    figure = facets(made_up_course(), 60)
    bands = [trace for trace in figure.data if trace.fill == "toself"]
    assert len(bands) == 4  # two stretches of each column
    assert bands[0].x.tolist() == [30, 90, 90, 30]
    line = next(trace for trace in figure.data if trace.fill is None)
    assert np.isnan(line.y[2])
    assert line.connectgaps is False
    assert line.line.color == Emotion.HAPPY.colour


def test_a_map_shows_the_likeliest_class_and_leaves_out_who_was_not_seen():
    values = np.zeros((2, 5, 5))
    values[0, :, 2], values[1, :, 4], values[1, 3] = 0.9, 0.8, np.nan
    figure = dominant_map(
        values, ["Ada", "A name that is far too long to stand there"], STARTS, 60, FER2013_FIVE.emotions
    )
    heat = figure.data[0]
    assert heat.z[0].tolist() == [2] * 5
    assert heat.z[1].tolist() == pytest.approx([4, 4, 4, np.nan, 4], nan_ok=True)
    assert heat.text[0][0] == "sad 90%"
    assert "Ada, 3:00" in heat.customdata[0][3]
    assert [trace.name for trace in figure.data[1:]] == list(FER2013_FIVE.names)
    assert figure.layout.yaxis.ticktext[1].endswith("…")
    assert share_map(values[:, :, 2], ["a", "a"], STARTS, 60, "#000000").layout.yaxis.tickvals == (0, 1)


def test_dots_carry_their_intervals():
    table = pd.DataFrame(
        [["x", "sad", 0.3, 0.2, 0.5, 9], ["y", "sad", 0.4, np.nan, np.nan, 1]],
        columns=["name", "class", "share", "low", "high", "across"],
    )
    first, second = group_intervals(table).data
    assert (first.error_x.array[0], first.error_x.arrayminus[0]) == pytest.approx((0.2, 0.1))
    assert second.error_x.array[0] == 0
    differences = pd.DataFrame({"class": ["sad"], "difference": [-0.1], "low": [-0.3], "high": [0.1]})
    figure = difference_intervals(differences, "x", "y")
    assert figure.data[0].x[0] == pytest.approx(-10)
    assert "x minus y" in figure.layout.xaxis.title.text
