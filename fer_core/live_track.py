"""The video that goes back to a visitor: the newest frame in, its answer out, and nothing queued between.

Frames that come while one is answered replace each other, so that a slow machine gives fewer frames, never later ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import av
import cv2
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError


class AnsweredVideo(MediaStreamTrack):
    """A track of answered frames, each answered on a thread of its own; it belongs to one connection.

    Args:
        answer: makes of a frame the one that goes back. It is never called twice at once.
    """

    kind = "video"

    def __init__(self, answer: Callable[[av.VideoFrame], av.VideoFrame]) -> None:
        super().__init__()
        self._answer = answer
        self._newest: av.VideoFrame | None = None
        self._came = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live-video")

    def offer(self, frame: av.VideoFrame) -> None:
        """A frame that came in; called on the event loop of the connection."""
        self._newest = frame
        self._came.set()

    async def recv(self) -> av.VideoFrame:
        """The answer to the next frame, with its time.

        Raises:
            MediaStreamError: the track has ended.
        """
        await self._came.wait()
        self._came.clear()
        frame = self._newest
        if frame is None or self.readyState != "live":
            raise MediaStreamError
        answered = await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, frame)
        answered.pts, answered.time_base = frame.pts, frame.time_base
        return answered

    def stop(self) -> None:
        """End the track and its thread."""
        super().stop()
        self._newest = None
        self._came.set()
        self._thread.shutdown(wait=False, cancel_futures=True)


def to_video_frame(picture: np.ndarray) -> av.VideoFrame:
    """A frame in the format that encoders take, made in half the time of the encoder's own way.

    Args:
        picture: ``(H, W, 3) uint8`` BGR; of odd sides it stays as it is, which encoders take too.
    """
    if picture.shape[0] % 2 or picture.shape[1] % 2:
        return av.VideoFrame.from_ndarray(picture, format="bgr24")
    planes: np.ndarray = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
    return av.VideoFrame.from_ndarray(planes.astype(np.uint8, copy=False), format="yuv420p")
