"""The lower half of the comparison page: the tabs about the chosen models, and the report.

Only the open tab is drawn, so that another choice shows at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations

import numpy as np
import streamlit as st

from fer_core.app.common.cached_data import cached_dataset
from fer_core.app.common.figures import downloads, show_report_figure, show_report_figures
from fer_core.app.common.page import errors_in_words, show_open_tab
from fer_core.app.common.widgets import download, pick
from fer_core.app.compare import figures
from fer_core.app.compare.choice import Choice
from fer_core.app.compare.figures import View
from fer_core.app.compare.robustness import robustness_tab
from fer_core.app.compare.try_it import try_it_tab
from fer_core.evaluation.curves import MACRO
from fer_core.evaluation.scored import images_behind
from fer_core.plots.models import Normalisation
from fer_core.plots.report import ReportFigure, report_html

FACES_SHOWN = 24
"""At most, of a cell."""
FACE_SIDE = 96
"""Pixels of a face."""

_VIEW = "comparison-view"
_OPEN_TAB = "comparison-tab"


def comparison_tabs(choice: Choice, first: Sequence[ReportFigure]) -> None:
    """All tabs for a choice, and the button of its report.

    Args:
        choice: the models.
        first: figures above the tabs, which the report begins with.
    """
    above = st.container()
    show_open_tab(_TABS, _OPEN_TAB, choice)
    with above:  # drawn last, so that the report shows what the tab was just set to
        _report_button(choice, first)


def _view() -> View:
    """How charts are drawn, which outlives the widgets: a closed tab has none."""
    return st.session_state.setdefault(_VIEW, View())


def _keep(**changes: object) -> View:
    st.session_state[_VIEW] = replace(_view(), **changes)  # type: ignore[arg-type]  # checked by those who call
    return _view()


def _report_button(choice: Choice, first: Sequence[ReportFigure]) -> None:
    download(
        "Report of this choice, one HTML file",
        partial(_report, choice, _view(), first),  # written when asked for, since that takes a while
        "comparison.html",
        "comparison-report",
        icon=":material/summarize:",
        help="Every figure and table below, for the models chosen; it opens in any browser without a network.",
    )


def _report(choice: Choice, view: View, first: Sequence[ReportFigure]) -> bytes:
    sections, words = figures.report_sections(choice, view, list(first))
    return report_html("Expression Studio: comparison of models", [choice.summary, *words], sections).encode()


def _choose_pair(choice: Choice, key: str) -> View:
    """The two models whose difference is shown: a choice if there are more than two."""
    pair = figures.pair_of(choice, _view())
    names = list(choice.models)
    if pair is None or len(names) == 2:
        return _view()
    pairs = {(a, b): f"{choice.styles[a].title} and {choice.styles[b].title}" for a, b in permutations(names, 2)}
    return _keep(pair=pick("Difference of", pairs, key, default=pair))


def _confusion(choice: Choice) -> None:
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    titles = {normalisation: str(normalisation).capitalize() for normalisation in Normalisation}
    shown = pick("Cells show", titles, "confusion-cells", default=_view().normalisation, place=left)
    with middle:
        by_similarity = st.toggle(
            "Order by similarity",
            value=_view().by_similarity,
            help="Puts classes that the chosen models confuse side by side.",
            key="confusion-order",
        )
    _keep(normalisation=shown, by_similarity=by_similarity)
    with right:
        view = _choose_pair(choice, "confusion-pair")
    report_figures = figures.confusion_report_figures(choice, view)
    matrices = [report_figure for report_figure in report_figures if report_figure.name != "confusion-difference"]
    columns = st.columns(2)
    for number, (name, report_figure) in enumerate(zip(choice.models, matrices, strict=True)):
        with columns[number % 2]:
            st.markdown(f"**{report_figure.title}**")
            show_report_figure(
                report_figure, on_select=partial(_cell_clicked, report_figure, name, choice), selection_mode="points"
            )
    show_report_figures(report_figures[len(matrices) :])
    downloads(report_figures, "confusion")
    _cell(choice)


def _cell_keys(choice: Choice) -> tuple[str, str, str]:
    return "cell-model", f"cell-true-{choice.label_set.name}", f"cell-answered-{choice.label_set.name}"


def _cell_clicked(report_figure: ReportFigure, name: str, choice: Choice) -> None:
    """A click on a matrix sets the boxes below, which say the same to a keyboard."""
    points = st.session_state[f"chart-{report_figure.name}"]["selection"]["points"]
    if points:
        true, answered = (int(index) for index in points[0]["customdata"][:2])
        st.session_state.update(dict(zip(_cell_keys(choice), (name, true, answered), strict=True)))


def _cell(choice: Choice) -> None:
    """The faces of one cell of one matrix."""
    st.markdown("#### Look into a cell")
    st.caption("Click a cell above, or choose it here.")
    emotions = choice.label_set.names
    models_key, true_key, answered_key = _cell_keys(choice)
    if st.session_state.get(models_key) not in choice.models:
        st.session_state[models_key] = next(iter(choice.models))
    st.session_state.setdefault(answered_key, len(emotions) - 1)
    places = st.columns(3)
    name = pick("Model", {n: choice.styles[n].title for n in choice.models}, models_key, place=places[0])
    true = pick("True class", dict(enumerate(emotions)), true_key, place=places[1])
    answered = pick("Answered", dict(enumerate(emotions)), answered_key, place=places[2])
    scored = choice.scored[name]
    rows = scored.cell(true, answered)
    of_class = int((scored.labels == true).sum())
    st.markdown(
        f"**{len(rows)}** of {of_class} {emotions[true]} faces are answered {emotions[answered]} by "
        f"{choice.styles[name].title}."
    )
    if not len(rows):
        return
    path = st.text_input(
        "Path of the data set, to see the faces",
        key="comparison-data",
        placeholder="fer2013.csv, CK+48.zip or a folder",
        help="On the computer that this studio runs on. It is only read, nothing is copied into the store.",
    )
    images: np.ndarray | None = None
    if path.strip():
        with errors_in_words(stop=False):
            images = images_behind(scored, choice.models[name].card.seed, cached_dataset(path.strip()))
    captions = [
        f"row {scored.rows[row]}: {emotions[true]} {scored.probabilities[row, true]:.0%}, "
        f"{emotions[scored.answers[row]]} {scored.probabilities[row, scored.answers[row]]:.0%}"
        for row in rows[:FACES_SHOWN]
    ]
    if images is not None:
        st.image([images[row] for row in rows[:FACES_SHOWN]], caption=captions, width=FACE_SIDE)
    else:
        st.markdown("\n".join(f"- {caption}" for caption in captions))
    more = f"; the first {FACES_SHOWN} are shown" if len(rows) > FACES_SHOWN else ""
    st.caption(f"Worst first, by the probability for the true class{more}.")


def _per_class(choice: Choice) -> None:
    show_report_figures(figures.per_class_report_figures(choice), "per-class")


def _curves(choice: Choice) -> None:
    classes = [MACRO, *choice.label_set.names]
    current = _view().curve if _view().curve in classes else MACRO
    key = f"curve-class-{choice.label_set.name}"
    curve = pick("ROC and precision-recall of", classes, key, default=current)
    report_figures = figures.curve_report_figures(choice, _keep(curve=curve))
    show_report_figures(report_figures, columns=2)
    if not any(len(report_figure.content.data) > 1 for report_figure in report_figures[:1]):
        st.info(f"No face of this split is {curve}, so it has no curve.")
    downloads(report_figures, "curves")


def _learning(choice: Choice) -> None:
    report_figures, words = figures.learning_report_figures(choice)
    st.markdown("\n".join(f"- {sentence}" for sentence in words))
    charts = [report_figure for report_figure in report_figures if report_figure.name != "histories"]
    show_report_figures(charts, columns=2)
    if charts:
        st.caption("Solid: validation; dashed: training. The marker shows the epoch that was kept.")
    downloads(report_figures, "learning")


def _significance(choice: Choice) -> None:
    if len(choice.models) < 2:
        st.info("A test compares two models: choose another one above.")
        return
    view = _choose_pair(choice, "significance-pair")
    report_figures, words = figures.significance_report_figures(choice, view)
    for sentence in words:
        st.info(sentence)
    for report_figure in report_figures:
        st.markdown(f"**{report_figure.title}**")
        show_report_figure(report_figure)
        if report_figure.name == "significance":
            pairs = next(e for e in report_figures if e.name == "pairs")
            st.markdown("\n".join(f"- {reading}" for reading in pairs.content["reading"]))
    downloads(report_figures, "significance")


def _cost(choice: Choice) -> None:
    report_figure = figures.cost_report_figure(choice)
    show_report_figure(report_figure)
    if report_figure.content["ms/face"].isna().all():
        st.caption("Times are not measured yet: `python -m fer_core cost` measures them on this computer.")
    downloads([report_figure], "cost")


_TABS = {
    "Confusion": _confusion,
    "Per class": _per_class,
    "Curves": _curves,
    "Learning curves": _learning,
    "Significance": _significance,
    "Robustness": robustness_tab,
    "Cost": _cost,
    "Try it": try_it_tab,
}
