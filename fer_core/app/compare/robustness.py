"""The robustness of the chosen models: table, chart, and what a mask or poor light costs each class."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from fer_core.app.common.figures import downloads, show_report_figure
from fer_core.app.compare.choice import Choice, ScoredKey
from fer_core.app.compare.external import is_external
from fer_core.datasets.dataset import Split
from fer_core.evaluation.robustness.conditions import CONDITIONS, UNMASKED
from fer_core.evaluation.robustness.evaluate import ConditionMetrics, robustness_metrics
from fer_core.evaluation.robustness.table import HOW_TO_MEASURE, NOTE
from fer_core.plots.report import ReportFigure
from fer_core.plots.robustness import recall_cost_figure, robustness_figure
from fer_core.store.store import ModelStore

SHOWN_CONDITION = "surgical"
"""Whose cost by class is shown first, and in the report."""


_SHARES = ("accuracy", "of bare")
"""Columns in [0, 1]."""


_CONDITION = "robustness-condition-kept"
"""Kept over tabs, whose widgets are gone while they are closed."""


@st.cache_resource(show_spinner=False, max_entries=64)  # read alone, never written to, so not copied
def _figures(key: ScoredKey, stamp: int) -> list[ConditionMetrics]:
    del stamp  # measured anew, they are read anew
    model = ModelStore().load(key[0])
    return robustness_metrics(model, model.card.decision_rule(key[1]))


def robustness_of(choice: Choice) -> tuple[dict[str, list[ConditionMetrics]], list[str]]:
    """Figures of the chosen models by name, and a sentence for each that has none."""
    if choice.split != Split.TEST:
        return {}, ["Robustness is measured on test faces alone: choose them above."]
    found, words = {}, []
    for name, model in choice.models.items():
        if is_external(name):
            words.append(f"{choice.styles[name].title}: robustness is measured of stored models alone.")
            continue
        figures = _figures(choice.keys[name], model.robustness_stamp)
        if figures:
            found[name] = figures
        else:
            words.append(
                f"{choice.styles[name].title}: robustness is not measured for this answer. "
                f"{HOW_TO_MEASURE.replace('NAME', name)} measures it on FER2013's faces."
            )
    return found, words


def robustness_report_figures(choice: Choice, condition: str = SHOWN_CONDITION) -> tuple[list[ReportFigure], list[str]]:
    """Chart and table of accuracy, chart and table of recall by class; with what is not measured in words.

    Args:
        choice: the models.
        condition: whose cost by class is drawn.
    """
    by_model, words = robustness_of(choice)
    if not by_model:
        return [], words
    rows, costs = [], []
    for name, conditions in by_model.items():
        for of_condition in conditions:
            low, high = (100 * end for end in of_condition.interval)
            rows.append(
                {
                    "model": choice.styles[name].title,
                    "faces": of_condition.condition.title,
                    "accuracy": of_condition.accuracy,
                    "accuracy 95%": f"{low:.1f}–{high:.1f}%",
                    "of bare": of_condition.share,
                    "how": of_condition.condition.setting,
                }
            )
            if of_condition.condition.name != UNMASKED:
                points = {emotion: round(-100 * lost, 1) for emotion, lost in of_condition.recall_lost.items()}
                costs.append({"model": choice.styles[name].title, "faces": of_condition.condition.title, **points})
    title = CONDITIONS[condition].title
    report_figures = [
        ReportFigure(
            "robustness", "Accuracy on faces that are hard to read", robustness_figure(by_model, choice.styles), NOTE
        ),
        ReportFigure("robustness-table", "Robustness", pd.DataFrame(rows)),
        ReportFigure(
            f"robustness-cost-{condition}",
            f"What it costs each class: {title.lower()}",
            recall_cost_figure(by_model, choice.styles, condition),
            "Recall on bare faces minus recall on these: above nought the class is found less often. A class may gain, "
            "where faces of others are now taken for it too.",
        ),
        ReportFigure("robustness-classes", "Change of recall by class, in points", pd.DataFrame(costs)),
    ]
    return report_figures, words


def robustness_tab(choice: Choice) -> None:
    """The tab."""
    by_model, words = robustness_of(choice)
    for sentence in words:
        st.info(sentence)
    if not by_model:
        return
    names = [name for name in CONDITIONS if name != UNMASKED]
    condition = st.selectbox(
        "Cost by class of",
        names,
        index=names.index(st.session_state.get(_CONDITION, SHOWN_CONDITION)),
        format_func=lambda name: CONDITIONS[name].title,
        key="robustness-condition",
    )
    st.session_state[_CONDITION] = condition
    report_figures, _ = robustness_report_figures(choice, condition)
    number = st.column_config.NumberColumn
    percent = {key: number(key, format="percent") for key in _SHARES}
    for report_figure in report_figures:
        st.markdown(f"**{report_figure.title}**")
        show_report_figure(
            report_figure, **({"column_config": percent} if report_figure.name == "robustness-table" else {})
        )
    downloads(report_figures, "robustness")


def robustness_section_figures(choice: Choice) -> list[ReportFigure]:
    """What the report shows: shares of tables in words, since a report can't format a column."""
    report_figures, _ = robustness_report_figures(choice)
    return [replace(report_figure, content=_percent(report_figure.content)) for report_figure in report_figures]


def _percent(content: go.Figure | pd.DataFrame) -> go.Figure | pd.DataFrame:
    if not isinstance(content, pd.DataFrame) or not set(_SHARES) <= set(content):
        return content
    return content.assign(**{key: (content[key] * 100).round(1).astype(str) + "%" for key in _SHARES})
