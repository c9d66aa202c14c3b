"""The parts of the front page."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import streamlit as st

from fer_core.app.common.selection import GENERAL, installed_models, measured_on, model_titles, served_metrics
from fer_core.store.card import reported_splits, split_title
from fer_core.store.store import StoredModel

_PAGES = (
    (
        "pages/1_Live_Webcam.py",
        "Live Webcam",
        ":material/videocam:",
        "Your expression, live, with a chart of the last minute. A sample clip stands in where there is no camera.",
    ),
    (
        "pages/2_Analyse_Images.py",
        "Analyse Images",
        ":material/photo_library:",
        "Every face in your photos, with probabilities, several models side by side, and tables to download.",
    ),
    (
        "pages/3_Analyse_Video.py",
        "Analyse Video",
        ":material/movie:",
        "Everyone in a recorded video over time: timelines, key moments, the annotated video, tables and subtitles.",
    ),
    (
        "pages/4_Session_Insights.py",
        "Session Insights",
        ":material/insights:",
        "Logs of streams and videos, one or many: shares over time, people and groups compared, one report.",
    ),
    (
        "pages/5_Explore_Datasets.py",
        "Explore Datasets",
        ":material/dataset:",
        "What a network learns from: balance, every face and its labels, copies, augmentation, your own photos.",
    ),
    (
        "pages/6_Compare_Models.py",
        "Compare Models",
        ":material/leaderboard:",
        "Which network is better, on which faces and at what cost: confusion, curves, training, tests, one report.",
    ),
    (
        "pages/7_Feature_Maps.py",
        "Feature Maps",
        ":material/layers:",
        "Inside the networks: what each layer makes of a face, what a prediction rests on, and how a network is built.",
    ),
)
_CARD_WIDTH = 214
"""Pixels: four beside each other on a laptop, fewer on what is narrower."""


def page_links() -> None:
    """A card for each page."""
    with st.container(horizontal=True):
        for path, label, icon, text in _PAGES:
            with st.container(border=True, width=_CARD_WIDTH, height="stretch"):
                st.page_link(path, label=f"**{label}**", icon=icon)
                st.markdown(text)


def model_table() -> dict[str, Any]:
    """Arguments of ``st.dataframe`` for the installed models, those for general use first.

    Accuracies on other faces or other classes stand in columns of their own, headed by both; a cell is empty if a
    model does not predict those classes or was not measured on those faces.
    """
    models = installed_models()
    titles = model_titles(models)
    rows = [
        {
            "Model": titles[model.name],
            "Accuracy": math.nan,  # the first columns, whatever the first model was measured on
            "Macro F1": math.nan,
            **_shares(model),
            "Weights": model.card.parameters / 1e6,
            "Answers with": f"{model.card.default_rule.title}: {model.card.default_rule.composition}",
            "What it is": model.card.summary,
        }
        for model in models
    ]
    table = pd.DataFrame(rows)
    text = ("Model", "Weights", "Answers with", "What it is")
    shares = [name for name in table if name not in text and table[name].notna().any()]
    number = st.column_config.NumberColumn
    return {
        "data": table,
        "hide_index": True,
        "column_order": ["Model", *shares, *text[1:]],
        "column_config": {
            **{name: number(f"Accuracy, {name}", format="percent") for name in shares},
            "Accuracy": number(
                "Accuracy, 7 classes", format="percent", help="FER2013's PrivateTest, 3,589 faces, seven classes"
            ),
            "Macro F1": number(
                "Macro F1, 7 classes", format="percent", help="The same faces: mean over classes, rare ones included"
            ),
            "Weights": number("Weights", format="%.1f M"),
        },
    }


def _shares(model: StoredModel) -> dict[str, float]:
    """Accuracies by column: of the first decision rule for each label set, on each split that is reported."""
    shares: dict[str, float] = {}
    for label_set in dict.fromkeys(rule.label_set for rule in model.card.answers):
        rule = next(rule for rule in model.card.answers if rule.label_set == label_set)
        metrics = served_metrics(model, rule)
        for split in reported_splits(metrics):
            if (label_set, split) == GENERAL:
                shares |= {"Accuracy": metrics[split]["accuracy"], "Macro F1": metrics[split]["macro_f1"]}
            else:
                column = measured_on(label_set, split_title(model.card, label_set, split))
                shares[column] = metrics[split]["accuracy"]
    return shares
