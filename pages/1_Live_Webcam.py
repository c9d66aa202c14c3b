"""A camera, or a clip in its place: every face answered for as it moves, with a chart of the last minute."""

import streamlit as st

from fer_core.ui.live import (
    choose_source,
    connection_notice,
    example_frame,
    how_to_start,
    live_panel,
    live_session,
    video_stream,
)
from fer_core.ui.page import errors_in_words, score_notice, start_page
from fer_core.ui.selection import choose_answer, choose_detector, choose_model, frame_analyser

start_page(
    "Live Webcam",
    "🎥",
    "Look into the camera and see what the network makes of your face, frame by frame. Nothing is recorded.",
)

with errors_in_words(), st.sidebar:
    model = choose_model()
    answer = choose_answer([model])
    detector = choose_detector()
    mirror = st.toggle("Mirror", value=True, help="Shows you as a mirror does; lettering in the picture is reversed.")
    analyser = frame_analyser((model.name,), detector, answer.name)

video, panel = st.columns([3, 2], gap="large")

with video, errors_in_words():
    source = choose_source()
    session = live_session(source, analyser, mirror)
    stream = video_stream(source, session)
    connection_notice(source, stream)
    if not stream.playing:
        how_to_start(source)

with panel, errors_in_words():
    if stream.playing:
        live_panel(session)
    else:
        example_frame(analyser)

score_notice()
