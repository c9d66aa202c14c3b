"""Widgets that choose models, answers and detectors, and the cached objects behind them."""

from __future__ import annotations

import streamlit as st

from fer_core.answers import AnswerRule
from fer_core.datasets.face_dataset import Split
from fer_core.errors import ModelError
from fer_core.model_store import ModelStore, Network, StoredModel
from fer_core.pipeline import FrameAnalyser
from fer_core.vision.detectors import DETECTORS

SERVED = Network.INT8
"""The network that pages run: measured beside the float one on every card."""


@st.cache_data(ttl=60, show_spinner=False)
def _model_names() -> list[str]:
    return ModelStore().names()


@st.cache_resource(show_spinner=False)
def stored_model(name: str) -> StoredModel:
    """A model of the store, its card read once."""
    return ModelStore().load(name)


def installed_models() -> list[StoredModel]:
    """Every model of the store, best on the validation split first; an error in words if there is none."""
    names = _model_names()
    if not names:
        raise ModelError(
            "No trained model is installed. Train one with `python -m fer_core train senet --data PATH`, or fetch "
            "artifacts/models with the repository."
        )
    models = [stored_model(name) for name in names]
    return sorted(models, key=lambda m: -headline(m, Split.VALIDATION, "accuracy"))


def headline(model: StoredModel, split: Split, figure: str) -> float:
    """A figure of the network and answer that the pages use."""
    return model.card.figure(SERVED, model.card.default_answer.name, split, figure)


def model_label(model: StoredModel) -> str:
    """A model's title with what its default answer reached on PrivateTest."""
    return f"{model.card.title} · {headline(model, Split.TEST, 'accuracy'):.1%}"


MODEL_HELP = "The share is the accuracy on FER2013's PrivateTest, seven classes, of the network and answer used here."


def choose_models(label: str = "Models") -> list[StoredModel]:
    """A multiple choice of models; stops the page until there is one."""
    models = {model.name: model for model in installed_models()}
    names = st.multiselect(
        label, list(models), default=list(models)[:1], format_func=lambda n: model_label(models[n]), help=MODEL_HELP
    )
    if not names:
        st.info("Choose at least one model.")
        st.stop()
    return [models[name] for name in names]


def choose_model(label: str = "Model") -> StoredModel:
    """A single choice of a model."""
    models = {model.name: model for model in installed_models()}
    return models[st.selectbox(label, list(models), format_func=lambda n: model_label(models[n]), help=MODEL_HELP)]


def choose_answer(models: list[StoredModel]) -> AnswerRule:
    """A choice among the answers that all chosen models have."""
    first = models[0].card
    shared = [rule for rule in first.answers if all(rule.name in {a.name for a in m.card.answers} for m in models)]
    titles = {rule.name: rule.title for rule in shared}
    name = st.selectbox(
        "Answer in",
        list(titles),
        format_func=lambda n: titles[n],
        help="The balanced answer was chosen on PublicTest by macro F1, so that rare expressions are heard. The others "
        "are the network's heads as they were trained, by label set.",
    )
    rule = first.answer(name)
    st.caption(f"Answered by: {rule.composition}.")
    return rule


def choose_detector() -> str:
    """A choice of face detector by its title."""
    return st.selectbox("Face detector", list(DETECTORS), format_func=lambda name: DETECTORS[name].title)


@st.cache_resource(show_spinner="Loading the networks…", max_entries=8)
def frame_analyser(models: tuple[str, ...], detector: str, answer: str) -> FrameAnalyser:
    """An analyser shared by all sessions; it is safe to call from several threads."""
    return FrameAnalyser.from_store(models, detector, answer, SERVED)
