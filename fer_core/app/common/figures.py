"""Figures and tables on a page, and the button that downloads them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from fer_core.app.common.widgets import download, number_columns
from fer_core.plots.report import ReportFigure, file_of


def show_report_figure(report_figure: ReportFigure, **options: Any) -> Any:
    """A figure or table on the page, with its note.

    Args:
        report_figure: what is shown; a table's numbers as its ``formats`` say.
        options: of ``st.plotly_chart`` or ``st.dataframe``.

    Returns:
        What Streamlit's element returns, such as the points selected.
    """
    if isinstance(report_figure.content, pd.DataFrame):
        columns = number_columns(report_figure.formats, report_figure.headings) | options.pop("column_config", {})
        result = st.dataframe(report_figure.content, hide_index=True, placeholder="", column_config=columns, **options)
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


def show_report_figures(report_figures: Sequence[ReportFigure], key: str = "", columns: int = 1) -> None:
    """Figures and tables under their titles.

    Args:
        report_figures: what is shown, in order.
        key: of the button that downloads them all; no button if left out.
        columns: figures side by side.
    """
    for start in range(0, len(report_figures), columns):
        places: list[Any] = st.columns(columns) if columns > 1 else [nullcontext()]
        for place, report_figure in zip(places, report_figures[start : start + columns], strict=False):
            with place:
                st.markdown(f"**{report_figure.title}**")
                show_report_figure(report_figure)
    if key:
        downloads(report_figures, key)


def downloads(report_figures: Sequence[ReportFigure], key: str) -> None:
    """A button that offers every figure as an HTML file and every table as csv, each written when it is asked for."""
    if not report_figures:
        return
    with st.popover("Download", icon=":material/download:", key=f"downloads-{key}"):
        for report_figure in report_figures:
            suffix = "csv" if isinstance(report_figure.content, pd.DataFrame) else "html"
            download(
                f"{report_figure.title} · {suffix.upper()}",
                partial(file_of, report_figure),
                f"{report_figure.name}.{suffix}",
                f"download-{key}-{report_figure.name}",
                icon=None,
            )
