"""A short calibration of gaze, "look at the four corners", and then where on the screen the person looks."""

from __future__ import annotations

import time

import streamlit as st

from fer_core.errors import FerError
from fer_core.live.gaze_calibration import GazeCalibration, ScreenCorner
from fer_core.live.session import LiveSession

CORNER_SECONDS, SETTLING_SECONDS = 3.0, 1.0
"""How long each corner is shown, and how much of that time is left to the eyes to get there."""
REFRESH_SECONDS = 0.3
LOOKED_SECONDS = 0.5
"""The place on the screen is a mean over this time."""

_STARTED, _CALIBRATION, _FAILED = "live-gaze-started", "live-gaze-calibration", "live-gaze-failed"


def gaze_panel(session: LiveSession) -> None:
    """A button, the four corners one after the other, and the place that the person looks at."""
    st.fragment(_panel, run_every=REFRESH_SECONDS)(session)


def _panel(session: LiveSession) -> None:
    now = time.monotonic()
    started = st.session_state.get(_STARTED)
    if started is not None:
        number = int((now - started) // CORNER_SECONDS)
        if number < len(ScreenCorner):
            corner = list(ScreenCorner)[number]
            st.html(_dot(corner))
            st.markdown(f"**Look at the dot in the {corner.title} corner of this window**, your head still.")
            return
        _finish(session, started)
    calibration: GazeCalibration | None = st.session_state.get(_CALIBRATION)
    if failed := st.session_state.get(_FAILED):
        st.warning(failed, icon=":material/visibility_off:")
    st.button(
        "Calibrate gaze" if calibration is None else "Calibrate again",
        icon=":material/visibility:",
        on_click=_start,
        help="Eyes differ. Looking at the four corners of this window for three seconds each shows how yours move; it is "
        "forgotten with the page.",
    )
    if calibration is not None:
        st.html(_screen(calibration, session, now))


def _start() -> None:
    st.session_state[_STARTED] = time.monotonic()
    st.session_state.pop(_FAILED, None)


def _finish(session: LiveSession, started: float) -> None:
    samples = {}
    for number, corner in enumerate(ScreenCorner):
        begins = started + number * CORNER_SECONDS
        samples[corner] = session.gazes(begins + SETTLING_SECONDS, begins + CORNER_SECONDS)
    del st.session_state[_STARTED]
    try:
        st.session_state[_CALIBRATION] = GazeCalibration.fit(samples)
    except FerError as error:
        st.session_state[_FAILED] = str(error)


def _dot(corner: ScreenCorner) -> str:
    x, y = corner.value
    across, down = "right" if x else "left", "bottom" if y else "top"
    return (
        f'<div data-testid="live-gaze-dot" style="position:fixed;{across}:0.4rem;{down}:0.4rem;width:2.4rem;height:2.4rem;'
        'border-radius:50%;background:#E0A32E;border:0.4rem solid #1B2528;z-index:999999"></div>'
    )


def _screen(calibration: GazeCalibration, session: LiveSession, now: float) -> str:
    """HTML of a small window with a dot where the eyes look; no dot while they are not seen."""
    places = [calibration.on_screen(gaze) for gaze in session.gazes(now - LOOKED_SECONDS, now)]
    dot = ""
    if places:
        x, y = (min(max(sum(axis) / len(places), 0.0), 1.0) for axis in zip(*places, strict=True))
        dot = (
            f'<div style="position:absolute;left:calc({x:.0%} - 0.4rem);top:calc({y:.0%} - 0.4rem);width:0.8rem;'
            'height:0.8rem;border-radius:50%;background:#E0A32E"></div>'
        )
    return (
        '<div data-testid="live-gaze-screen" style="position:relative;width:12rem;height:6.75rem;border:1px solid #8A8F98;'
        f'border-radius:0.3rem">{dot}</div><div style="opacity:0.75">Looked at, give or take '
        f"{calibration.miss:.0%} of the window</div>"
    )
