"""What can be said of single faces that are not at hand: how many there are, and which ones networks get wrong."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from fer_core.app.common.figures import downloads, show_report_figure
from fer_core.app.common.selection import headline, model_titles
from fer_core.curation.label_errors import scored_splits_on
from fer_core.curation.row_predictions import hardest
from fer_core.curation.summary import DatasetSummary
from fer_core.evaluation.scored import ScoredSplit
from fer_core.labels import LABEL_SETS
from fer_core.plots.report import ReportFigure
from fer_core.store.store import ModelStore, StoredModel

LISTED = 200
"""Faces of the table; the download holds them all."""


def hardest_faces(summary: DatasetSummary) -> None:
    """Faces per class and split, and the faces with the largest loss under a stored network."""
    name = st.segmented_control(
        "Classes of",
        list(summary.counts),
        format_func=lambda name: LABEL_SETS[name].title,
        default=summary.label_set.name,
        required=True,
        key=f"samples-view-{summary.fingerprint}",
        persist_state="page",
    )
    counts = summary.counts[name]
    table = counts.pivot_table("faces", "emotion", "split", sort=False, observed=True).astype(int)
    st.markdown("**Faces that there are to browse**")
    st.dataframe(table.rename_axis(None).T, width="stretch")
    known = _scored(summary.fingerprint, name, summary)
    if not known:
        st.caption(f"No stored network was judged on these faces in {LABEL_SETS[name].title}.")
        return
    titles = model_titles(ModelStore().all())
    st.markdown("**Faces with the largest loss**")
    left, right = st.columns([1, 2], gap="medium", vertical_alignment="bottom")
    with left:
        key = st.selectbox(
            "Network and faces",
            list(known),
            format_func=lambda key: f"{titles[known[key].name]}, {known[key].split_title}",
            key=f"samples-hardest-{name}",
            persist_state="page",
        )
    scored = known[key]
    with right:
        labels = st.pills(
            "Labels",
            list(scored.rule.label_set.names),
            selection_mode="multi",
            help="None chosen shows all of them.",
            key=f"samples-hardest-labels-{name}",
            persist_state="page",
        )
    faces = hardest(scored)
    if labels:
        faces = faces[faces["label"].isin(labels)]
    number = st.column_config.NumberColumn
    columns = {name: number(name, format="percent") for name in ("probability", "for the label")}
    columns |= {"loss": number("loss", format="%.2f")}
    title = "Faces with the largest loss"
    note = f"The first {LISTED} of {len(faces):,}; places count from 0 within {scored.split_title}, losses are in nats."
    show_report_figure(ReportFigure("hardest", title, faces.head(LISTED), note), height=320, column_config=columns)
    downloads([ReportFigure(f"hardest-{key}", title, faces)], "hardest")


def best_first(models: Sequence[StoredModel]) -> list[StoredModel]:
    """Single networks before ensembles, which cost the sum of their members, by what they reach."""
    return sorted(models, key=lambda model: (bool(model.card.members), -(headline(model) or 0.0)))


@st.cache_resource(show_spinner=False, max_entries=8, ttl=60)
def _scored(fingerprint: str, label_set: str, _summary: DatasetSummary) -> dict[str, ScoredSplit]:
    del fingerprint  # tells the summaries apart, which are not hashed
    return scored_splits_on(_summary, LABEL_SETS[label_set], best_first(ModelStore().all()))
