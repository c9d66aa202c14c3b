"""Charts of session logs: shares over time, people by time, groups side by side, attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fer_core.analysis.attention import Attention
from fer_core.labels import Emotion
from fer_core.logs.sessions import UNSURE
from fer_core.logs.shares import Course
from fer_core.plots.model_styles import (
    LEGEND_ABOVE,
    MODEL_COLOURS,
    NEUTRAL,
    TRANSPARENT,
    bar_trace,
    error_bars,
    faded,
    layout,
    share_axis,
)
from fer_core.plots.timeline import ATTENTION_COLOURS
from fer_core.plots.video_timeline import clock, time_ticks

FACETS_A_ROW = 3
_FACET_HEIGHT, _ROW_HEIGHT, _ROOM = 150, 24, 90
"""Pixels of a small chart, of a row of names, and of axes and legend."""
UNSURE_COLOUR = "#B08968"
_EMPTY = "rgba(128,128,128,0.14)"
"""Colour of a share of zero, on a light page and a dark one."""

_BAND = 0.25
"""Opacity of an interval."""

_LONGEST_NAME = 28
"""Letters of a person's name beside a chart."""


def stacked_course(course: Course, step: float) -> go.Figure:
    """Mean shares of every class as stacked bars over time, without the last column, which is 'unsure'."""
    return _stacked(course.starts, course.means, course.columns[:-1], step, _emotion_colours(course.columns))


def facets(course: Course, step: float) -> go.Figure:
    """One small chart per column: the mean as a line, its interval as a band; all on the same scale."""
    names = course.columns
    rows = math.ceil(len(names) / FACETS_A_ROW)
    figure = make_subplots(
        rows, FACETS_A_ROW, shared_xaxes=True, shared_yaxes=True, subplot_titles=names, vertical_spacing=0.3 / rows,
        horizontal_spacing=0.03,
    )  # fmt: skip
    colours = _emotion_colours(names)
    for number, name in enumerate(names):
        place = {"row": number // FACETS_A_ROW + 1, "col": number % FACETS_A_ROW + 1}
        for trace in _band_and_line(course, number, step, colours[name]):
            figure.add_trace(trace, **place)
    highest = np.nanmax(np.append(np.where(np.isfinite(course.high), course.high, course.means), 0.05))
    figure.update_yaxes(range=[0, min(1.02, highest * 1.05)], tickformat=".0%", zeroline=False, nticks=5)
    figure.update_xaxes(**_time_axis(course.starts, step, ticks=5))
    figure.update_layout(
        height=rows * _FACET_HEIGHT + _ROOM,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        showlegend=False,
        **TRANSPARENT,
    )
    return figure


def dominant_map(
    values: np.ndarray, names: Sequence[str], starts: np.ndarray, step: float, classes: Sequence[Emotion]
) -> go.Figure:
    """People by time in the colour of the class whose mean probability is highest; empty where a person was not seen.

    Args:
        values: ``(people, B, len(classes))``, NaN where a person was not seen.
        names: of the people, the first on top.
        starts: ``(B,)`` seconds.
        step: seconds of a cell.
        classes: the columns of the values.
    """
    seen = np.isfinite(values).all(axis=2)
    top = np.where(seen, np.nan_to_num(values).argmax(axis=2), np.nan)
    shares = np.where(seen, np.nan_to_num(values).max(axis=2), np.nan)
    count = len(classes)
    scale = [[(n + side) / count, emotion.colour] for n, emotion in enumerate(classes) for side in (0, 1)]
    words = [
        [f"{classes[int(t)]} {p:.0%}" if np.isfinite(t) else "" for t, p in zip(row, row_shares, strict=True)]
        for row, row_shares in zip(top, shares, strict=True)
    ]
    figure = _map(
        top, words, names, starts, step, {"colorscale": scale, "zmin": -0.5, "zmax": count - 0.5, "showscale": False}
    )
    for emotion in classes:  # a legend, which a heat map lacks
        marker = {"color": emotion.colour, "symbol": "square", "size": 11}
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", marker=marker, name=str(emotion)))
    figure.update_layout(showlegend=True)
    return figure


def share_map(values: np.ndarray, names: Sequence[str], starts: np.ndarray, step: float, colour: str) -> go.Figure:
    """People by time: the stronger the colour, the larger the share; empty where a person was not seen.

    Args:
        values: ``(people, B)`` in [0, 1], NaN where a person was not seen.
        names: of the people, the first on top.
        starts: ``(B,)`` seconds.
        step: seconds of a cell.
        colour: for a share of one.
    """
    words = [[f"{value:.0%}" if np.isfinite(value) else "" for value in row] for row in values]
    scale = {
        "colorscale": [[0, _EMPTY], [1, colour]],
        "zmin": 0,
        "zmax": 1,
        "colorbar": {"tickformat": ".0%", "thickness": 12},
    }
    return _map(values, words, names, starts, step, scale)


def group_intervals(table: pd.DataFrame) -> go.Figure:
    """A dot and its interval per class and group or session.

    Args:
        table: of :func:`fer_core.logs.shares.compare`, of at most six names.
    """
    names = list(dict.fromkeys(table["name"]))
    classes = list(dict.fromkeys(table["class"]))
    figure = go.Figure()
    for number, name in enumerate(names):
        rows = table[table["name"] == name]
        colour = MODEL_COLOURS[number % len(MODEL_COLOURS)]
        offset = (number - (len(names) - 1) / 2) * 0.7 / max(len(names), 2)
        figure.add_trace(
            go.Scatter(
                x=rows["share"],
                y=[classes.index(each) + offset for each in rows["class"]],
                mode="markers",
                name=name,
                marker={"color": colour, "size": 9},
                error_x=error_bars(rows["share"], rows["low"], rows["high"], colour),
                customdata=rows[["class", "low", "high"]],
                hovertemplate=f"{name}, %{{customdata[0]}}: %{{x:.1%}} [%{{customdata[1]:.1%}}, %{{customdata[2]:.1%}}]"
                "<extra></extra>",
            )
        )
    highest = float(np.nanmax(np.append(table[["share", "high"]].to_numpy(), 0.05)))
    figure.update_layout(
        layout(
            "Share of time",
            "",
            90 + len(classes) * (20 + 12 * len(names)),
            xaxis={"range": [0, min(1.02, highest * 1.05)], "tickformat": ".0%", "fixedrange": True},
            yaxis=_rows(classes),
            showlegend=True,
        )
    )
    return figure


def difference_intervals(table: pd.DataFrame, first: str, second: str) -> go.Figure:
    """A dot and its interval per class; right of the line the first share is larger.

    Args:
        table: of :func:`fer_core.logs.shares.difference`.
        first: the minuend.
        second: the subtrahend.
    """
    classes = list(table["class"])
    dots = go.Scatter(
        x=table["difference"] * 100,
        y=list(range(len(classes))),
        mode="markers",
        marker={"color": MODEL_COLOURS[0], "size": 9},
        error_x=error_bars(100 * table["difference"], 100 * table["low"], 100 * table["high"], MODEL_COLOURS[0]),
        customdata=np.column_stack([classes, table["low"] * 100, table["high"] * 100]),
        hovertemplate="%{customdata[0]}: %{x:+.1f} points [%{customdata[1]:+.1f}, %{customdata[2]:+.1f}]<extra></extra>",
    )
    figure = go.Figure(dots)
    figure.update_layout(
        layout(
            f"{_short(first)} minus {_short(second)}, percentage points",
            "",
            90 + 28 * len(classes),
            xaxis={"tickformat": "+.3~g", "fixedrange": True},
            yaxis=_rows(classes),
            showlegend=False,
        )
    )
    figure.add_vline(0, line={"color": NEUTRAL, "dash": "dot", "width": 1})
    return figure


def attention_line(course: Course, step: float) -> go.Figure:
    """The share of time in which people attend, over time: the mean over people and its interval."""
    figure = go.Figure(_band_and_line(course, 0, step, ATTENTION_COLOURS[Attention.ATTENDING]))
    figure.update_layout(
        layout(
            "Time, minutes and seconds",
            "Attending while in the picture",
            280,
            xaxis=_time_axis(course.starts, step),
            yaxis={**share_axis(), "fixedrange": True},
            showlegend=False,
        )
    )
    return figure


def attention_stack(states: pd.DataFrame, starts: np.ndarray, step: float) -> go.Figure:
    """Every state's share over time as stacked bars.

    Args:
        states: of :func:`fer_core.logs.shares.attention_states`.
        starts: where the bars of the whole chart begin, in seconds.
        step: seconds of a bar.
    """
    names = [str(state) for state in Attention if states[str(state)].any()]
    values = states.set_index("start")[names].reindex(starts).to_numpy(np.float64)
    return _stacked(starts, values, names, step, {str(state): colour for state, colour in ATTENTION_COLOURS.items()})


def _stacked(
    starts: np.ndarray, values: np.ndarray, names: Sequence[str], step: float, colours: dict[str, str]
) -> go.Figure:
    clocks = [clock(start) for start in starts]
    bars, look = [], {"width": step, "marker": {"line": {"width": 0}}, "customdata": clocks}
    for number, name in enumerate(names):
        hover, heights = f"%{{customdata}} {name}: %{{y:.0%}}", np.round(values[:, number], 4)
        bars.append(bar_trace(starts + step / 2, heights, name, colours[name], hover, **look))
    return go.Figure(
        bars,
        layout(
            "Time, minutes and seconds",
            "Share",
            300,
            xaxis=_time_axis(starts, step),
            yaxis={"range": [0, 1], "tickformat": ".0%", "fixedrange": True},
            barmode="stack",
            bargap=0,
            showlegend=True,
            legend={**LEGEND_ABOVE, "traceorder": "normal"},
        ),
    )


def _band_and_line(course: Course, column: int, step: float, colour: str) -> list[go.Scatter]:
    """The interval as a band and the mean as a line; each stretch without a gap is a band of its own."""
    middles, name = course.starts + step / 2, course.columns[column]
    mean, low, high = course.means[:, column], course.low[:, column], course.high[:, column]
    traces = []
    known = np.flatnonzero(np.isfinite(low))
    for part in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1) if len(known) else []:
        traces.append(
            go.Scatter(
                x=np.concatenate([middles[part], middles[part][::-1]]),
                y=np.round(np.concatenate([high[part], low[part][::-1]]), 4),
                mode="lines",
                line={"width": 0},
                fill="toself",
                fillcolor=faded(colour, _BAND),
                hoverinfo="skip",
                showlegend=False,
            )
        )
    hover = [
        f"{clock(start)} {name}: {m:.0%}" + (f" [{a:.0%}, {b:.0%}]" if np.isfinite(a) else "") + f", people: {count}"
        for start, m, a, b, count in zip(course.starts, mean, low, high, course.people, strict=True)
    ]
    alone = np.isfinite(mean).sum() <= 1
    line = go.Scatter(
        x=middles,
        y=np.round(mean, 4),
        mode="lines+markers" if alone else "lines",
        line={"color": colour, "width": 2},
        connectgaps=False,
        name=name,
        text=hover,
        hovertemplate="%{text}<extra></extra>",
    )
    return [*traces, line]


def _map(
    values: np.ndarray,
    words: list[list[str]],
    names: Sequence[str],
    starts: np.ndarray,
    step: float,
    scale: dict[str, Any],
) -> go.Figure:
    heat = go.Heatmap(
        z=values,
        x=starts + step / 2,
        y=list(range(len(names))),
        ygap=1,
        text=words,
        customdata=[[f"{name}, {clock(start)}" for start in starts] for name in names],
        hovertemplate="%{customdata}: %{text}<extra></extra>",
        hoverongaps=False,
        **scale,
    )
    return go.Figure(
        heat,
        layout(
            "Time, minutes and seconds",
            "",
            _ROOM + 20 + _ROW_HEIGHT * len(names),
            xaxis={**_time_axis(starts, step), "showgrid": False},
            yaxis=_rows([_short(name) for name in names]),
        ),
    )


def _rows(names: Sequence[str]) -> dict[str, Any]:
    """An axis of names, the first on top; its values are numbers, so that two equal names stay two."""
    return {
        "tickvals": list(range(len(names))),
        "ticktext": list(names),
        "range": [len(names) - 0.5, -0.5],
        "showgrid": False,
        "fixedrange": True,
    }


def _time_axis(starts: np.ndarray, step: float, ticks: int | None = None) -> dict[str, Any]:
    first, last = float(starts[0]), float(starts[-1] + step)
    at = time_ticks(first, last)
    at = at[:: math.ceil(len(at) / ticks)] if ticks else at
    return {
        "range": [first, last],
        "tickvals": at,
        "ticktext": [clock(tick) for tick in at],
        "fixedrange": True,
        "zeroline": False,
    }


def _emotion_colours(names: Sequence[str]) -> dict[str, str]:
    return {name: UNSURE_COLOUR if name == UNSURE else Emotion(name).colour for name in names}


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
