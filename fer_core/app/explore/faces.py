"""All faces of a data set at a glance: means and spreads, how they differ in light and focus, and who looks like whom."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import streamlit as st

from fer_core.app.common.background import Report, finished, start
from fer_core.app.common.figures import downloads, show_report_figure
from fer_core.app.common.selection import installed_models, model_titles
from fer_core.app.explore.explored import ExploredDataset
from fer_core.curation.embedding_map import (
    MOST_FACES,
    NEIGHBOURS,
    PERPLEXITY,
    FaceMap,
    keep_map,
    kept_map,
    map_faces,
    shipped_map,
)
from fer_core.curation.row_predictions import network_digest
from fer_core.curation.statistics import MEASURES, MeanFaces
from fer_core.curation.summary import DatasetSummary, bin_edges
from fer_core.datasets.dataset import FaceDataset
from fer_core.labels import LABEL_SETS, Emotion
from fer_core.plots.dataset_faces import (
    difference_pictures,
    distribution_figure,
    face_map_chart,
    face_url,
    mean_pictures,
    spread_pictures,
)
from fer_core.plots.report import ReportFigure
from fer_core.store.store import StoredModel

THREADS = 2
"""Of the network whose features are read."""
_JOB = "faces-map-job"
SHOWN_SIDE = 96
"""Pixels of a mean face: eight stand in a row on a laptop."""


def faces_tab(explored: ExploredDataset) -> None:
    """The section."""
    _means(explored.summary)
    classes = _choose_classes(explored.summary)
    _distributions(explored.summary, classes)
    _map(explored, classes)


def _means(summary: DatasetSummary) -> None:
    st.subheader("Mean face and spread of each class")
    name = st.segmented_control(
        "Classes of",
        list(summary.means),
        format_func=lambda name: LABEL_SETS[name].title,
        default=summary.label_set.name,
        required=True,
        key=f"faces-view-{summary.fingerprint}",
        persist_state="page",
    )
    faces = summary.means[name]
    captions = [f"{e}, {n:,}" for e, n in zip(faces.label_set.emotions, faces.faces, strict=True)]
    st.markdown("**Mean**: what all faces of a class have in common. The number is that of the faces.")
    _row(faces, mean_pictures(faces), captions)
    pictures, (low, high) = spread_pictures(faces)
    st.markdown(
        f"**Spread**: standard deviation of each pixel, from dark blue ({low} grey levels) to yellow ({high}): where the "
        "faces of a class differ."
    )
    _row(faces, pictures, captions)
    pictures, top = difference_pictures(faces)
    st.markdown(
        "**What sets a class apart**: its mean minus the mean of all classes. Vermilion is lighter, blue darker than all, "
        f"full at {top} grey levels."
    )
    _row(faces, pictures, captions)


def _row(faces: MeanFaces, pictures: Sequence[np.ndarray], captions: Sequence[str]) -> None:
    with st.container(horizontal=True, gap="small"):
        for picture, caption, count in zip(pictures, captions, faces.faces, strict=True):
            if count:
                st.image(picture, caption=caption, width=SHOWN_SIDE)


def _choose_classes(summary: DatasetSummary) -> list[Emotion]:
    st.subheader("Light and focus")
    emotions = list(summary.label_set.emotions)
    chosen = st.pills(
        "Classes from here on",
        emotions,
        selection_mode="multi",
        help="None chosen shows all of them.",
        key=f"faces-classes-{summary.fingerprint}",
        persist_state="page",
    )
    return chosen or emotions


def _distributions(summary: DatasetSummary, classes: Sequence[Emotion]) -> None:
    report_figures = []
    columns = st.columns(len(MEASURES), gap="medium", vertical_alignment="bottom")
    for column, (name, title) in zip(columns, MEASURES.items(), strict=True):
        what, how = title.split(": ")
        counts, axis = summary.histograms[name], f"{what}, grey levels"
        figure = distribution_figure(counts, bin_edges(name), summary.label_set, classes, axis)
        report_figures.append(ReportFigure(f"faces-{name}", title, figure))
        with column:
            st.markdown(f"**{what}**: {how}")
            show_report_figure(report_figures[-1])
    st.caption(
        "A dotted line marks the median. Ridges that lie apart let a network tell classes by the photo instead of the "
        "face. Sharpness grows with noise and with hard JPEG edges too (Pech-Pacheco et al. 2000)."
    )
    downloads(report_figures, "faces")


def _map(explored: ExploredDataset, classes: Sequence[Emotion]) -> None:
    st.subheader("Faces as a network tells them apart")
    face_map = _choose_map(explored)
    if face_map is None:
        return
    pictures = (
        None if explored.dataset is None else _pictures(explored.key, face_map.digest, explored.dataset, face_map)
    )
    table, spec = face_map_chart(face_map, classes, pictures)
    by_features, on_map = (f"{share:.0%}" for share in face_map.alike)
    which = "outside of its training split" if face_map.unseen else "of a data set that it was not trained on"
    st.markdown(
        f"{len(face_map.rows):,} faces {which}, laid out by the {face_map.features} numbers that the last layer of "
        f"{face_map.network} reads. Of the {NEIGHBOURS} nearest neighbours of a face, {by_features} carry its label by "
        f"these numbers, and {on_map} on the map."
    )
    st.vega_lite_chart(table, spec, width="stretch", alt="Map of faces by the features of a network, coloured by label")
    hover = (
        "Point at a face to see its label, the network's answer and its row; with the data in the sidebar you see the face "
        "too."
        if pictures is None
        else "Point at a face to see it."
    )
    st.caption(
        f"{hover} t-SNE (van der Maaten & Hinton 2008, perplexity {PERPLEXITY}, from the principal components) keeps "
        "neighbours together: faces that lie side by side look alike to the network. How far apart two groups are, how "
        "wide a group is, and where it lies say nothing, and another run may turn the map. Faces that a network learnt "
        "from are left out, since it was taught to keep their labels apart."
    )


def _choose_map(explored: ExploredDataset) -> FaceMap | None:
    """The map of a network: the one that ships, one that was made before, or one that is asked for."""
    summary = explored.summary
    shipped = shipped_map(summary.name, summary.fingerprint)
    if explored.dataset is None:
        if shipped is None:
            st.info(f"No map of {summary.name} ships; with the data in the sidebar one is made here.")
        return shipped
    models = {model.name: model for model in installed_models() if not model.card.members}
    titles = model_titles(list(models.values()))
    name = st.selectbox(
        "Network", list(models), format_func=titles.__getitem__, key="faces-network", persist_state="page"
    )
    if (job := finished(_JOB)) is not None:
        job.result()
    known = shipped if shipped is not None and shipped.digest == _digest(models[name]) else None
    face_map = known or kept_map(models[name], explored.key)
    words = f"Lay out up to {MOST_FACES:,} faces"
    if (
        face_map is None
        and _JOB not in st.session_state
        and st.button(words, icon=":material/scatter_plot:", key="faces-map-start")
    ):
        start(_JOB, partial(_make_map, explored.key, explored.dataset, models[name]))
        st.rerun()
    return face_map


def _make_map(fingerprint: str, dataset: FaceDataset, model: StoredModel, report: Report) -> None:
    """On a thread of its own; the map goes where :func:`kept_map` finds it."""
    stage = partial(report, f"Reading the features of {model.card.title}, then t-SNE for half a minute")
    keep_map(map_faces(model, dataset, fingerprint, stage, THREADS))


@st.cache_data(show_spinner=False, max_entries=32)
def _digest_of(name: str, stamp: int, _model: StoredModel) -> str:
    return network_digest(_model)


def _digest(model: StoredModel) -> str:
    return _digest_of(model.name, model.litert_path.stat().st_mtime_ns, model)


@st.cache_data(show_spinner="Fetching the faces…", max_entries=4)
def _pictures(fingerprint: str, digest: str, _dataset: FaceDataset, _map: FaceMap) -> list[str]:
    return [face_url(_dataset.images[row]) for row in _map.rows]
