"""What goes back is the answer to the newest frame, at once, and ends with the connection."""

import asyncio
import itertools
import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from fer_core.live.track import ClipTrack, ProcessedTrack, to_video_frame


def numbered(number: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), number, np.uint8), format="bgr24")
    frame.pts, frame.time_base = number * 3000, Fraction(1, 90_000)
    return frame


def test_frames_that_come_meanwhile_replace_each_other_and_keep_their_times() -> None:
    answered: list[int] = []

    def slowly(frame: av.VideoFrame) -> av.VideoFrame:
        answered.append(frame.pts // 3000)
        time.sleep(0.05)
        return numbered(0)

    async def play() -> list[int]:
        track = ProcessedTrack(slowly)
        track.offer(numbered(1))
        first = asyncio.ensure_future(track.recv())
        for number in range(2, 7):
            await asyncio.sleep(0.005)
            track.offer(numbered(number))
        seen = [(await first).pts // 3000, (await track.recv()).pts // 3000]
        track.stop()
        return seen

    assert asyncio.run(play()) == [1, 6]
    assert answered == [1, 6]


@pytest.mark.parametrize(("seconds", "least"), [(0.0, 0.06), (0.05, 0.14)])
def test_what_is_played_keeps_its_pace_and_leaves_out_what_comes_too_late(seconds: float, least: float) -> None:
    def make() -> av.VideoFrame:
        time.sleep(seconds)
        return numbered(0)

    async def play() -> list[av.VideoFrame]:
        track = ClipTrack(make, 50)
        frames = [await track.recv() for _ in range(4)]
        track.stop()
        with pytest.raises(MediaStreamError):
            await track.recv()
        return frames

    started = time.monotonic()
    frames = asyncio.run(play())
    took = time.monotonic() - started
    shown = [float(frame.pts * frame.time_base) for frame in frames]
    assert shown[0] == 0
    assert least - 0.001 <= shown[-1] <= took
    assert all(later - earlier >= 0.0199 for earlier, later in itertools.pairwise(shown))
    assert all(time_ * 50 == pytest.approx(round(time_ * 50), abs=0.01) for time_ in shown)


def test_the_loop_goes_on_while_a_frame_is_answered() -> None:
    async def play() -> int:
        seen = threading.Event()  # the answer waits until the loop has gone on
        track = ProcessedTrack(lambda frame: seen.wait() and frame)  # type: ignore[return-value]
        track.offer(numbered(1))
        answer = asyncio.ensure_future(track.recv())
        turns = 0
        while not answer.done():
            turns += 1
            if turns > 5:
                seen.set()
            await asyncio.sleep(0.005)
        track.stop()
        return turns

    assert asyncio.run(play()) > 5


def test_a_track_that_ends_wakes_whoever_waits_and_leaves_no_thread() -> None:
    async def play() -> None:
        track = ProcessedTrack(lambda frame: frame)
        track.offer(numbered(1))
        await track.recv()
        waiting = asyncio.ensure_future(track.recv())
        await asyncio.sleep(0.01)
        track.stop()
        with pytest.raises(MediaStreamError):
            await waiting

    asyncio.run(play())
    for thread in threading.enumerate():
        if thread.name.startswith("live-video"):
            thread.join()  # a thread that is left would keep the test waiting


@pytest.mark.parametrize("shape", [(480, 640), (481, 641), (2, 2), (1, 1)])
def test_a_picture_of_any_size_becomes_a_frame_of_the_same_colours(shape: tuple[int, int]) -> None:
    picture = np.zeros((*shape, 3), np.uint8)
    picture[:] = (40, 120, 200)
    back = to_video_frame(picture).to_ndarray(format="bgr24")
    assert back.shape == picture.shape
    np.testing.assert_allclose(back.astype(int), picture, atol=4)
