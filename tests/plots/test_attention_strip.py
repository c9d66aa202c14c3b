"""The strip of attention shows every state for as long as it lasted."""

import numpy as np

from fer_core.analysis.attention import Attention
from fer_core.plots.timeline import ATTENTION_COLOURS, attention_strip

STATES = [Attention.ATTENDING] * 10 + [None] * 5 + [Attention.LEFT] * 5


def test_every_state_has_a_colour_of_its_own() -> None:
    assert set(ATTENTION_COLOURS) == set(Attention)
    assert len(set(ATTENTION_COLOURS.values())) == len(Attention)


def test_spells_lie_end_to_end_up_to_now_and_who_is_not_seen_is_absent() -> None:
    (bar,) = attention_strip(np.arange(20.0), STATES, now=20.0).data
    assert [list(each) for each in bar.customdata] == [["attending", 10.0], ["absent", 5.0], ["looking left", 5.0]]
    assert list(bar.base) == [-20.0, -10.0, -5.0]
    assert list(bar.marker.color)[1] == ATTENTION_COLOURS[Attention.ABSENT]


def test_what_is_older_than_the_span_is_cut_off() -> None:
    (bar,) = attention_strip(np.arange(20.0), STATES, now=20.0, span=12.0).data
    assert list(bar.base) == [-12.0, -10.0, -5.0]
    assert sum(bar.x) == 12.0


def test_without_frames_the_strip_is_empty() -> None:
    (bar,) = attention_strip(np.zeros(0), [], now=20.0).data
    assert len(bar.x) == 0
