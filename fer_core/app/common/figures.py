"""Figures and tables on a page, and what downloads them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from fer_core.plots.report import Exhibit, file_of


def show_exhibit(exhibit: Exhibit, **options: Any) -> Any:
    """An exhibit on the page, with its note; returns what the chart returns."""
    if isinstance(exhibit.content, pd.DataFrame):
        result = st.dataframe(exhibit.content, hide_index=True, placeholder="", **options)
    else:
        result = st.plotly_chart(
            exhibit.content,
            key=f"chart-{exhibit.name}",
            config={
                "displaylogo": False,
                "modeBarButtonsToRemove": ["lasso2d", "select2d"],
                "toImageButtonOptions": {"format": "svg", "filename": exhibit.name},
            },
            alt=exhibit.title,
            **options,
        )
    if exhibit.note:
        st.caption(exhibit.note)
    return result


def downloads(exhibits: Sequence[Exhibit], key: str) -> None:
    """Every figure as an HTML file and every table as csv, behind one button; written when asked for."""
    if not exhibits:
        return
    with st.popover("Download", icon=":material/download:", key=f"downloads-{key}"):
        for exhibit in exhibits:
            is_table = isinstance(exhibit.content, pd.DataFrame)
            end = "csv" if is_table else "html"
            st.download_button(
                f"{exhibit.title} · {end.upper()}",
                partial(file_of, exhibit),
                f"{exhibit.name}.{end}",
                f"text/{end}",
                key=f"download-{key}-{exhibit.name}",
                on_click="ignore",
            )
