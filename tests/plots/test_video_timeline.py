import numpy as np
import pytest

from fer_core.analysis.attention import Attention
from fer_core.labels import FER2013
from fer_core.plots.video_timeline import MAX_STEPS, person_timeline, step_seconds
from fer_core.results import MaskState
from fer_core.video.persons import PersonSeries


def person(seconds: float, masks: list | None = None, attention: list | None = None) -> PersonSeries:
    count = round(seconds * 25)
    shares = np.full((count, 7), 0.1, np.float32)
    shares[: count // 2, 3], shares[count // 2 :, 4] = 0.4, 0.4
    nobody = [None] * count
    words = [np.array(each or nobody, object) for each in (None, masks, attention)]
    return PersonSeries(1, FER2013, np.arange(count), np.arange(count) / 25, shares, *words)


def test_emotions_are_stacked_means_of_every_step():
    figure = person_timeline(person(10.0), 0, 10)
    assert [bar.name for bar in figure.data] == list(FER2013.names)
    happy = figure.data[3]
    assert happy.y[0] == pytest.approx(0.4)
    assert happy.y[-1] == pytest.approx(0.1)
    assert happy.x[0] == pytest.approx(step_seconds(10) / 2)
    assert sum(bar.y[0] for bar in figure.data) == pytest.approx(1, abs=1e-3)


def test_mask_and_attention_are_strips_where_they_were_looked_for():
    masks = [str(MaskState.UNMASKED)] * 125 + [str(MaskState.MASKED)] * 125
    attention = [None] * 50 + [str(Attention.DOWN)] * 200
    strips = {bar.name: bar for bar in person_timeline(person(10.0, masks, attention), 0, 10).data[7:]}
    assert set(strips) == {"bare", "masked", "looking down"}
    assert max(strips["bare"].x) < 5 < min(strips["masked"].x)
    assert min(strips["looking down"].x) > 2


@pytest.mark.parametrize("seconds", [0.04, 1, 60, 3600, 50_000])
def test_a_chart_has_so_many_bars_however_long_the_film(seconds):
    assert seconds / step_seconds(seconds) <= MAX_STEPS
    assert len(person_timeline(person(min(seconds, 60)), 0, max(seconds, 1)).data[0].x) <= MAX_STEPS
