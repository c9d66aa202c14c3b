"""The robustness of the chosen models: table, chart, and the recall that each class loses to a mask or poor light."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from fer_core.app.common.cached_data import kept, stamp_of
from fer_core.app.common.figures import show_report_figures
from fer_core.app.common.widgets import pick
from fer_core.app.compare.choice import Choice
from fer_core.app.compare.external import is_external
from fer_core.datasets.dataset import Split
from fer_core.evaluation.robustness.conditions import CONDITIONS, UNMASKED
from fer_core.evaluation.robustness.evaluate import ConditionMetrics, robustness_metrics
from fer_core.evaluation.robustness.table import HOW_TO_MEASURE, NOTE
from fer_core.plots.report import ReportFigure
from fer_core.plots.robustness import recall_cost_figure, robustness_figure
from fer_core.store.store import StoredModel

SHOWN_CONDITION = "surgical"
"""The condition that is shown by class at first, and in the report."""

_CONDITION = "robustness-condition-kept"
"""Key of the condition chosen, which outlives the widget: a closed tab has none."""


@kept(64, hash_funcs={StoredModel: lambda model: f"{stamp_of(model)}:{model.robustness_stamp}"})
def _metrics(model: StoredModel, rule: str) -> list[ConditionMetrics]:
    return robustness_metrics(model, model.card.decision_rule(rule))


def robustness_of(choice: Choice) -> tuple[dict[str, list[ConditionMetrics]], list[str]]:
    """Metrics of the chosen models by name, and a sentence for each that has none."""
    if choice.split != Split.TEST:
        return {}, ["Robustness is measured on test faces only: choose them above."]
    found, words = {}, []
    for name, model in choice.models.items():
        if is_external(name):
            words.append(f"{choice.styles[name].title}: robustness is measured for stored models only.")
            continue
        metrics = _metrics(model, choice.rules[name].name)
        if metrics:
            found[name] = metrics
        else:
            words.append(
                f"{choice.styles[name].title}: robustness is not measured for this answer. "
                f"{HOW_TO_MEASURE.replace('NAME', name)} measures it on FER2013's faces."
            )
    return found, words


def robustness_report_figures(choice: Choice, condition: str = SHOWN_CONDITION) -> tuple[list[ReportFigure], list[str]]:
    """Chart and table of accuracy, chart and table of recall by class; and a sentence for each model without them.

    Args:
        choice: the models.
        condition: the one that is drawn by class.
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
        ReportFigure(
            "robustness-table",
            "Robustness",
            pd.DataFrame(rows),
            formats={"accuracy": "percent", "of bare": "percent"},
        ),
        ReportFigure(
            f"robustness-cost-{condition}",
            f"What it costs each class: {title.lower()}",
            recall_cost_figure(by_model, choice.styles, condition),
            "Recall on unmasked faces minus recall on these: above zero the class is found less often. A class can gain "
            "if faces of other classes are now taken for it too.",
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
    titles = {name: condition.title for name, condition in CONDITIONS.items() if name != UNMASKED}
    shown = st.session_state.get(_CONDITION, SHOWN_CONDITION)
    condition = pick("Cost by class of", titles, "robustness-condition", default=shown)
    st.session_state[_CONDITION] = condition
    report_figures, _ = robustness_report_figures(choice, condition)
    show_report_figures(report_figures, "robustness")
