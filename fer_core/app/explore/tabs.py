"""The sections of the data set page; only the open one is loaded and drawn, so that the page is there at once."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import streamlit as st

from fer_core.app.common.page import show_open_tab
from fer_core.app.explore.explored import ExploredDataset

_OPEN_TAB = "explore-tab"


@dataclass(frozen=True)
class _Tab:
    title: str
    section: str
    """The module of this folder that has a function ``<section>_tab`` of an :class:`ExploredDataset`."""

    def show(self, explored: ExploredDataset) -> None:
        getattr(import_module(f"fer_core.app.explore.{self.section}"), f"{self.section}_tab")(explored)


TABS = (
    _Tab("Balance", "balance"),
    _Tab("Samples", "samples"),
    _Tab("Faces at a glance", "faces"),
    _Tab("Label audit", "audit"),
    _Tab("Augmentation lab", "lab"),
    _Tab("Own photos", "import_photos"),
)


def explore_tabs(explored: ExploredDataset) -> None:
    """What the page is about, in a line, and all sections for it."""
    summary = explored.summary
    height, width = summary.side
    at_hand = "" if explored.dataset is not None else ", figures alone: the sidebar takes the faces"
    st.markdown(f"**{summary.name}** · {summary.faces:,} faces of {width}×{height} pixels{at_hand}")
    show_open_tab({tab.title: tab.show for tab in TABS}, _OPEN_TAB, explored)
