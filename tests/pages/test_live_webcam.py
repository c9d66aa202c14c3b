"""The live page with the browser's part of it replaced."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fer_core.app.live import stream as live
from fer_core.app.live.stream import SAMPLE_CLIP, StreamSource, StreamState  # type: ignore[attr-defined]
from fer_core.live.session import LiveSession, StreamError
from fer_core.media.video_reader import read_frames

PAGE = Path(__file__).parents[2] / "pages" / "1_Live_Webcam.py"
IDLE, CONNECTING, PLAYING = StreamState(False, False), StreamState(False, True), StreamState(True, False)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Runs the page with a stream that is in a given state and, where it plays, delivers the clip's first frame."""

    def run(state: StreamState) -> AppTest:
        def stream(source: StreamSource, session: LiveSession) -> StreamState:
            if state.playing:
                frame = next(read_frames(SAMPLE_CLIP))[1]
                for _ in range(3):
                    session.process(frame, time.monotonic())
            return state

        monkeypatch.setattr(live, "video_stream", stream)
        return AppTest.from_file(str(PAGE), default_timeout=60).run()

    return run


def words(app: AppTest) -> str:
    return " ".join(element.value for element in [*app.markdown, *app.warning, *app.error, *app.caption])


def answer(app: AppTest) -> str:
    return " ".join(element.proto.body for element in app.get("html"))


def test_before_start_the_page_says_what_to_do(page: Callable[..., AppTest]) -> None:
    app = page(IDLE)
    assert not app.exception
    assert "Press **Start**" in words(app)
    assert not app.get("plotly_chart")
    assert not app.metric


def test_while_it_plays_answer_figures_and_chart_are_shown(page: Callable[..., AppTest]) -> None:
    app = page(PLAYING)
    assert not app.exception
    assert "happy" in answer(app)
    metrics = {metric.label: metric.value for metric in app.metric}
    assert metrics["Faces"] == "1"
    assert float(metrics["Frames/s"]) > 0
    assert float(metrics["Latency, ms"]) > 0
    assert len(app.get("plotly_chart")) == 1


def test_the_controls_reach_the_session(page: Callable[..., AppTest]) -> None:
    app = page(PLAYING)
    app.toggle[0].set_value(False)
    detector = next(box for box in app.selectbox if box.label == "Face detector")
    detector.set_value("haar").run()
    assert not app.exception
    session = app.session_state["live-session-camera"]
    assert not session._settings.mirror
    assert session._analyser.detector.name == "haar"


def test_a_change_of_settings_keeps_the_session(page: Callable[..., AppTest]) -> None:
    app = page(PLAYING)
    session = app.session_state["live-session-camera"]
    app.toggle[0].set_value(False).run()
    assert app.session_state["live-session-camera"] is session


def test_each_source_has_a_session_of_its_own(page: Callable[..., AppTest]) -> None:
    app = page(IDLE)
    app.segmented_control(key="live-source").set_value(StreamSource.CLIP).run()
    assert not app.exception
    assert "live-session-clip" in app.session_state
    assert "a portrait plays in a loop" in words(app)


@pytest.mark.parametrize(
    ("trouble", "cure"), [("denied", "allow the camera"), ("insecure", "https"), ("missing", "Plug one in")]
)
def test_a_camera_that_the_browser_does_not_give_is_explained(
    page: Callable[..., AppTest], trouble: str, cure: str
) -> None:
    app = page(StreamState(False, False, trouble))
    assert cure in app.error[0].value


def test_a_connection_that_does_not_come_up_is_explained_after_ten_seconds(
    page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page(CONNECTING)
    assert "Connecting" in words(app)
    assert not app.warning
    later = time.monotonic() + 11
    monkeypatch.setattr(live.time, "monotonic", lambda: later)  # type: ignore[attr-defined]
    app.run()
    assert "TURN server" in app.warning[0].value


def test_a_connection_that_cannot_be_set_up_is_told_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: StreamSource, session: LiveSession) -> StreamState:
        raise StreamError("FER_ICE_SERVERS is not JSON.")

    monkeypatch.setattr(live, "video_stream", refuse)
    app = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not app.exception
    assert app.error[0].value == "FER_ICE_SERVERS is not JSON."


def test_attention_waits_for_the_notice_to_be_confirmed(page: Callable[..., AppTest]) -> None:
    app = page(PLAYING)
    session = app.session_state["live-session-camera"]
    next(toggle for toggle in app.toggle if toggle.label == "Attention").set_value(True).run()
    assert "Article 5(1)(f)" in words(app)
    assert not session._settings.attention
    app.checkbox(key="live-attention-confirmed").set_value(True).run()
    assert not app.exception
    assert session._settings.attention
    assert "attending" in answer(app)


def test_layers_smoothing_pace_and_alerts_reach_the_running_session(page: Callable[..., AppTest]) -> None:
    app = page(PLAYING)
    session = app.session_state["live-session-camera"]
    app.slider[0].set_value(0.0)
    app.select_slider[0].set_value("5 a second")
    app.toggle(key="live-alert-emotions").set_value(True).run()
    assert not app.exception
    settings = session._settings
    assert (settings.smoothing, settings.interval) == (0.0, 0.2)
    assert [rule.title for rule in settings.rules] == ["sad, fear or angry over 60% for 20 s"]


def test_the_private_view_offers_no_layers_and_says_that_nothing_is_shown(page: Callable[..., AppTest]) -> None:
    app = page(IDLE)
    app.segmented_control(key="live-source").set_value(StreamSource.PRIVATE).run()
    assert not app.exception
    assert "No picture will be shown" in words(app)
    assert app.session_state["live-session-private"]._settings.layers == frozenset()


def test_a_log_is_started_stopped_and_offered(page: Callable[..., AppTest]) -> None:
    app = page(PLAYING)
    by_name = {button.label: button for button in app.button}
    by_name["Start a log"].click().run()
    assert "rows so far" in words(app)
    next(button for button in app.button if button.label == "Stop").click().run()
    assert not app.exception
    assert "kept in memory" in words(app)
    assert [element.proto.label for element in app.get("download_button")] == ["CSV", "Parquet"]
