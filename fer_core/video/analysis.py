"""Analyses a recorded video as live video is analysed, every frame or some a second, without holding it in memory.

The networks work on several frames at once; identities and smoothing follow frame by frame in order, so that the result
is the same for any number of threads.
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

PROGRESS_RATE_SECONDS = 3.0
"""Progress gives frames per second over the last so many seconds."""
MISSING_SECONDS = 0.5
"""A video that ends this much before the end in its header has lost its tail."""


@dataclass(frozen=True)
class VideoProgress:
    """Progress of the analysis of a video."""

    frames: int
    """Analysed so far."""
    time: float
    """Seconds of the video up to which it was analysed."""
    share: float
    """Of the range, in [0, 1]."""
    frames_per_second: float
    """Analysed, over the last :data:`PROGRESS_RATE_SECONDS`."""
    seconds_left: float | None
    """At this pace; None at the beginning."""
    pixels: np.ndarray
    """``(H, W, 3) uint8`` BGR: the latest frame."""
    analysis: FrameAnalysis
    """What was found in it."""


@dataclass(frozen=True)
class VideoAnalysis:
    """What was found in a video."""

    source: str
    """The video's name."""
    info: VideoInfo
    log: SessionLog
    """One row per face, model and frame; one for a frame without a face."""
    start: float
    """Seconds on the video's clock at which the first analysed frame is shown."""
    end: float
    """Up to which it was analysed."""
    per_second: float | None
    """At most so many frames a second were analysed; None where it was every one."""
    notes: tuple[str, ...]
    """Warnings, each a sentence: that the analysis was ended early, that the video lost its tail or shows no face."""

    @property
    def frames(self) -> int:
        """How many frames were analysed."""
        return self.log.frames

    def table(self) -> pd.DataFrame:
        """The rows of the log, see :func:`fer_core.analysis.records.face_rows`, with the column ``frame``."""
        return self.log.table().to_pandas()

    def people(self) -> list[PersonSeries]:
        """Everyone who was found, by id."""
        return people_of(self.table())

    def key_moments(self) -> list[KeyMoment]:
        """Where expressions change most and where they peak, in the order of time."""
        return key_moments(self.people())

    def webvtt(self, offset: float = 0.0) -> str:
        """Subtitles, see :func:`fer_core.video.subtitles.webvtt`."""
        return webvtt(self.people(), 1 / (self.per_second or self.info.frames_per_second), offset)

    def write_annotated_video(
        self,
        source: VideoFile,
        target: str | os.PathLike[str] | BinaryIO,
        on_progress: Callable[[float], None] = lambda share: None,
    ) -> int:
        """Write the video again with what was found drawn on it, and its sound.

        Args:
            source: the video that was analysed.
            target: a path or a seekable binary file for the MP4.
            on_progress: given the share that is done after each frame; an exception from it ends the work.

        Returns:
            The number of frames written.

        Raises:
            VideoError: the video cannot be read or written.
        """
        span = max(self.end - self.start, 1e-6)
        return write_annotated_video(
            source,
            analyses_of(self.log, self.info),
            target,
            self.source,
            self.start,
            self.end,
            on_progress=lambda now: on_progress(min(1.0, (now - self.start) / span)),
        )

    def write_film(
        self,
        film: VideoFile,
        target: str | os.PathLike[str] | BinaryIO,
        on_progress: Callable[[float], None] = lambda share: None,
    ) -> int:
        """The old name of :meth:`write_annotated_video`."""
        return self.write_annotated_video(film, target, on_progress)


def analyse_video(
    source: VideoFile,
    analyser: FrameAnalyser,
    *,
    name: str | None = None,
    start: float | None = None,
    end: float | None = None,
    per_second: float | None = None,
    attribute_level: AttributeLevel = AttributeLevel.NONE,
    smoothing: float = TIME_CONSTANT_SECONDS,
    annotated_video: str | os.PathLike[str] | BinaryIO | None = None,
    on_progress: Callable[[VideoProgress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    threads: int | None = None,
    look: AttributeLevel | None = None,
    film: str | os.PathLike[str] | BinaryIO | None = None,
) -> VideoAnalysis:
    """Find and follow everyone in a video.

    Args:
        source: a path, or the content of a file.
        analyser: analyses the frames.
        name: the video's name; by default the file's own.
        start: seconds on the video's clock at which to begin, as ``ffprobe`` gives the times of frames.
        end: and to end; by default where the video does.
        per_second: analyse at most so many frames a second; every frame if left out. People keep their ids where it is 1
            or more.
        attribute_level: what to read in the faces beside their expression.
        smoothing: time constant of the probabilities in seconds; 0 leaves every frame's own.
        annotated_video: where to write the video with what was found drawn on it, see
            :meth:`VideoAnalysis.write_annotated_video`.
        on_progress: called after each frame, on the calling thread.
        should_stop: asked after each frame; what was done until then is kept.
        threads: of the networks; one more than there are processor cores if left out, so that all cores are at work while
            one thread waits. With 0 the calling thread does everything, on one core.
        look: old name of ``attribute_level``.
        film: old name of ``annotated_video``.

    Returns:
        The same whatever the number of threads.

    Raises:
        VideoError: the source is no video, has no picture, no frame in the range, or the annotated video cannot be
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
    attribute_level = attribute_level if look is None else look
    target = annotated_video if film is None else film
    info = video_info(source, name)
    shown_name = name or (os.path.basename(source) if isinstance(source, (str, os.PathLike)) else "The video")
    origin, video_end = video_span(source, name, info)
    begin, until = (origin if start is None else start), (video_end if end is None else min(end, video_end))
    log, memory, meter = SessionLog(shown_name, bounded=False), StreamMemory(smoothing), _ProgressMeter(begin, until)
    notes: list[str] = []
    first, last = begin, begin
    threads = (os.cpu_count() or 1) + 1 if threads is None else threads
    seen = infer_frames(read_video(source, name, start, end, per_second), analyser, threads)
    annotate: AbstractContextManager[AnnotatedVideo | None] = nullcontext()
    if target is not None and per_second is None:  # else the frames between would be missing
        annotate = AnnotatedVideo(VideoWriter(target, info, source, start, end))
    with closing(seen), annotate as annotated:
        for frame, inference in seen:
            analysis = analyser.analyse(frame.pixels, frame.time, memory, attribute_level, inference)
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
    if target is not None and per_second is not None:
        result.write_annotated_video(source, target)
    return result


def tail_note(name: str, info: VideoInfo, last: float, per_second: float | None) -> list[str]:
    """A sentence if the video ends before the end in its header.

    Args:
        name: of the video.
        info: of the same.
        last: time of its last frame in seconds.
        per_second: at most so many frames a second were analysed.
    """
    slack = max(MISSING_SECONDS, 2 / info.frames_per_second, 1.5 / (per_second or math.inf))
    if info.end is None or last >= info.end - slack:
        return []
    return [f"{name} breaks off at {minutes(last)} of {minutes(info.end)}: all that came before was analysed."]


def no_face_note(name: str) -> str:
    """A sentence for a video without a face."""
    return f"No face was found in {name}."


class _ProgressMeter:
    """Measures how fast the analysis goes and how long it will still take."""

    def __init__(self, start: float, end: float) -> None:
        self._start, self._span = start, max(end - start, 1e-6)
        self._marks: deque[tuple[float, int, float]] = deque()

    def update(self, frames: int, frame: VideoFrame, analysis: FrameAnalysis) -> VideoProgress:
        now = time.perf_counter()
        share = min(1.0, max(0.0, (frame.time - self._start) / self._span))
        self._marks.append((now, frames, share))
        while self._marks[0][0] < now - PROGRESS_RATE_SECONDS:
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
