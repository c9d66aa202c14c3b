"""What a visitor of the live page chooses: layers, frame rate, smoothing, attention and alerts."""

from __future__ import annotations

import streamlit as st

from fer_core.analysis.attention import NOTICE
from fer_core.analysis.overlay import Layer
from fer_core.analysis.smoothing import TIME_CONSTANT_SECONDS
from fer_core.app.common.widgets import several
from fer_core.labels import Emotion, LabelSet
from fer_core.live.alerts import AlertRule, AlertSignal
from fer_core.live.session import LiveSettings

RATES = {"every frame": 0.0, "10 a second": 0.1, "5 a second": 0.2, "2 a second": 0.5, "1 a second": 1.0}
"""Seconds between analysed frames."""
DISTRESS = (Emotion.SAD, Emotion.FEAR, Emotion.ANGRY)
MOST_SMOOTHING = 2.0
"""Seconds."""


def choose_timing() -> tuple[bool, float, float]:
    """Mirror, smoothing and seconds between analysed frames."""
    mirror = st.toggle("Mirror", value=True, help="Shows you as a mirror does; lettering in the picture is reversed.")
    smoothing = st.slider(
        "Smoothing, s",
        0.0,
        MOST_SMOOTHING,
        TIME_CONSTANT_SECONDS,
        0.01,
        format="%.1f",
        help="Time constant over which probabilities are averaged: at 0 every frame shows its own, which flickers. It "
        "means the same at every frame rate.",
    )
    rate = st.select_slider(
        "Analyse",
        list(RATES),
        help="The video stays smooth; frames between two analyses show the last result.",
    )
    return mirror, smoothing, RATES[rate]


def choose_layers() -> frozenset[Layer]:
    """What is drawn on the video."""
    chosen = several(
        "Layers",
        list(Layer),
        "live-layers",
        default=[layer for layer in Layer if layer in LiveSettings().layers],
        help="What is drawn on the video. Landmarks, head pose and gaze are computed only if they are shown, logged or "
        "needed for attention.",
    )
    return frozenset(chosen)


def choose_attention() -> bool:
    """Whether attention is measured: only after its terms were confirmed."""
    if not st.toggle("Attention", help="Whether people look this way, away, or have their eyes closed."):
        return False
    st.caption(NOTICE)
    return st.checkbox(
        "Everyone before the camera knows of it and has agreed, and this is not about staff or students, or serves "
        "medical or safety reasons.",
        key="live-attention-confirmed",
    )


def choose_rules(label_set: LabelSet) -> tuple[AlertRule, ...]:
    """Rules that raise alerts; none by default.

    Raises:
        AlertError: the model knows none of the emotions that a rule waits for.
    """
    rules: list[AlertRule] = []
    if st.toggle("Emotions", key="live-alert-emotions"):
        known = list(label_set.emotions)
        emotions = st.multiselect("Any of", known, [emotion for emotion in DISTRESS if emotion in known])
        over = st.slider("Together over, %", 30, 95, 60, 5)
        seconds = st.number_input("For, s", 1, 3600, 20, key="live-alert-emotion-seconds")
        if emotions:
            rules.append(AlertRule(AlertSignal.EMOTIONS, float(seconds), tuple(emotions), over / 100))
    if st.toggle("No face", key="live-alert-absent"):
        rules.append(
            AlertRule(AlertSignal.NO_FACE, float(st.number_input("For, s", 2, 3600, 60, key="live-absent-seconds")))
        )
    if st.toggle("Eyes closed", key="live-alert-eyes"):
        rules.append(
            AlertRule(AlertSignal.EYES_CLOSED, float(st.number_input("For, s", 1, 3600, 5, key="live-eyes-seconds")))
        )
    for rule in rules:
        rule.check(label_set)
    return tuple(rules)
