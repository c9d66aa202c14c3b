"""Choosers say of every model what it reached, on which faces and in which classes."""

from dataclasses import replace

import pytest

from fer_core.app.common.selection import (
    headline,
    installed_models,
    measured_on,
    model_labels,
    model_titles,
    served_metrics,
)
from fer_core.datasets import Split
from fer_core.labels import CKPLUS, FER2013, FER2013_FIVE, FERPLUS
from fer_core.store.predictions import Network
from fer_core.store.store import ModelStore

GENERAL_FIRST = ["strong", "weak", "bare", "pair", "five", "plus", "ck"]


def test_models_for_general_use_come_first_and_the_best_on_validation_of_them_on_top(mixed_store):
    assert [model.name for model in installed_models()] == GENERAL_FIRST
    strong = mixed_store.load("strong").card
    metrics = strong.figures
    metrics["int8"]["balanced"]["validation"]["accuracy"] = 0.0
    metrics["int8"]["balanced"]["test"]["accuracy"] = 1.0
    mixed_store.save_card(replace(strong, figures=metrics))
    import streamlit as st

    st.cache_resource.clear()
    names = [model.name for model in installed_models()]
    assert names.index("strong") > names.index("weak"), "the test split chooses nothing"


def test_a_label_says_what_was_reached_and_where_if_that_is_not_the_common_measure(mixed_store):
    def share(name: str, answer: str) -> str:
        return f"{mixed_store.load(name).card.figure(Network.INT8, answer, Split.TEST, 'accuracy'):.1%}"

    assert model_labels(installed_models()) == {
        "pair": f"Ensemble of 2 networks · {share('pair', 'balanced')}",
        "strong": f"SE-ResNet (strong) · {share('strong', 'balanced')}",
        "weak": f"SE-ResNet (weak) · {share('weak', 'balanced')}",
        "bare": "Bare · not measured",
        "five": f"SE-ResNet (five classes) · {share('five', 'balanced')}, FER2013 PrivateTest, five classes",
        "plus": f"ResNet50 (FER+) · {share('plus', 'balanced')}, FER+ PrivateTest",
        "ck": f"ResNet50 (CK+) · {share('ck', 'ckplus')}, CK+ random 30%",
    }


def test_titles_stay_short_where_they_are_unique_and_are_told_apart_by_name_at_the_last(mixed_store):
    strong, weak, five, ck = (mixed_store.load(name) for name in ("strong", "weak", "five", "ck"))
    assert model_titles([strong, ck]) == {"strong": "SE-ResNet", "ck": "ResNet50"}
    assert model_titles([strong, five]) == {"strong": "SE-ResNet", "five": "SE-ResNet (five classes)"}
    twin = replace(five, card=replace(five.card, name="twin"))
    titles = model_titles([strong, weak, five, twin])
    assert titles == {name: f"SE-ResNet ({name})" for name in ("strong", "weak", "five", "twin")}


def test_a_headline_is_of_validation_or_of_what_there_is(mixed_store):
    for name, answer, split in (("strong", "balanced", Split.VALIDATION), ("ck", "ckplus", Split.TEST)):
        model = mixed_store.load(name)
        assert headline(model) == model.card.figure(Network.INT8, answer, split, "accuracy")
        assert headline(model, Split.TEST, "macro_f1") == model.card.figure(
            Network.INT8, answer, Split.TEST, "macro_f1"
        )
    assert headline(mixed_store.load("bare")) is None


def test_figures_are_of_the_served_network_and_of_the_float_one_where_only_that_was_measured(mixed_store):
    card = mixed_store.load("ck").card
    metrics = served_metrics(mixed_store.load("ck"), card.default_rule)
    assert metrics["test"] == card.figures["int8"]["ckplus"]["test"]
    assert metrics["test"] != card.figures["float"]["ckplus"]["test"]
    assert metrics["cross-validation"] == card.figures["float"]["ckplus"]["cross-validation"]


@pytest.mark.parametrize(
    ("label_set", "words"),
    [
        (FER2013, "FER2013 PrivateTest, seven classes"),
        (FER2013_FIVE, "FER2013 PrivateTest, five classes"),
        (FERPLUS, "FER+ PrivateTest"),
        (CKPLUS, "CK+ PrivateTest"),
    ],
)
def test_classes_are_named_where_a_data_set_has_several_sets_of_them(label_set, words):
    assert measured_on(label_set, "PrivateTest") == words


def test_the_shipped_model_is_called_by_its_title_and_share(shipped):
    share = shipped.card.figure(Network.INT8, "balanced", Split.TEST, "accuracy")
    assert model_labels([ModelStore().load("senet")]) == {"senet": f"SE-ResNet · {share:.1%}"}
