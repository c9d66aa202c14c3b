"""Widgets that choose models, decision rules, label sets and detectors, and the cached objects behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import streamlit as st

from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.app.common.widgets import pick
from fer_core.datasets.dataset import Split
from fer_core.errors import ModelError
from fer_core.labels import FER2013, LABEL_SETS, LabelSet
from fer_core.store.card import reported_splits, split_title
from fer_core.store.decision import DecisionRule
from fer_core.store.predictions import Network
from fer_core.store.store import ModelStore, StoredModel
from fer_core.vision.detection.registry import DETECTORS

SERVED = Network.INT8
"""The network that pages run; every card holds its metrics beside those of the float one."""
GENERAL = (FER2013, Split.TEST)
"""What models for general use are compared on; a model's label names the faces if they are others."""


@st.cache_data(ttl=60, show_spinner=False)
def _model_names() -> list[str]:
    return ModelStore().served_names()


@st.cache_resource(show_spinner=False)
def stored_model(name: str) -> StoredModel:
    """A model of the store, its card read once."""
    return ModelStore().load(name)


def installed_models() -> list[StoredModel]:
    """Every model of the store in the order in which pages offer them.

    First by label set, FER2013's seven classes before the others; then single networks before ensembles, which cost the
    sum of their members; then by accuracy on the validation split, or on the reported split where there is none.

    Raises:
        ModelError: the store holds no model.
    """
    names = _model_names()
    if not names:
        raise ModelError(
            "No trained model is installed. Train one with `python -m fer_core train senet --data PATH`, or fetch "
            "artifacts/models with the repository."
        )
    label_sets = list(LABEL_SETS.values())

    def rank(model: StoredModel) -> tuple[int, bool, float]:
        label_set = model.card.default_rule.label_set
        return label_sets.index(label_set), bool(model.card.members), -(headline(model) or 0.0)

    return sorted((stored_model(name) for name in names), key=rank)


def served_metrics(model: StoredModel, rule: DecisionRule) -> dict[str, Any]:
    """Metrics of a decision rule by split: of the network that the pages run, or of the float one if only that was measured.

    Cross-validation is such a case: its networks are not the one that is stored.
    """
    by_network = [model.card.figures.get(network, {}).get(rule.name, {}) for network in (Network.FLOAT, SERVED)]
    return {str(split): metrics[split] for metrics in by_network for split in Split if split in metrics}


def headline(model: StoredModel, split: Split = Split.VALIDATION, metric: str = "accuracy") -> float | None:
    """A metric of the model's default decision rule on a split.

    For a model without this split it is that of its first reported split; ``None`` if nothing was measured.
    """
    metrics = served_metrics(model, model.card.default_rule)
    chosen = [split] if split in metrics else reported_splits(metrics)[:1]
    return metrics[chosen[0]][metric] if chosen else None


def model_titles(models: Sequence[StoredModel]) -> dict[str, str]:
    """Unique titles by name: ``ResNet50``, ``ResNet50 (CK+)``; with the name in brackets where that is not enough."""
    titles = {model.name: model.card.title for model in models}
    for tag in (_label_set_tag, lambda model: f" ({model.name})"):
        counts = Counter(titles.values())
        titles |= {m.name: m.card.title + tag(m) for m in models if counts[titles[m.name]] > 1}
    return titles


def model_labels(models: Sequence[StoredModel]) -> dict[str, str]:
    """What choosers call models, by name: the title and the accuracy of the default decision rule.

    ``SE-ResNet · 70.6%`` is on FER2013's PrivateTest in seven classes; others name faces and classes:
    ``98.1%, CK+ random 30%``.
    """
    titles = model_titles(models)
    return {model.name: f"{titles[model.name]} · {_reached(model)}" for model in models}


def measured_on(label_set: LabelSet, split: str) -> str:
    """Data set and split, with the classes if the data set has several sets: ``FER2013 PrivateTest, five classes``."""
    name, classes = _name_and_classes(label_set)
    return f"{name} {split}" + (f", {classes}" if classes else "")


def _reached(model: StoredModel) -> str:
    label_set = model.card.default_rule.label_set
    splits = reported_splits(served_metrics(model, model.card.default_rule))
    if not splits:
        return "not measured"
    share = f"{headline(model, splits[0]):.1%}"
    if (label_set, splits[0]) == GENERAL:
        return share
    return f"{share}, {measured_on(label_set, split_title(model.card, label_set, splits[0]))}"


def _label_set_tag(model: StoredModel) -> str:
    label_set = model.card.default_rule.label_set
    name, classes = _name_and_classes(label_set)
    return "" if label_set == FER2013 else f" ({classes or name})"


def _name_and_classes(label_set: LabelSet) -> tuple[str, str]:
    """``("FER2013", "five classes")``; no classes if the data set has only one label set: ``("CK+", "")``."""
    name, _, classes = label_set.title.partition(" (")[0].partition(", ")
    siblings = sum(other.title.partition(", ")[0] == name for other in LABEL_SETS.values())
    return name, classes if siblings > 1 else ""


MODEL_HELP = (
    "Models for general use come first, the best of them on FER2013's PublicTest on top. The percentage is the accuracy of "
    "the network and answer used here on FER2013's PrivateTest in seven classes, unless the label names other faces or "
    "classes; percentages of different faces or classes cannot be compared."
)


def choose_models(label: str = "Models") -> list[StoredModel]:
    """A choice of several models; stops the page until there is one."""
    models = {model.name: model for model in installed_models()}
    labels = model_labels(list(models.values()))
    names = st.multiselect(
        label, list(models), default=list(models)[:1], format_func=labels.__getitem__, help=MODEL_HELP
    )
    if not names:
        st.info("Choose at least one model.")
        st.stop()
    return [models[name] for name in names]


def choose_model(label: str = "Model") -> StoredModel:
    """A choice of one model."""
    models = {model.name: model for model in installed_models()}
    return models[pick(label, model_labels(list(models.values())), None, help=MODEL_HELP)]


def choose_decision_rule(models: list[StoredModel]) -> DecisionRule:
    """A choice among the decision rules that all chosen models share; stops the page if there is none."""
    first = models[0].card
    kinds = [{(rule.name, rule.label_set) for rule in model.card.answers} for model in models]
    titles = {r.name: r.title for r in first.answers if all((r.name, r.label_set) in kind for kind in kinds)}
    if not titles:
        names = model_titles(installed_models())
        st.info(
            f"{' and '.join(names[model.name] for model in models)} have no answer in the same classes; choose models "
            "that answer in the same ones, or one model at a time."
        )
        st.stop()
    help_text = (
        "The balanced answer was chosen on PublicTest by macro F1, so that rare expressions are found too. The others are "
        "the network's heads as they were trained, by label set."
    )
    name = pick("Answer in", titles, None, help=help_text)
    rule = first.decision_rule(name)
    st.caption(f"Answered by: {rule.composition}.")
    return rule


def choose_label_set(
    label: str, names: Iterable[str], key: str, *, widget: Callable[..., str] = pick, **options: Any
) -> LabelSet:
    """A choice among label sets by their titles.

    Args:
        label: of the widget.
        names: of the label sets.
        key: of the widget.
        widget: :func:`~fer_core.app.common.widgets.pick` or :func:`~fer_core.app.common.widgets.switch`.
        options: of the widget; ``default`` is a name.
    """
    return LABEL_SETS[widget(label, {name: LABEL_SETS[name].title for name in names}, key, **options)]


def choose_detector() -> str:
    """A choice of face detector by its title."""
    return pick("Face detector", {name: detector.title for name, detector in DETECTORS.items()}, None)


@st.cache_resource(show_spinner="Loading the networks…", max_entries=8)
def frame_analyser(models: tuple[str, ...], detector: str, answer: str) -> FrameAnalyser:
    """An analyser shared by all sessions; safe to call from several threads."""
    return FrameAnalyser.from_store(models, detector, answer)
