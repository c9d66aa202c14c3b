"""Front door: what this is, which models are installed, and where to go."""

import streamlit as st

from fer_core.app.common.page import PRIVACY, WHAT_A_SCORE_IS, errors_in_words, start_page
from fer_core.app.home import model_table, page_links

start_page(
    "Expression Studio",
    "🙂",
    "Facial expression recognition that runs on this computer: look into a camera or drop in photos, and see which "
    "expression trained networks read in every face. No account, no cloud, no download at run time.",
)

page_links()

st.subheader("Installed models")
with errors_in_words():
    st.dataframe(**model_table())
    st.caption(
        "Trained by this project. On FER2013 everything was chosen on PublicTest, and PrivateTest was looked at once per "
        "model; on CK+, which has no validation split, nothing was chosen. Metrics are those of the int8 network that "
        "the pages run and are recomputed from stored predictions by `python -m fer_core verify`."
    )

st.subheader("What a score is, and is not")
st.info(WHAT_A_SCORE_IS, icon=":material/psychology_alt:")
st.warning(PRIVACY, icon=":material/shield_person:")
