"""How charts tell models apart, and the parts that charts share: layout, axes, bars, reference lines, intervals.

Colours: Paul Tol's 'bright' scheme (personal.sron.nl/~pault, 2021), distinguishable with the common colour vision
deficiencies and visible on white and on black. Dashes and symbols say the same once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

MODEL_COLOURS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "star")
NEUTRAL = "#8A8F98"
"""Colour of reference lines and of models that are not chosen: the grey of 'no expression'."""
MOST_MODELS = len(MODEL_COLOURS)
"""Models that can be told apart in one chart."""
LEGEND_ABOVE = {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0}
"""A legend in one row above the chart."""
TRANSPARENT = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}
"""No background, so that a chart fits a light page and a dark one."""
GROUPED = {"barmode": "group", "bargap": 0.25}
"""Layout of bars side by side."""


@dataclass(frozen=True)
class ModelStyle:
    """One model's title and its look, the same in every chart."""

    title: str
    colour: str
    dash: str
    symbol: str


def model_styles(chosen: Sequence[str], known: Sequence[str], titles: dict[str, str]) -> dict[str, ModelStyle]:
    """The look of each chosen model: by its place among all known models, or the next free one if that is taken.

    Args:
        chosen: names, at most :data:`MOST_MODELS`.
        known: names of all models, in an order that does not depend on the choice.
        titles: for people, by name.

    Raises:
        ValueError: more are chosen than there are looks.
    """
    if len(chosen) > MOST_MODELS:
        raise ValueError(f"expected at most {MOST_MODELS} models, got {len(chosen)}")
    taken: dict[int, str] = {}
    for name in sorted(chosen, key=known.index):
        place = known.index(name) % MOST_MODELS
        while place in taken:
            place = (place + 1) % MOST_MODELS
        taken[place] = name
    places = {name: place for place, name in taken.items()}
    return {
        name: ModelStyle(titles[name], MODEL_COLOURS[places[name]], _DASHES[places[name]], _SYMBOLS[places[name]])
        for name in chosen
    }


def layout(x_title: str, y_title: str, height: int = 380, **more: Any) -> dict[str, Any]:
    """A plain layout with titled axes, a legend above and no background; ``more`` adds to it or replaces its parts."""
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 36, "b": 8},
        **TRANSPARENT,
        "legend": LEGEND_ABOVE,
        **more,
        "xaxis": {"title": {"text": x_title}, "zeroline": False, "automargin": True, **more.get("xaxis", {})},
        "yaxis": {"title": {"text": y_title}, "zeroline": False, "automargin": True, **more.get("yaxis", {})},
    }


def share_axis(low: float = 0.0, high: float = 1.0) -> dict[str, Any]:
    """An axis of shares shown in per cent."""
    return {"range": [low - 0.02 * (high - low), high + 0.02 * (high - low)], "tickformat": ".0%"}


def category_axis(names: Sequence[str], **more: Any) -> dict[str, Any]:
    """An axis of names without a grid, in the given order."""
    return {"type": "category", "categoryarray": list(names), "categoryorder": "array", "showgrid": False, **more}


def bar_trace(x: Any, y: Any, name: str | None, colour: Any, hover: str, **more: Any) -> go.Bar:
    """Bars of one colour and name.

    Args:
        x: places or names, one per bar.
        y: heights.
        name: in the legend.
        colour: of all bars, or one per bar.
        hover: text under the pointer, with plotly's placeholders.
        more: further properties of ``go.Bar``; those of ``marker`` are added to the colour.
    """
    marker = {"color": colour, **more.pop("marker", {})}
    hover = hover if "<extra>" in hover else f"{hover}<extra></extra>"
    return go.Bar(x=x, y=y, name=name, marker=marker, hovertemplate=hover, **more)


def reference_line(x: Sequence[Any], y: Sequence[float], name: str, **line: Any) -> go.Scatter:
    """A dotted grey line that the pointer skips; ``line`` changes its look."""
    look = {"color": NEUTRAL, "dash": "dot", **line}
    return go.Scatter(x=x, y=y, name=name, mode="lines", line=look, hoverinfo="skip")


def error_bars(middle: Any, low: Any, high: Any, colour: str) -> dict[str, Any]:
    """Intervals around points, as ``error_x`` or ``error_y``; ends that are not known (NaN) lie on the point."""
    ends = {"array": np.subtract(high, middle), "arrayminus": np.subtract(middle, low)}
    return {
        "type": "data",
        "symmetric": False,
        "color": colour,
        "thickness": 1.5,
        **{side: np.nan_to_num(lengths) for side, lengths in ends.items()},
    }


def faded(colour: str, opacity: float) -> str:
    """A colour such as ``#4477AA`` with an opacity in [0, 1], as CSS ``rgba``."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
