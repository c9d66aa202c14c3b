"""A live stream: every frame analysed and drawn on, the last minute kept, and the state of its connection.

Nothing here knows of Streamlit or WebRTC. Frames come in on a thread of the video connection while pages read on
theirs, so what both touch sits behind one lock that is held for microseconds; the analysis itself runs outside it.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from dataclasses import dataclass, replace
from statistics import median
from threading import Lock
from typing import Protocol

import cv2
import numpy as np

from fer_core.analysis.attention import Attention
from fer_core.analysis.frame import AttributeLevel, FaceObservation, FrameAnalysis
from fer_core.analysis.overlay import ATTRIBUTE_LAYERS, STANDARD_LAYERS, Layer, draw_analysis
from fer_core.analysis.smoothing import TIME_CONSTANT_SECONDS
from fer_core.analysis.stream import StreamMemory
from fer_core.errors import FerError
from fer_core.labels import LabelSet
from fer_core.live.alerts import Alert, AlertRule, AlertSignal, AlertWatch
from fer_core.logs.session_log import SessionLog
from fer_core.results import ExpressionScores, MaskReading
from fer_core.vision.gaze import Gaze

_log = logging.getLogger(__name__)

HISTORY_SECONDS = 60.0
LIVE_RATE_SECONDS = 2.0
"""Frame rate and times are measured over the last so many seconds."""
SCORES_HOLD_SECONDS = 1.0
"""For so long the scores of a face that was lost are still shown."""
MAX_PEOPLE = 4
"""People that :meth:`LiveSession.people` returns by default."""
MAX_STREAM_RATE = 60
"""Frames per second that the history has room for; cameras give 30."""


class StreamError(FerError):
    """Live video that cannot be set up as it is configured."""


class Analyser(Protocol):
    """Turns a frame into its analysis, as :class:`fer_core.analysis.pipeline.FrameAnalyser` does."""

    def analyse(
        self,
        frame: np.ndarray,
        timestamp: float = 0.0,
        memory: StreamMemory | None = None,
        attribute_level: AttributeLevel = AttributeLevel.NONE,
    ) -> FrameAnalysis:
        """See :meth:`fer_core.analysis.pipeline.FrameAnalyser.analyse`."""
        ...


@dataclass(frozen=True)
class LiveSettings:
    """Settings that may change while a stream runs."""

    mirror: bool = False
    """Flip frames left to right first, as a mirror shows one's own face."""
    layers: frozenset[Layer] = STANDARD_LAYERS | {Layer.BARS}
    smoothing: float = TIME_CONSTANT_SECONDS
    """Time constant of the probabilities in seconds."""
    interval: float = 0.0
    """Seconds from one analysed frame to the next; the frames between show the answers of the last."""
    attention: bool = False
    """Whether to follow attention; never without the knowledge of the people in view."""
    rules: tuple[AlertRule, ...] = ()
    """Rules that raise alerts."""

    @property
    def attribute_level(self) -> AttributeLevel:
        """The level that these settings need."""
        if self.attention or any(rule.signal is AlertSignal.EYES_CLOSED for rule in self.rules):
            return AttributeLevel.ATTENTION
        return AttributeLevel.LANDMARKS if self.layers & ATTRIBUTE_LAYERS else AttributeLevel.NONE


@dataclass(frozen=True)
class PersonMinute:
    """The last minute of one person."""

    track: int
    face: FaceObservation
    """As it was seen last, in the last :data:`SCORES_HOLD_SECONDS`."""
    times: np.ndarray
    """``(N,)`` timestamps of all frames of the last :data:`HISTORY_SECONDS` since the person's first."""
    probabilities: np.ndarray
    """``(N, classes) float32``; NaN where the person was not seen."""
    attention: tuple[Attention | None, ...]
    """``N`` states; None where the person was not seen, or nobody asked."""


@dataclass(frozen=True)
class LiveSnapshot:
    """A stream as it is at one moment."""

    now: float
    """On the clock of the frames' timestamps."""
    analysis: FrameAnalysis | None
    """Of the latest frame; None if none came in the last :data:`LIVE_RATE_SECONDS`."""
    answer: ExpressionScores | None
    """The first model's for the largest face, of the latest frame that had one in the last :data:`SCORES_HOLD_SECONDS`."""
    mask: MaskReading | None
    """Of the same face; None without one, or where nobody looked for a mask."""
    frames_per_second: float
    """Analysed."""
    milliseconds: float | None
    """Median time from a frame's arrival to its annotated copy."""
    label_set: LabelSet | None
    """Of the answers of the last minute; None until there was a face."""
    alerts: tuple[Alert, ...]
    """Since the stream began, the latest ones if there were many, in the order of time."""
    log: SessionLog | None
    """The one that is written, or that was written last."""
    logging: bool
    failure: str | None
    """Why the latest frame could not be analysed."""


@dataclass(frozen=True)
class _Moment:
    timestamp: float
    milliseconds: float
    faces: tuple[FaceObservation, ...]
    """Largest first, without attributes, which would fill the memory."""
    attention: dict[int, Attention | None]
    """By id."""
    gaze: Gaze | None
    """Of the largest face."""


class LiveSession:
    """Analyses a stream frame by frame and remembers its last minute.

    Args:
        analyser: analyses the frames; :meth:`configure` exchanges it while the stream runs.
        settings: exchanged in the same way.
    """

    def __init__(self, analyser: Analyser, settings: LiveSettings = LiveSettings()) -> None:
        self._analyser, self._settings = analyser, settings
        self._lock = Lock()
        self._log: SessionLog | None = None
        self._logging = False
        self._forget()

    def configure(self, analyser: Analyser, settings: LiveSettings) -> None:
        """Change the settings from the next frame on; another analyser begins a new history, other rules new alerts."""
        with self._lock:
            if analyser is not self._analyser:
                self._forget()
            elif settings.rules != self._settings.rules:
                self._watch = AlertWatch(settings.rules)
            self._memory.smoothing = settings.smoothing
            self._analyser, self._settings = analyser, settings

    def clear(self) -> None:
        """Forget what was seen, as at the start of another stream; a log that is written ends."""
        with self._lock:
            self._forget()
            self._logging = False

    def _forget(self) -> None:
        self._moments: deque[_Moment] = deque(maxlen=int(HISTORY_SECONDS * MAX_STREAM_RATE))
        self._latest: FrameAnalysis | None = None
        self._failure: str | None = None
        self._memory = StreamMemory(self._settings.smoothing, scheduled=True)
        self._watch = AlertWatch(self._settings.rules)
        self._due = -math.inf

    def start_log(self, source: str) -> SessionLog:
        """Begin a new log of what is seen; the last one is dropped."""
        log = SessionLog(source)
        with self._lock:
            self._log, self._logging = log, True
        return log

    def stop_log(self) -> None:
        """End the log; it is kept until the next one begins."""
        with self._lock:
            self._logging = False

    def process(self, frame: np.ndarray, timestamp: float) -> np.ndarray:
        """Mirror, analyse and draw on one frame.

        An exception would end the stream, so a frame that cannot be analysed is shown as it is; the reason is in the
        next :meth:`snapshot`.

        Args:
            frame: ``(H, W, 3) uint8`` BGR.
            timestamp: seconds on a clock that never runs backwards, such as ``time.monotonic()``.

        Returns:
            ``(H, W, 3) uint8`` BGR.
        """
        settings = self._settings  # one read: another thread may exchange them meanwhile
        if settings.mirror:
            frame = cv2.flip(frame, 1)
        analysis = self._analyse(frame, timestamp, settings)
        return frame if analysis is None else draw_analysis(frame, analysis, settings.layers)

    def observe(self, frame: np.ndarray, timestamp: float) -> None:
        """Analyse one frame without drawing on it, see :meth:`process`."""
        self._analyse(frame, timestamp, self._settings)

    def _analyse(self, frame: np.ndarray, timestamp: float, settings: LiveSettings) -> FrameAnalysis | None:
        """The analysis of a frame, or the last one if this frame is skipped; None if it failed."""
        started = time.perf_counter()
        with self._lock:
            if self._latest is not None and 0 <= self._due - timestamp <= settings.interval:
                return self._latest
            # Frames come unevenly: what is late one time is made up for the next.
            self._due = max(self._due, timestamp - settings.interval) + settings.interval
            analyser, memory, log = self._analyser, self._memory, self._log if self._logging else None
        attribute_level = (
            settings.attribute_level
            if log is None or settings.attribute_level is AttributeLevel.ATTENTION
            else AttributeLevel.LANDMARKS
        )
        try:
            analysis = analyser.analyse(frame, timestamp, memory, attribute_level)
        except Exception as error:
            _log.exception("A live frame could not be analysed")
            with self._lock:
                self._failure = str(error) if isinstance(error, FerError) else f"The analysis failed: {error!r}."
                self._latest = None
            return None
        if log is not None:
            log.add(analysis)
        moment = _Moment(
            timestamp,
            (time.perf_counter() - started) * 1e3,
            tuple(replace(face, attributes=None) for face in analysis),
            {face.track: face.attributes.attention for face in analysis if face.track is not None and face.attributes},
            next((face.attributes.gaze for face in analysis.faces[:1] if face.attributes), None),
        )
        with self._lock:
            if memory is self._memory:  # else the frame belongs to a history that has ended
                self._moments.append(moment)
                while self._moments[0].timestamp < timestamp - HISTORY_SECONDS:
                    self._moments.popleft()
                self._latest, self._failure = analysis, None
                self._watch.update(timestamp, *_alert_signals(moment))
        return analysis

    def snapshot(self, now: float) -> LiveSnapshot:
        """What is known at ``now``, on the clock of the frames' timestamps."""
        with self._lock:
            moments = [
                m for m in self._moments if m.timestamp > now - max(LIVE_RATE_SECONDS, 3 * self._settings.interval)
            ]
            latest, failure = self._latest, self._failure
            alerts, log, logging_ = self._watch.log, self._log, self._logging
            label_set = next(
                (f.scores[0].label_set for m in reversed(self._moments) for f in m.faces if f.scores), None
            )
            shown = max(SCORES_HOLD_SECONDS, 2 * self._settings.interval)
        answered = [
            face
            for moment in moments
            if moment.timestamp > now - shown
            for face in [face for face in moment.faces if face.scores][:1]
        ]
        return LiveSnapshot(
            now=now,
            analysis=latest if moments else None,
            answer=answered[-1].scores[0] if answered else None,
            mask=answered[-1].mask if answered else None,
            frames_per_second=_rate([moment.timestamp for moment in moments]),
            milliseconds=median(moment.milliseconds for moment in moments) if moments else None,
            label_set=label_set,
            alerts=alerts,
            log=log,
            logging=logging_,
            failure=failure,
        )

    def gazes(self, since: float, until: float) -> list[Gaze]:
        """The gaze of the largest face between two moments, where it is known."""
        with self._lock:
            return [m.gaze for m in self._moments if m.gaze is not None and since <= m.timestamp <= until]

    def people(self, now: float, most: int = MAX_PEOPLE) -> list[PersonMinute]:
        """The last minute of everyone in view now, by id; of more than ``most`` people the largest."""
        with self._lock:
            moments = [moment for moment in self._moments if moment.timestamp >= now - HISTORY_SECONDS]
            shown = max(SCORES_HOLD_SECONDS, 2 * self._settings.interval)
        sizes: dict[int, float] = {}
        for moment in moments:
            if moment.timestamp > now - shown:
                sizes |= {face.track: face.box.area for face in moment.faces if face.track and face.scores}
        largest = sorted(sizes, key=lambda track: -sizes[track])[:most]
        return [_minute(track, moments) for track in sorted(largest)]


def _alert_signals(moment: _Moment) -> tuple[dict[int, ExpressionScores], set[int]]:
    """Input of the alerts: everyone's scores, and the tracks with closed eyes."""
    people = {face.track: face.scores[0] for face in moment.faces if face.track is not None and face.scores}
    return people, {track for track, state in moment.attention.items() if state is Attention.EYES_CLOSED}


def _minute(track: int, moments: list[_Moment]) -> PersonMinute:
    seen = [next((face for face in moment.faces if face.track == track), None) for moment in moments]
    first = next(number for number, face in enumerate(seen) if face is not None)
    moments, seen = moments[first:], seen[first:]
    last = next(face for face in reversed(seen) if face is not None)
    absent = np.full(len(last.scores[0].label_set), np.nan, np.float32)
    return PersonMinute(
        track,
        last,
        np.array([moment.timestamp for moment in moments]),
        np.array([face.scores[0].probabilities if face and face.scores else absent for face in seen]),
        tuple(moment.attention.get(track) for moment in moments),
    )


def _rate(timestamps: list[float]) -> float:
    if len(timestamps) < 2 or timestamps[-1] <= timestamps[0]:
        return 0.0
    return (len(timestamps) - 1) / (timestamps[-1] - timestamps[0])
