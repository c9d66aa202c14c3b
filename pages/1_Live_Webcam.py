"""A camera, or a clip in its place: the expression of every face as it moves, with a chart of the last minute."""

import streamlit as st

from fer_core.analysis.overlay import Layer
from fer_core.app.common.page import errors_in_words, score_notice, start_page
from fer_core.app.common.selection import choose_decision_rule, choose_detector, choose_model, frame_analyser
from fer_core.app.live.gaze import gaze_panel
from fer_core.app.live.people import show_log
from fer_core.app.live.settings import choose_attention, choose_layers, choose_rules, choose_timing
from fer_core.app.live.stream import (
    StreamSource,
    choose_source,
    connection_notice,
    example_frame,
    how_to_start,
    live_panel,
    live_session,
    video_stream,
)
from fer_core.live.session import LiveSettings

start_page(
    "Live Webcam",
    "🎥",
    "Look into the camera and see what the network makes of your face, frame by frame. Nothing is recorded.",
)

with errors_in_words(), st.sidebar:
    model = choose_model()
    answer = choose_decision_rule([model])
    detector = choose_detector()
    mirror, smoothing, interval = choose_timing()
    attention = choose_attention()
    with st.expander("Alerts", icon=":material/notifications:"):
        rules = choose_rules(answer.label_set)
    analyser = frame_analyser((model.name,), detector, answer.name)

video, panel = st.columns([3, 2], gap="large")

with video, errors_in_words():
    source = choose_source()
    layers = choose_layers() if source is not StreamSource.PRIVATE else frozenset()
    settings = LiveSettings(mirror, layers, smoothing, interval, attention, rules)
    session = live_session(source, analyser, settings)
    stream = video_stream(source, session)
    connection_notice(source, stream)
    if not stream.playing:
        how_to_start(source)
    with st.expander("Session log", icon=":material/table_rows:"):
        show_log(session, source)

with panel, errors_in_words():
    if stream.playing:
        live_panel(session, attention)
        if Layer.GAZE in layers:
            gaze_panel(session)
    else:
        example_frame(analyser, settings)

score_notice()
