"""What is doubtful about a data set's labels and pictures, as lists to look through, and a cleaned index of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from fer_core.app.common.figures import downloads, show_report_figures
from fer_core.app.common.selection import installed_models, model_titles
from fer_core.app.common.widgets import download
from fer_core.app.explore.explored import ExploredDataset
from fer_core.curation.exclusions import DUPLICATES, LabelFinding, cleaned_index, findings
from fer_core.curation.label_errors import scored_splits_on, suspects_by_network
from fer_core.curation.summary import DatasetSummary, bin_edges, measure_titles
from fer_core.datasets.dataset import Split
from fer_core.evaluation.scored import ScoredSplit
from fer_core.plots.datasets import agreement_figure, flow_figure, histogram_figure
from fer_core.plots.report import ReportFigure

FACES_SHOWN = 24
FACE_SIDE = 84
"""Pixels of a shown face."""
PICTURES_SHOWN = 6
"""Groups of duplicates, one below the other."""
LISTED = 1000
"""Rows of a shown table; a download holds them all."""
_VOTE_ENTROPY = "vote entropy"


def audit_tab(explored: ExploredDataset) -> None:
    """The section."""
    summary = explored.summary
    found = {finding.name: finding for finding in findings(summary)}
    _headline(summary, found)
    if summary.agreement_matrix is not None:
        _agreement(summary)
    else:
        st.info("Without FER+'s votes there is nothing to hold the labels against; give fer2013new.csv with the data.")
    _lists(explored, found)
    _networks(explored)
    _index(summary, list(found.values()))


def _headline(summary: DatasetSummary, found: dict[str, LabelFinding]) -> None:
    places = st.columns(4)
    if summary.agreement is not None:
        places[0].metric(
            "Labels the annotators share",
            f"{summary.agreement:.1%}",
            help="The most named emotion of FER+'s ten annotators.",
        )
    else:
        places[0].metric("Faces", f"{summary.faces:,}")
    places[1].metric(
        "Pictures in several splits", f"{summary.duplicates.across_splits:,}", help="The same to the pixel."
    )
    places[2].metric(
        "Copies under several labels", f"{len(summary.duplicates.conflicting):,}", help="Rows, to the pixel."
    )
    places[3].metric("Nothing to learn from", f"{len(found['unusable'].rows):,}")


def _agreement(summary: DatasetSummary) -> None:
    assert summary.agreement_matrix is not None
    st.subheader("Labels against annotators")
    report_figures = [
        ReportFigure("label-flow", "From the label to what most annotators say", flow_figure(summary.agreement_matrix)),
        ReportFigure(
            "label-agreement",
            "The same as a matrix",
            agreement_figure(summary.agreement_matrix),
            "'no majority': no emotion has more than half of the votes once single votes are dropped (Barsoum et al. 2016).",
        ),
        ReportFigure(
            "vote-entropy",
            "How divided the annotators are",
            histogram_figure(
                summary.histograms[_VOTE_ENTROPY],
                bin_edges(_VOTE_ENTROPY),
                summary.label_set,
                measure_titles(summary)[_VOTE_ENTROPY],
            ),
            "0 bits: all ten say the same. 1 bit: as divided as a coin toss.",
        ),
    ]
    show_report_figures(report_figures)
    table = summary.agreement_matrix.rename_axis("label").reset_index()
    downloads([*report_figures, ReportFigure("label-agreement-table", "The matrix as a table", table)], "agreement")


def _lists(explored: ExploredDataset, found: dict[str, LabelFinding]) -> None:
    st.subheader("Doubtful rows")
    name = st.selectbox(
        "List",
        list(found),
        format_func=lambda name: _title(found[name]),
        key=f"audit-list-{explored.key}",
        persist_state="session",
    )
    finding = found[name]
    st.caption(finding.meaning)
    if finding.rows.empty:
        st.success("None was found.", icon=":material/check:")
        return
    rows = finding.rows
    if finding.name == DUPLICATES:
        torn = st.toggle("Only copies under different labels", key="audit-torn")
        rows = explored.summary.duplicates.conflicting.reset_index(drop=True) if torn else rows
        _pictures(explored, rows)
    else:
        rows = _filtered(rows, finding.name)
        _faces(explored, rows)
    st.dataframe(rows.head(LISTED), hide_index=True, placeholder="", height=300)
    if len(rows) > LISTED:
        st.caption(f"The first {LISTED:,} of {len(rows):,} rows; the download holds them all.")
    downloads([ReportFigure(finding.name, finding.title, rows)], f"audit-{finding.name}")


def _title(finding: LabelFinding) -> str:
    return f"{finding.title} · {len(finding.rows):,}"


def _filtered(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    left, right = st.columns(2)
    label = left.selectbox("Label", ["all", *sorted(set(rows["label"]) - {""})], key=f"audit-label-{key}")
    split = right.selectbox("Split", ["all", *sorted(set(rows["split"]))], key=f"audit-split-{key}")
    kept = ((rows["label"] == label) | (label == "all")) & ((rows["split"] == split) | (split == "all"))
    return rows[kept].reset_index(drop=True)


def _faces(explored: ExploredDataset, rows: pd.DataFrame) -> None:
    """The first faces of a list with what it says of them, where the faces are at hand."""
    if explored.dataset is None:
        st.caption("Give the data in the sidebar to see the faces.")
        return
    shown = rows.head(FACES_SHOWN)
    other = "likely" if "likely" in shown else "majority" if "majority" in shown else None
    captions = [
        f"{row['row']}: {row['label'] or 'no label'}"
        + (f" → {row[other] or 'none'}" if other else f", {row['reason']}")
        for row in shown.to_dict("records")
    ]
    if captions:
        st.image(list(explored.dataset.images[shown["row"]]), caption=captions, width=FACE_SIDE)


def _pictures(explored: ExploredDataset, rows: pd.DataFrame) -> None:
    """Groups of the same picture, each in a row of its own."""
    if explored.dataset is None:
        st.caption("Give the data in the sidebar to see the faces.")
        return
    groups = list(rows["group"].unique())
    pages = max(1, -(-len(groups) // PICTURES_SHOWN))
    page = st.number_input(f"Page of {pages:,}", 1, pages, 1, key="audit-page") if pages > 1 else 1
    for group in groups[(page - 1) * PICTURES_SHOWN : page * PICTURES_SHOWN]:
        members = rows[rows["group"] == group].head(FACES_SHOWN)
        captions = [f"{row.row}: {row.label}, {row.split}, {row.kind}" for row in members.itertuples()]
        st.image(list(explored.dataset.images[members["row"]]), caption=captions, width=FACE_SIDE)


def _networks(explored: ExploredDataset) -> None:
    """Likely label errors by a stored network, on the splits that it never learnt from."""
    st.subheader("Labels that a network doubts")
    known = _answered(explored.key, explored.summary)
    if not known:
        st.caption("No stored network answered for the faces of this data set.")
        return
    titles = model_titles(installed_models())
    labels = {key: f"{titles.get(j.name, j.name)}, {j.split_title}, {len(j.rows):,} faces" for key, j in known.items()}
    key = st.selectbox(
        "Network and faces",
        list(known),
        format_func=labels.__getitem__,
        key=f"audit-network-{explored.key}",
        persist_state="session",
    )
    found = suspects_by_network(known[key], explored.dataset)
    st.caption(
        f"{len(found):,} labels are unlikely by confident learning (Northcutt et al. 2021). Some are the "
        "network's own mistakes: look through the list, do not delete it unseen. Training faces are not judged here, "
        "since the network knows them by heart."
    )
    if explored.dataset is None:
        st.caption("Rows are counted within the split.")
    _faces(explored, found)
    st.dataframe(found.head(LISTED), hide_index=True, height=300)
    downloads([ReportFigure(f"doubts-{key}", "Labels that a network doubts", found)], "audit-network")


@st.cache_resource(show_spinner=False, max_entries=8, ttl=60)
def _answered(fingerprint: str, _summary: DatasetSummary) -> dict[str, ScoredSplit]:
    del fingerprint  # tells the summaries apart, which are not hashed
    return scored_splits_on(_summary, _summary.label_set, installed_models())


def _index(summary: DatasetSummary, found: list[LabelFinding]) -> None:
    st.subheader("Cleaned index")
    st.markdown(
        "A list of training rows to leave out, for `python -m fer_core train NAME --data PATH --exclude FILE`. Splits that "
        "judge networks are never thinned out."
    )
    labels = {finding.name: f"{finding.title} · {len(finding.removable):,}" for finding in found}
    chosen = st.multiselect(
        "Leave out",
        list(labels),
        default=[DUPLICATES, "unusable"],
        format_func=labels.__getitem__,
        key="audit-leave-out",
    )
    index = cleaned_index(finding for finding in found if finding.name in chosen)
    training = _training_faces(summary)
    share = f" ({len(index) / training:.1%} of {training:,} training faces)" if training else ""
    words = f"{len(index):,} rows to leave out · CSV"
    download(words, index, "exclude.csv", "audit-index", disabled=index.empty)
    st.caption(f"{len(index):,} training rows are left out{share}.")


def _training_faces(summary: DatasetSummary) -> int:
    counts = summary.counts[summary.label_set.name]
    return int(np.sum(counts.loc[counts["split"] == str(Split.TRAINING), "faces"]))
