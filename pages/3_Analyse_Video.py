"""A recorded video in, everyone in it over time: timelines, key moments, the annotated video, tables and subtitles."""

import streamlit as st

from fer_core.app.common.page import errors_in_words, score_notice, start_page
from fer_core.app.common.selection import choose_decision_rule, choose_detector, choose_model, frame_analyser
from fer_core.app.live.settings import choose_attention
from fer_core.app.video.results import show_result
from fer_core.app.video.work import choose_options, choose_video, finished_job, start_job

start_page(
    "Analyse Video",
    "🎞️",
    "Drop in a video: every person's expression is followed, frame by frame. It is read in memory and not kept.",
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
        options = choose_options(video, attention)
        st.button(
            "Analyse", type="primary", icon=":material/play_arrow:", on_click=start_job, args=(video, analyser, options)
        )

score_notice()

if video is None:
    st.info("Nothing to analyse yet: choose a video above, or try the sample clip.", icon=":material/movie:")
    st.stop()

with errors_in_words():
    found = finished_job(video)
    if found is not None:
        show_result(video, found)
