"""One face and up to three networks from the inside: what their layers answer, where they look, how they are built."""

import streamlit as st

from fer_core.app.common.page import errors_in_words, start_page
from fer_core.app.common.selection import choose_detector
from fer_core.app.feature_maps.face import choose_face, choose_networks
from fer_core.app.feature_maps.page import feature_map_tabs

start_page(
    "Feature Maps",
    "🔬",
    "Look inside the networks: what each layer makes of a face, which places an answer rests on, and how a network is "
    "built. A picture of what a network does is no proof of why it does it.",
)

with errors_in_words():
    with st.sidebar:
        models = choose_networks()
        detector = choose_detector()
    face = choose_face(detector)
    feature_map_tabs(models, face)
