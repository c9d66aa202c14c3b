"""The upper half of the comparison page: the table of all models, the chart of their costs, and the choice of some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from fer_core.app.common.figures import show_report_figure
from fer_core.app.common.selection import model_titles
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

ScoredKey = tuple[str, str, str, str]
"""Model, answer, split and the state of its folder, or of a guest's predictions: what cached figures are kept by."""


_LONG_SPLIT = 150
"""Pixels of a column of splits with longer names than its heading, which are cut off otherwise."""


@dataclass(frozen=True)
class Choice:
    """What everything below the table is about."""

    label_set: LabelSet
    split: Split
    models: dict[str, StoredModel]
    """By name, one to six."""
    styles: dict[str, ModelStyle]
    """By name."""
    keys: dict[str, ScoredKey]
    """By name."""

    @property
    def scored(self) -> dict[str, ScoredSplit]:
        """The answers of each model, by name."""
        return {name: scored_of(key) for name, key in self.keys.items()}

    @property
    def figures(self) -> dict[str, Any]:
        """Each card's figures for the chosen answer and split, by name."""
        rules = {name: self.models[name].card.decision_rule(key[1]) for name, key in self.keys.items()}
        return {name: reported(self.models[name], rule)[self.split][1][self.split] for name, rule in rules.items()}

    @property
    def summary(self) -> str:
        """Models, answers and faces in one line."""
        models = ", ".join(f"{self.styles[name].title} ({key[1]})" for name, key in self.keys.items())
        first = next(iter(self.scored.values()))
        return f"{self.label_set.title}; {first.split_title}, {len(first.rows)} faces: {models}"


@st.cache_resource(ttl=60, show_spinner=False)
def _models(folder: str) -> list[StoredModel]:
    del folder  # one list per store
    return ModelStore().all()


def measured_models() -> list[StoredModel]:
    """Every model of the store with figures, also those whose weights are not here; an error in words if none."""
    models = [model for model in _models(str(ModelStore().folder)) if any(rules_in(model, s) for s in _sets(model))]
    if not models:
        raise ModelError(
            "No evaluated model is in the store. Train one with `python -m fer_core train senet --data PATH`, or fetch "
            "artifacts/models with the repository."
        )
    return [*models, *session_external_models().values()]


def _sets(model: StoredModel) -> set[LabelSet]:
    return {rule.label_set for rule in model.card.answers}


def _key(model: StoredModel, answer: str, split: str) -> ScoredKey:
    if isinstance(model, ExternalModel):
        return model.name, answer, split, model.digest
    return model.name, answer, split, f"{model.folder}:{(model.folder / 'card.json').stat().st_mtime_ns}"


def scored_of(key: ScoredKey) -> ScoredSplit:
    """The answers behind a key."""
    external_model = session_external_models().get(key[0])
    if external_model is None:
        return _scored_of_store(key)
    return score_split(
        external_model, external_model.card.decision_rule(key[1]), Split(key[2])
    )  # not into a cache that outlives the session


@st.cache_resource(show_spinner=False, max_entries=64)  # read alone, never written to, so not copied
def _scored_of_store(key: ScoredKey) -> ScoredSplit:
    model = ModelStore().load(key[0])
    return score_split(model, model.card.decision_rule(key[1]), Split(key[2]))


@st.cache_data(show_spinner=False, max_entries=8)
def _leaderboard_table(
    label_set: str, keys: tuple[ScoredKey, ...], titles: dict[str, str], _models: Sequence[StoredModel]
) -> pd.DataFrame:
    del keys  # they tell the models apart, which are not hashed
    return leaderboard_table(_models, LABEL_SETS[label_set], titles)


def choose_label_set(models: Sequence[StoredModel]) -> LabelSet:
    """The classes, and by them the data set, that models are compared in."""
    present = [name for name, s in LABEL_SETS.items() if any(rules_in(model, s) for model in models)]
    name = st.selectbox(
        "Data set and classes", present, format_func=lambda name: LABEL_SETS[name].title, key="comparison-label-set"
    )
    return LABEL_SETS[name]


def leaderboard(models: Sequence[StoredModel], label_set: LabelSet) -> ReportFigure:
    """The sortable table of a label set."""
    able = [model for model in models if rules_in(model, label_set)]
    titles = model_titles(list(models))
    keys = tuple(_key(model, "", "") for model in able)
    table = marked(_leaderboard_table(label_set.name, keys, titles, able), titles)
    number = st.column_config.NumberColumn
    percent = ("accuracy", "without repeats", "macro F1", "lowest recall", "ECE", "ECE before")
    shown = [column for column in table if table[column].replace("", None).notna().any()]
    long = table.loc[table["faces"].notna(), "reported on"].str.len().max() > len("reported on")
    st.dataframe(
        table,
        hide_index=True,
        placeholder="",
        column_order=shown,
        column_config={
            "model": st.column_config.TextColumn("model", pinned=True),
            "reported on": st.column_config.TextColumn("reported on", width=_LONG_SPLIT if long else None),
            **{name: number(name, format="percent") for name in percent},
            **{name: number(name, format="%.2f", help=title) for name, title in COSTS.items()},
        },
    )
    st.caption(
        "Click a heading to sort. 95% are bootstrap intervals; 'without repeats' leaves out the faces that also occur in "
        "Training; ECE is the expected calibration error after and before temperature scaling. ◇ marks figures that "
        "authors publish under their own protocol: they were not measured here and rank with nothing."
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
    keys = {name: _key(model, rules[name].name, split) for name, model in chosen.items()}
    return Choice(label_set, split, chosen, model_styles(names, [m.name for m in models], titles), keys)


def _best(model: StoredModel, label_set: LabelSet) -> float:
    of_answers = [reported(model, rule) for rule in rules_in(model, label_set)[:1]]
    return max(figures[split]["accuracy"] for splits in of_answers for split, (_, figures) in splits.items())


def _choose_answers(models: dict[str, StoredModel], label_set: LabelSet) -> dict[str, DecisionRule]:
    """One answer per model: of a name that all have, or where there is none the first of each."""
    rules = {name: rules_in(model, label_set) for name, model in models.items()}
    first = next(iter(rules.values()))
    shared = [rule.name for rule in first if all(any(r.name == rule.name for r in own) for own in rules.values())]
    if not shared:
        parts = ", ".join(f"{name} by {own[0].name}" for name, own in rules.items())
        st.caption(f"The models share no answer of one name: {parts}.")
        return {name: own[0] for name, own in rules.items()}
    answer_titles = {rule.name: rule.title for rule in first}
    answer = st.selectbox(
        "Answer", shared, format_func=answer_titles.__getitem__, key=f"comparison-answer-{label_set.name}"
    )
    return {name: next(rule for rule in own if rule.name == answer) for name, own in rules.items()}


def _choose_split(models: dict[str, StoredModel], rules: dict[str, DecisionRule], label_set: LabelSet) -> Split:
    by_model = [set(reported(model, rules[name])) for name, model in models.items()]
    shared = [split for split in Split if all(split in splits for splits in by_model)]
    if not shared:
        raise ModelError("These models were reported on different splits; choose models that share one.")
    card = next(iter(models.values())).card
    split = st.selectbox(
        "Faces",
        [str(split) for split in shared],
        format_func=lambda split: split_title(card, label_set, Split(split)),
        key=f"comparison-split-{label_set.name}",
    )
    return Split(split)


def cost_chart(models: Sequence[StoredModel], choice: Choice) -> ReportFigure | None:
    """Accuracy against a cost of all models of the label set, the chosen ones in their colours."""
    titles = model_titles(list(models))
    costs = {model.name: cost_row(model) for model in models}
    points: dict[str, tuple[float, tuple[float, float]]] = {}
    for model in models:
        for rule in rules_in(model, choice.label_set):
            of_split = reported(model, rule).get(choice.split)
            wanted = choice.keys.get(model.name, (None, rule.name))[1]
            if of_split and rule.name == wanted and model.name not in points:
                figures = of_split[1][choice.split]
                points[model.name] = (figures["accuracy"], tuple(figures["accuracy_interval"]))
    axes = [column for column in COSTS if any(np.isfinite(costs[name][column]) for name in points)]
    if not axes:
        st.caption("No cost of these models is known.")
        return None
    axis = st.selectbox("Cost", axes, format_func=COSTS.__getitem__, key="comparison-cost")
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
