"""What the networks see in the frames of a film, several frames at once, each thread with networks of its own."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event

from fer_core.analysis.frame import Sight
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.media.video_reader import FilmFrame
from fer_core.vision.detection.near_faces import WIDE_LOOK_SECONDS, NearLook

_TICK = 1e-6
"""Seconds by which times differ through rounding."""


def look_number(time: float) -> int:
    """Which of the stretches of a film, each looked at as a whole first, a time in seconds belongs to."""
    return math.floor(time / WIDE_LOOK_SECONDS + _TICK)


class _Stretch:
    """So many seconds of a film: faces are looked for in the whole of its first frame, and near ones in the others.

    What is found in a frame depends on that frame and on the first one alone, not on who looked at which first.
    """

    def __init__(self) -> None:
        self._near = NearLook()
        self._looked = Event()

    def see(self, frame: FilmFrame, analyser: FrameAnalyser, first: bool) -> Sight:
        if first:
            try:
                found = analyser.find(frame.pixels, frame.time, self._near)
            finally:
                self._looked.set()
        else:
            self._looked.wait()
            found = analyser.find(frame.pixels, frame.time, copy.copy(self._near))
        return analyser.see(frame.pixels, found)


def see_frames(
    frames: Iterable[FilmFrame], analyser: FrameAnalyser, threads: int
) -> Generator[tuple[FilmFrame, Sight]]:
    """Frames in order, each with what is seen in it; the same whatever the number of threads.

    Args:
        frames: of one film, in order.
        analyser: and as many copies of it as there are threads.
        threads: that look at frames; the caller's decodes them, and with 0 looks at them too.
    """
    if not threads:
        for frame, stretch, first in _in_stretches(frames):
            yield frame, stretch.see(frame, analyser, first)
        return
    idle: SimpleQueue[FrameAnalyser] = SimpleQueue()
    for each in analyser.copies(threads):
        idle.put(each)

    def see(frame: FilmFrame, stretch: _Stretch, first: bool) -> Sight:
        mine = idle.get()
        try:
            return stretch.see(frame, mine, first)
        finally:
            idle.put(mine)

    waiting: deque[tuple[FilmFrame, Future[Sight]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for frame, stretch, first in _in_stretches(frames):
                waiting.append((frame, pool.submit(see, frame, stretch, first)))
                # More wait than there are threads, so that none of those ever does.
                if len(waiting) > 2 * threads:
                    ready, sight = waiting.popleft()
                    yield ready, sight.result()
            while waiting:
                ready, sight = waiting.popleft()
                yield ready, sight.result()
        finally:
            for _, sight in waiting:
                sight.cancel()


def _in_stretches(frames: Iterable[FilmFrame]) -> Iterator[tuple[FilmFrame, _Stretch, bool]]:
    """Frames with the stretch that each belongs to, and whether it is the first of it."""
    number: int | None = None
    stretch = _Stretch()
    for frame in frames:
        first = look_number(frame.time) != number
        if first:
            number, stretch = look_number(frame.time), _Stretch()
        yield frame, stretch, first
