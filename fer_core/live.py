"""A live stream: every frame analysed and drawn on, the last minute kept, and the state of its connection.

Nothing here knows of Streamlit or WebRTC. Frames come in on a thread of the video connection while pages read on
theirs, so what both touch sits behind one lock that is held for microseconds; the analysis itself runs outside it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from statistics import median
from threading import Lock
from typing import Protocol

import cv2
import numpy as np

from fer_core.emotions import LabelSet
from fer_core.errors import FerError
from fer_core.figures.overlays import draw_analysis
from fer_core.media.video import read_frames
from fer_core.observations import ExpressionScores, FrameAnalysis, MaskReading
from fer_core.people import StreamMemory

_log = logging.getLogger(__name__)

HISTORY_SECONDS = 60.0
RATE_SECONDS = 2.0
"""Frame rate and times are taken over this long."""
ANSWER_SECONDS = 1.0
"""For so long a face that was lost from sight is still answered for."""
FASTEST_STREAM = 60
"""Frames per second that memory is set aside for; cameras give 30."""
SLOW_CONNECTION_SECONDS = 10.0
"""Connections within a network take one or two; a camera prompt is answered by then."""


class StreamError(FerError):
    """Live video that cannot be set up as it is configured."""


class Analyser(Protocol):
    """What turns a frame into its analysis: :class:`fer_core.pipeline.FrameAnalyser`."""

    def analyse(self, frame: np.ndarray, timestamp: float = 0.0, memory: StreamMemory | None = None) -> FrameAnalysis:
        """See :meth:`fer_core.pipeline.FrameAnalyser.analyse`."""
        ...


@dataclass(frozen=True)
class LiveSnapshot:
    """A stream as it is at one moment."""

    now: float
    """On the clock of the frames' timestamps."""
    analysis: FrameAnalysis | None
    """Of the latest frame; None if none came in the last :data:`RATE_SECONDS`."""
    answer: ExpressionScores | None
    """The first model's for the largest face, of the latest frame that had one in the last :data:`ANSWER_SECONDS`."""
    mask: MaskReading | None
    """Of the same face; None without one, or where nobody looked for a mask."""
    frames_per_second: float
    milliseconds: float | None
    """Median time from a frame's arrival to its annotated copy."""
    times: np.ndarray
    """``(N,)`` timestamps of the frames of the last :data:`HISTORY_SECONDS`."""
    probabilities: np.ndarray
    """``(N, classes) float32`` of the largest face; NaN where a frame had none."""
    label_set: LabelSet | None
    """What the columns refer to; None until there was a face."""
    failure: str | None
    """Why the latest frame could not be analysed."""


@dataclass(frozen=True)
class _Settings:
    analyser: Analyser
    mirror: bool
    memory: StreamMemory = field(default_factory=StreamMemory)


@dataclass(frozen=True)
class _Moment:
    timestamp: float
    milliseconds: float
    scores: ExpressionScores | None
    mask: MaskReading | None


class LiveSession:
    """Analyses a stream frame by frame and remembers its last minute.

    Args:
        analyser: looks at the frames; :meth:`configure` exchanges it while the stream runs.
        mirror: flip frames left to right first, as a mirror shows one's own face.
    """

    def __init__(self, analyser: Analyser, mirror: bool = False) -> None:
        self._settings = _Settings(analyser, mirror)
        self._lock = Lock()
        self._moments: deque[_Moment] = deque(maxlen=int(HISTORY_SECONDS * FASTEST_STREAM))
        self._latest: FrameAnalysis | None = None
        self._failure: str | None = None

    def configure(self, analyser: Analyser, mirror: bool) -> None:
        """Change the settings from the next frame on; another analyser begins a new history."""
        with self._lock:
            if analyser is not self._settings.analyser:
                self._forget()
            self._settings = replace(self._settings, analyser=analyser, mirror=mirror)

    def clear(self) -> None:
        """Forget what was seen, as at the start of another stream."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        self._moments.clear()
        self._latest = None
        self._failure = None
        self._settings = replace(self._settings, memory=StreamMemory())

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
        started = time.perf_counter()
        settings = self._settings  # one read: another thread may exchange them meanwhile
        if settings.mirror:
            frame = cv2.flip(frame, 1)
        try:
            analysis = settings.analyser.analyse(frame, timestamp, settings.memory)
            frame = draw_analysis(frame, analysis)
        except Exception as error:
            _log.exception("A live frame could not be analysed")
            with self._lock:
                self._failure = str(error) if isinstance(error, FerError) else f"The analysis failed: {error!r}."
            return frame
        largest = next((face for face in analysis if face.scores), None)
        moment = _Moment(
            timestamp,
            (time.perf_counter() - started) * 1e3,
            largest.scores[0] if largest else None,
            largest.mask if largest else None,
        )
        with self._lock:
            if settings.analyser is self._settings.analyser:  # else the frame belongs to a history that has ended
                self._moments.append(moment)
                while self._moments[0].timestamp < timestamp - HISTORY_SECONDS:
                    self._moments.popleft()
                self._latest, self._failure = analysis, None
        return frame

    def snapshot(self, now: float) -> LiveSnapshot:
        """What is known at ``now``, on the clock of the frames' timestamps."""
        with self._lock:
            moments, latest, failure = list(self._moments), self._latest, self._failure
        moments = [moment for moment in moments if moment.timestamp >= now - HISTORY_SECONDS]
        recent = [moment for moment in moments if moment.timestamp > now - RATE_SECONDS]
        answered = [m for m in recent if m.scores and m.timestamp > now - ANSWER_SECONDS]
        label_set = next((moment.scores.label_set for moment in reversed(moments) if moment.scores), None)
        classes = len(label_set) if label_set else 0
        absent = np.full(classes, np.nan, np.float32)
        return LiveSnapshot(
            now=now,
            analysis=latest if recent else None,
            answer=answered[-1].scores if answered else None,
            mask=answered[-1].mask if answered else None,
            frames_per_second=_rate([moment.timestamp for moment in recent]),
            milliseconds=median(moment.milliseconds for moment in recent) if recent else None,
            times=np.array([moment.timestamp for moment in moments]),
            probabilities=np.array(
                [m.scores.probabilities if m.scores else absent for m in moments], np.float32
            ).reshape(len(moments), classes),
            label_set=label_set,
            failure=failure,
        )


def _rate(timestamps: list[float]) -> float:
    if len(timestamps) < 2 or timestamps[-1] <= timestamps[0]:
        return 0.0
    return (len(timestamps) - 1) / (timestamps[-1] - timestamps[0])


class LoopedClip:
    """A film that begins again when it ends.

    Args:
        path: of the film.

    Raises:
        VideoError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames = self._endless()
        self._first: np.ndarray | None = next(
            self._frames
        )  # a film that can't be read is told of now, not in the stream

    def next_frame(self) -> np.ndarray:
        """The next frame, ``(H, W, 3) uint8`` BGR."""
        first, self._first = self._first, None
        return next(self._frames) if first is None else first

    def _endless(self) -> Iterator[np.ndarray]:
        while True:
            for _, frame in read_frames(self._path):
                yield frame


class Connection(StrEnum):
    """How far a video connection has come."""

    IDLE = "idle"
    CONNECTING = "connecting"
    SLOW = "slow"
    """Still connecting after :data:`SLOW_CONNECTION_SECONDS`."""
    FAILED = "failed"
    """Given up on after that long."""
    PLAYING = "playing"


class ConnectionWatch:
    """Tells from the little that a video component reports how its connection is doing."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._failed = False

    def update(self, playing: bool, signalling: bool, now: float) -> Connection:
        """Take note of the component's state at ``now`` (seconds, any steady clock) and say what it means."""
        if playing or signalling:
            self._failed = False
        if playing:
            self._since = None
            return Connection.PLAYING
        if signalling:
            self._since = now if self._since is None else self._since
            return Connection.SLOW if now - self._since > SLOW_CONNECTION_SECONDS else Connection.CONNECTING
        if self._since is not None:
            # Whoever presses Stop does so before; a browser gives up after.
            self._failed = now - self._since > SLOW_CONNECTION_SECONDS
            self._since = None
        return Connection.FAILED if self._failed else Connection.IDLE
