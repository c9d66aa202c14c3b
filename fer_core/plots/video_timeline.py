"""One person over the whole length of a video: stacked emotions, and below them mask and attention, all clickable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fer_core.analysis.attention import Attention
from fer_core.plots.model_styles import LEGEND_ABOVE, bar_trace
from fer_core.plots.timeline import ATTENTION_COLOURS
from fer_core.results import MaskState
from fer_core.video.persons import PersonSeries

MAX_STEPS = 240
"""Bars across a chart: more can't be told apart or clicked."""
_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds that a bar, or the distance of two ticks, can last."""
MASK_COLOURS = {MaskState.UNMASKED: "#B9C2C6", MaskState.MASKED: "#2C7FB8", MaskState.NOSE_OUT: "#D9793A"}

_EMOTIONS_HEIGHT, _STRIP_HEIGHT, _ROOM = 150, 26, 66
"""Pixels."""
_TICKS = 8
"""Along the axis, at most."""


def person_timeline(person: PersonSeries, start: float, end: float, marked: float | None = None) -> go.Figure:
    """Mean probabilities per step of time as stacked bars; the most frequent mask state and attention as strips.

    A strip is left out where it was not analysed. A click on any bar gives the middle of its time as x.

    Args:
        person: the person.
        start: seconds of the video at the left edge.
        end: seconds at the right edge.
        marked: a moment to mark, in seconds.
    """
    step = step_seconds(end - start)
    strips = [
        (name, values, colours)
        for name, values, colours in (
            ("Mask", person.masks, MASK_COLOURS),
            ("Attention", person.attention, ATTENTION_COLOURS),
        )
        if any(value is not None for value in values)
    ]
    heights = [_EMOTIONS_HEIGHT, *[_STRIP_HEIGHT] * len(strips)]
    figure = make_subplots(len(heights), 1, shared_xaxes=True, row_heights=heights, vertical_spacing=0.02)
    steps = np.floor(person.times / step + 1e-6).astype(np.int64)
    numbers, inverse = np.unique(steps, return_inverse=True)
    middles = (numbers + 0.5) * step
    counts = np.bincount(inverse)[:, None]
    sums = np.zeros((len(numbers), len(person.label_set)))
    np.add.at(sums, inverse, person.probabilities)
    means = sums / counts
    clocks = [clock(time) for time in middles]
    for column, emotion in enumerate(person.label_set.emotions):
        hover = f"%{{customdata}} {emotion}: %{{y:.0%}}"
        figure.add_trace(_bars(middles, means[:, column], step, emotion.colour, str(emotion), clocks, hover), 1, 1)
    for row, (_, values, colours) in enumerate(strips, 2):
        states = _most_frequent(values, inverse, len(numbers))
        for state, colour in colours.items():
            here = np.array([each == state for each in states], bool)
            if here.any():
                own, words = np.array(clocks)[here], f"%{{customdata}} {state}"
                figure.add_trace(
                    _bars(middles[here], np.ones(here.sum()), step, colour, str(state), own, words), row, 1
                )
    figure.update_yaxes(visible=False, fixedrange=True, range=[0, 1])
    figure.update_yaxes(visible=True, tickvals=[0, 0.5, 1], ticktext=["0", "50", "100"], title="%", row=1, col=1)
    for row, (name, _, _) in enumerate(strips, 2):
        figure.update_yaxes(visible=True, tickvals=[0.5], ticktext=[name], row=row, col=1)
    ticks = time_ticks(start, end)
    figure.update_xaxes(range=[start, end], fixedrange=True, zeroline=False, showticklabels=False)
    figure.update_xaxes(
        showticklabels=True, tickvals=ticks, ticktext=[clock(tick) for tick in ticks], row=len(heights), col=1
    )
    if marked is not None:
        figure.add_vline(x=marked, line={"width": 2, "color": "#0B6E75"})
    figure.update_layout(
        barmode="stack",
        bargap=0,
        height=sum(heights) + _ROOM,
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        legend={**LEGEND_ABOVE, "traceorder": "normal"},
        clickmode="event+select",
        dragmode=False,
        uirevision=person.track,
    )
    return figure


def step_seconds(span: float) -> float:
    """Seconds of a bar in a chart over ``span`` seconds."""
    return next((step for step in _STEPS if span / step <= MAX_STEPS), span / MAX_STEPS)


def time_ticks(start: float, end: float) -> np.ndarray:
    """At most :data:`_TICKS` round moments between two, in seconds."""
    apart = next((step for step in _STEPS if (end - start) / step < _TICKS), (end - start) / _TICKS)
    return np.arange(np.ceil(start / apart - 1e-6), np.floor(end / apart + 1e-6) + 1) * apart


def _bars(
    x: np.ndarray, y: np.ndarray, width: float, colour: str, name: str, clocks: Sequence[str] | np.ndarray, hover: str
) -> go.Bar:
    # A bar that was clicked looks like the others: the moment is shown above.
    same = {"marker": {"opacity": 1}}
    more = {"width": width, "marker": {"line": {"width": 0}}, "selected": same, "unselected": same}
    return bar_trace(x, np.round(y, 4), name, colour, hover, customdata=clocks, **more)


def _most_frequent(values: Sequence[str | None] | np.ndarray, inverse: np.ndarray, count: int) -> list[str | None]:
    states: dict[str, int] = {}
    votes = np.zeros((count, len(MaskState) + len(Attention)), np.int64)
    for value, step in zip(values, inverse, strict=True):
        if value is not None:
            votes[step, states.setdefault(value, len(states))] += 1
    names = list(states)
    return [names[int(row.argmax())] if row.any() else None for row in votes]


def clock(seconds: float) -> str:
    """Minutes and seconds, such as ``75:30``; with tenths of a second unless they are zero."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02}" + (f".{tenths % 10}" if tenths % 10 else "")
