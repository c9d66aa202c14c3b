"""A person's attention over the last minute as a strip of coloured intervals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import plotly.graph_objects as go

from fer_core.analysis.attention import Attention

COLOURS = {
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
        marker={"color": [COLOURS[state] for state, _, _ in spells], "line": {"width": 0}},
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
