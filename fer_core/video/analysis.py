"""A recorded film through the same door as live video, every frame or some a second; one film in memory never whole.

The networks look at several frames at once; who is who, and how answers follow in time, is then told frame by frame in
order, so that the result is the same for any number of threads.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pandas as pd

from fer_core.analysis.frame import AttributeLevel, FrameAnalysis
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.analysis.smoothing import TIME_CONSTANT_SECONDS
from fer_core.analysis.stream import StreamMemory
from fer_core.logs.session_log import SessionLog
from fer_core.media.video_reader import VideoFile, VideoFrame, VideoInfo, read_video, video_info, video_span
from fer_core.media.video_writer import VideoWriter
from fer_core.video.annotate import AnnotatedVideo, write_annotated_video
from fer_core.video.inference import infer_frames
from fer_core.video.moments import KeyMoment, key_moments
from fer_core.video.persons import PersonSeries, people_of
from fer_core.video.replay import analyses_of
from fer_core.video.subtitles import webvtt

RATE_SECONDS = 3.0
"""Frames per second are told over the last so many."""


MISSING_SECONDS = 0.5
"""A film that ends this much before its header says has lost its tail."""


@dataclass(frozen=True)
class VideoProgress:
    """How far the analysis of a film has come."""

    frames: int
    """Analysed so far."""
    time: float
    """Seconds of the film that it has come to."""
    share: float
    """Of the range, in [0, 1]."""
    frames_per_second: float
    """Analysed, over the last :data:`RATE_SECONDS`."""
    seconds_left: float | None
    """At this pace; None at the beginning."""
    pixels: np.ndarray
    """``(H, W, 3) uint8`` BGR: the latest frame."""
    analysis: FrameAnalysis
    """What was found in it."""


@dataclass(frozen=True)
class VideoAnalysis:
    """What was found in a film."""

    source: str
    """The film's name."""
    info: VideoInfo
    log: SessionLog
    """One row per face, model and frame; one for a frame without a face."""
    start: float
    """Seconds on the film's clock at which the first analysed frame is shown."""
    end: float
    """Up to which it was analysed."""
    per_second: float | None
    """Frames a second that were looked at, at most; None where it was every one."""
    notes: tuple[str, ...]
    """What is to be known of it, each a sentence: that it was ended early, lost its tail or shows no face."""

    @property
    def frames(self) -> int:
        """How many frames were analysed."""
        return self.log.frames

    def table(self) -> pd.DataFrame:
        """The rows of the log, see :func:`fer_core.analysis.records.face_rows`, with the column ``frame``."""
        return self.log.table().to_pandas()

    def people(self) -> list[PersonSeries]:
        """Everyone who was seen, by id."""
        return people_of(self.table())

    def key_moments(self) -> list[KeyMoment]:
        """Where expressions change most and where they peak, in the order of time."""
        return key_moments(self.people())

    def webvtt(self, offset: float = 0.0) -> str:
        """Subtitles, see :func:`fer_core.video.subtitles.webvtt`."""
        return webvtt(self.people(), 1 / (self.per_second or self.info.frames_per_second), offset)

    def write_film(
        self,
        film: VideoFile,
        target: str | os.PathLike[str] | BinaryIO,
        on_progress: Callable[[float], None] = lambda share: None,
    ) -> int:
        """Write the film again with what was found drawn on it, and its sound.

        Args:
            film: the one that was analysed.
            target: a path or a seekable binary file for the MP4.
            on_progress: given the share that is done after each frame; what it raises ends the work.

        Returns:
            The number of frames written.

        Raises:
            VideoError: the film cannot be read or written.
        """
        span = max(self.end - self.start, 1e-6)
        return write_annotated_video(
            film,
            analyses_of(self.log, self.info),
            target,
            self.source,
            self.start,
            self.end,
            on_progress=lambda now: on_progress(min(1.0, (now - self.start) / span)),
        )


def analyse_video(
    source: VideoFile,
    analyser: FrameAnalyser,
    *,
    name: str | None = None,
    start: float | None = None,
    end: float | None = None,
    per_second: float | None = None,
    look: AttributeLevel = AttributeLevel.NONE,
    smoothing: float = TIME_CONSTANT_SECONDS,
    film: str | os.PathLike[str] | BinaryIO | None = None,
    on_progress: Callable[[VideoProgress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    threads: int | None = None,
) -> VideoAnalysis:
    """Find and follow everyone in a film.

    Args:
        source: a path, or the content of a file.
        analyser: looks at the frames.
        name: the film's name; by default the file's own.
        start: seconds on the film's clock at which to begin, as ``ffprobe`` gives the times of frames.
        end: and to end; by default where the film does.
        per_second: at most so many frames a second are looked at; every frame if left out. People keep their ids where
            it is 1 or more.
        look: what to see in the faces beside their expression.
        smoothing: time constant of the answers in seconds; 0 leaves every frame's own.
        film: where to write the film with what was found drawn on it, see :meth:`VideoAnalysis.write_film`.
        on_progress: called after each frame, on the calling thread.
        should_stop: asked before each frame; what was done until then is kept.
        threads: that look at frames; one more than there are processor cores if left out. With 0 this one does it all, on
            one core.

    Returns:
        The same whatever the number of threads.

    Raises:
        VideoError: the source is no film, has no picture, no frame in the range, or the annotated film cannot be
            written.

    Example:
        >>> from fer_core import ARTIFACTS, analyse_video, load_model
        >>> found = analyse_video(ARTIFACTS / "samples" / "astronaut.mp4", load_model(), end=1.0)
        >>> found.frames, found.table()["emotion"].unique().tolist()
        (25, ['happy'])
        >>> [moment.words for moment in found.key_moments()]
        ['person 1 looks most happy: 89%']
        >>> print(found.webvtt())
        WEBVTT
        <BLANKLINE>
        00:00:00.000 --> 00:00:01.000
        Person 1: happy
        <BLANKLINE>
    """
    info = video_info(source, name)
    shown_name = name or (os.path.basename(source) if isinstance(source, (str, os.PathLike)) else "The video")
    origin, video_end = video_span(source, name, info)
    begin, until = (origin if start is None else start), (video_end if end is None else min(end, video_end))
    log, memory, meter = SessionLog(shown_name, bounded=False), StreamMemory(smoothing), _ProgressMeter(begin, until)
    drawn = film is not None and per_second is None
    notes: list[str] = []
    first, last = begin, begin
    seen = infer_frames(
        read_video(source, name, start, end, per_second), analyser, _threads() if threads is None else threads
    )
    with closing(seen), _annotated(film if drawn else None, info, source, start, end) as annotated:
        for frame, inference in seen:
            analysis = analyser.analyse(frame.pixels, frame.time, memory, look, inference)
            log.add(analysis, frame.number)
            if annotated:
                annotated.add(frame, analysis)
            first, last = (frame.time if log.frames == 1 else first), frame.time
            on_progress(meter.update(log.frames, frame, analysis))
            if should_stop():
                notes.append(f"The analysis was ended at {minutes(last)}: what was found until then is kept.")
                break
    done = last + 1.0 / info.frames_per_second
    if not notes and end is None:
        notes += tail_note(shown_name, info, last, per_second)
    if not notes:
        done = max(until, done)
    if not any(part["track"].null_count < len(part) for part in log.parts()):
        notes.append(no_face_note(shown_name))
    result = VideoAnalysis(shown_name, info, log, first, done, per_second, tuple(notes))
    if film is not None and not drawn:
        result.write_film(source, film)
    return result


def _annotated(
    target: str | os.PathLike[str] | BinaryIO | None,
    info: VideoInfo,
    source: VideoFile,
    start: float | None,
    end: float | None,
) -> AbstractContextManager[AnnotatedVideo | None]:
    return AnnotatedVideo(VideoWriter(target, info, source, start, end)) if target is not None else nullcontext()


def tail_note(name: str, info: VideoInfo, last: float, per_second: float | None) -> list[str]:
    """That a film has lost its tail, as far as its header tells.

    Args:
        name: of the film.
        info: of the same.
        last: seconds on its clock at its last frame.
        per_second: frames a second that were looked at, at most.
    """
    slack = max(MISSING_SECONDS, 2 / info.frames_per_second, 1.5 / (per_second or math.inf))
    if info.end is None or last >= info.end - slack:
        return []
    return [f"{name} breaks off at {minutes(last)} of {minutes(info.end)}: all that came before was analysed."]


def no_face_note(name: str) -> str:
    """That nobody was seen in a film."""
    return f"No face was found in {name}."


def _threads() -> int:
    # One more than there are cores keeps all of those at work while another waits for its turn.
    return (os.cpu_count() or 1) + 1


class _ProgressMeter:
    """Tells how fast the work goes and how long it still takes."""

    def __init__(self, start: float, end: float) -> None:
        self._start, self._span = start, max(end - start, 1e-6)
        self._marks: deque[tuple[float, int, float]] = deque()

    def update(self, frames: int, frame: VideoFrame, analysis: FrameAnalysis) -> VideoProgress:
        now = time.perf_counter()
        share = min(1.0, max(0.0, (frame.time - self._start) / self._span))
        self._marks.append((now, frames, share))
        while self._marks[0][0] < now - RATE_SECONDS:
            self._marks.popleft()
        then, frames_then, share_then = self._marks[0]
        took = now - then
        left = (1 - share) * took / (share - share_then) if share > share_then else None
        rate = (frames - frames_then) / took if took > 0 else 0.0
        return VideoProgress(frames, frame.time, share, rate, left, frame.pixels, analysis)


def minutes(seconds: float) -> str:
    """``1:02`` or ``1:00:02``."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
