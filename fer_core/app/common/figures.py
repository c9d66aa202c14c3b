"""Figures and tables on a page, and what downloads them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from fer_core.plots.report import ReportFigure, file_of


def show_report_figure(report_figure: ReportFigure, **options: Any) -> Any:
    """An exhibit on the page, with its note; returns what the chart returns."""
    if isinstance(report_figure.content, pd.DataFrame):
        result = st.dataframe(report_figure.content, hide_index=True, placeholder="", **options)
    else:
        result = st.plotly_chart(
            report_figure.content,
            key=f"chart-{report_figure.name}",
            config={
                "displaylogo": False,
                "modeBarButtonsToRemove": ["lasso2d", "select2d"],
                "toImageButtonOptions": {"format": "svg", "filename": report_figure.name},
            },
            alt=report_figure.title,
            **options,
        )
    if report_figure.note:
        st.caption(report_figure.note)
    return result


def downloads(report_figures: Sequence[ReportFigure], key: str) -> None:
    """Every figure as an HTML file and every table as csv, behind one button; written when asked for."""
    if not report_figures:
        return
    with st.popover("Download", icon=":material/download:", key=f"downloads-{key}"):
        for report_figure in report_figures:
            is_table = isinstance(report_figure.content, pd.DataFrame)
            end = "csv" if is_table else "html"
            st.download_button(
                f"{report_figure.title} · {end.upper()}",
                partial(file_of, report_figure),
                f"{report_figure.name}.{end}",
                f"text/{end}",
                key=f"download-{key}-{report_figure.name}",
                on_click="ignore",
            )
