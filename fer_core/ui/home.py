"""The parts of the front page."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from fer_core.datasets.face_dataset import Split
from fer_core.emotions import FERPLUS
from fer_core.ui.selection import SERVED, installed_models

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
)


def page_links() -> None:
    """A card for each page."""
    for column, (path, label, icon, text) in zip(st.columns(len(_PAGES)), _PAGES, strict=True):
        with column.container(border=True, height="stretch"):
            st.page_link(path, label=f"**{label}**", icon=icon)
            st.markdown(text)


def model_table() -> dict[str, Any]:
    """Arguments of ``st.dataframe`` for the installed models, best first."""
    rows = []
    for model in installed_models():
        card = model.card
        answer = card.default_answer
        test = card.figures[SERVED][answer.name][Split.TEST]
        row = {
            "Model": card.title,
            "What it is": card.summary,
            "Accuracy": test["accuracy"],
            "Macro F1": test["macro_f1"],
            "Answers with": f"{answer.title}: {answer.composition}",
            "Weights": card.parameters / 1e6,
        }
        if FERPLUS.name in card.heads:
            row["FER+ accuracy"] = card.figures[SERVED][FERPLUS.name][Split.TEST]["accuracy"]
        rows.append(row)
    percent = st.column_config.NumberColumn
    return {
        "data": pd.DataFrame(rows),
        "hide_index": True,
        "column_order": [
            "Model",
            "Accuracy",
            "Macro F1",
            "FER+ accuracy",
            "Weights",
            "Answers with",
            "What it is",
        ],
        "column_config": {
            "Accuracy": percent("Accuracy, 7 classes", format="percent", help="FER2013 PrivateTest, 3,589 faces"),
            "Macro F1": percent("Macro F1, 7 classes", format="percent", help="Mean over classes, rare ones included"),
            "FER+ accuracy": percent(
                "Accuracy, FER+ 8 classes", format="percent", help="FER+ majority labels on PrivateTest, 3,153 faces"
            ),
            "Weights": percent("Weights", format="%.1f M"),
        },
    }
