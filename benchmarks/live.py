"""The live page without a browser: frame rates, delay, the time of each step, and memory.

This process is the server, with the same track that the page sends back. The peers run in a process of their own. They
send the sample clip, which is encoded beforehand, since a visitor's browser encodes on the visitor's machine. A number
drawn into each frame is read back from the annotated one and identifies when it was sent.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import statistics
import time
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pandas as pd
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs.vpx import Vp8Decoder, Vp8Encoder
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import VIDEO_CLOCK_RATE, VIDEO_TIME_BASE, MediaStreamError

from fer_core.analysis.overlay import Layer
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.errors import FerError
from fer_core.evaluation.hardware import peak_megabytes
from fer_core.live.session import Analyser, LiveSession, LiveSettings
from fer_core.live.track import ProcessedTrack, to_video_frame
from fer_core.media.sample_clip import SAMPLE_CLIP
from fer_core.media.video_reader import read_frames
from fer_core.store.store import DEFAULT_MODEL

FRAMES_PER_SECOND = 30
"""The rate that the page requests from cameras."""
BITS_PER_SECOND = 1_000_000
"""Bit rate of the clip."""
KEY_FRAME_EVERY = FRAMES_PER_SECOND
"""Frames between key frames: packets encoded beforehand can't answer a request for one."""
WARM_UP_SECONDS = 3.0
"""Time for memory and bit rates to settle before the measurement."""
CONNECTING_SECONDS = 30.0
FIRST_MINUTE = 60.0
"""Seconds after which memory should hardly grow."""
CODE_BLOCK = 16
"""Side in pixels of a bit of the frame's number: a macroblock of VP8, so that its edges stay sharp."""
_NUMBER_BITS, _CHECK_BITS = 16, 8
_CODE_WIDTH = (_NUMBER_BITS + _CHECK_BITS) * CODE_BLOCK


def _session(analyser: Analyser) -> LiveSession:
    """A session with every layer on and no mirroring, so that numbers stay readable."""
    return LiveSession(analyser, LiveSettings(mirror=False, layers=frozenset(Layer), attention=True))


@dataclass(frozen=True)
class PeerFrames:
    """What one peer received during the measurement."""

    returned: float
    """Different frames that came back per second."""
    repeated: float
    """Frames per second that came back a second time."""
    unread: float
    """Frames per second with a number that could not be read or was never sent."""
    delays: np.ndarray
    """``(frames,)`` milliseconds from sending a frame to holding it annotated and decoded."""


@dataclass(frozen=True)
class StepTime:
    """Time of a step per frame: medians in milliseconds, NaN if it never ran."""

    wall: float
    """Including the wait for a core."""
    processor: float
    """Processor time of the thread that runs the step."""


@dataclass(frozen=True)
class LiveRun:
    """Measurements of serving a number of peers."""

    peers: Sequence[PeerFrames]
    analysed: Sequence[float]
    """Frames per second of each peer that went through the analysis."""
    decoding: StepTime
    analysis: StepTime
    """Drawing included."""
    encoding: StepTime
    cores: float
    """Processor time of the server per second."""
    memory_after_minute: float | None
    """Resident megabytes of 2**20 bytes; None of a shorter run."""
    memory: float
    """At the end."""
    peak_memory: float

    def __str__(self) -> str:
        delays = np.concatenate([peer.delays for peer in self.peers])
        late = np.percentile(delays, (50, 95)).tolist() if delays.size else (None, None)
        growth = None if self.memory_after_minute is None else self.memory - self.memory_after_minute
        rows: list[tuple[str, float | None]] = [
            ("peers", len(self.peers)),
            ("analysed/s, min", min(self.analysed)),
            ("median", statistics.median(self.analysed)),
            ("returned/s, min", min(peer.returned for peer in self.peers)),
            ("repeated/s", statistics.median(peer.repeated for peer in self.peers)),
            ("unread/s", statistics.median(peer.unread for peer in self.peers)),
            ("delay ms, median", late[0]),
            ("95%", late[1]),
            ("decoding ms", self.decoding.wall),
            ("of processor", self.decoding.processor),
            ("analysis ms", self.analysis.wall),
            ("of processor", self.analysis.processor),
            ("encoding ms", self.encoding.wall),
            ("of processor", self.encoding.processor),
            ("cores", self.cores),
            ("MB after 1 min", self.memory_after_minute),
            ("MB at the end", self.memory),
            ("growth", growth),
            ("peak", self.peak_memory),
        ]
        cells = [(name, "-" if value is None or math.isnan(value) else f"{value:.4g}") for name, value in rows]
        return pd.DataFrame(cells).to_string(index=False, header=False)


def live_benchmark(
    peers: int = 1, seconds: float = 20.0, minutes: float | None = None, model: str = DEFAULT_MODEL
) -> str:
    """A table of rates, delay, times and memory for peers who share one analyser.

    Args:
        peers: number of simultaneous connections.
        seconds: duration of the measurement.
        minutes: duration in minutes instead of ``seconds``, to see memory growth.
        model: name of a stored model.
    """
    return str(serve_live(FrameAnalyser.from_store([model]), peers, minutes * 60 if minutes else seconds))


def serve_live(
    analyser: Analyser,
    peers: int = 1,
    seconds: float = 20.0,
    clip: Path = SAMPLE_CLIP,
    warm_up: float = WARM_UP_SECONDS,
) -> LiveRun:
    """Serve peers with one analyser and measure.

    Args:
        analyser: analyses the frames of all peers.
        peers: number of simultaneous connections.
        seconds: duration of the measurement.
        clip: video that the peers send, at :data:`FRAMES_PER_SECOND`.
        warm_up: seconds between the first frames of all peers and the measurement.

    Raises:
        FerError: no video came back, or its frames could not be analysed.
    """
    if peers < 1 or seconds <= 0:
        raise FerError(f"Found {peers} peers for {seconds:g} s: expected at least one, for more than 0 s.")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_run_peers, args=(theirs, peers, seconds, clip, warm_up), daemon=True)
    child.start()
    theirs.close()  # so that the end of the child is the end of the pipe
    try:
        return asyncio.run(_serve(ours, analyser))
    except EOFError as error:
        raise FerError(
            f"No annotated video of {peers} peers came back within {CONNECTING_SECONDS:g} s: connect this computer to "
            "a network, whose address the peers use, or try fewer peers."
        ) from error
    finally:
        ours.close()
        child.terminate()
        child.join()


# --- the server ------------------------------------------------------------------------------------------------------


class _Meter:
    """Times calls; threads only append. Packed, so that the memory that is measured is not the meter's own."""

    def __init__(self) -> None:
        self.wall, self.processor = array("d"), array("d")
        """Seconds on the clock, and of the processor."""

    def clear(self) -> None:
        del self.wall[:], self.processor[:]

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            started, worked = time.perf_counter(), time.thread_time()
            result = call(*arguments, **options)
            self.wall.append(time.perf_counter() - started)
            self.processor.append(time.thread_time() - worked)
            return result

        return timed


def _step_time(*meters: _Meter) -> StepTime:
    def median(times: list[array[float]]) -> float:
        return float(np.median(np.concatenate(times))) * 1e3 if any(times) else math.nan

    return StepTime(median([meter.wall for meter in meters]), median([meter.processor for meter in meters]))


@contextmanager
def _timed_method(owner: type, name: str) -> Iterator[_Meter]:
    meter, original = _Meter(), getattr(owner, name)
    setattr(owner, name, meter.around(original))
    try:
        yield meter
    finally:
        setattr(owner, name, original)


def resident_megabytes() -> float:
    """Resident memory of this process in MB of 2**20 bytes; its peak where the system does not report it."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    held = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")]
    return held[0] if held else peak_megabytes()


async def _memory_after(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return resident_megabytes()


def _send_back(connection: RTCPeerConnection, relay: MediaRelay, process: Callable[..., np.ndarray]) -> None:
    """Send incoming frames back annotated, over the same track and relays as the page."""

    def annotate(frame: av.VideoFrame) -> av.VideoFrame:
        return to_video_frame(process(frame.to_ndarray(format="bgr24"), time.monotonic()))

    @connection.on("track")
    def on_track(track: MediaStreamTrack) -> None:
        video = ProcessedTrack(annotate)

        async def feed() -> None:
            came = relay.subscribe(track)
            with suppress(MediaStreamError):
                while True:
                    video.offer(cast(av.VideoFrame, await came.recv()))
            video.stop()

        _feeding.add(asyncio.ensure_future(feed()))
        connection.addTrack(relay.subscribe(video))


async def _serve(pipe: Connection, analyser: Analyser) -> LiveRun:
    loop = asyncio.get_running_loop()

    async def received() -> Any:
        return await loop.run_in_executor(None, pipe.recv)

    with _timed_method(Vp8Decoder, "decode") as decoding, _timed_method(Vp8Encoder, "encode") as encoding:
        relay = MediaRelay()
        offers: list[str] = await received()
        sessions, analyses = [_session(analyser) for _ in offers], [_Meter() for _ in offers]
        connections = [RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in offers]
        try:
            for connection, offer, session, meter in zip(connections, offers, sessions, analyses, strict=True):
                _send_back(connection, relay, meter.around(session.process))
                await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
                await connection.setLocalDescription(await connection.createAnswer())
            pipe.send([connection.localDescription.sdp for connection in connections])
            await received()  # all videos run
            for meter in (decoding, encoding, *analyses):
                meter.clear()
            processor_time, started = time.process_time(), time.monotonic()
            watch = asyncio.ensure_future(_memory_after(FIRST_MINUTE))
            frames: list[PeerFrames] = await received()
            took = time.monotonic() - started
            for session in sessions:
                if failure := session.snapshot(time.monotonic()).failure:
                    raise FerError(f"Nothing was measured, since frames could not be analysed: {failure}")
            return LiveRun(
                peers=frames,
                analysed=[len(meter.wall) / took for meter in analyses],
                decoding=_step_time(decoding),
                analysis=_step_time(*analyses),
                encoding=_step_time(encoding),
                cores=(time.process_time() - processor_time) / took,
                memory_after_minute=watch.result() if watch.done() else None,
                memory=resident_megabytes(),
                peak_memory=peak_megabytes(),
            )
        finally:
            for connection in connections:
                await connection.close()


_feeding: set[asyncio.Future[None]] = set()
"""Tasks, since the event loop keeps only weak references."""


# --- the peers, in a process of their own ----------------------------------------------------------------------------


def draw_number(frame: np.ndarray, number: int) -> None:
    """Draw a number into the lower left corner.

    Args:
        frame: ``(H, W, 3) uint8``, at least 384 wide; changed.
        number: in [0, 65536).
    """
    code = np.unpackbits(np.frombuffer(number.to_bytes(2) + _check(number), np.uint8))
    frame[-CODE_BLOCK:, :_CODE_WIDTH] = np.repeat(code * 255, CODE_BLOCK)[:, None]


def read_number(luma: np.ndarray) -> int | None:
    """The number that was drawn into a picture, or None where none can be read.

    Args:
        luma: ``(H, W) uint8`` grey.
    """
    blocks = luma[-CODE_BLOCK:, :_CODE_WIDTH].reshape(CODE_BLOCK, -1, CODE_BLOCK)
    read = np.packbits(blocks.mean(axis=(0, 2)) > 127).tobytes()
    number = int.from_bytes(read[:2])
    return number if read[2:] == _check(number) else None


def _check(number: int) -> bytes:
    return bytes([zlib.crc32(number.to_bytes(2)) & 0xFF])


def encode_clip(frames: Iterable[np.ndarray]) -> list[bytes]:
    """Frames, ``(H, W, 3) uint8`` BGR, as VP8 with their numbers drawn in."""
    encoder: Any = None
    packets: list[bytes] = []
    for number, frame in enumerate(frames):
        numbered = frame.copy()
        draw_number(numbered, number)
        if encoder is None:
            encoder = av.CodecContext.create("libvpx", "w")
            encoder.height, encoder.width = frame.shape[:2]
            encoder.pix_fmt, encoder.bit_rate, encoder.gop_size = "yuv420p", BITS_PER_SECOND, KEY_FRAME_EVERY
            encoder.thread_count = 1  # two of libvpx wait for each other by spinning: 20 times as long on one core
            encoder.time_base, encoder.framerate = Fraction(1, FRAMES_PER_SECOND), FRAMES_PER_SECOND
            encoder.options = {"deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0"}
        picture = av.VideoFrame.from_ndarray(numbered, format="bgr24")
        picture.pts = number
        packets += map(bytes, encoder.encode(picture))
    return packets


class _Sender(MediaStreamTrack):
    """The clip, again and again, and when each frame was sent."""

    kind = "video"

    def __init__(self, packets: Sequence[bytes]) -> None:
        super().__init__()
        self._packets = packets
        self.sent: list[float] = []
        """Seconds of ``time.monotonic()``."""

    async def recv(self) -> av.Packet:
        if self.readyState != "live":
            raise MediaStreamError
        number = len(self.sent)
        if number:
            # Late frames do not hurry the next ones, no camera does so.
            await asyncio.sleep(max(0.0, self.sent[0] + number / FRAMES_PER_SECOND - time.monotonic()))
        packet = av.Packet(self._packets[number % len(self._packets)])
        packet.pts, packet.time_base = number * VIDEO_CLOCK_RATE // FRAMES_PER_SECOND, VIDEO_TIME_BASE
        self.sent.append(time.monotonic())
        return packet


class _Peer:
    """One visitor."""

    def __init__(self, packets: Sequence[bytes]) -> None:
        self._loop_length = len(packets)
        self._sender = _Sender(packets)
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.addTrack(self._sender)
        self._connection.on("track", lambda track: setattr(self, "_reading", asyncio.ensure_future(self._read(track))))
        self.runs = asyncio.Event()
        self._last = -1
        self._delays: list[float] = []
        self._repeated = self._unread = 0

    async def offer(self) -> str:
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return self._connection.localDescription.sdp

    async def accept(self, answer: str) -> None:
        await self._connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def measure(self, seconds: float) -> PeerFrames:
        self._delays, self._repeated, self._unread = [], 0, 0
        started = time.monotonic()
        await asyncio.sleep(seconds)
        took = time.monotonic() - started
        return PeerFrames(len(self._delays) / took, self._repeated / took, self._unread / took, np.array(self._delays))

    async def close(self) -> None:
        await self._connection.close()

    async def _read(self, track: MediaStreamTrack) -> None:
        with suppress(MediaStreamError):
            while True:
                picture = cast(av.VideoFrame, await track.recv())
                now = time.monotonic()
                number = read_number(picture.to_ndarray()[: picture.height])  # of yuv420p, whose first rows are luma
                # Frames come back in order, so the next one of this number in the loop is the one.
                ahead = 0 if number is None else (number - self._last) % self._loop_length
                if number is None or self._last + ahead >= len(self._sender.sent):
                    self._unread += 1
                elif ahead == 0 and self._last >= 0:
                    self._repeated += 1
                else:
                    self._last += ahead
                    self._delays.append((now - self._sender.sent[self._last]) * 1e3)
                    self.runs.set()


def _run_peers(pipe: Connection, count: int, seconds: float, clip: Path, warm_up: float) -> None:
    packets = encode_clip(frame for _, frame in read_frames(clip))
    with suppress(TimeoutError):
        asyncio.run(_be_peers(pipe, [packets] * count, seconds, warm_up))


async def _be_peers(pipe: Connection, clips: Sequence[Sequence[bytes]], seconds: float, warm_up: float) -> None:
    peers = [_Peer(packets) for packets in clips]
    try:
        pipe.send([await peer.offer() for peer in peers])
        answers = await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        for peer, answer in zip(peers, answers, strict=True):
            await peer.accept(answer)
        await asyncio.wait_for(asyncio.gather(*(peer.runs.wait() for peer in peers)), CONNECTING_SECONDS)
        await asyncio.sleep(warm_up)
        pipe.send("measuring")
        pipe.send(await asyncio.gather(*(peer.measure(seconds) for peer in peers)))
    finally:
        for peer in peers:
            await peer.close()
