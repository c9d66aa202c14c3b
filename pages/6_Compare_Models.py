"""All models in one table, and up to six of them side by side: confusion, curves, training, tests, costs."""

import streamlit as st

from fer_core.app.common.figures import downloads
from fer_core.app.common.page import errors_in_words, start_page
from fer_core.app.compare.choice import choose_classes, choose_comparison, cost_chart, measured_models, show_leaderboard
from fer_core.app.compare.external import bring_your_own
from fer_core.app.compare.tabs import comparison_tabs

start_page(
    "Compare Models",
    "📊",
    "Which network is better, on which faces, by how much, and at what cost. Every number is computed from stored "
    "predictions on faces that no network was trained on.",
)

with errors_in_words():
    models = measured_models()
    label_set = choose_classes(models)
    st.subheader("Leaderboard")
    table = show_leaderboard(models, label_set)
    bring_your_own(models, label_set)
    st.subheader("Side by side")
    choice = choose_comparison(models, label_set)
    chart = cost_chart(models, choice)
    first = [report_figure for report_figure in (table, chart) if report_figure]
    downloads(first, "all")
    comparison_tabs(choice, first)
