"""The annotated video, written during the analysis or afterwards from its log."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from queue import Queue
from threading import Thread
from typing import BinaryIO

from fer_core.analysis.frame import FrameAnalysis
from fer_core.analysis.overlay import STANDARD_LAYERS, Layer, draw_analysis
from fer_core.media.video_reader import VideoFile, VideoFrame, read_video, video_info
from fer_core.media.video_writer import VideoWriter

VIDEO_LAYERS = STANDARD_LAYERS | {Layer.BARS}

_WAITING = 8
"""Frames that may wait to be drawn on; they bound the memory."""


class AnnotatedVideo(AbstractContextManager["AnnotatedVideo"]):
    """Draws on frames and writes them, on a thread of its own, so that the analysis goes on meanwhile.

    Leaving the ``with`` block finishes the video; leaving it by an error discards it.

    Args:
        writer: of the video.
        layers: what to draw.
    """

    def __init__(self, writer: VideoWriter, layers: Collection[Layer] = VIDEO_LAYERS) -> None:
        self._writer, self._layers = writer, layers
        self._frames: Queue[tuple[VideoFrame, FrameAnalysis] | None] = Queue(_WAITING)
        self._error: BaseException | None = None
        self._thread = Thread(target=self._write, daemon=True)
        self._thread.start()

    def add(self, frame: VideoFrame, analysis: FrameAnalysis) -> None:
        """The next frame with what to draw on it; raises what kept an earlier one from being written."""
        if self._error is not None:
            raise self._error
        self._frames.put((frame, analysis))

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._frames.put(None)
        self._thread.join()
        failed = self._error or error
        if failed is not None:
            self._writer.discard()
        else:
            self._writer.close()
        if self._error is not None and error is None:
            raise self._error

    def _write(self) -> None:
        while (waiting := self._frames.get()) is not None:
            if self._error is None:  # else only empty the queue
                frame, analysis = waiting
                try:
                    self._writer.add(draw_analysis(frame.pixels, analysis, self._layers), frame.time)
                except BaseException as caught:  # raised again where the next frame is added
                    self._error = caught


def write_annotated_video(
    source: VideoFile,
    analyses: Iterable[tuple[int, FrameAnalysis]],
    target: str | os.PathLike[str] | BinaryIO,
    name: str | None = None,
    start: float | None = None,
    end: float | None = None,
    layers: Collection[Layer] = VIDEO_LAYERS,
    on_progress: Callable[[float], None] = lambda time: None,
) -> int:
    """Read a video again and write it with what was found in it, and with its sound.

    Args:
        source: the video.
        analyses: numbers of frames and what was found in them, in order; a frame without one shows the last.
        target: see :class:`fer_core.media.video_writer.VideoWriter`.
        name: the video's name for messages.
        start: seconds on the video's clock at which to begin.
        end: and to end.
        layers: what to draw.
        on_progress: given the video's time in seconds after each frame; an exception from it ends the work.

    Returns:
        The number of frames written.

    Raises:
        VideoError: the video cannot be read or written.
    """
    info = video_info(source, name)
    found = iter(analyses)
    ahead, shown = next(found, None), None
    count = 0
    with AnnotatedVideo(VideoWriter(target, info, source, start, end), layers) as video:
        for frame in read_video(source, name, start, end):
            while ahead is not None and ahead[0] <= frame.number:
                shown, ahead = ahead[1], next(found, None)
            video.add(frame, shown or FrameAnalysis(frame.time, info.width, info.height, "", ()))
            count += 1
            on_progress(frame.time)
    return count
