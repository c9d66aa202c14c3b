"""What a network learns from: balance, samples, labels that annotators contest, augmentation, and own photos."""

import streamlit as st

from fer_core.app.common.page import errors_in_words, start_page
from fer_core.app.explore.sources import choose_explored
from fer_core.app.explore.tabs import explore_tabs

start_page(
    "Explore Datasets",
    "🗂️",
    "See what a network will learn from: how many faces of each class, which labels annotators contest, which pictures "
    "occur twice, and what augmentation makes of a face.",
)

with errors_in_words():
    with st.sidebar:
        explored = choose_explored()
    explore_tabs(explored)
