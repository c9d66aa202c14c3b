"""A recorded film in, everyone in it over time: timelines, key moments, the annotated film, tables and subtitles."""

import streamlit as st

from fer_core.app.common.page import errors_in_words, score_notice, start_page
from fer_core.app.common.selection import choose_decision_rule, choose_detector, choose_model, frame_analyser
from fer_core.app.live.settings import choose_attention
from fer_core.app.video.results import show_result
from fer_core.app.video.work import choose_video, choose_wish, finished_work, start_work

start_page(
    "Analyse Video",
    "🎞️",
    "Drop in a film: everyone in it is followed and answered for, frame by frame. It is read in memory and not kept.",
)

with errors_in_words(), st.sidebar:
    model = choose_model()
    answer = choose_decision_rule([model])
    detector = choose_detector()
    attention = choose_attention()
    analyser = frame_analyser((model.name,), detector, answer.name)

with errors_in_words():
    video = choose_video()
    if video is not None:
        wish = choose_wish(video, attention)
        st.button(
            "Analyse", type="primary", icon=":material/play_arrow:", on_click=start_work, args=(video, analyser, wish)
        )

score_notice()

if video is None:
    st.info("Nothing to analyse yet: choose a video above, or try the sample clip.", icon=":material/movie:")
    st.stop()

with errors_in_words():
    found = finished_work(video)
    if found is not None:
        show_result(video, found)
