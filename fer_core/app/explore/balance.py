"""How many faces of each class there are, how uneven that is, and what class weights make of it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from fer_core.app.common.figures import downloads, show_report_figure
from fer_core.app.explore.explored import ExploredDataset
from fer_core.app.explore.sources import loaded_summary
from fer_core.curation.balance import balance_table, split_counts, splits_of, weight_table
from fer_core.curation.summary import DatasetSummary, shipped_summaries
from fer_core.labels import LABEL_SETS, LabelSet
from fer_core.plots.datasets import MOST_SERIES, counts_figure, seen_figure, series_titles
from fer_core.plots.report import ReportFigure

_POWERS = {0.0: "none: every face alike", 0.5: "half-way: root of the inverse share", 1.0: "full: classes alike"}
"""Of class weights, as the recipes set them."""
_PERCENT = ("share", "share seen")

Series = tuple[DatasetSummary, LabelSet, str]


def balance_tab(explored: ExploredDataset) -> None:
    """The section."""
    label_set = choose_view(explored.summary)
    series = _choose_series(explored.summary, label_set)
    if not series:
        st.info("Choose at least one split.")
        return
    shares = st.toggle(
        "Shares instead of counts",
        value=len(series) > 1,
        key="balance-shares",
        help="Makes data sets of any size comparable.",
    )
    titles = series_titles([(summary.name, split) for summary, _, split in series])
    counts = {title: split_counts(*one) for title, one in zip(titles, series, strict=True)}
    report_figures = [
        ReportFigure("class-counts", "Faces per class", counts_figure(counts, shares)),
        ReportFigure(
            "imbalance",
            "How uneven the classes are",
            balance_table(series),
            "The imbalance ratio is the faces of the largest class for each face of the smallest. A network that always "
            "names the largest class is right as often as that class is frequent: macro F1 shows it, accuracy does not.",
        ),
    ]
    for report_figure in report_figures:
        st.markdown(f"**{report_figure.title}**")
        config = {"imbalance ratio": st.column_config.NumberColumn(format="%.1f")}
        show_report_figure(
            report_figure, **({"column_config": config} if isinstance(report_figure.content, pd.DataFrame) else {})
        )
    downloads([*report_figures, *_tables(counts)], "balance")
    _weights(explored.summary, label_set)


def choose_view(summary: DatasetSummary) -> LabelSet:
    """A choice among the label sets that the data set can be seen in."""
    name = st.selectbox(
        "Classes",
        list(summary.counts),
        format_func=lambda name: LABEL_SETS[name].title,
        key=f"explore-view-{summary.fingerprint}",
        persist_state="session",
    )
    return LABEL_SETS[name]


def _choose_series(summary: DatasetSummary, label_set: LabelSet) -> list[Series]:
    shipped = [loaded_summary(str(place)) for place in shipped_summaries()]
    others = [other for other in shipped if other.fingerprint != summary.fingerprint]
    own: dict[str, Series] = {split: (summary, label_set, split) for split in splits_of(summary, label_set)}
    known = dict(own)
    for other in others:
        for split in splits_of(other, other.label_set):
            known[f"{other.name} · {split}"] = (other, other.label_set, split)
    names = st.multiselect(
        "Splits side by side",
        list(known),
        default=list(own),
        max_selections=MOST_SERIES,
        key=f"balance-series-{summary.fingerprint}-{label_set.name}",
        persist_state="session",
        help="Those of this data set, and of the others that are known here.",
    )
    return [known[name] for name in names]


def _tables(counts: dict[str, pd.DataFrame]) -> list[ReportFigure]:
    table = pd.concat([frame.assign(series=title) for title, frame in counts.items()], ignore_index=True)
    return [
        ReportFigure("class-counts-table", "Faces per class, table", table[["series", "emotion", "faces", "share"]])
    ]


def _weights(summary: DatasetSummary, label_set: LabelSet) -> None:
    st.subheader("What a network sees of it")
    split = splits_of(summary, label_set)[0]
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        preset = st.selectbox(
            "Class weights", list(_POWERS), index=1, format_func=_POWERS.__getitem__, key="balance-preset"
        )
    power = right.slider(
        "Power of the inverse share",
        0.0,
        1.0,
        preset,
        0.05,
        key=f"balance-power-{preset}",
        help="0: none; 1: classes alike.",
    )
    table = weight_table(split_counts(summary, label_set, split), power)
    chart = ReportFigure("class-weights-chart", f"Classes of the {split} split", seen_figure(table))
    show_report_figure(chart)
    listed = ReportFigure(
        "class-weights",
        "Class weights",
        table,
        "weight: of one face of the class in the loss; share seen: of the class in the whole loss; draws: how many faces of "
        "it an epoch would hold if faces were drawn by their weight instead. Recipes of the small networks use the power "
        "0.5; a full balance makes a rare class loud, and its few faces are learnt by heart.",
    )
    number = st.column_config.NumberColumn
    show_report_figure(
        listed,
        column_config={**{name: number(format="percent") for name in _PERCENT}, "weight": number(format="%.2f")},
    )
    downloads([chart, listed], "weights")
