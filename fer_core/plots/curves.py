"""Curves of several models: ROC, precision against recall, reliability, coverage, learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from fer_core.evaluation.curves import Coverage, Curve, Reliability, kept_epoch
from fer_core.plots.model_styles import ModelStyle, layout, reference_line, share_axis

_DIGITS = 4
"""Decimals of drawn points: finer ones can't be told apart and fill files."""
COVERAGE_POINTS = 300
"""Points of a drawn coverage curve, which has as many thresholds as faces."""
MIN_DOT, MAX_DOT = 6.0, 22.0
"""Pixels of a reliability bin's dot, by the share of faces in it."""


@dataclass(frozen=True)
class Run:
    """The history of one training."""

    history: pd.DataFrame
    head: str
    """Name of the label set whose loss and accuracy are drawn."""
    best_epoch: int
    """The epoch that was kept, counted from 1."""


def _line(x: np.ndarray, y: np.ndarray, style: ModelStyle, name: str, hover: str, **more: object) -> go.Scatter:
    return go.Scatter(
        x=np.round(x, _DIGITS),
        y=np.round(y, _DIGITS),
        name=name,
        mode="lines",
        line={"color": style.colour, "dash": style.dash, "width": 2},
        hovertemplate=hover,
        **more,
    )


def roc_figure(lines: Sequence[tuple[ModelStyle, Curve]]) -> go.Figure:
    """ROC curves with the area under each in the legend."""
    drawn = [
        _line(curve.x, curve.y, style, f"{style.title} · area {curve.auc:.3f}", "%{y:.1%} at %{x:.1%}<extra></extra>")
        for style, curve in lines
    ]
    return go.Figure(
        data=[reference_line([0, 1], [0, 1], "guessing", width=1), *drawn],
        layout=layout(
            "False positive rate, % of other faces",
            "True positive rate, % of the class",
            xaxis=share_axis(),
            yaxis=share_axis(),
        ),
    )


def precision_recall_figure(lines: Sequence[tuple[ModelStyle, Curve]]) -> go.Figure:
    """Precision against recall, in steps, with average precision in the legend."""
    drawn = []
    for style, curve in lines:
        name = f"{style.title} · average precision {curve.auc:.3f}"
        line = _line(curve.x, curve.y, style, name, "precision %{y:.1%} at recall %{x:.1%}<extra></extra>")
        line.line.shape = "vh"
        drawn.append(line)
    return go.Figure(
        data=drawn,
        layout=layout("Recall, % of the class", "Precision, % of the answers", xaxis=share_axis(), yaxis=share_axis()),
    )


def reliability_figure(lines: Sequence[tuple[ModelStyle, Reliability]]) -> go.Figure:
    """Accuracy against confidence by bin; dots grow with the faces in them, the diagonal is perfect calibration."""
    drawn = []
    for style, bins in lines:
        share = bins.faces / bins.faces.sum()
        drawn.append(
            go.Scatter(
                x=np.round(bins.confidence, _DIGITS),
                y=np.round(bins.accuracy, _DIGITS),
                name=f"{style.title} · ECE {bins.error:.1%}",
                mode="lines+markers",
                line={"color": style.colour, "dash": style.dash, "width": 1.5},
                marker={"symbol": style.symbol, "size": MIN_DOT + (MAX_DOT - MIN_DOT) * np.sqrt(share)},
                customdata=bins.faces,
                hovertemplate="confidence %{x:.1%}, right %{y:.1%}, %{customdata} faces<extra></extra>",
            )
        )
    return go.Figure(
        data=[reference_line([0, 1], [0, 1], "as sure as right", width=1), *drawn],
        layout=layout("Mean confidence, %", "Accuracy, %", xaxis=share_axis(), yaxis=share_axis()),
    )


def coverage_figure(lines: Sequence[tuple[ModelStyle, Coverage]]) -> go.Figure:
    """Accuracy of the surest answers against the share of faces that are answered."""
    drawn = []
    for style, curve in lines:
        last = len(curve.coverage) - 1
        points = np.unique(np.linspace(0, last, min(last + 1, COVERAGE_POINTS)).astype(int))
        drawn.append(
            _line(
                curve.coverage[points],
                curve.accuracy[points],
                style,
                style.title,
                "%{x:.1%} answered: %{y:.1%} right, confidence from %{customdata:.1%}<extra></extra>",
                customdata=np.round(curve.confidence[points], _DIGITS),
            )
        )
    lowest = min((float(curve.accuracy[len(curve.accuracy) // 20 :].min()) for _, curve in lines), default=0.0)
    return go.Figure(
        data=drawn,
        layout=layout(
            "Coverage, % of faces answered ('unsure' for the rest)",
            "Accuracy of the answers, %",
            xaxis=share_axis(),
            yaxis=share_axis(max(0.0, np.floor(lowest * 10) / 10), 1.0),
        ),
    )


LEARNING_PANELS = {
    "loss": "Loss (cross-entropy), nats",
    "accuracy": "Accuracy, %",
    "learning_rate": "Learning rate",
}
"""The quantities of a history that can be drawn, with the titles of their axes."""


def learning_figure(runs: Mapping[str, Run], styles: Mapping[str, ModelStyle], panel: str) -> go.Figure:
    """One quantity over the epochs of several runs; the epoch that was kept is a dot.

    Validation is a solid line, training a dashed one; a run without the column is left out.

    Args:
        runs: by model's name.
        styles: by model's name.
        panel: a key of :data:`LEARNING_PANELS`.
    """
    drawn = []
    for name, run in runs.items():
        style = styles[name]
        if panel == "learning_rate":
            columns = {"learning_rate": ("", "solid")}
        else:
            columns = {
                f"validation_{panel}_{run.head}": (" · validation", "solid"),
                f"training_{panel}_{run.head}": (" · training", "dash"),
            }
        for column, (kind, dash) in columns.items():
            if column in run.history and run.history[column].notna().any():
                drawn.append(_history_line(run, column, style, kind, dash))
    axis = {"tickformat": ".1~%"} if panel == "accuracy" else {"rangemode": "tozero"}
    return go.Figure(data=drawn, layout=layout("Epoch", LEARNING_PANELS[panel], 340, yaxis=axis))


def _history_line(run: Run, column: str, style: ModelStyle, kind: str, dash: str) -> go.Scatter:
    epochs = run.history["epoch"].to_numpy()
    kept = epochs == kept_epoch(run.history, run.best_epoch)
    return go.Scatter(
        x=epochs,
        y=run.history[column].to_numpy(np.float64),
        name=f"{style.title}{kind}",
        mode="lines+markers",
        line={"color": style.colour, "dash": dash, "width": 2},
        marker={"symbol": style.symbol, "size": np.where(kept, 12, 0)},
        customdata=np.where(kept, ", kept", ""),
        hovertemplate=f"{style.title}{kind}, epoch %{{x}}%{{customdata}}: %{{y:.4g}}<extra></extra>",
    )
