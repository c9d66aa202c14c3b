"""Recorded film in and out through PyAV, one frame in memory at a time.

Frame numbers count from 0 in the order of showing, and times are those of the film's own clock, as ``ffprobe
-show_frames`` lists them: where the sound begins before the picture, the first frame is not at 0.

Only containers that people record and share in are opened, and only from an open file, so a playlist that points at
other files or addresses is refused instead of followed.
"""

from __future__ import annotations

import math
import os
import re
from array import array
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

import av
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from fer_core.errors import VideoError

MAX_FRAME_PIXELS = 8192 * 4320
"""One 8K frame, the largest that cameras record."""
SMALL_FRAME_PIXELS = 1280 * 720
"""Frames up to this size are decoded by one thread, faster than they are analysed."""
EXPECTED = "a video such as MP4, MOV, WebM, MKV or AVI"

_OPEN_OPTIONS = {
    # FFmpeg's demuxers; those of sound are there to say "only sound" instead of "not a video".
    "format_whitelist": "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,mp3,wav,flac,aac",
    # The frame at which a film breaks off is left out; half of one makes the decoder drop whole ones before it.
    "fflags": "+discardcorrupt",
}

_ONE_PACKET_A_FRAME = ("h264", "hevc", "vp9", "av1", "mjpeg")
"""Decoders of formats in which each packet is a frame that is shown; others have packets of half a frame, or of none."""
_SEEKABLE = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""Containers that list their key frames, so that a seek is sure to find the right one."""

_ROUNDING_SECONDS = 1e-6
"""Seconds by which times differ through rounding."""

VideoFile = str | os.PathLike[str] | bytes
"""A film that may be read by several at once: a path, or the content of a file."""
VideoSource = VideoFile | BinaryIO


@dataclass(frozen=True)
class VideoInfo:
    """What a film's header says about it."""

    width: int
    """Pixels, as shown: after rotation."""
    height: int
    frames_per_second: float
    """The average; a phone's film may vary around it."""
    duration: float | None
    """Seconds; None where the header does not say, as in films recorded by a browser."""
    origin: float = 0.0
    """Seconds on the film's clock at its first frame."""

    @property
    def end(self) -> float | None:
        """Seconds on the film's clock at its end; None where the header does not say."""
        return None if self.duration is None else self.origin + self.duration


def video_info(source: VideoSource, name: str | None = None) -> VideoInfo:
    """Read a film's size, rate and length; arguments and errors as in :func:`read_frames`."""
    with open_video(source, name) as (container, stream, shown_name):
        frame = next(_decode(container, stream), None)
        if frame is None:
            raise VideoError(_no_frames(shown_name))
        height, width = _upright(frame, VideoReformatter()).shape[:2]
        return VideoInfo(width, height, _rate(stream), _duration(container, stream), frame.time or 0.0)


def read_frames(source: VideoSource, name: str | None = None) -> Iterator[tuple[float, np.ndarray]]:
    """Decode a video frame by frame, upright, at its own rate: pictures of :func:`read_video`, seconds since the first."""
    first: float | None = None
    for frame in read_video(source, name):
        first = frame.time if first is None else first
        yield frame.time - first, frame.pixels


@dataclass(frozen=True)
class VideoFrame:
    """One frame of a film."""

    number: int
    """From 0, in the order of showing."""
    time: float
    """Seconds on the film's own clock, so that a varying frame rate is kept."""
    pixels: np.ndarray
    """``(H, W, 3) uint8`` BGR, turned and mirrored as the film's display matrix asks."""


def read_video(
    source: VideoSource,
    name: str | None = None,
    start: float | None = None,
    end: float | None = None,
    per_second: float | None = None,
) -> Iterator[VideoFrame]:
    """Decode a film, or a range of it, frame by frame.

    Damaged stretches are left out, and a film that breaks off ends where it does. Numbers and times are those that the
    frames have in the whole film, and so is the choice of frames by rate. A range is reached by its nearest key frame
    where the film's packets tell the number of every frame, else by decoding what comes before it.

    Args:
        source: a path, a file's content, or a seekable binary file, which is read from its beginning and left open.
        name: the film's name for messages; by default the file's own.
        start: seconds on the film's clock; frames before it are left out.
        end: likewise; frames from it on are left out.
        per_second: at most so many frames a second: the first in each such part of a second. Every frame if left out.

    Raises:
        VideoError: at the first ``next``, if the source is no film, has no picture or no frame that can be decoded, or
            no frame in the range.
    """
    index = video_index(source, name) if start is not None else None
    with open_video(source, name) as (container, stream, shown_name):
        clock = _Clock(1.0 / _rate(stream))
        number, reformatter, empty = 0, VideoReformatter(), True
        slot: int | None = None
        if index is not None and start is not None and index.exact and (before := index.key_before(start)) > 0:
            number = -1  # told by the first frame
            container.seek(int(index.pts[before]), stream=stream)
        for decoded in _decode(container, stream):
            if number < 0 and index is not None:
                number = int(np.searchsorted(index.pts, decoded.pts or 0))
                slot = _slot(index.times[number - 1], per_second) if number else None
            time = clock.tell(decoded)
            wanted, slot = per_second is None or _slot(time, per_second) != slot, _slot(time, per_second)
            if end is not None and time >= end - _ROUNDING_SECONDS:
                break
            if wanted and (start is None or time >= start - _ROUNDING_SECONDS):
                empty = False
                yield VideoFrame(number, time, _upright(decoded, reformatter))
            number += 1
        if empty:
            raise VideoError(_no_frames(shown_name) if number <= 0 else _nothing_in_range(shown_name, start, end))


class _Clock:
    """Times of frames, which never run backwards."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._time: float | None = None

    def tell(self, frame: av.VideoFrame) -> float:
        if frame.time is None:
            self._time = 0.0 if self._time is None else self._time + self._step
        else:
            # A clock that jumps back, as where two films were joined, must not make time run backwards.
            self._time = max(frame.time, self._time if self._time is not None else frame.time)
        return self._time


def _slot(time: float, per_second: float | None) -> int:
    return math.floor((time + _ROUNDING_SECONDS) * per_second) if per_second else -1


@dataclass(frozen=True)
class VideoIndex:
    """Where the frames of a film lie in time, as its packets say, without decoding one."""

    pts: np.ndarray
    """``(N,) int64`` times of the frames in ticks of the film's clock, in the order of showing."""
    times: np.ndarray
    """``(N,) float64`` the same in seconds."""
    keys: np.ndarray
    """``(K,) int64`` numbers of the key frames, at which decoding can begin."""
    exact: bool
    """Whether one packet is one frame and tells its time, so that these are the numbers and times of the frames."""

    def key_before(self, time: float) -> int:
        """Number of the last key frame at or before a time in seconds; 0 without one."""
        at = int(np.searchsorted(self.times[self.keys], time + _ROUNDING_SECONDS, side="right"))
        return int(self.keys[at - 1]) if at else 0


def video_index(source: VideoSource, name: str | None = None) -> VideoIndex:
    """Read a film's packets; arguments and errors as in :func:`read_video`."""
    pts, keys, exact = array("q"), array("q"), True
    with open_video(source, name) as (container, stream, _):
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, ValueError):
                break  # broken from here on
            if packet is None:
                break
            if not packet.size or packet.is_corrupt or packet.is_discard:
                continue
            if packet.pts is None:
                exact = False
                continue
            pts.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
        base = float(stream.time_base or 0)
        exact = exact and stream.codec_context.name in _ONE_PACKET_A_FRAME and container.format.name in _SEEKABLE
    ordered, counts = np.unique(np.frombuffer(pts, np.int64), return_counts=True)
    exact = exact and len(ordered) > 0 and bool((counts == 1).all())
    numbers = np.searchsorted(ordered, np.unique(np.frombuffer(keys, np.int64)))
    return VideoIndex(ordered, ordered * base, numbers, exact)


def video_span(source: VideoSource, name: str | None = None, info: VideoInfo | None = None) -> tuple[float, float]:
    """Seconds on a film's clock at its first frame and at its end, as the header says, else as the packets do.

    Arguments and errors as in :func:`read_video`; ``info`` is of the same film, where it was read before.
    """
    info = info or video_info(source, name)
    if info.end is not None:
        return info.origin, info.end
    times = video_index(source, name).times
    return info.origin, (float(times[-1]) if len(times) else info.origin) + 1.0 / info.frames_per_second


@contextmanager
def open_video(source: VideoSource, name: str | None = None) -> Iterator[tuple[InputContainer, VideoStream, str]]:
    """Open a film, find its picture, and close everything again."""
    shown_name = _name(source, name)
    with ExitStack() as stack:
        if isinstance(source, (str, os.PathLike)):
            try:
                source = stack.enter_context(Path(source).open("rb"))
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise VideoError(f"{shown_name} could not be opened ({reason}): give the path of a video.") from error
        elif isinstance(source, bytes):
            source = BytesIO(source)  # shares the bytes
        if not source.seek(0, os.SEEK_END):
            raise VideoError(f"{shown_name} is empty: expected {EXPECTED}, so record or download it again.")
        source.seek(0)
        try:
            container = stack.enter_context(av.open(source, "r", options=_OPEN_OPTIONS, metadata_errors="ignore"))
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(
                f"{shown_name} is not a video or is cut off: expected {EXPECTED}, so choose another file or record it "
                "again."
            ) from error
        # The cover of a song is stored as a video stream of one picture.
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            held = "only sound" if container.streams.audio else "no picture"
            raise VideoError(f"{shown_name} holds {held}: expected {EXPECTED} with a picture, so choose another file.")
        stream = streams[0]
        if stream.width * stream.height > MAX_FRAME_PIXELS:
            raise VideoError(
                f"{shown_name} has frames of {stream.width} x {stream.height} pixels: expected at most 8K "
                "(8192 x 4320), so shrink it and try again."
            )
        # More threads cost processor time that the analysis of the frames has a better use for.
        stream.thread_type = "FRAME"
        if stream.width * stream.height <= SMALL_FRAME_PIXELS:
            stream.codec_context.thread_count = 1
        yield container, stream, shown_name


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Every frame that can be decoded, in the order of showing."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, ValueError):
            # The container is broken from here on; None gets the frames that the decoder still holds.
            packet = None
        frames: list[av.VideoFrame] = []
        # Where one packet is damaged, the next may not be.
        with suppress(av.FFmpegError, ValueError):
            frames = stream.decode(packet)
        yield from (frame for frame in frames if not frame.is_corrupt)
        if packet is None:
            return


def _upright(frame: av.VideoFrame, reformatter: VideoReformatter) -> np.ndarray:
    """``(H, W, 3) uint8`` BGR as the film is meant to be shown; a reformatter that is kept spares half the time."""
    pixels = reformatter.reformat(frame, format="bgr24", threads=1).to_ndarray()
    # PyAV's type stub knows one key only.
    side_data = cast("Mapping[str, Buffer]", frame.side_data)
    if "DISPLAYMATRIX" not in side_data:
        return pixels
    # ISO/IEC 14496-12, section 6.2.2: (x, y) is shown at (a*x + c*y, b*x + d*y), here in quarter turns.
    a, b, _, c, d = np.frombuffer(bytes(side_data["DISPLAYMATRIX"]), dtype=np.int32)[:5].tolist()
    if abs(b) > abs(a):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds of the picture, as the header says; of the whole film where it says no more."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # Matroska's: 00:01:02.500000000
    if match := re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", "").strip("\0 ")):
        hours, minutes, seconds = match.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return container.duration / av.time_base if container.duration is not None else None


def _rate(stream: VideoStream) -> float:
    # Some recorders write no rate; 25 is FFmpeg's own assumption.
    return float(stream.average_rate or stream.guessed_rate or 25)


def _name(source: VideoSource, name: str | None) -> str:
    if name is not None:
        return name
    path = source if isinstance(source, (str, os.PathLike)) else getattr(source, "name", None)
    return os.path.basename(path) if isinstance(path, (str, os.PathLike)) else "The video"


def _no_frames(name: str) -> str:
    return f"{name} has no frame that can be decoded: expected {EXPECTED}, so record it again or convert it to MP4."


def _nothing_in_range(name: str, start: float | None, end: float | None) -> str:
    first = "its beginning" if start is None else f"{start:g} s"
    last = "its end" if end is None else f"{end:g} s"
    return f"{name} has no frame from {first} to {last}: choose a range within the film."
