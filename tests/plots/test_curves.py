"""Curves hold the points they are given; a report is one file."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from scipy.special import softmax

from fer_core.evaluation import curves
from fer_core.labels import FER2013
from fer_core.plots.curves import (
    LEARNING_PANELS,
    Run,
    coverage_figure,
    learning_figure,
    precision_recall_figure,
    reliability_figure,
    roc_figure,
)
from fer_core.plots.model_styles import model_styles
from fer_core.plots.report import ReportFigure, file_of, report_html

STYLES = model_styles(["a", "b"], ["a", "b"], {"a": "Net A", "b": "Net B"})
LABELS = np.random.default_rng(0).integers(0, 7, 400)


@pytest.fixture
def probabilities() -> np.ndarray:
    logits = np.random.default_rng(1).normal(size=(400, 7))
    logits[np.arange(400), LABELS] += 1.5
    return softmax(logits, axis=-1)


def test_roc_and_precision_recall_draw_the_points_and_name_the_area(probabilities):
    for make, draw in (
        (curves.roc_curves, roc_figure),
        (curves.precision_recall_curves, precision_recall_figure),
    ):
        happy = next(curve for curve in make(probabilities, LABELS, FER2013) if curve.name == "happy")
        figure = draw([(STYLES["a"], happy)])
        line = figure.data[-1]
        assert np.allclose(line.x, happy.x, atol=1e-4)
        assert np.allclose(line.y, happy.y, atol=1e-4)
        assert f"{happy.auc:.3f}" in line.name
        assert "%" in figure.layout.xaxis.title.text
        assert "%" in figure.layout.yaxis.title.text


def test_reliability_draws_the_bins_and_names_the_error(probabilities):
    bins = curves.reliability(probabilities, LABELS)
    figure = reliability_figure([(STYLES["a"], bins)])
    diagonal, line = figure.data
    assert (diagonal.x, diagonal.y) == ((0, 1), (0, 1))
    assert np.allclose(line.y, bins.accuracy, atol=1e-4)
    assert list(line.customdata) == bins.faces.tolist()
    assert f"ECE {bins.error:.1%}" in line.name


def test_coverage_draws_few_points_that_begin_and_end_where_the_curve_does(probabilities):
    curve = curves.coverage_curve(probabilities, LABELS)
    line = coverage_figure([(STYLES["a"], curve)]).data[0]
    assert len(line.x) == 300 < len(curve.coverage)
    assert (line.x[-1], line.y[-1]) == pytest.approx((1, curve.accuracy[-1]), abs=1e-4)


def test_runs_are_overlaid_and_the_kept_epoch_is_a_dot():
    history = pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "learning_rate": [0.1, 0.2, 0.0],
            "training_loss_fer2013": [2.0, 1.0, 0.5],
            "validation_loss_fer2013": [2.0, 1.2, 1.3],
        }
    )
    runs = {"a": Run(history, "fer2013", 2), "b": Run(history.drop(columns="validation_loss_fer2013"), "fer2013", 3)}
    figure = learning_figure(runs, STYLES, "loss")
    assert [line.name for line in figure.data] == ["Net A · validation", "Net A · training", "Net B · training"]
    assert list(figure.data[0].y) == [2.0, 1.2, 1.3]
    assert list(figure.data[0].marker.size) == [0, 12, 0]
    assert len(learning_figure(runs, STYLES, "learning_rate").data) == 2
    assert not learning_figure(runs, STYLES, "accuracy").data
    for panel, title in LEARNING_PANELS.items():
        assert learning_figure(runs, STYLES, panel).layout.yaxis.title.text == title


def test_a_report_holds_plotly_once_and_every_exhibit_and_nothing_from_elsewhere():
    figure = go.Figure(go.Scatter(x=[1], y=[2]))
    table = pd.DataFrame({"model": ["<script>"], "accuracy": [0.123456]})
    html = report_html(
        "T & T",
        ["a < b"],
        {
            "One": [ReportFigure("f", "F", figure, "note"), ReportFigure("g", "G", figure)],
            "Two": [ReportFigure("t", "Table", table)],
        },
    )
    assert html.count("Plotly.newPlot(") - go.Figure().to_html().count("Plotly.newPlot(") in (0, 1, 2)
    assert len(html) < 1.2 * len(go.Figure().to_html(include_plotlyjs=True))
    for text in ("T &amp; T", "a &lt; b", "&lt;script&gt;", "0.1235", "<h2>Two</h2>", "note"):
        assert text in html
    assert "<script src" not in html


def test_a_table_is_downloaded_as_csv_and_a_figure_as_a_page():
    assert file_of(ReportFigure("t", "T", pd.DataFrame({"a": [1]}))).decode("utf-8-sig").split() == ["a", "1"]
    assert file_of(ReportFigure("f", "F", go.Figure())).startswith(b"<!doctype html>")
