"""Charts of several models: accuracy against cost, confusion, metrics by class, tests, and probabilities for a face.

They draw the metrics of :mod:`fer_core.evaluation`; curves are in :mod:`fer_core.plots.curves`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go

from fer_core.evaluation.curves import pareto_front
from fer_core.labels import LabelSet
from fer_core.plots.model_styles import (
    GROUPED,
    NEUTRAL,
    ModelStyle,
    bar_trace,
    category_axis,
    error_bars,
    layout,
    reference_line,
    share_axis,
)
from fer_core.results import ExpressionScores

CELL_TARGET = 34
"""Pixels of the invisible square in each cell of a confusion matrix that takes the click."""


COST_CHART_PIXELS = (720, 330)
"""Width and height of the plotted area for which names are placed: half of a window; a wider area has more room."""
LETTER_PIXELS = (7, 16)
"""Width and height of a letter of a name."""
MARKER_PIXELS = 12
"""Width and height of a point."""
NAME_PLACES = {
    "middle right": (1, 0),
    "top right": (1, 1),
    "bottom right": (1, -1),
    "top center": (0, 1),
    "bottom center": (0, -1),
    "middle left": (-1, 0),
    "top left": (-1, 1),
    "bottom left": (-1, -1),
}
"""Where a name may stand beside its point, the preferred place first: left or right, and up or down."""
MAX_LINEAR_RATIO = 20
"""Ratio of the highest to the lowest cost above which the axis of costs is logarithmic."""


class Normalisation(StrEnum):
    """What the cells of a confusion matrix show."""

    COUNTS = "faces"
    BY_ROW = "share of the true class"
    BY_COLUMN = "share of the answer"


@dataclass(frozen=True)
class CostPoint:
    """One model in the chart of accuracy against cost."""

    title: str
    cost: float
    """In the unit of the axis; a model is left out where it is NaN, which means not measured."""
    accuracy: float
    interval: tuple[float, float]
    style: ModelStyle | None = None
    """``None`` for a model that is not chosen."""


def accuracy_against_cost(points: Sequence[CostPoint], cost_title: str) -> go.Figure:
    """Every model as a point with its 95% interval, and a line through the Pareto front.

    Names stand where they hide nothing; one for which there is no such place is only shown under the pointer.

    Args:
        points: accuracies in [0, 1].
        cost_title: the axis, with its unit.
    """
    shown = [point for point in points if np.isfinite(point.cost)]
    front = pareto_front(np.array([p.cost for p in shown]), np.array([p.accuracy for p in shown]))
    cost_axis, accuracy_axis = _cost_axis([point.cost for point in shown]), _accuracy_axis(shown)
    places = _name_places(shown, front.tolist(), cost_axis, accuracy_axis)
    line = reference_line(
        [shown[i].cost for i in front],
        [shown[i].accuracy for i in front],
        "Pareto front: no other model is both cheaper and better",
        shape="hv",
    )
    return go.Figure(
        data=[line, *(_cost_marker(point, place) for point, place in zip(shown, places, strict=True))],
        layout=layout(
            cost_title,
            "Accuracy, 95% interval",
            420,
            yaxis={"tickformat": ".1~%", **accuracy_axis},
            xaxis=cost_axis,
        ),
    )


def _cost_axis(costs: Sequence[float]) -> dict[str, Any]:
    """From zero, or logarithmic where costs differ much; with room for names on the right."""
    low, high = min(costs, default=1.0), max(costs, default=1.0)
    if low > 0 and high / low > MAX_LINEAR_RATIO:
        room = 0.25 * np.log10(high / low)
        return {"type": "log", "range": [np.log10(low) - room / 4, np.log10(high) + room]}
    return {"range": [0, high * 1.25 or 1.0]}


def _accuracy_axis(points: Sequence[CostPoint]) -> dict[str, Any]:
    """All intervals, with room for a name above and below them."""
    low = min((point.interval[0] for point in points), default=0.0)
    high = max((point.interval[1] for point in points), default=1.0)
    room = 0.12 * (high - low) or 0.01
    return {"range": [low - room, high + room]}


def _name_places(
    points: Sequence[CostPoint], front: Sequence[int], cost_axis: dict[str, Any], accuracy_axis: dict[str, Any]
) -> list[str]:
    """For each point the place of its name, a key of :data:`NAME_PLACES`; empty where every place would hide something.

    Chosen models come first, then the best: a greedy placement on an area of :data:`COST_CHART_PIXELS`, clear of other
    points, intervals and the line of the front.
    """
    spots = [_pixels(point.cost, point.accuracy, cost_axis, accuracy_axis) for point in points]
    half = MARKER_PIXELS / 2
    taken = [(x - half, y - half, x + half, y + half) for x, y in spots]
    for point in points:
        (x, low), (_, high) = (_pixels(point.cost, end, cost_axis, accuracy_axis) for end in point.interval)
        taken.append((x - 1, low, x + 1, high))
    for one, other in pairwise(front):
        (left, below), (right, above) = spots[one], spots[other]
        taken += [(left, below - 1, right, below + 1), (right - 1, below, right + 1, above)]
    places = [""] * len(points)
    for i in sorted(range(len(points)), key=lambda i: (points[i].style is None, -points[i].accuracy)):
        others = taken[:i] + taken[i + 1 :]
        for place, (side, up) in NAME_PLACES.items():
            box = _name_box(spots[i], len(points[i].title), side, up)
            inside = box[0] >= 0 and box[1] >= 0 and box[2] <= COST_CHART_PIXELS[0] and box[3] <= COST_CHART_PIXELS[1]
            if inside and not any(_overlap(box, other) for other in others):
                places[i] = place
                taken.append(box)
                break
    return places


def _pixels(
    cost: float, accuracy: float, cost_axis: dict[str, Any], accuracy_axis: dict[str, Any]
) -> tuple[float, float]:
    """The place of a point in pixels from the lower left corner."""
    cost = np.log10(cost) if cost_axis.get("type") == "log" else cost
    (left, right), (bottom, top) = cost_axis["range"], accuracy_axis["range"]
    x, y = (cost - left) / (right - left), (accuracy - bottom) / (top - bottom)
    return float(x * COST_CHART_PIXELS[0]), float(y * COST_CHART_PIXELS[1])


def _name_box(spot: tuple[float, float], letters: int, side: int, up: int) -> tuple[float, float, float, float]:
    """Left, bottom, right and top, in pixels, of a name beside a point."""
    width, height = letters * LETTER_PIXELS[0], LETTER_PIXELS[1]
    left = spot[0] - width / 2 + side * (width + MARKER_PIXELS) / 2
    bottom = spot[1] - height / 2 + up * (height + MARKER_PIXELS) / 2
    return left, bottom, left + width, bottom + height


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _cost_marker(point: CostPoint, place: str) -> go.Scatter:
    low, high = point.interval
    style = point.style
    colour = style.colour if style else NEUTRAL
    return go.Scatter(
        x=[point.cost],
        y=[point.accuracy],
        name=point.title,
        mode="markers+text" if place else "markers",
        text=[point.title],
        textposition=place or "middle right",
        cliponaxis=False,
        showlegend=False,
        marker={"color": colour, "symbol": style.symbol if style else "circle-open", "size": 12},
        error_y=error_bars([point.accuracy], [low], [high], colour),
        hovertemplate=f"{point.title}<br>%{{x:.4g}}<br>accuracy %{{y:.1%}} [{low:.1%}, {high:.1%}]<extra></extra>",
    )


def normalised(confusion: np.ndarray, how: Normalisation) -> np.ndarray:
    """A confusion matrix ``(C, C)`` as counts, or as shares in [0, 1] of its rows or columns (0 where one is empty)."""
    counts = np.asarray(confusion, np.float64)
    if how == Normalisation.COUNTS:
        return counts
    sums = counts.sum(axis=1 if how == Normalisation.BY_ROW else 0, keepdims=True)
    return np.divide(counts, sums, out=np.zeros_like(counts), where=sums > 0)


def confusion_matrix(
    confusion: np.ndarray,
    label_set: LabelSet,
    how: Normalisation = Normalisation.BY_ROW,
    order: np.ndarray | None = None,
) -> go.Figure:
    """A confusion matrix, true classes downwards, answers to the right; a click on a cell gives ``[true, answered]``.

    Args:
        confusion: ``(len(label_set), len(label_set))`` counts, row true, column answered.
        label_set: the classes.
        how: counts or shares.
        order: ``(len(label_set),)`` class indices in the order of the matrix; the label set's order if left out.
    """
    values = normalised(confusion, how)
    if how == Normalisation.COUNTS:
        scale = {"zmin": 0, "texttemplate": "%{z:.0f}", "colorbar": {"title": {"text": "faces"}}}
    else:
        scale = {"zmin": 0, "zmax": 1, "texttemplate": "%{z:.0%}", "colorbar": {"tickformat": ".0%"}}
    return _matrix(values, confusion, label_set, order, {**scale, "colorscale": "Cividis"}, str(how))


def confusion_difference(
    confusion_a: np.ndarray,
    confusion_b: np.ndarray,
    label_set: LabelSet,
    how: Normalisation = Normalisation.BY_ROW,
    order: np.ndarray | None = None,
) -> go.Figure:
    """The first matrix minus the second, cell by cell; arguments as in :func:`confusion_matrix`."""
    difference = normalised(confusion_a, how) - normalised(confusion_b, how)
    largest = float(np.abs(difference).max()) or 1.0
    percent = how != Normalisation.COUNTS
    scale = {
        "zmin": -largest,
        "zmax": largest,
        "colorscale": "PuOr_r",
        "texttemplate": "%{z:+.0%}" if percent else "%{z:+.0f}",
        "colorbar": {"tickformat": "+.0%" if percent else "+.0f"},
    }
    counts = np.asarray(confusion_a) - np.asarray(confusion_b)
    return _matrix(difference, counts, label_set, order, scale, f"difference in {how}")


def _matrix(
    values: np.ndarray,
    counts: np.ndarray,
    label_set: LabelSet,
    order: np.ndarray | None,
    scale: dict[str, Any],
    value_title: str,
) -> go.Figure:
    order = np.arange(len(label_set)) if order is None else order
    names = [str(label_set.emotions[i]) for i in order]
    cells = [(int(t), int(a)) for t in order for a in order]
    z_format = scale["texttemplate"].removeprefix("%{z").removesuffix("}")
    scale = {**scale, "colorbar": {**scale["colorbar"], "thickness": 12}}  # leaves the cells more room
    # A click selects points of a scatter, not cells of a heatmap: so each cell holds an invisible point.
    targets = go.Scatter(
        x=[str(label_set.emotions[a]) for _, a in cells],
        y=[str(label_set.emotions[t]) for t, _ in cells],
        mode="markers",
        marker={"symbol": "square", "size": CELL_TARGET, "opacity": 0, "color": NEUTRAL},
        selected={"marker": {"opacity": 0.25}},
        unselected={"marker": {"opacity": 0}},
        customdata=[[t, a, float(values[t, a]), int(np.asarray(counts)[t, a])] for t, a in cells],
        hovertemplate="true %{y}, answered %{x}<br>"
        + f"{value_title} %{{customdata[2]{z_format}}}, %{{customdata[3]}} faces<extra></extra>",
        showlegend=False,
    )
    return go.Figure(
        data=[go.Heatmap(z=values[np.ix_(order, order)], x=names, y=names, hoverinfo="skip", **scale), targets],
        layout=layout(
            "Answered",
            "True class",
            400,
            margin={"l": 8, "r": 8, "t": 8, "b": 8},
            xaxis=category_axis(names),
            yaxis=category_axis(names, autorange="reversed"),
        ),
    )


PER_CLASS = {"precision": "Precision", "recall": "Recall", "f1": "F1"}
"""Metrics by class that cards hold, with their titles."""


def per_class_bars(
    per_class: Mapping[str, Mapping[str, Mapping[str, float]]], styles: Mapping[str, ModelStyle], metric: str
) -> go.Figure:
    """One group of bars per class, one bar per model.

    Args:
        per_class: by model's name: ``per_class`` of :func:`fer_core.evaluation.metrics.classification_metrics`.
        styles: by model's name.
        metric: a key of :data:`PER_CLASS`.
    """
    bars = []
    for name, classes in per_class.items():
        style = styles[name]
        shares, faces = zip(*((of_class[metric], of_class["support"]) for of_class in classes.values()), strict=True)
        hover = f"{style.title}, %{{x}}: {PER_CLASS[metric]} %{{y:.1%}}, %{{customdata}} faces"
        bars.append(bar_trace(list(classes), shares, style.title, style.colour, hover, customdata=faces))
    return go.Figure(data=bars, layout=layout("Class", PER_CLASS[metric], 320, yaxis=share_axis(), **GROUPED))


def probability_bars_by_model(
    scores: Mapping[str, ExpressionScores], styles: Mapping[str, ModelStyle], unsure_below: float = 0.0
) -> go.Figure:
    """One face: one group of bars per emotion, one bar per model; a dotted line where models begin to be sure.

    Args:
        scores: by model's name, all of one label set.
        styles: by model's name.
        unsure_below: the lowest probability that counts as an answer, in [0, 1]; 0 draws no line.
    """
    bars = []
    for name, own in scores.items():
        emotions, title = list(own.label_set.names), styles[name].title
        hover = f"{title}, %{{x}}: %{{y:.1%}}"
        bars.append(bar_trace(emotions, [float(p) for p in own.probabilities], title, styles[name].colour, hover))
    figure = go.Figure(
        data=bars,
        layout=layout("Expression", "Probability", 360, yaxis=share_axis(), showlegend=True, **GROUPED),
    )
    if unsure_below:
        figure.add_hline(unsure_below, line={"color": NEUTRAL, "dash": "dot", "width": 1})
        figure.add_annotation(
            x=1, xref="paper", y=unsure_below, text="unsure below", showarrow=False, yanchor="bottom", xanchor="right"
        )
    return figure


def mcnemar_matrix(p_values: np.ndarray, titles: Sequence[str]) -> go.Figure:
    """The p value of McNemar's exact test for each pair, dark where chance rarely explains the difference.

    Args:
        p_values: ``(M, M)`` symmetric in [0, 1]; the diagonal is left empty.
        titles: of the models, no two alike.
    """
    values = np.array(p_values, np.float64)
    np.fill_diagonal(values, np.nan)
    exponents = np.log10(np.maximum(values, 1e-4))
    text = [["" if np.isnan(p) else "<0.0001" if p < 1e-4 else f"{p:.2g}" for p in row] for row in values]
    heatmap = go.Heatmap(
        z=exponents,
        x=list(titles),
        y=list(titles),
        text=text,
        texttemplate="%{text}",
        zmin=-4,
        zmax=0,
        colorscale="Cividis",
        hovertemplate="%{y} against %{x}: p = %{text}<extra></extra>",
        colorbar={
            "title": {"text": "p value"},
            "tickvals": [-4, -3, -2, float(np.log10(0.05)), 0],
            "ticktext": ["≤0.0001", "0.001", "0.01", "0.05", "1"],
        },
        hoverongaps=False,
    )
    plain = {"type": "category", "showgrid": False}
    return go.Figure(
        data=[heatmap], layout=layout("Model", "Model", 380, xaxis=plain, yaxis={**plain, "autorange": "reversed"})
    )


def probability_bars(scores: ExpressionScores, height: int = 190) -> go.Figure:
    """One horizontal bar per emotion in the order of the label set, so that faces can be compared at a glance."""
    emotions = list(scores.label_set.emotions)[::-1]
    values = [float(p) for p in scores.probabilities[::-1]]
    bars = bar_trace(
        values,
        [str(e) for e in emotions],
        None,
        [e.colour for e in emotions],
        "%{y}: %{x:.1%}",
        orientation="h",
        text=[f"{value:.0%}" for value in values],
        textposition="outside",
        cliponaxis=False,
    )
    return go.Figure(
        data=bars,
        layout={
            "height": height,
            "margin": {"l": 0, "r": 36, "t": 4, "b": 0},
            "xaxis": {"range": [0, 1], "visible": False, "fixedrange": True},
            "yaxis": {"fixedrange": True},
            "bargap": 0.25,
            "showlegend": False,
        },
    )
