"""Expression probabilities as bars."""

from __future__ import annotations

import plotly.graph_objects as go

from fer_core.observations import ExpressionScores


def probability_bars(scores: ExpressionScores, height: int = 190) -> go.Figure:
    """One horizontal bar per emotion in the order of the label set, so that faces can be compared at a glance."""
    emotions = list(scores.label_set.emotions)[::-1]
    values = [float(p) for p in scores.probabilities[::-1]]
    figure = go.Figure(
        go.Bar(
            x=values,
            y=[str(e) for e in emotions],
            orientation="h",
            marker_color=[e.colour for e in emotions],
            text=[f"{value:.0%}" for value in values],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 36, "t": 4, "b": 0},
        xaxis={"range": [0, 1], "visible": False, "fixedrange": True},
        yaxis={"fixedrange": True, "title": None},
        bargap=0.25,
        showlegend=False,
    )
    return figure
