"""Augmented faces as one picture, and their grey levels before and after."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from fer_core.plots.model_styles import MODEL_COLOURS, NEUTRAL, layout
from fer_core.plots.sheets import sheet_of

CELL = 96
"""Approximate pixels of a face in a sheet; each pixel of a face becomes a whole number of them."""
GAP = 6
"""Transparent pixels between two faces."""
BINS = 64
"""Bins of the histogram, four grey levels each."""


def face_sheet(faces: np.ndarray, columns: int = 6) -> np.ndarray:
    """Faces in rows, enlarged without smoothing.

    Args:
        faces: ``(N, S, S) uint8`` grey or ``(N, S, S, 3) uint8`` RGB, at least one.
        columns: faces in a row.

    Returns:
        ``(H, W, 4) uint8`` RGBA, transparent between the faces.
    """
    return sheet_of(faces, min(columns, len(faces)), max(1, round(CELL / faces.shape[1])), GAP)


def histogram_figure(before: np.ndarray, after: np.ndarray) -> go.Figure:
    """Share of the pixels at each grey level, of faces before and after; both ``(N, H, W) uint8``."""
    edges = np.linspace(0, 256, BINS + 1)
    middles = (edges[:-1] + edges[1:] - 1) / 2

    def line(faces: np.ndarray, name: str, colour: str, **more: object) -> go.Scatter:
        shares = np.histogram(faces, edges)[0] / faces.size
        return go.Scatter(
            x=middles,
            y=np.round(shares, 5),
            name=name,
            mode="lines",
            line={"color": colour, "width": 2, "shape": "hvh"},
            hovertemplate=f"{name}: %{{y:.1%}} of the pixels about level %{{x:.0f}}<extra></extra>",
            **more,
        )

    return go.Figure(
        data=[
            line(before, "before", NEUTRAL, fill="tozeroy", fillcolor="rgba(138,143,152,0.3)"),
            line(after, "after", MODEL_COLOURS[1]),
        ],
        layout=layout(
            "Grey level, 0 black to 255 white",
            "Share of the pixels, %",
            260,
            xaxis={"range": [0, 255]},
            yaxis={"rangemode": "tozero", "tickformat": ".0%"},
        ),
    )
