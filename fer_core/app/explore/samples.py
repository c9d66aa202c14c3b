"""The faces of a data set: a grid to filter and page through, and one face large with all that is said about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from fer_core.app.common.background import Report, finished, start
from fer_core.app.common.face_grid import face_grid
from fer_core.app.common.figures import show_report_figure
from fer_core.app.common.page import errors_in_words
from fer_core.app.common.selection import model_titles
from fer_core.app.explore.explored import ExploredDataset
from fer_core.app.explore.hardest import best_first, hardest_faces
from fer_core.curation.browse import FaceFilter, FaceOrder, Pages, facts_of, find_rows, label_name, same_picture
from fer_core.curation.row_predictions import (
    Exposure,
    RowPredictions,
    can_run,
    crops_for,
    known_predictions,
    predict_rest,
)
from fer_core.curation.summary import label_sets_of
from fer_core.datasets.dataset import NO_LABEL, FaceDataset, Split
from fer_core.labels import LABEL_SETS, LabelSet
from fer_core.plots.dataset_faces import enlarged, vote_bars
from fer_core.plots.model_styles import MOST_MODELS, model_styles
from fer_core.plots.models import probability_bars_by_model
from fer_core.plots.report import ReportFigure
from fer_core.results import ExpressionScores
from fer_core.store.decision import DecisionRule
from fer_core.store.predictions import Network
from fer_core.store.store import ModelStore, StoredModel
from fer_core.vision.expression import FaceNetwork, load_network

PAGE_SIZES = (60, 120, 240, 480)
FILTER_WIDTH, PAGING_WIDTH = 165, 125
"""Pixels of a widget: two filters stand side by side on a phone."""
LARGE_SIDE = 384
"""Pixels of the face that is looked at."""
LOSS_CEILING = 8.0
"""Nats at the right end of the slider, which stands for all that is larger: a probability of 0.03% for the label."""
THREADS = 2
"""Of a network that is run on many faces."""
_PAGE, _FOUND_FOR, _PLACE, _JOB = "samples-page", "samples-found-for", "samples-place", "samples-job"


def samples_tab(explored: ExploredDataset) -> None:
    """The section."""
    if explored.dataset is None:
        st.info(
            f"The faces of {explored.summary.name} are not in this repository, whose makers may not pass them on. Name "
            "their path in the sidebar to browse them here, filter them, and see one large with its votes and what each "
            "network says of it.",
            icon=":material/photo_library:",
        )
        hardest_faces(explored.summary)
        return
    if (job := finished(_JOB)) is not None:
        job.result()
    _browse(explored, explored.dataset)


@st.fragment
def _browse(explored: ExploredDataset, dataset: FaceDataset) -> None:
    """A filter redraws this section alone."""
    with errors_in_words():
        found = _choose(explored, dataset)
        pages = Pages(found.rows, _page_size())
        rows = _turn_to(explored, found, pages)
        sought = _sought(dataset)
        clicked = _show_page(dataset, found, pages, rows)
        opened = sought if sought is not None else clicked
        if opened is not None:
            in_order = found.rows if opened in found.rows else np.arange(len(dataset))
            st.session_state[_PLACE] = int(np.flatnonzero(in_order == opened)[0])
            _one_face(explored, dataset, in_order, found.wanted.label_set)


@dataclass(frozen=True)
class _Found:
    wanted: FaceFilter
    rows: np.ndarray
    losses: np.ndarray | None


def _choose(explored: ExploredDataset, dataset: FaceDataset) -> _Found:
    """The filters, and what they leave."""
    left, right = st.columns([2, 1], gap="medium")
    views = {view.name: view for view in label_sets_of(dataset)}
    with left:
        name = st.segmented_control(
            "Classes of",
            list(views),
            format_func=lambda name: LABEL_SETS[name].title,
            default=dataset.label_set.name,
            required=True,
            wrap=True,
            key=f"samples-view-{explored.key}",
            persist_state="page",
        )
    label_set = views[name]
    present = [str(split) for split in Split if (dataset.splits == split).any()]
    splits: list[str] = []
    if len(present) > 1:
        with right:
            splits = st.pills(
                "Splits", present, selection_mode="multi", key=f"samples-splits-{explored.key}", persist_state="page"
            )
    labels = dataset.as_label_set(label_set).labels
    classes = [*range(len(label_set)), *([NO_LABEL] if (labels == NO_LABEL).any() else [])]
    chosen = st.pills(
        "Labels",
        classes,
        selection_mode="multi",
        format_func=partial(_counted, label_set, {label: int((labels == label).sum()) for label in classes}),
        help="None chosen shows all of them.",
        key=f"samples-labels-{label_set.name}-{explored.key}",
        persist_state="page",
    )
    with st.container(horizontal=True, gap="medium"):
        agreement, model, loss, order = _choose_metrics(dataset, label_set)
    wanted = FaceFilter(
        label_set,
        tuple(chosen),
        tuple(splits),
        (agreement[0] / 100, agreement[1] / 100),
        (loss[0], math.inf if loss[1] >= LOSS_CEILING else loss[1]),
        order,
    )
    losses = None
    if model is None:
        st.caption(f"No stored network answers in {label_set.title}, so there is no loss to filter by.")
    else:
        losses = _losses(model.name, _rule(model, label_set).name, explored.key, _stamp(model), model, dataset)
        if wanted.needs_losses:
            _say_what_is_known(explored, dataset, model)
    return _Found(wanted, find_rows(dataset, wanted, losses), losses)


def _choose_metrics(
    dataset: FaceDataset, label_set: LabelSet
) -> tuple[tuple[int, int], StoredModel | None, tuple[float, float], FaceOrder]:
    """Agreement in per cent, the network of the losses, losses in nats, and what comes first."""
    agreement, loss = (0, 100), (0.0, LOSS_CEILING)
    if dataset.votes is not None:
        agreement = st.slider(
            "Agreement, %",
            0,
            100,
            agreement,
            10,
            help="Share of FER+'s ten annotators who gave the most common answer; 100% means that all gave the same.",
            key="samples-agreement",
            width=FILTER_WIDTH,
            persist_state="page",
        )
    model = _choose_model(label_set)
    if model is not None:
        loss = st.slider(
            "Loss, nats",
            0.0,
            LOSS_CEILING,
            loss,
            0.1,
            format="%.1f",
            help="-log of the network's probability for the label: 0 is sure and right, 0.7 a coin's throw, 3 leaves the "
            f"label 5%. The right end stands for {LOSS_CEILING:g} and more.",
            key="samples-loss",
            width=FILTER_WIDTH,
            persist_state="page",
        )
    orders = [
        order
        for order in FaceOrder
        if (order != FaceOrder.LOSS or model is not None) and (order != FaceOrder.DISPUTED or dataset.votes is not None)
    ]
    order = st.selectbox(
        "Order",
        orders,
        format_func=lambda order: str(order).capitalize(),
        key=f"samples-order-{len(orders)}",
        width=FILTER_WIDTH,
        persist_state="page",
    )
    return agreement, model, loss, FaceOrder(order)


def _counted(label_set: LabelSet, counts: dict[int, int], label: int) -> str:
    return f"{label_name(label_set, label)} {counts[label]:,}"


def _choose_model(label_set: LabelSet) -> StoredModel | None:
    able = {model.name: model for model in _models() if _rules(model, label_set)}
    if not able:
        return None
    titles = model_titles(list(able.values()))
    name = st.selectbox(
        "Loss under",
        list(able),
        format_func=titles.__getitem__,
        width=FILTER_WIDTH,
        key=f"samples-model-{label_set.name}",
        persist_state="page",
    )
    return able[name]


def _say_what_is_known(explored: ExploredDataset, dataset: FaceDataset, model: StoredModel) -> None:
    """How many losses are known, and a button that computes the others."""
    answers = _answers(model.name, explored.key, _stamp(model), model, dataset)
    missing = int((~answers.known).sum())
    if not missing:
        return
    words = f"The loss of {len(dataset) - missing:,} of {len(dataset):,} faces is known; the others are left out."
    if not can_run(model, model.predictions().served):
        st.caption(f"{words} The network itself is not installed.")
        return
    each = model.card.costs.get("milliseconds_per_face", {}).get(Network.INT8)
    time = f", about {max(1, round(missing * each / 60_000))} min on an idle computer" if each else ""
    if _JOB not in st.session_state and st.button(
        f"Run it on the other {missing:,}{time}", icon=":material/play_arrow:", key="samples-run"
    ):
        start(_JOB, partial(_run, explored, dataset, model))
        st.rerun()  # of the page, which shows the progress above the filters
    st.caption(f"{words} Faces that a network learnt from mostly have a small loss, since it remembers them.")


def _run(explored: ExploredDataset, dataset: FaceDataset, model: StoredModel, report: Report) -> None:
    """On a thread of its own; what is asked before it is cancelled stays."""
    try:
        stage = partial(report, f"Asking {model.card.title} about every face")
        predict_rest(model, dataset, explored.key, stage, THREADS)
    finally:
        _answers.clear()
        _losses.clear()


def _page_size() -> int:
    """What the box below the filters was set to, which comes after it is needed."""
    return int(st.session_state.get("samples-size", PAGE_SIZES[1]))


def _turn_to(explored: ExploredDataset, found: _Found, pages: Pages) -> np.ndarray:
    """The rows of the page that is turned to; another filter turns to the first."""
    found_for = (explored.key, found.wanted, pages.size)
    if st.session_state.get(_FOUND_FOR) != found_for:
        st.session_state.update({_FOUND_FOR: found_for, _PAGE: 1})
    st.markdown(f"**{len(found.rows):,}** {'face' if len(found.rows) == 1 else 'faces'}")
    with st.container(horizontal=True, gap="medium"):
        number = st.number_input(
            f"Page, of {pages.count:,}", 1, pages.count, key=_PAGE, width=PAGING_WIDTH, persist_state="page"
        )
        st.selectbox("Faces a page", PAGE_SIZES, index=1, key="samples-size", width=PAGING_WIDTH, persist_state="page")
        st.number_input(
            "Open the row",
            0,
            None,
            None,
            step=1,
            placeholder="row",
            help="Counted from 0 in the order of the file, as the audit and csv files count.",
            key="samples-row",
            width=PAGING_WIDTH,
            on_change=_seek,
        )
    return pages.page(int(number))


def _seek() -> None:
    st.session_state["samples-sought"] = st.session_state["samples-row"]


def _sought(dataset: FaceDataset) -> int | None:
    """The row that was just asked for by its number."""
    row = st.session_state.pop("samples-sought", None)
    if row is None or row < len(dataset):
        return row
    st.warning(f"There is no row {row:,}: {dataset.name} has the rows 0 to {len(dataset) - 1:,}.")
    return None


def _show_page(dataset: FaceDataset, found: _Found, pages: Pages, rows: np.ndarray) -> int | None:
    """The faces of a page; the row of the one that was clicked."""
    if not len(rows):
        st.info("No face passes all of these filters; take one of them back.", icon=":material/filter_alt_off:")
        return None
    labels = dataset.as_label_set(found.wanted.label_set).labels
    losses = np.full(len(dataset), np.nan) if found.losses is None else found.losses
    titles = [
        f"row {row}, {label_name(found.wanted.label_set, labels[row])}, {dataset.splits[row]}"
        + ("" if np.isnan(losses[row]) else f", loss {losses[row]:.2f}")
        for row in rows
    ]
    clicked = face_grid(dataset.images[rows], rows.tolist(), titles, key="samples-grid")
    page = int(st.session_state[_PAGE])
    with st.container(horizontal=True):
        st.button("Page before", icon=":material/chevron_left:", disabled=page <= 1, on_click=_turn, args=(-1,))
        at_end = page >= pages.count
        st.button("Next page", icon=":material/chevron_right:", disabled=at_end, on_click=_turn, args=(1,))
    return clicked


def _turn(pages: int) -> None:
    st.session_state[_PAGE] += pages


@st.dialog("One face", width="large")
def _one_face(explored: ExploredDataset, dataset: FaceDataset, in_order: np.ndarray, label_set: LabelSet) -> None:
    """A face and all that is said about it; the buttons go on to the next one in the grid's order."""
    with errors_in_words():
        place = st.session_state[_PLACE]
        row = int(in_order[place])
        left, right = st.columns([1, 2], gap="medium")
        with left:
            with st.container(horizontal=True):
                at_end = place == len(in_order) - 1
                st.button("Before", icon=":material/chevron_left:", disabled=not place, on_click=_step, args=(-1,))
                st.button("Next", icon=":material/chevron_right:", disabled=at_end, on_click=_step, args=(1,))
            height, width = dataset.images.shape[1:]
            st.image(
                enlarged(dataset.images[row], LARGE_SIDE),
                caption=f"Row {row:,}, {dataset.splits[row]}; {width} × {height} pixels, enlarged",
                width="stretch",
            )
            st.markdown("\n".join(f"- {fact}" for fact in facts_of(dataset, explored.summary, row)))
        with right:
            if dataset.votes is not None:
                if dataset.votes[row].any():
                    st.markdown("**Votes of FER+'s annotators**")
                    show_report_figure(
                        ReportFigure("samples-votes", "Votes of FER+'s annotators", vote_bars(dataset.votes[row]))
                    )
                else:
                    st.caption("FER+ left this row out: it has no votes.")
            _networks(explored, dataset, row, label_set)


def _step(faces: int) -> None:
    st.session_state[_PLACE] += faces


def _networks(explored: ExploredDataset, dataset: FaceDataset, row: int, label_set: LabelSet) -> None:
    """What each stored network says of a face, and how it met the face."""
    models = _models()
    titles = model_titles(models)
    copies = same_picture(explored.summary, row)
    label = int(dataset.labels[row])
    scores: dict[str, ExpressionScores] = {}
    met: dict[Exposure, list[str]] = {}
    for model in models:
        answers = _answers(model.name, explored.key, _stamp(model), model, dataset)
        heads = answers.row(row) or _ask(model, dataset.images[row : row + 1])
        if heads is not None:
            rule = next(iter(_rules(model, label_set)), model.card.default_rule)
            scores[model.name] = ExpressionScores(model.name, rule.label_set, rule.apply(heads)[0])
            met.setdefault(answers.exposure(row, copies), []).append(titles[model.name])
    st.markdown("**What the stored networks say**")
    if not scores:
        st.caption("No stored network can answer here.")
        return
    sets = [says.label_set for says in scores.values()]
    in_view = label_set if label_set in sets else sets[0]
    drawn = {name: says for name, says in scores.items() if says.label_set == in_view}
    drawn = dict(list(drawn.items())[:MOST_MODELS])
    styles = model_styles(list(drawn), [model.name for model in models], titles)
    show_report_figure(ReportFigure("samples-answers", "Answers by network", probability_bars_by_model(drawn, styles)))
    lines = [
        {
            "network": titles[name],
            "says": str(says.top),
            "probability": says.ranked()[0][1],
            "for the label": _of_label(says, dataset.label_set, label),
        }
        for name, says in scores.items()
    ]
    percent = st.column_config.NumberColumn
    columns = {name: percent(name, format="percent") for name in ("probability", "for the label")}
    st.dataframe(pd.DataFrame(lines), hide_index=True, placeholder="", column_config=columns)
    st.caption("  \n".join(f"{', '.join(names)}: the face {exposure}." for exposure, names in met.items()))


def _of_label(says: ExpressionScores, label_set: LabelSet, label: int) -> float:
    """The probability of a face's label, NaN where the face has none or the answer lacks it."""
    emotion = label_set.emotions[label] if label != NO_LABEL else None
    return float(says.probabilities[says.label_set.index(emotion)]) if emotion in says.label_set.emotions else math.nan


def _ask(model: StoredModel, image: np.ndarray) -> dict[str, np.ndarray] | None:
    if not can_run(model):
        return None
    network = _network(model.name, _stamp(model), model)
    return network.predict(crops_for(network.input_size, image))


def _rules(model: StoredModel, label_set: LabelSet) -> list[DecisionRule]:
    return [rule for rule in model.card.answers if rule.label_set == label_set]


def _rule(model: StoredModel, label_set: LabelSet) -> DecisionRule:
    return _rules(model, label_set)[0]


@st.cache_resource(ttl=60, show_spinner=False)
def _models() -> list[StoredModel]:
    return best_first(ModelStore().all())


def _stamp(model: StoredModel) -> int:
    """Changes when a model of that name is stored anew."""
    return (model.folder / "card.json").stat().st_mtime_ns


@st.cache_resource(show_spinner=False, max_entries=8)
def _network(name: str, stamp: int, _model: StoredModel) -> FaceNetwork:
    return load_network(_model)


@st.cache_resource(show_spinner=False, max_entries=32)  # read alone, never written to, so not copied
def _answers(name: str, fingerprint: str, stamp: int, _model: StoredModel, _dataset: FaceDataset) -> RowPredictions:
    return known_predictions(_model, _dataset, fingerprint)


@st.cache_resource(show_spinner=False, max_entries=32)
def _losses(
    name: str, rule: str, fingerprint: str, stamp: int, _model: StoredModel, _dataset: FaceDataset
) -> np.ndarray:
    answers = _answers(name, fingerprint, stamp, _model, _dataset)
    return answers.losses(_model.card.decision_rule(rule), _dataset)
