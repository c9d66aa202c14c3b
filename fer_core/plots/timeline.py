"""The last minute of a person: expression probabilities as lines, attention as a strip of coloured intervals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import plotly.graph_objects as go

from fer_core.analysis.attention import Attention
from fer_core.labels import LabelSet
from fer_core.plots.model_styles import LEGEND_ABOVE

STEP_SECONDS = 0.5
"""Each point of a line is the mean over this time: finer ones can't be told apart in a chart of a minute."""
STILL_SECONDS = 2.0
"""Lines break where a stream has no frame for this long."""


def probability_timeline(
    times: np.ndarray,
    probabilities: np.ndarray,
    label_set: LabelSet,
    now: float,
    span: float = 60.0,
    height: int = 300,
) -> go.Figure:
    """One line per emotion in its colour, from ``span`` seconds ago until now; a line breaks where no face was seen.

    Args:
        times: ``(N,)`` seconds on the clock of ``now``, in any order.
        probabilities: ``(N, len(label_set))`` in [0, 1]; a row of NaN where there was no face.
        label_set: what the columns refer to.
        now: seconds; the right edge of the chart.
        span: seconds shown.
        height: pixels.
    """
    centres, means = mean_per_step(times, probabilities, now, span)
    ticks = [-span * part / 4 for part in range(4, -1, -1)]
    # Made in one call: plotly validates a figure again at every later change, and a live chart is made every second.
    return go.Figure(
        data=[
            go.Scatter(
                x=np.round(centres - now, 2),
                y=np.round(means[:, number], 4),
                name=str(emotion),
                mode="lines",
                connectgaps=False,
                line={"color": emotion.colour, "width": 2},
                hovertemplate=f"{emotion}: %{{y:.0%}}<extra></extra>",
            )
            for number, emotion in enumerate(label_set.emotions)
        ],
        layout={
            "height": height,
            "margin": {"l": 0, "r": 8, "t": 8, "b": 0},
            "xaxis": {
                "title": {"text": "Seconds ago"},
                "range": [-span, 0],
                "tickvals": ticks,
                "ticktext": [f"{-tick:g}" for tick in ticks],
                "fixedrange": True,
                "zeroline": False,
            },
            "yaxis": {
                "title": {"text": "Probability, %"},
                "range": [0, 1.02],
                "tickvals": [0, 0.25, 0.5, 0.75, 1],
                "ticktext": ["0", "25", "50", "75", "100"],
                "fixedrange": True,
                "zeroline": False,
            },
            "legend": {**LEGEND_ABOVE, "y": 1.0},
            "hovermode": "x",
            # Keeps what a viewer hid by clicking the legend when the figure is drawn again.
            "uirevision": label_set.name,
        },
    )


def mean_per_step(
    times: np.ndarray, probabilities: np.ndarray, now: float, span: float
) -> tuple[np.ndarray, np.ndarray]:
    """Means over steps of :data:`STEP_SECONDS`.

    Steps begin at multiples of their length, not at ``now``, so that a point keeps its value between drawings. A step
    without a frame is left out, so that a slow stream still gives a line, unless no frame came for :data:`STILL_SECONDS`.

    Returns:
        The middle of each step, ``(S,)`` seconds, and ``(S, C)`` means, NaN for a step without a face. ``S`` is at most
        ``span / STEP_SECONDS + 1`` whatever the number of frames.
    """
    steps = np.floor(times / STEP_SECONDS).astype(np.int64)
    first, last = int(np.floor((now - span) / STEP_SECONDS)), int(np.floor(now / STEP_SECONDS))
    shown = (steps >= first) & (steps <= last)
    steps, probabilities = steps[shown] - first, probabilities[shown]
    seen = ~np.isnan(probabilities).any(axis=1)
    count = last - first + 1
    sums = np.zeros((count, probabilities.shape[1]))
    np.add.at(sums, steps[seen], probabilities[seen])
    faces = np.bincount(steps[seen], minlength=count)[:, None]
    means = np.divide(sums, faces, out=np.full_like(sums, np.nan), where=faces > 0)
    latest = np.full(count, -count)
    latest[steps] = steps
    since_frame = np.arange(count) - np.maximum.accumulate(latest)
    kept = (since_frame == 0) | (since_frame > STILL_SECONDS / STEP_SECONDS)
    return ((np.arange(first, last + 1) + 0.5) * STEP_SECONDS)[kept], means[kept]


ATTENTION_COLOURS = {
    Attention.ATTENDING: "#2E9E5B",
    Attention.LEFT: "#E0A32E",
    Attention.RIGHT: "#C77B30",
    Attention.UP: "#6C8FD6",
    Attention.DOWN: "#8E6BBF",
    Attention.EYES_CLOSED: "#B3425A",
    Attention.ABSENT: "#9AA0A6",
}


def spells_of(
    times: np.ndarray, states: Sequence[Attention | None], now: float
) -> list[tuple[Attention, float, float]]:
    """Runs of one state with their start and end in seconds; where the state is not known a person counts as absent."""
    ends = [*times[1:].tolist(), now][: len(times)]
    runs = []
    for state, run in groupby(zip(states, times.tolist(), ends, strict=True), key=lambda each: each[0]):
        members = list(run)
        runs.append((state or Attention.ABSENT, members[0][1], members[-1][2]))
    return runs


def attention_strip(
    times: np.ndarray, states: Sequence[Attention | None], now: float, span: float = 60.0, height: int = 64
) -> go.Figure:
    """One bar per interval from ``span`` seconds ago until now, in the colour of its state.

    Args:
        times: ``(N,)`` seconds on the clock of ``now``, rising.
        states: ``N`` states, one per time; ``None`` where it is not known.
        now: the right edge of the strip.
        span: seconds shown.
        height: pixels.
    """
    spells = [spell for spell in spells_of(times, states, now) if spell[2] > now - span]
    starts = [max(start, now - span) - now for _, start, _ in spells]
    lengths = [end - now - start for start, (_, _, end) in zip(starts, spells, strict=True)]
    words = [str(state) for state, _, _ in spells]
    bar = go.Bar(
        x=lengths,
        base=starts,
        y=[""] * len(spells),
        orientation="h",
        marker={"color": [ATTENTION_COLOURS[state] for state, _, _ in spells], "line": {"width": 0}},
        customdata=[[word, length] for word, length in zip(words, lengths, strict=True)],
        hovertemplate="%{customdata[0]}: %{customdata[1]:.1f} s<extra></extra>",
    )
    return go.Figure(
        data=[bar],
        layout={
            "height": height,
            "margin": {"l": 0, "r": 8, "t": 4, "b": 20},
            "barmode": "overlay",
            "showlegend": False,
            "xaxis": {"range": [-span, 0], "fixedrange": True, "zeroline": False, "ticksuffix": " s"},
            "yaxis": {"visible": False, "fixedrange": True},
        },
    )
