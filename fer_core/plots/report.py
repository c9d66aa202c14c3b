"""Figures and tables as one HTML file that needs no network and no other files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import pandas as pd
import plotly.graph_objects as go

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b2528; background: #fff; max-width: 70rem; margin: 2rem auto;
  padding: 0 1rem; color-scheme: light; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #d7dfe0; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid #d7dfe0; text-align: left; }
"""


@dataclass(frozen=True)
class ReportFigure:
    """A figure or table with a title, for a page and for a report."""

    name: str
    """Stem of its file name."""
    title: str
    content: go.Figure | pd.DataFrame
    note: str = ""
    """How to read it, in plain words."""
    formats: Mapping[str, str] = field(default_factory=dict)
    """How the page writes a table's numbers, by column: ``percent`` for shares, which a report writes so too, or a format
    such as ``%.1f``."""
    headings: Mapping[str, str] = field(default_factory=dict)
    """What the page calls those of these columns that are not called by their name."""


def report_html(title: str, lead: Sequence[str], sections: Mapping[str, Sequence[ReportFigure]]) -> str:
    """A report: paragraphs, then sections of figures and tables, with plotly's code inside once.

    Args:
        title: of the page.
        lead: paragraphs of plain text.
        sections: figures and tables by heading; empty sections are left out.
    """
    parts = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(text)}</p>" for text in lead)]
    with_code = True
    for heading, report_figures in sections.items():
        if report_figures:
            parts.append(f"<h2>{escape(heading)}</h2>")
        for report_figure in report_figures:
            parts.append(f"<h3>{escape(report_figure.title)}</h3>")
            if report_figure.note:
                parts.append(f"<p>{escape(report_figure.note)}</p>")
            if isinstance(report_figure.content, pd.DataFrame):
                parts.append(f'<div class="table">{_table(report_figure.content, report_figure.formats)}</div>')
            else:
                parts.append(_plot(report_figure.content, with_code))
                with_code = False
    return _page(title, parts)


def file_of(report_figure: ReportFigure) -> bytes:
    """A figure as an HTML page of its own; a table as csv in UTF-8 with a byte order mark, which spreadsheets need."""
    if isinstance(report_figure.content, pd.DataFrame):
        return report_figure.content.to_csv(index=False).encode("utf-8-sig")
    heading = f"<h1>{escape(report_figure.title)}</h1>"
    return _page(report_figure.title, [heading, _plot(report_figure.content, with_code=True)]).encode()


def _table(table: pd.DataFrame, formats: Mapping[str, str]) -> str:
    shares = [column for column, form in formats.items() if form == "percent"]
    in_percent = {column: (table[column] * 100).round(1).astype(str) + "%" for column in shares}
    return table.assign(**in_percent).to_html(
        index=False, border=0, na_rep="–", escape=True, float_format=lambda value: f"{value:.4g}"
    )


def _plot(figure: go.Figure, with_code: bool) -> str:
    plain = go.Figure(figure)
    plain.update_layout(template="plotly_white")
    config = {"displaylogo": False, "toImageButtonOptions": {"format": "svg"}}
    return plain.to_html(full_html=False, include_plotlyjs=with_code, config=config)


def _page(title: str, parts: Sequence[str]) -> str:
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"
