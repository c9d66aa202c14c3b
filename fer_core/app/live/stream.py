"""The parts of the live page: the video connection, what to say when it fails, and the panel beside the video."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import av
import streamlit as st
from streamlit_webrtc import WebRtcMode, create_video_sink_track, webrtc_streamer
from streamlit_webrtc.webrtc import SignallingTimeoutError

from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.app.common.page import secret
from fer_core.app.common.widgets import switch
from fer_core.app.live.people import show_alerts, show_people
from fer_core.errors import VideoError
from fer_core.live.connection import Connection, ConnectionWatch
from fer_core.live.session import LiveSession, LiveSettings, StreamError
from fer_core.live.track import ClipTrack, ProcessedTrack, to_video_frame
from fer_core.media.sample_clip import SAMPLE_CLIP, LoopedClip
from fer_core.results import ExpressionScores, MaskReading, MaskState

FRAMES_PER_SECOND = 30
"""What cameras are asked for, and how fast the sample clip is played."""
ICE_SERVERS_VARIABLE = "FER_ICE_SERVERS"
ANSWER_REFRESH_SECONDS, CHART_REFRESH_SECONDS = 0.3, 1.0
"""Between two refreshes. The video itself shows every frame's result at once."""

_CAMERA = {
    "video": {"width": {"ideal": 640}, "height": {"ideal": 480}, "frameRate": {"ideal": FRAMES_PER_SECOND}},
    "audio": False,
}


class StreamSource(StrEnum):
    """Where the frames come from."""

    CAMERA = "Camera"
    PRIVATE = "Private view"
    """The camera, but no picture is shown: nobody is watched."""
    CLIP = "Sample clip"


@dataclass(frozen=True)
class StreamState:
    """What the video component reports."""

    playing: bool
    signalling: bool
    trouble: str = ""
    """What keeps the browser from using a camera, a key of :data:`CAMERA_TROUBLE`; empty if nothing is known."""


def ice_servers() -> list[dict[str, Any]]:
    """The STUN and TURN servers to connect through, from Streamlit's secrets or the environment.

    The secret ``ice_servers`` is a list of tables, the variable ``FER_ICE_SERVERS`` the same as JSON, each with
    ``urls`` and for TURN ``username`` and ``credential``. By default there are none: enough on one computer.

    Raises:
        StreamError: what is configured is no such list.
    """
    if (servers := secret("ice_servers")) is not None:
        return _checked_servers(servers, "The secret ice_servers")
    text = os.environ.get(ICE_SERVERS_VARIABLE, "").strip()
    if not text:
        return []
    try:
        return _checked_servers(json.loads(text), ICE_SERVERS_VARIABLE)
    except json.JSONDecodeError as error:
        raise StreamError(f"{ICE_SERVERS_VARIABLE} is not JSON ({error}): {_EXPECTED_SERVERS}") from error


_EXPECTED_SERVERS = 'expected a list such as [{"urls": "stun:stun.example.org:3478"}], so correct it and start again.'


def _checked_servers(servers: Any, origin: str) -> list[dict[str, Any]]:
    if not isinstance(servers, list) or not all(isinstance(s, Mapping) and _is_urls(s.get("urls")) for s in servers):
        raise StreamError(f"{origin} does not hold ICE servers: {_EXPECTED_SERVERS}")
    return [dict(server) for server in servers]


def _is_urls(urls: Any) -> bool:
    return isinstance(urls, str) or (isinstance(urls, list) and bool(urls) and all(isinstance(u, str) for u in urls))


def choose_source() -> StreamSource:
    """A choice of where the frames come from."""
    choice = switch(
        "Source",
        list(StreamSource),
        "live-source",
        label_visibility="collapsed",
        help="The private view shows no video, only what is found and alerts. The sample clip stands in for a camera.",
    )
    source = StreamSource(choice)
    for other in StreamSource:
        if other is not source:
            _end_stream(other)
    return source


def _end_stream(source: StreamSource) -> None:
    """Stop the work for a source that has left the page; its connection would notice only after half a minute."""
    context = st.session_state.get(_stream_key(source))
    tracks = (context.input_video_track, context.output_video_track, context.source_video_track) if context else ()
    for track in tracks:
        if track is not None and track.readyState == "live":
            track.stop()


def _stream_key(source: StreamSource) -> str:
    return f"live-stream-{source.name.lower()}"


def live_session(source: StreamSource, analyser: FrameAnalyser, settings: LiveSettings) -> LiveSession:
    """This visitor's session for a source, set to what was chosen; it outlives reruns of the page."""
    key = f"live-session-{source.name.lower()}"
    if key not in st.session_state:
        st.session_state[key] = LiveSession(analyser, settings)
    session: LiveSession = st.session_state[key]
    session.configure(analyser, settings)
    return session


def _sample_clip() -> LoopedClip:
    if "live-clip" not in st.session_state:
        st.session_state["live-clip"] = LoopedClip(SAMPLE_CLIP)
    clip: LoopedClip = st.session_state["live-clip"]
    return clip


def _track_back(source: StreamSource, make: Callable[[], ProcessedTrack]) -> ProcessedTrack:
    """This visitor's track, a new one if the last has ended with its connection."""
    key = f"live-track-{source.name.lower()}"
    track: ProcessedTrack | None = st.session_state.get(key)
    if track is None or track.readyState != "live":
        track = st.session_state[key] = make()
    return track


def video_stream(source: StreamSource, session: LiveSession) -> StreamState:
    """The video with its Start and Stop buttons; every frame goes through ``session``.

    Everything that needs a browser is in this one function, so that a test without one can replace it.

    Raises:
        StreamError: the connection could not be set up.
        VideoError: the sample clip cannot be read.
    """

    # What follows runs on threads of the connection: no st.* there.
    def annotate(frame: av.VideoFrame) -> av.VideoFrame:
        return to_video_frame(session.process(frame.to_ndarray(format="bgr24"), time.monotonic()))

    def look(frame: av.VideoFrame) -> None:
        session.observe(frame.to_ndarray(format="bgr24"), time.monotonic())

    arguments: dict[str, Any] = {
        "key": _stream_key(source),
        "rtc_configuration": {"iceServers": ice_servers()},
        "on_change": session.clear,  # whoever starts again begins a new minute
        "translations": {"start": "Start", "stop": "Stop", "select_device": "Choose camera"},
        "video_html_attrs": {"autoPlay": True, "controls": False, "muted": True, "style": {"width": "100%"}},
    }
    if source is StreamSource.CAMERA:
        # The component's own callback returns one frame late, and queues what a slow machine can't send.
        track = _track_back(source, lambda: ProcessedTrack(annotate))
        arguments |= {
            "mode": WebRtcMode.SENDRECV,
            "media_stream_constraints": _CAMERA,
            "source_video_track": track,
            "sink_video_track": create_video_sink_track(track.offer, key="live-camera-track", on_ended=track.stop),
        }
    elif source is StreamSource.PRIVATE:
        arguments |= {
            "mode": WebRtcMode.SENDONLY,
            "media_stream_constraints": _CAMERA,
            "sink_video_track": create_video_sink_track(look, key="live-private-track"),
        }
    else:
        clip = _sample_clip()

        def play() -> av.VideoFrame:
            return to_video_frame(session.process(clip.next_frame(), time.monotonic()))

        track = _track_back(source, lambda: ClipTrack(play, FRAMES_PER_SECOND))
        arguments |= {"mode": WebRtcMode.RECVONLY, "source_video_track": track}
    try:
        state = webrtc_streamer(**arguments).state
    except (OSError, ValueError, SignallingTimeoutError) as error:
        raise StreamError(
            f"The video connection could not be set up ({error}): check the ICE servers and press Start again."
        ) from error
    trouble = _camera_trouble() if source is not StreamSource.CLIP and not state.playing else ""
    return StreamState(state.playing, state.signalling, trouble)


_WATCH_CAMERA = Path(__file__).with_name("camera_watch.js").read_text(encoding="utf-8")
CAMERA_TROUBLE = {
    "denied": "**The browser refuses this page the camera.** Click the camera or lock symbol beside the page's "
    "address, allow the camera, and press Start again. The sample clip works without one.",
    "insecure": "**The browser gives the camera only to secure pages.** Open this page through https, or as "
    "http://localhost on the computer that it runs on. The sample clip works without a camera.",
    "missing": "**The browser finds no camera.** Plug one in or switch it on, or play the sample clip.",
}
_SLOW = (
    "**The video connection does not come up.** Check that the camera is allowed for this page, that the page was "
    "opened through https or on localhost, and, where a firewall or another network lies between, that a TURN server "
    f"is set in the secret `ice_servers` or in `{ICE_SERVERS_VARIABLE}`."
)


@cache
def _camera_watcher() -> Any:
    return st.components.v2.component("fer_core_camera_watch", js=_WATCH_CAMERA)


def _camera_trouble() -> str:
    """Why the browser cannot use a camera, as it reports; the page runs again when that changes."""
    result = _camera_watcher()(key="live-camera-watch", default={"trouble": ""}, on_trouble_change=lambda: None)
    return str(result.trouble or "")


def connection_notice(source: StreamSource, stream: StreamState) -> None:
    """What to check while the video does not start."""
    watch: ConnectionWatch = st.session_state.setdefault(f"live-watch-{source.name.lower()}", ConnectionWatch())

    def notice() -> None:
        connection = watch.update(stream.playing, stream.signalling, time.monotonic())
        if stream.trouble in CAMERA_TROUBLE:
            st.error(CAMERA_TROUBLE[stream.trouble], icon=":material/videocam_off:")
        elif connection in (Connection.SLOW, Connection.FAILED):
            st.warning(_SLOW, icon=":material/wifi_off:")
        elif connection is Connection.CONNECTING:
            st.caption("Connecting…")

    # Only time makes a connection slow, so the clock is checked while the page waits for one.
    st.fragment(notice, run_every=2.0 if stream.signalling and not stream.playing else None)()


def how_to_start(source: StreamSource) -> None:
    """What to press, and what will be seen then."""
    first = {
        StreamSource.CAMERA: "Press **Start** and allow the camera when the browser asks.",
        StreamSource.PRIVATE: "Press **Start** and allow the camera when the browser asks. No picture will be shown.",
        StreamSource.CLIP: "Press **Start**: a portrait plays in a loop as if it stood before a camera.",
    }[source]
    with st.container(border=True):
        st.markdown(
            f"#### Nothing is playing yet\n1. {first}\n"
            "2. Every face gets a box, its most probable expression, and a bar for each one.\n"
            "3. Beside the video you read the expression of the largest face and see the last minute as a chart."
        )


def example_frame(analyser: FrameAnalyser, settings: LiveSettings) -> None:
    """An annotated frame of the sample clip, shown until results arrive."""
    with suppress(VideoError):  # a camera works without the clip
        example = LiveSession(analyser, replace(settings, mirror=False)).process(
            LoopedClip(SAMPLE_CLIP).next_frame(), 0.0
        )
        st.image(
            example, channels="BGR", output_format="JPEG", width="stretch", caption="Example: one frame, annotated"
        )


def live_panel(session: LiveSession, attention: bool) -> None:
    """Expression, metrics, people and alerts of a running stream, refreshed without running the page."""
    st.fragment(_show_answer, run_every=ANSWER_REFRESH_SECONDS)(session)
    st.fragment(_show_metrics, run_every=CHART_REFRESH_SECONDS)(session, attention)


def _show_answer(session: LiveSession) -> None:
    now = session.snapshot(time.monotonic())
    st.html(answer_card(now.answer, now.mask, waiting=now.analysis is None))


def _show_metrics(session: LiveSession, attention: bool) -> None:
    now = session.snapshot(time.monotonic())
    show_alerts(now)
    faces, rate, latency = st.columns(3)
    faces.metric("Faces", len(now.analysis) if now.analysis else 0)
    with rate.container(key="live-frame-rate"):
        st.metric("Frames/s", f"{now.frames_per_second:.1f}", help="Analysed, over the last seconds.")
    latency.metric(
        "Latency, ms",
        "–" if now.milliseconds is None else f"{now.milliseconds:.0f}",
        help="From a frame's arrival to its analysis: finding faces, classifying and what else is switched on. Median.",
    )
    if now.failure:
        st.error(now.failure, icon=":material/error:")
    elif now.analysis is None:
        st.caption("No frames arrive yet. Another program may hold the camera, or a firewall may stop the video.")
    show_people(session, now, attention)


MASK_WORDS = {
    MaskState.UNMASKED: "No mask",
    MaskState.MASKED: "Mask: read from eyes and brows alone",
    MaskState.NOSE_OUT: "Mask under the nose: read from the upper face alone",
}


def answer_card(answer: ExpressionScores | None, mask: MaskReading | None = None, waiting: bool = False) -> str:
    """HTML of the expression in big type, the runners-up and the mask; of the same height if there is no face."""
    colour, share, state = "#8A8F98", "", "&nbsp;"
    if answer is None:
        first = "Waiting" if waiting else "No face"
        second = "for the first frame" if waiting else "Look towards the camera, with light from the front."
    else:
        verdict = answer.verdict()
        ranked = [f"{emotion} {p:.0%}" for emotion, p in answer.ranked()[:3]]
        first, second = verdict.words, "then " + " and ".join(ranked[len(verdict.emotions) :][:2])
        if verdict.emotions:
            colour, share = verdict.emotions[0].colour, f"{verdict.probability:.0%}"
        else:
            second = "perhaps " + " or ".join(ranked[:2])
        state = escape(MASK_WORDS[mask.state]) if mask else state
    return (
        f'<div data-testid="live-answer" style="border-left:0.6rem solid {colour};padding:0.1rem 0 0.2rem 1rem">'
        f'<div style="font-size:2.75rem;font-weight:700;line-height:1.15">{escape(first)} '
        f'<span style="font-weight:400;opacity:0.7">{share}</span></div>'
        f'<div style="font-size:1.1rem;opacity:0.75">{escape(second)}</div>'
        f'<div data-testid="live-mask" style="font-size:1.1rem;opacity:0.75">{state}</div></div>'
    )
