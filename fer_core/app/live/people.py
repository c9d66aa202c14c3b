"""The people of a live stream beside the video: expression, last minute and attention of each; alerts; the session log."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import streamlit as st

from fer_core.analysis.attention import Attention
from fer_core.app.common.widgets import download
from fer_core.live.session import HISTORY_SECONDS, LiveSession, LiveSnapshot, PersonMinute
from fer_core.logs.session_log import KeptLogs, SessionLog
from fer_core.plots.timeline import ATTENTION_COLOURS, attention_strip, probability_timeline

LATEST_ALERTS = 5
"""Shown at once."""
_LOG_KEY = "live-log-key"
_CHART = {"displayModeBar": False}


def show_people(session: LiveSession, now: LiveSnapshot, attention: bool) -> None:
    """A chart per person; several people get smaller ones under their numbers."""
    people = session.people(now.now)
    by_track = {face.track: face.attributes for face in now.analysis} if now.analysis else {}
    for person in people:
        if len(people) > 1:
            st.markdown(f"**Person {person.track}** · {person.face.scores[0].verdict().words}")
        _chart(person, now, small=len(people) > 1)
        attributes = by_track.get(person.track)
        if attributes is not None and attributes.pose is not None:
            pose = attributes.pose
            words = f"Head {pose.yaw:+.0f}° aside, {pose.pitch:+.0f}° up, {pose.roll:+.0f}° tilted"
            if attributes.gaze is not None:
                words += f" · gaze {attributes.gaze.yaw:+.0f}° aside, {attributes.gaze.pitch:+.0f}° up"
            if attributes.perclos is not None:
                words += (
                    f" · eyes closed {attributes.perclos:.0%} of the minute, {attributes.blinks_per_minute:.0f} blinks"
                )
            st.caption(words)
        if attention:
            _attention(person, now)


def _chart(person: PersonMinute, now: LiveSnapshot, small: bool) -> None:
    label_set = person.face.scores[0].label_set
    figure = probability_timeline(
        person.times, person.probabilities, label_set, now.now, HISTORY_SECONDS, height=180 if small else 300
    )
    if small:
        figure.update_layout(showlegend=False)
    st.plotly_chart(figure, key=f"live-chart-{person.track}", config=_CHART)


def _attention(person: PersonMinute, now: LiveSnapshot) -> None:
    state = next((state for state in reversed(person.attention) if state), Attention.ABSENT)
    st.html(
        f'<div data-testid="live-attention" style="font-size:0.95rem"><span style="display:inline-block;width:0.8rem;'
        f'height:0.8rem;border-radius:50%;background:{ATTENTION_COLOURS[state]};margin-right:0.5rem"></span>{state}</div>'
    )
    st.plotly_chart(
        attention_strip(person.times, person.attention, now.now, HISTORY_SECONDS),
        key=f"live-attention-{person.track}",
        config=_CHART,
    )


def show_alerts(now: LiveSnapshot) -> None:
    """Alerts that still hold, in red, and the latest that are over."""
    clock = datetime.now()
    for alert in reversed(now.alerts[-LATEST_ALERTS:]):
        began = f"{clock - timedelta(seconds=now.now - alert.timestamp):%H:%M:%S}"
        who = f"Person {alert.track}: " if alert.track is not None else ""
        if alert.ended is None:
            st.error(f"{began} **{who}{alert.rule.title}**", icon=":material/notification_important:")
        else:
            ended = f"{clock - timedelta(seconds=now.now - alert.ended):%H:%M:%S}"
            st.caption(f"{began} {who}{alert.rule.title}, over since {ended}")


@st.cache_resource(show_spinner=False)
def _kept_logs() -> KeptLogs:
    """The logs of all visitors; each visitor knows only their own key, which is in the page's address."""
    return KeptLogs()


def _start_log(session: LiveSession, source: str) -> None:
    st.session_state[_LOG_KEY] = _kept_logs().keep(session.start_log(source))


def show_log(session: LiveSession, source: str) -> None:
    """Start, stop and download a log; it outlives the stream, and the page too if its address is kept."""
    now = session.snapshot(time.monotonic())
    start, stop = st.columns(2)
    start.button(
        "Start a log",
        icon=":material/fiber_manual_record:",
        on_click=_start_log,
        args=(session, source),
        disabled=now.logging,
        help="One row per face and frame in memory: time, id, box, probabilities, mask, head pose, gaze, attention. "
        "Nothing is written to a disk unless you download it.",
        width="stretch",
    )
    stop.button("Stop", icon=":material/stop:", on_click=session.stop_log, disabled=not now.logging, width="stretch")
    if _LOG_KEY in st.session_state:
        st.query_params["log"] = st.session_state[_LOG_KEY]
    log = now.log or _kept_logs().get(st.query_params.get("log", ""))
    if log is None:
        st.caption("Nothing is logged. A log is a table of numbers; it holds no pictures.")
    elif now.logging:
        st.fragment(_count, run_every=2.0)(log)
    else:
        _offer(log)


def _count(log: SessionLog) -> None:
    st.caption(f"{len(log):,} rows so far; stop it to download them. {log.full}")


def _offer(log: SessionLog) -> None:
    """Downloads of a log that has ended."""
    st.caption(
        f"{len(log):,} rows from {log.started_at:%H:%M}, kept in memory for some hours under this page's address. Download "
        "them and drop the file into **Session Insights** to see shares over time."
    )
    name = f"session-{log.started_at:%Y-%m-%d-%H%M%S}"
    with st.spinner("Packing…"):
        as_csv, as_parquet = _contents(log)
    csv, parquet = st.columns(2)
    download("CSV", as_csv, f"{name}.csv", place=csv, width="stretch")
    download("Parquet", as_parquet, f"{name}.parquet", place=parquet, width="stretch")


@st.cache_data(
    show_spinner=False, max_entries=2, hash_funcs={SessionLog: lambda log: (log.started_at.timestamp(), len(log))}
)
def _contents(log: SessionLog) -> tuple[bytes, bytes]:
    """CSV and Parquet, made once."""
    return log.to_csv(), log.to_parquet()
