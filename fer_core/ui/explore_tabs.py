"""The sections of the data set page; only the open one is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from fer_core.ui.explore import Explored
from fer_core.ui.explore_audit import audit_tab
from fer_core.ui.explore_balance import balance_tab
from fer_core.ui.explore_faces import faces_tab
from fer_core.ui.explore_lab import lab_tab
from fer_core.ui.explore_own import own_data_tab
from fer_core.ui.explore_samples import samples_tab

_OPEN_TAB = "explore-tab"


@dataclass(frozen=True)
class _Tab:
    title: str
    show: Callable[[Explored], None]


_TABS = (
    _Tab("Balance", balance_tab),
    _Tab("Samples", samples_tab),
    _Tab("Faces at a glance", faces_tab),
    _Tab("Label audit", audit_tab),
    _Tab("Augmentation lab", lab_tab),
    _Tab("Own photos", own_data_tab),
)


def explore_tabs(explored: Explored) -> None:
    """What the page is about, in a line, and all sections for it."""
    summary = explored.summary
    height, width = summary.side
    at_hand = "" if explored.dataset is not None else ", figures alone: the sidebar takes the faces"
    st.markdown(f"**{summary.name}** · {summary.faces:,} faces of {width}×{height} pixels{at_hand}")
    places = st.tabs([tab.title for tab in _TABS], key=_OPEN_TAB, on_change="rerun")
    for place, tab in zip(places, _TABS, strict=True):
        if place.open:
            with place:
                tab.show(explored)
