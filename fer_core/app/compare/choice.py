"""The upper half of the comparison page: the table of all models, the chart of their costs, and the choice of some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from fer_core.app.common.cached_data import kept, stored_models
from fer_core.app.common.figures import show_report_figure
from fer_core.app.common.selection import choose_label_set, model_titles
from fer_core.app.common.widgets import number_columns, pick
from fer_core.app.compare.external import chosen_key, is_external, marked, session_external_models
from fer_core.datasets.dataset import Split
from fer_core.errors import ModelError
from fer_core.evaluation.leaderboard import COSTS, cost_row, leaderboard_table
from fer_core.evaluation.scored import ScoredSplit, reported, rules_in, score_split
from fer_core.external.models import ExternalModel
from fer_core.labels import LABEL_SETS, LabelSet
from fer_core.plots.model_styles import MOST_MODELS, ModelStyle, model_styles
from fer_core.plots.models import CostPoint, accuracy_against_cost
from fer_core.plots.report import ReportFigure
from fer_core.store.card import split_title
from fer_core.store.decision import DecisionRule
from fer_core.store.store import ModelStore, StoredModel

BY_DIGEST = {ExternalModel: lambda model: model.digest}
"""How cached metrics of models that were brought along are kept apart; never what they predicted."""

_WIDE_COLUMN = 150
"""Pixels of the column of splits where their names are longer than its heading, so that none is cut off."""

_SHARES = ("accuracy", "without repeats", "macro F1", "lowest recall", "ECE", "ECE before")
"""Columns of the leaderboard in [0, 1]."""


@dataclass(frozen=True)
class Choice:
    """What everything below the table is about."""

    label_set: LabelSet
    split: Split
    models: dict[str, StoredModel]
    """By name, one to six."""
    styles: dict[str, ModelStyle]
    """By name."""
    rules: dict[str, DecisionRule]
    """How each model answers, by name."""

    @property
    def scored(self) -> dict[str, ScoredSplit]:
        """The answers of each model, by name."""
        return {name: scored_of(model, self.rules[name].name, self.split) for name, model in self.models.items()}

    @property
    def metrics(self) -> dict[str, Any]:
        """Each card's metrics for the chosen answer and split, by name."""
        return {
            name: reported(model, self.rules[name])[self.split][1][self.split] for name, model in self.models.items()
        }

    @property
    def summary(self) -> str:
        """Models, answers and faces in one line."""
        models = ", ".join(f"{self.styles[name].title} ({rule.name})" for name, rule in self.rules.items())
        first = next(iter(self.scored.values()))
        return f"{self.label_set.title}; {first.split_title}, {len(first.rows)} faces: {models}"


def measured_models() -> list[StoredModel]:
    """Every model of the store with metrics, also those whose weights are not here, and those brought along.

    Raises:
        ModelError: the store holds none.
    """
    models = [m for m in stored_models() if any(rules_in(m, rule.label_set) for rule in m.card.answers)]
    if not models:
        raise ModelError(
            "No evaluated model is in the store. Train one with `python -m fer_core train senet --data PATH`, or fetch "
            "artifacts/models with the repository."
        )
    return [*models, *session_external_models().values()]


def scored_of(model: StoredModel, rule: str, split: Split) -> ScoredSplit:
    """A model's answers to the faces of a split by the decision rule of a name."""
    if isinstance(model, ExternalModel):  # not into a cache that outlives the session
        return score_split(model, model.card.decision_rule(rule), split)
    return _stored_scored(model, rule, split)


@kept(64)
def _stored_scored(model: StoredModel, rule: str, split: Split) -> ScoredSplit:
    model = ModelStore(model.folder.parent).load(model.name)  # its card may be newer than the one at hand
    return score_split(model, model.card.decision_rule(rule), split)


@kept(8, hash_funcs=BY_DIGEST)
def _leaderboard_table(models: Sequence[StoredModel], label_set: str, titles: dict[str, str]) -> pd.DataFrame:
    return leaderboard_table(models, LABEL_SETS[label_set], titles)


def choose_classes(models: Sequence[StoredModel]) -> LabelSet:
    """The classes, and by them the data set, that models are compared in."""
    present = [name for name, s in LABEL_SETS.items() if any(rules_in(model, s) for model in models)]
    return choose_label_set("Data set and classes", present, "comparison-label-set")


def show_leaderboard(models: Sequence[StoredModel], label_set: LabelSet) -> ReportFigure:
    """The sortable table of a label set."""
    able = [model for model in models if rules_in(model, label_set)]
    titles = model_titles(list(models))
    table = marked(_leaderboard_table(able, label_set.name, titles), titles)
    shown = [column for column in table if table[column].replace("", None).notna().any()]
    long = table.loc[table["faces"].notna(), "reported on"].str.len().max() > len("reported on")
    st.dataframe(
        table,
        hide_index=True,
        placeholder="",
        column_order=shown,
        column_config={
            "model": st.column_config.TextColumn("model", pinned=True),
            "reported on": st.column_config.TextColumn("reported on", width=_WIDE_COLUMN if long else None),
            **number_columns(dict.fromkeys(_SHARES, "percent")),
            **{name: st.column_config.NumberColumn(name, format="%.2f", help=title) for name, title in COSTS.items()},
        },
    )
    st.caption(
        "Click a heading to sort. 95% are bootstrap intervals; 'without repeats' leaves out the faces that also occur in "
        "Training; ECE is the expected calibration error after and before temperature scaling. ◇ marks results that "
        "authors published under their own protocol: they were not measured here and are not ranked."
    )
    unmeasured = [title for column, title in COSTS.items() if column not in shown]
    if unmeasured:
        st.caption(f"Not measured yet: {'; '.join(unmeasured)}. `python -m fer_core cost` measures what runs here.")
    return ReportFigure("leaderboard", f"Leaderboard, {label_set.title}", table)


def choose_comparison(models: Sequence[StoredModel], label_set: LabelSet) -> Choice:
    """Two to six models of a label set, an answer and a split that they share; stops the page where there is none."""
    able = {model.name: model for model in models if rules_in(model, label_set)}
    titles = model_titles(list(models))
    ranked = sorted(able, key=lambda name: (bool(able[name].card.members), -_best(able[name], label_set)))
    stored, external_models = ([name for name in ranked if is_external(name) == own] for own in (False, True))
    key = chosen_key(label_set)
    if key not in st.session_state:  # also set from where models are brought along, so it has no default of its own
        st.session_state[key] = [*stored[:2], *external_models][:MOST_MODELS]
    names = st.multiselect(
        "Compare",
        [*stored, *external_models],
        format_func=titles.__getitem__,
        max_selections=MOST_MODELS,
        help="Two to six models; everything below follows.",
        key=key,
    )
    if not names:
        st.info("Choose two to six models to compare.")
        st.stop()
    chosen = {name: able[name] for name in names}
    left, right = st.columns(2)
    with left:
        rules = _choose_answers(chosen, label_set)
    with right:
        split = _choose_split(chosen, rules, label_set)
    if len(chosen) == 1:
        others = "" if len(able) > 1 else f", and the store holds no other that answers in {label_set.title}"
        st.info(f"Differences and tests need two models{others}; all else is shown for this one.")
    return Choice(label_set, split, chosen, model_styles(names, [m.name for m in models], titles), rules)


def _best(model: StoredModel, label_set: LabelSet) -> float:
    splits = reported(model, rules_in(model, label_set)[0])
    return max(metrics[split]["accuracy"] for split, (_, metrics) in splits.items())


def _choose_answers(models: dict[str, StoredModel], label_set: LabelSet) -> dict[str, DecisionRule]:
    """One answer per model: of a name that all have, or where there is none the first of each."""
    rules = {name: rules_in(model, label_set) for name, model in models.items()}
    first = next(iter(rules.values()))
    shared = [rule.name for rule in first if all(any(r.name == rule.name for r in own) for own in rules.values())]
    if not shared:
        parts = ", ".join(f"{name} by {own[0].name}" for name, own in rules.items())
        st.caption(f"The models share no answer of one name: {parts}.")
        return {name: own[0] for name, own in rules.items()}
    titles = {rule.name: rule.title for rule in first if rule.name in shared}
    answer = pick("Answer", titles, f"comparison-answer-{label_set.name}")
    return {name: next(rule for rule in own if rule.name == answer) for name, own in rules.items()}


def _choose_split(models: dict[str, StoredModel], rules: dict[str, DecisionRule], label_set: LabelSet) -> Split:
    by_model = [set(reported(model, rules[name])) for name, model in models.items()]
    shared = [split for split in Split if all(split in splits for splits in by_model)]
    if not shared:
        raise ModelError("These models were reported on different splits; choose models that share one.")
    card = next(iter(models.values())).card
    titles = {str(split): split_title(card, label_set, split) for split in shared}
    return Split(pick("Faces", titles, f"comparison-split-{label_set.name}"))


def cost_chart(models: Sequence[StoredModel], choice: Choice) -> ReportFigure | None:
    """Accuracy against a cost of all models of the label set, the chosen ones in their colours."""
    titles = model_titles(list(models))
    costs = {model.name: cost_row(model) for model in models}
    points: dict[str, tuple[float, tuple[float, float]]] = {}
    for model in models:
        for rule in rules_in(model, choice.label_set):
            of_split = reported(model, rule).get(choice.split)
            wanted = choice.rules.get(model.name, rule).name
            if of_split and rule.name == wanted and model.name not in points:
                metrics = of_split[1][choice.split]
                points[model.name] = (metrics["accuracy"], tuple(metrics["accuracy_interval"]))
    axes = [column for column in COSTS if any(np.isfinite(costs[name][column]) for name in points)]
    if not axes:
        st.caption("No cost of these models is known.")
        return None
    axis = pick("Cost", {axis: COSTS[axis] for axis in axes}, "comparison-cost")
    figure = accuracy_against_cost(
        [
            CostPoint(titles[name], costs[name][axis], accuracy, interval, choice.styles.get(name))
            for name, (accuracy, interval) in points.items()
        ],
        COSTS[axis],
    )
    report_figure = ReportFigure("accuracy-against-cost", "Accuracy against cost", figure)
    show_report_figure(report_figure)
    absent = [titles[name] for name in points if not np.isfinite(costs[name][axis])]
    if absent:
        st.caption(f"Not in the chart, since their files do not ship or this was not measured: {'; '.join(absent)}.")
    return report_figure
