"""Runs the networks on several frames of a video at once, each thread with networks of its own."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event

from fer_core.analysis.frame import FrameInference
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.media.video_reader import VideoFrame
from fer_core.vision.detection.near_faces import FULL_DETECTION_SECONDS, NearFaceGate

_ROUNDING_SECONDS = 1e-6
"""Seconds by which times differ through rounding."""


def stretch_number(time: float) -> int:
    """The number of the stretch of a video that a time in seconds belongs to; each begins with a full detection."""
    return math.floor(time / FULL_DETECTION_SECONDS + _ROUNDING_SECONDS)


class _Stretch:
    """A few frames of a video: the full detector runs on the first, the detector of near faces on the others where it may.

    The detections of a frame depend on that frame and the first one only, not on the order of the threads.
    """

    def __init__(self) -> None:
        self._near = NearFaceGate()
        self._looked = Event()

    def infer(self, frame: VideoFrame, analyser: FrameAnalyser, first: bool) -> FrameInference:
        if first:
            try:
                found = analyser.find(frame.pixels, frame.time, self._near)
            finally:
                self._looked.set()
        else:
            self._looked.wait()
            found = analyser.find(frame.pixels, frame.time, copy.copy(self._near))
        return analyser.infer(frame.pixels, found)


def infer_frames(
    frames: Iterable[VideoFrame], analyser: FrameAnalyser, threads: int
) -> Generator[tuple[VideoFrame, FrameInference]]:
    """Frames in order, each with its inference; the same for any number of threads.

    Args:
        frames: of one video, in order.
        analyser: of which every thread gets a copy.
        threads: that run the networks; the calling thread decodes, and with 0 threads does both.
    """
    if not threads:
        for frame, stretch, first in _in_stretches(frames):
            yield frame, stretch.infer(frame, analyser, first)
        return
    idle: SimpleQueue[FrameAnalyser] = SimpleQueue()
    for each in analyser.copies(threads):
        idle.put(each)

    def infer(frame: VideoFrame, stretch: _Stretch, first: bool) -> FrameInference:
        mine = idle.get()
        try:
            return stretch.infer(frame, mine, first)
        finally:
            idle.put(mine)

    waiting: deque[tuple[VideoFrame, Future[FrameInference]]] = deque()

    def next_result() -> tuple[VideoFrame, FrameInference]:
        ready, inference = waiting.popleft()
        return ready, inference.result()

    with ThreadPoolExecutor(threads) as pool:
        try:
            for frame, stretch, first in _in_stretches(frames):
                waiting.append((frame, pool.submit(infer, frame, stretch, first)))
                # More frames than threads, so that no thread is ever idle.
                if len(waiting) > 2 * threads:
                    yield next_result()
            while waiting:
                yield next_result()
        finally:
            for _, inference in waiting:
                inference.cancel()


def _in_stretches(frames: Iterable[VideoFrame]) -> Iterator[tuple[VideoFrame, _Stretch, bool]]:
    """Frames with the stretch that each belongs to, and whether it is the first of it."""
    number: int | None = None
    stretch = _Stretch()
    for frame in frames:
        first = stretch_number(frame.time) != number
        if first:
            number, stretch = stretch_number(frame.time), _Stretch()
        yield frame, stretch, first
