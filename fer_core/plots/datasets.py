"""Charts of data sets: classes and splits, class weights, and where annotators differ from labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from fer_core.labels import Emotion, LabelSet
from fer_core.plots.model_styles import MODEL_COLOURS, NEUTRAL, bar_trace, faded, layout, reference_line

MOST_SERIES = len(MODEL_COLOURS)
"""Bars of a class that can be told apart."""
_PATTERNS = ("", "/", ".", "x", "-", "\\")
"""Of bars, which say the same as the colours."""

_FLOW_ALPHA = 0.45
_FLOW_HEIGHT = 520


def counts_figure(series: Mapping[str, pd.DataFrame], shares: bool) -> go.Figure:
    """Faces per class, bars of several splits or data sets side by side.

    Args:
        series: ``emotion, faces, share`` by title, at most :data:`MOST_SERIES`.
        shares: whether bars are shares of the series, or faces.
    """
    value, title = ("share", "Share of the labelled faces, %") if shares else ("faces", "Faces")
    bars = []
    for (name, counts), colour, pattern in zip(series.items(), MODEL_COLOURS, _PATTERNS, strict=False):
        hover = f"%{{x}}: %{{customdata[0]:,}} faces, %{{customdata[1]:.1%}}<extra>{name}</extra>"
        numbers = counts[["faces", "share"]]
        bars.append(_hatched(counts["emotion"], counts[value], name, colour, pattern, hover, customdata=numbers))
    axis = {"tickformat": ".0%"} if shares else {"tickformat": ","}
    return go.Figure(data=bars, layout=layout("Class", title, barmode="group", yaxis=axis))


def _hatched(
    x: Any, y: Any, name: str, colour: str, pattern: str, hover: str, customdata: pd.DataFrame | None = None
) -> go.Bar:
    marker = {"pattern": {"shape": pattern, "solidity": 0.3}}
    return bar_trace(x, y, name, colour, hover, marker=marker, customdata=customdata)


def seen_figure(table: pd.DataFrame) -> go.Figure:
    """Share of each class in the data, and in the loss once classes are weighted.

    Args:
        table: ``emotion, share, share seen``.
    """
    bars = [
        _hatched(table["emotion"], table[column], name, colour, pattern, f"%{{x}}: %{{y:.1%}}<extra>{name}</extra>")
        for column, name, colour, pattern in (
            ("share", "in the data", NEUTRAL, ""),
            ("share seen", "as the loss weighs it", MODEL_COLOURS[0], "/"),
        )
    ]
    line = reference_line(table["emotion"], [1 / max(1, len(table))] * len(table), "all classes alike")
    axis = {"tickformat": ".0%"}
    return go.Figure(data=[*bars, line], layout=layout("Class", "Share, %", barmode="group", yaxis=axis))


def flow_figure(matrix: pd.DataFrame) -> go.Figure:
    """Own labels on the left, the majority of annotators on the right; a band is as wide as the number of its faces.

    Args:
        matrix: counts, see :func:`fer_core.curation.audit.agreement_matrix`.
    """
    names = [*matrix.index, *matrix.columns]
    left = [f"{name} {count:,}" for name, count in matrix.sum(axis=1).items()]
    right = [f"{name} {count:,}" for name, count in matrix.sum(axis=0).items()]
    rows, columns = np.nonzero(matrix.to_numpy())
    counts = matrix.to_numpy()[rows, columns]
    links = [f"labelled {matrix.index[r]}, annotators: {matrix.columns[c]}" for r, c in zip(rows, columns, strict=True)]
    return go.Figure(
        go.Sankey(
            node={
                "label": [*left, *right],
                "color": [_colour(name) for name in names],
                "pad": 14,
                "thickness": 14,
                "line": {"width": 0},
                "hovertemplate": "%{label} faces<extra></extra>",
            },
            link={
                "source": rows,
                "target": columns + len(matrix),
                "value": counts,
                "color": [faded(_colour(matrix.index[r]), _FLOW_ALPHA) for r in rows],
                "label": links,
                "hovertemplate": "%{label}: %{value:,} faces<extra></extra>",
            },
        ),
        layout={"height": _FLOW_HEIGHT, "margin": {"l": 8, "r": 8, "t": 12, "b": 12}, "paper_bgcolor": "rgba(0,0,0,0)"},
    )


def agreement_figure(matrix: pd.DataFrame) -> go.Figure:
    """The counts of :func:`flow_figure` as a matrix: colours are shares of the own label, cells show the counts."""
    counts = matrix.to_numpy()
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return go.Figure(
        go.Heatmap(
            x=list(matrix.columns),
            y=list(matrix.index),
            z=counts / totals,
            text=[[f"{count:,}" for count in row] for row in counts],
            texttemplate="%{text}",
            zmin=0,
            zmax=1,
            colorscale="Cividis",
            colorbar={"tickformat": ".0%", "title": {"text": "of the label"}},
            hovertemplate="labelled %{y}, annotators %{x}: %{text} faces, %{z:.1%} of the label<extra></extra>",
        ),
        layout=layout(
            "What more than half of the annotators say", "Label", height=440, yaxis={"autorange": "reversed"}
        ),
    )


def histogram_figure(counts: np.ndarray, edges: np.ndarray, label_set: LabelSet, title: str) -> go.Figure:
    """A measure of the faces, classes stacked.

    Args:
        counts: ``(C, B)`` faces per class and bin.
        edges: ``(B + 1,)`` in the measure's unit.
        label_set: of the classes.
        title: the measure and its unit.
    """
    middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    bars, marker = [], {"line": {"width": 0}}
    for emotion, faces in zip(label_set.emotions, counts, strict=True):
        hover = f"%{{x:.2f}}: %{{y:,}} faces<extra>{emotion}</extra>"
        bars.append(bar_trace(middles, faces, str(emotion), emotion.colour, hover, width=widths, marker=marker))
    return go.Figure(data=bars, layout=layout(title, "Faces", barmode="stack", bargap=0))


def _colour(name: str) -> str:
    try:
        return Emotion(name).colour
    except ValueError:  # no majority
        return "#BFC4CA"


def series_titles(names: Sequence[tuple[str, str]]) -> list[str]:
    """Titles of ``(data set, split)`` pairs, without the data set if it is the same in all of them."""
    several = len({dataset for dataset, _ in names}) > 1
    return [f"{dataset} · {split}" if several else split for dataset, split in names]
