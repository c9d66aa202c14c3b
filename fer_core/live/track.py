"""The video that goes back to a visitor: the newest frame in, the processed frame out, and no queue between.

Frames that arrive while one is processed replace each other, so that a slow machine gives fewer frames, never later ones.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import av
import cv2
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import VIDEO_CLOCK_RATE, VIDEO_TIME_BASE, MediaStreamError


class ProcessedTrack(MediaStreamTrack):
    """A track of processed frames, each processed on the track's own thread; it belongs to one connection.

    Args:
        process: makes the frame that goes back from the one that came in; never called twice at once.
    """

    kind = "video"

    def __init__(self, process: Callable[[av.VideoFrame], av.VideoFrame]) -> None:
        super().__init__()
        self._process = process
        self._newest: av.VideoFrame | None = None
        self._came = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live-video")

    def offer(self, frame: av.VideoFrame) -> None:
        """A frame that came in; called on the event loop of the connection."""
        self._newest = frame
        self._came.set()

    async def recv(self) -> av.VideoFrame:
        """The next frame, processed, with its time.

        Raises:
            MediaStreamError: the track has ended.
        """
        await self._came.wait()
        self._came.clear()
        frame = self._newest
        if frame is None or self.readyState != "live":
            raise MediaStreamError
        processed = await asyncio.get_running_loop().run_in_executor(self._thread, self._process, frame)
        processed.pts, processed.time_base = frame.pts, frame.time_base
        return processed

    def stop(self) -> None:
        """End the track and its thread."""
        super().stop()
        self._newest = None
        self._came.set()
        self._thread.shutdown(wait=False, cancel_futures=True)


class ClipTrack(ProcessedTrack):
    """Frames at a steady pace without a camera; frames that a slow machine cannot make in time are left out.

    Args:
        make: makes the next frame; never called twice at once.
        frames_per_second: of the pace.
    """

    def __init__(self, make: Callable[[], av.VideoFrame], frames_per_second: int) -> None:
        super().__init__(lambda _: make())
        self._pace = frames_per_second
        self._started: float | None = None
        self._number = -1

    async def recv(self) -> av.VideoFrame:
        """The next frame, at its time.

        Raises:
            MediaStreamError: the track has ended.
        """
        now = time.monotonic()
        self._started = now if self._started is None else self._started
        self._number = max(self._number + 1, math.floor((now - self._started) * self._pace))
        await asyncio.sleep(self._started + self._number / self._pace - now)
        tick = av.VideoFrame(2, 2)
        tick.pts, tick.time_base = self._number * VIDEO_CLOCK_RATE // self._pace, VIDEO_TIME_BASE
        if self.readyState == "live":
            self.offer(tick)
        return await super().recv()


def to_video_frame(picture: np.ndarray) -> av.VideoFrame:
    """A frame in the format that encoders take, in half the time that the encoder would take.

    Args:
        picture: ``(H, W, 3) uint8`` BGR; with odd sides it stays BGR, which encoders take too.
    """
    if picture.shape[0] % 2 or picture.shape[1] % 2:
        return av.VideoFrame.from_ndarray(picture, format="bgr24")
    planes: np.ndarray = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
    return av.VideoFrame.from_ndarray(planes.astype(np.uint8, copy=False), format="yuv420p")
