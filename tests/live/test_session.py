"""A live session analyses frame by frame, keeps a bounded minute, and never ends the stream."""

import logging
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fer_core.analysis.frame import AttributeLevel, FaceObservation, FrameAnalysis
from fer_core.analysis.overlay import Layer
from fer_core.analysis.stream import StreamMemory
from fer_core.errors import ModelError, VideoError
from fer_core.labels import FER2013, FER2013_FIVE, LabelSet
from fer_core.live.alerts import AlertRule, AlertSignal
from fer_core.live.connection import Connection, ConnectionWatch
from fer_core.live.session import LiveSession, LiveSettings, _Moment
from fer_core.logs.session_log import read_log
from fer_core.media.sample_clip import LoopedClip
from fer_core.media.video_writer import write_video
from fer_core.results import BoundingBox, ExpressionScores, FaceDetection
from fer_core.vision.gaze import Gaze

MIRRORED = LiveSettings(mirror=True)
FRAME = np.full((120, 160, 3), 128, np.uint8)


class PlainAnalyser:
    """Finds one face in every frame, with a given confidence in the set's second emotion."""

    def __init__(self, confidence: float = 0.9, label_set: LabelSet = FER2013) -> None:
        self.confidence, self.label_set = confidence, label_set
        self.faces = 1
        self.frames: list[np.ndarray] = []
        self.memories: list[StreamMemory | None] = []
        self.looks: list[AttributeLevel] = []

    def analyse(
        self,
        frame: np.ndarray,
        timestamp: float = 0.0,
        memory: StreamMemory | None = None,
        attribute_level: AttributeLevel = AttributeLevel.NONE,
    ) -> FrameAnalysis:
        self.frames.append(frame)
        self.looks.append(attribute_level)
        self.memories.append(memory)
        count = len(self.label_set)
        probabilities = np.full(count, (1 - self.confidence) / (count - 1), np.float32)
        probabilities[1] = self.confidence
        box = BoundingBox(40, 30, 60, 60)
        scores = ExpressionScores("plain", self.label_set, probabilities)
        faces = [FaceObservation(FaceDetection(box, 1.0), box, (scores,), None, n + 1) for n in range(self.faces)]
        return FrameAnalysis(timestamp, frame.shape[1], frame.shape[0], "plain", tuple(faces))


def play(session: LiveSession, seconds: float, start: float = 0.0, rate: float = 30.0) -> float:
    """Feed frames on an invented clock; returns the time of the last one."""
    times = start + np.arange(1, round(seconds * rate) + 1) / rate
    for time in times:
        session.process(FRAME, float(time))
    return float(times[-1])


def test_a_frame_comes_back_annotated() -> None:
    annotated = LiveSession(PlainAnalyser()).process(FRAME, 0.0)
    assert annotated.shape == FRAME.shape
    assert (annotated != FRAME).any()


def test_mirroring_comes_before_analysis_and_drawing() -> None:
    half = FRAME.copy()
    half[:, :80] = 0
    analyser = PlainAnalyser()
    session = LiveSession(analyser, MIRRORED)
    mirrored = session.process(half, 0.0)
    assert (analyser.frames[0] == cv2.flip(half, 1)).all()
    # The label reads from left to right: the same pixels as on a frame that was mirrored beforehand.
    assert (mirrored == LiveSession(PlainAnalyser()).process(cv2.flip(half, 1), 0.0)).all()


def test_the_frame_rate_is_counted_over_the_last_seconds() -> None:
    session = LiveSession(PlainAnalyser())
    now = play(session, 10, rate=20)
    assert session.snapshot(now).frames_per_second == pytest.approx(20)
    assert session.snapshot(now + 5).frames_per_second == 0


def test_the_answer_is_that_of_the_latest_face_of_the_last_second() -> None:
    analyser = PlainAnalyser(0.9)
    session = LiveSession(analyser)
    now = play(session, 5)
    analyser.confidence = 0.5
    now = play(session, 0.5, start=now)
    analyser.faces = 0
    for gap, confidence in ((0.9, 0.5), (1.2, None)):
        snapshot = session.snapshot(play(session, gap, start=now))
        assert (snapshot.answer and snapshot.answer.confidence) == confidence


def test_a_stream_has_one_memory_of_its_people_and_the_next_stream_another() -> None:
    analyser = PlainAnalyser()
    session = LiveSession(analyser)
    play(session, 1)
    session.configure(analyser, MIRRORED)
    play(session, 1, start=1)
    assert len(set(analyser.memories)) == 1
    session.clear()
    play(session, 1, start=2)
    assert len(set(analyser.memories)) == 2


def test_a_frame_without_a_face_leaves_a_gap() -> None:
    analyser = PlainAnalyser()
    session = LiveSession(analyser)
    now = play(session, 1)
    analyser.faces = 0
    now = play(session, 2, start=now)
    snapshot = session.snapshot(now)
    assert snapshot.answer is None
    assert snapshot.analysis is not None
    analyser.faces = 1
    (minute,) = session.people(play(session, 0.1, start=now))
    assert np.isnan(minute.probabilities[40]).all()
    assert not np.isnan(minute.probabilities[[0, -1]]).any()


def test_nothing_is_kept_beyond_a_minute() -> None:
    session = LiveSession(PlainAnalyser())
    now = play(session, 90, rate=10)
    (minute,) = session.people(now)
    assert minute.times.min() >= now - 60
    assert len(minute.times) == len(minute.probabilities) == len(minute.attention) <= 601
    assert len(session._moments) <= 601


def test_a_flood_of_frames_is_bounded_too() -> None:
    session = LiveSession(PlainAnalyser())
    play(session, 5, rate=1000)
    assert len(session._moments) <= 3600


def test_before_the_first_frame_there_is_nothing_to_show() -> None:
    snapshot = LiveSession(PlainAnalyser()).snapshot(0.0)
    assert (snapshot.analysis, snapshot.answer, snapshot.label_set, snapshot.milliseconds) == (None, None, None, None)
    assert snapshot.frames_per_second == 0


def test_another_analyser_takes_over_at_the_next_frame_with_a_history_of_its_own() -> None:
    session = LiveSession(PlainAnalyser())
    now = play(session, 3)
    session.configure(PlainAnalyser(label_set=FER2013_FIVE), LiveSettings())
    now = play(session, 1, start=now)
    snapshot = session.snapshot(now)
    assert snapshot.label_set is FER2013_FIVE
    assert session.people(now)[0].probabilities.shape == (30, len(FER2013_FIVE))


def test_the_same_analyser_keeps_its_history_when_only_the_mirror_changes() -> None:
    analyser = PlainAnalyser()
    session = LiveSession(analyser)
    now = play(session, 3)
    session.configure(analyser, MIRRORED)
    assert len(session.people(now)[0].times) == 90


def test_a_frame_that_was_under_way_during_a_change_does_not_enter_the_new_history() -> None:
    old, new = PlainAnalyser(), PlainAnalyser(label_set=FER2013_FIVE)
    session = LiveSession(old)
    answer = old.analyse

    def change_meanwhile(frame: np.ndarray, *others: Any) -> FrameAnalysis:
        session.configure(new, LiveSettings())
        return answer(frame, *others)

    old.analyse = change_meanwhile  # type: ignore[assignment, method-assign]
    session.process(FRAME, 1.0)
    assert session.snapshot(1.0).label_set is None


def test_clear_forgets_what_was_seen() -> None:
    session = LiveSession(PlainAnalyser())
    now = play(session, 1)
    session.clear()
    assert session.people(now) == []


@pytest.mark.parametrize(
    ("error", "words"), [(ModelError("The model is gone."), "The model is gone."), (ValueError("odd"), "odd")]
)
def test_an_error_is_told_and_the_stream_goes_on(
    error: Exception, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def analyse(self, *_: Any) -> FrameAnalysis:
            raise error

    session = LiveSession(Broken())
    with caplog.at_level(logging.ERROR):
        assert (session.process(FRAME, 0.0) == FRAME).all()
    assert words in (session.snapshot(0.0).failure or "")
    session.configure(PlainAnalyser(), LiveSettings())
    session.process(FRAME, 0.1)
    assert session.snapshot(0.1).failure is None


def test_pages_may_read_and_change_settings_while_frames_come_in() -> None:
    session = LiveSession(PlainAnalyser())
    done = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                session.snapshot(2.0)
                session.configure(PlainAnalyser(label_set=FER2013_FIVE), MIRRORED)
                session.configure(PlainAnalyser(), LiveSettings())
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    play(session, 4)
    done.set()
    for reader in readers:
        reader.join()
    assert not failures


def test_at_a_slower_pace_frames_between_show_the_last_answer() -> None:
    analyser = PlainAnalyser()
    session = LiveSession(analyser, LiveSettings(interval=0.1))
    now = play(session, 3, rate=30)
    assert len(analyser.frames) == pytest.approx(30, abs=1)
    assert session.snapshot(now).frames_per_second == pytest.approx(10, abs=0.6)
    assert (session.process(FRAME, now + 0.001) != FRAME).any()
    # A pause is not made up for.
    before = len(analyser.frames)
    play(session, 0.5, start=now + 20)
    assert len(analyser.frames) - before <= 7


@pytest.mark.parametrize(
    ("settings", "attribute_level"),
    [
        (LiveSettings(), AttributeLevel.NONE),
        (LiveSettings(layers=frozenset({Layer.GAZE})), AttributeLevel.LANDMARKS),
        (LiveSettings(attention=True), AttributeLevel.ATTENTION),
        (LiveSettings(rules=(AlertRule(AlertSignal.EYES_CLOSED, 5),)), AttributeLevel.ATTENTION),
    ],
)
def test_landmarks_are_looked_for_only_where_they_are_needed(
    settings: LiveSettings, attribute_level: AttributeLevel
) -> None:
    analyser = PlainAnalyser()
    LiveSession(analyser, settings).process(FRAME, 0.0)
    assert analyser.looks == [attribute_level]


def test_a_log_holds_what_was_seen_while_it_was_written() -> None:
    analyser = PlainAnalyser()
    session = LiveSession(analyser)
    now = play(session, 1)
    session.start_log("camera")
    now = play(session, 2, start=now)
    session.stop_log()
    now = play(session, 1, start=now)
    snapshot = session.snapshot(now)
    assert not snapshot.logging
    assert snapshot.log is not None
    assert len(read_log(snapshot.log.to_csv())) == 60
    assert analyser.looks[29:31] == [AttributeLevel.NONE, AttributeLevel.LANDMARKS], "a log holds head pose and gaze"
    session.clear()
    assert session.snapshot(now).log is not None, "it outlives the stream"


def test_an_alert_is_raised_once_and_new_rules_begin_anew() -> None:
    rule = AlertRule(AlertSignal.EMOTIONS, 2.0, (FER2013.emotions[1],))
    analyser = PlainAnalyser()
    session = LiveSession(analyser, LiveSettings(rules=(rule,)))
    now = play(session, 5, rate=10)
    assert [(alert.rule, alert.track) for alert in session.snapshot(now).alerts] == [(rule, 1)]
    session.configure(analyser, LiveSettings(rules=(rule, AlertRule(AlertSignal.NO_FACE, 60))))
    assert session.snapshot(now).alerts == ()


def test_the_largest_people_are_shown_in_the_order_of_their_ids() -> None:
    analyser = PlainAnalyser()
    analyser.faces = 7
    session = LiveSession(analyser)
    now = play(session, 1)
    assert [minute.track for minute in session.people(now, most=3)] == [1, 2, 3]
    assert session.people(now + 2) == []


def test_of_a_private_stream_no_picture_is_made() -> None:
    session = LiveSession(PlainAnalyser())
    assert session.observe(FRAME, 0.0) is None
    assert session.snapshot(0.0).answer is not None


def test_gazes_of_the_largest_face_are_told_for_a_span_of_time() -> None:
    session = LiveSession(PlainAnalyser())
    session._moments.extend(
        _Moment(float(second), 1.0, (), {}, None if second == 3 else Gaze(second, 0.0)) for second in range(6)
    )
    assert [gaze.yaw for gaze in session.gazes(2, 4)] == [2, 4]


def test_a_clip_begins_again_when_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, (np.full((64, 64, 3), level, np.uint8) for level in (0, 120, 240)), 25)
    clip = LoopedClip(path)
    levels = [float(clip.next_frame().mean()) for _ in range(7)]
    assert levels == pytest.approx([0, 120, 240, 0, 120, 240, 0], abs=6)


def test_a_clip_that_is_missing_is_told_of_at_once(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"missing\.mp4"):
        LoopedClip(tmp_path / "missing.mp4")


def test_a_connection_is_slow_after_ten_seconds_and_failed_when_given_up_then() -> None:
    watch = ConnectionWatch()
    assert watch.update(False, False, 0) is Connection.IDLE
    assert watch.update(False, True, 1) is Connection.CONNECTING
    assert watch.update(False, True, 10) is Connection.CONNECTING
    assert watch.update(False, True, 12) is Connection.SLOW
    assert watch.update(False, False, 20) is Connection.FAILED
    assert watch.update(False, False, 25) is Connection.FAILED
    assert watch.update(False, True, 30) is Connection.CONNECTING
    assert watch.update(True, False, 31) is Connection.PLAYING
    assert watch.update(False, False, 60) is Connection.IDLE


def test_stopping_a_connection_early_is_no_failure() -> None:
    watch = ConnectionWatch()
    watch.update(False, True, 0)
    assert watch.update(False, False, 3) is Connection.IDLE
