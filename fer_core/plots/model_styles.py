"""How the charts of a comparison tell models apart, and the layout they share.

Colours: Paul Tol's 'bright' scheme (personal.sron.nl/~pault, 2021), distinguishable with the common colour vision
deficiencies and visible on white and on black. Dashes and symbols say the same once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MODEL_COLOURS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377")


_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


_SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "star")


NEUTRAL = "#8A8F98"
"""Of reference lines and of models that are not chosen: the grey of 'no expression'."""


MOST_MODELS = len(MODEL_COLOURS)
"""As many as can be told apart."""


@dataclass(frozen=True)
class ModelStyle:
    """One model's name for people and its look, the same in every chart."""

    title: str
    colour: str
    dash: str
    symbol: str


def model_styles(chosen: Sequence[str], known: Sequence[str], titles: dict[str, str]) -> dict[str, ModelStyle]:
    """The look of each chosen model: that of its place among all known ones, or the next free one if that is taken.

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
    """A plain layout with titled axes and without a background, so that it fits a light page and a dark one."""
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 36, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        **more,
        "xaxis": {"title": {"text": x_title}, "zeroline": False, "automargin": True, **more.get("xaxis", {})},
        "yaxis": {"title": {"text": y_title}, "zeroline": False, "automargin": True, **more.get("yaxis", {})},
    }


def share_axis(low: float = 0.0, high: float = 1.0) -> dict[str, Any]:
    """An axis of shares shown in per cent."""
    return {"range": [low - 0.02 * (high - low), high + 0.02 * (high - low)], "tickformat": ".0%"}


def faded(colour: str, opacity: float) -> str:
    """A colour such as ``#4477AA`` let through: CSS ``rgba``, the opacity in [0, 1]."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
