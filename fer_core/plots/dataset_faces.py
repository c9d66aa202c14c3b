"""Pictures and charts of a data set's faces: means and spreads, distributions, votes, a map of similar faces."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd
import plotly.graph_objects as go

from fer_core.curation.embedding_map import FaceMap
from fer_core.curation.statistics import MeanFaces
from fer_core.explain.overlay import AGAINST, FOR
from fer_core.labels import FERPLUS, Emotion, LabelSet
from fer_core.plots.model_styles import NEUTRAL, bar_trace, layout

ENLARGED_SIDE = 144
"""Pixels of a mean face."""
HOVER_SIDE, HOVER_QUALITY = 96, 50
"""Pixels of the face under the pointer, and the quality of its WebP in per cent: about 700 bytes each."""
NOT_EMOTIONS = ("unknown", "not a face")
"""The last two columns of FER+'s votes."""
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
_RIDGE, _RIDGE_PIXELS = 1.3, 36
"""Height of the highest ridge, where the distance of two classes is 1, and that distance in pixels."""

_RARE, _TINY = 0.001, 1e-12
"""Share of a class up to which the ends of a measure are cut off, and a divisor that is not zero."""

_MAP_HEIGHT = 560
_POINT_SIZE = 34
"""Of a face on the map, in square pixels."""


def enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """``(H, W)`` or ``(H, W, 3) uint8`` resized smoothly to a height of ``side`` pixels, in proportion."""
    scale = side / image.shape[0]
    return cv2.resize(image, (round(image.shape[1] * scale), side), interpolation=cv2.INTER_CUBIC)


def mean_pictures(faces: MeanFaces) -> list[np.ndarray]:
    """The mean face of each class, ``(side, side) uint8`` grey."""
    return [enlarged(np.rint(mean).astype(np.uint8), ENLARGED_SIDE) for mean in faces.means]


def spread_pictures(faces: MeanFaces) -> tuple[list[np.ndarray], tuple[int, int]]:
    """The standard deviation of each pixel within each class, RGB, from dark blue to yellow.

    Returns:
        The pictures, and the grey levels of the two ends of the colours, which are the same for all classes.
    """
    present = faces.spreads[faces.faces > 0]
    low, high = (int(np.floor(present.min())), int(np.ceil(present.max()))) if len(present) else (0, 1)
    scaled = np.clip((faces.spreads - low) * (255 / max(1, high - low)), 0, 255).astype(np.uint8)
    heat = [cv2.applyColorMap(spread, cv2.COLORMAP_CIVIDIS)[..., ::-1] for spread in scaled]
    return [enlarged(picture, ENLARGED_SIDE) for picture in heat], (low, high)


def difference_pictures(faces: MeanFaces) -> tuple[list[np.ndarray], int]:
    """The mean of each class minus the mean of all faces, RGB: vermilion lighter, blue darker, white the same.

    Returns:
        The pictures, and the difference in grey levels at which the colours are full, the same for all classes.
    """
    weights = faces.faces / max(1, faces.faces.sum())
    differences = faces.means - np.tensordot(weights, faces.means, 1)
    differences[faces.faces == 0] = 0
    top = max(1, int(np.ceil(np.abs(differences).max())))
    shares = np.clip(differences / top, -1, 1)[..., None]
    colours = 255 + np.abs(shares) * (np.where(shares > 0, FOR, AGAINST) - 255)
    return [enlarged(picture, ENLARGED_SIDE) for picture in np.rint(colours).astype(np.uint8)], top


def distribution_figure(
    counts: np.ndarray, edges: np.ndarray, label_set: LabelSet, classes: Sequence[Emotion], title: str
) -> go.Figure:
    """A measure of the faces, a ridge per class with a line at its median; all on the same scale.

    Args:
        counts: ``(C, B)`` faces per class of the label set and bin.
        edges: ``(B + 1,)`` in the measure's unit; the last bin holds all larger values too.
        label_set: of the counts.
        classes: those to draw.
        title: the measure and its unit.
    """
    middles = (edges[1:] + edges[:-1]) / 2
    drawn = [place for place, e in enumerate(label_set.emotions) if e in classes and counts[place].any()][::-1]
    shares = counts[drawn] / counts[drawn].sum(axis=1, keepdims=True)
    heights = shares / max(shares.max(initial=0.0), _TINY) * _RIDGE
    ridges = []
    for base, place in enumerate(drawn):
        emotion = label_set.emotions[place]
        median = int(np.searchsorted(shares[base].cumsum(), 0.5))
        ground = go.Scatter(x=middles, y=np.full(len(middles), base), mode="lines", line={"width": 0}, hoverinfo="skip")
        ridge = go.Scatter(
            x=middles,
            y=base + heights[base],
            fill="tonexty",
            mode="lines",
            line={"color": emotion.colour, "width": 1.5},
            customdata=np.column_stack([shares[base], counts[place]]),
            hovertemplate=f"{emotion}, %{{x:.0f}}: %{{customdata[0]:.1%}}, %{{customdata[1]:,}} faces<extra></extra>",
        )
        middle = go.Scatter(
            x=[middles[median]] * 2,
            y=[base, base + heights[base, median]],
            mode="lines",
            line={"color": emotion.colour, "width": 2, "dash": "dot"},
            hovertemplate=f"{emotion}: median %{{x:.0f}}<extra></extra>",
        )
        ridges += [ground, ridge, middle]
    names = [str(label_set.emotions[place]) for place in drawn]
    used = np.flatnonzero((shares > _RARE).any(axis=0)) if drawn else np.arange(len(middles))
    return go.Figure(
        data=ridges,
        layout=layout(
            title,
            "Class; height: share of its faces",
            110 + _RIDGE_PIXELS * len(drawn),
            showlegend=False,
            xaxis={"range": [edges[used[0]], edges[used[-1] + 1]]},
            yaxis={"tickvals": list(range(len(drawn))), "ticktext": names, "range": [-0.1, len(drawn) + _RIDGE - 0.9]},
        ),
    )


def vote_bars(votes: np.ndarray) -> go.Figure:
    """How many annotators of FER+ chose each answer for one face.

    Args:
        votes: ``(10,)`` of FER+.
    """
    names = [*FERPLUS.names, *NOT_EMOTIONS]
    colours = [emotion.colour for emotion in FERPLUS.emotions] + [NEUTRAL] * len(NOT_EMOTIONS)
    patterns = [""] * len(FERPLUS) + ["/", "x"]  # grey is neutral's colour too
    total = int(votes.sum())
    bars = bar_trace(
        votes.astype(int),
        names,
        None,
        colours,
        f"%{{y}}: %{{x}} of {total} annotators",
        orientation="h",
        marker={"pattern": {"shape": patterns, "solidity": 0.45}},
        text=[str(count) if count else "" for count in votes.tolist()],
        textposition="outside",
        cliponaxis=False,
    )
    whole = {"range": [0, max(10, total)], "dtick": 2}
    downwards = {"autorange": "reversed"}
    return go.Figure(data=bars, layout=layout("Annotators", "Answer", 300, xaxis=whole, yaxis=downwards, bargap=0.25))


def face_url(image: np.ndarray) -> str:
    """``(H, W) uint8`` as a ``data:`` URL, for :func:`face_map_chart`."""
    quality = [cv2.IMWRITE_WEBP_QUALITY, HOVER_QUALITY]
    content = cv2.imencode(".webp", enlarged(image, HOVER_SIDE), quality)[1].tobytes()
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def face_map_chart(
    face_map: FaceMap, classes: Sequence[Emotion], pictures: Sequence[str] | None = None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A map of faces as a table and a Vega-Lite chart of it, coloured by label, with the face under the pointer.

    Args:
        face_map: the map.
        classes: labels to show.
        pictures: a URL per face of the map, see :func:`face_url`; without them the pointer shows only words.
    """
    emotions = np.array(face_map.label_set.names)
    answers = np.array(face_map.answer_set.names)
    table = pd.DataFrame(
        {
            "x": face_map.places[:, 0],
            "y": face_map.places[:, 1],
            "label": emotions[face_map.labels],
            "answer": answers[face_map.answers],
            "row": face_map.rows,
        }
    )
    if pictures is not None:
        table["image"] = list(pictures)  # the chart shows a field of this name as a picture
    domain = list(face_map.label_set.names)
    key = {"orient": "top", "title": "Label", "columns": 4, "symbolSize": 80}
    plain = {"labels": False, "ticks": False, "grid": False}
    axis = "t-SNE, no unit: only nearness means something"
    words = [{"field": name, "type": "nominal"} for name in ("label", "answer")]
    spec = {
        "height": _MAP_HEIGHT,
        "mark": {"type": "point", "filled": True, "size": _POINT_SIZE, "opacity": 0.8},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "title": axis, "axis": plain, "scale": {"zero": False}},
            "y": {"field": "y", "type": "quantitative", "title": axis, "axis": plain, "scale": {"zero": False}},
            "color": {
                "field": "label",
                "type": "nominal",
                "scale": {"domain": domain, "range": [emotion.colour for emotion in face_map.label_set.emotions]},
                "legend": key,
            },
            "shape": {
                "field": "label",
                "type": "nominal",
                "scale": {"domain": domain, "range": list(_SHAPES[: len(domain)])},
                "legend": key,
            },
            "tooltip": [
                *words,
                {"field": "row", "type": "quantitative", "format": ","},
                *([] if pictures is None else [{"field": "image", "type": "nominal"}]),
            ],
        },
    }
    wanted = table["label"].isin([str(emotion) for emotion in classes])
    return table[wanted].reset_index(drop=True), spec
