"""Recorded film in and out through PyAV, one frame in memory at a time.

Only containers that people record and share in are opened, and only from an open file, so a playlist that points at
other files or addresses is refused instead of followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal, cast

import av
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from fer_core.errors import VideoError

MAX_FRAME_PIXELS = 8192 * 4320
"""One 8K frame, the largest that cameras record."""
EXPECTED = "a video such as MP4, MOV, WebM, MKV or AVI"

_OPEN_OPTIONS = {
    # FFmpeg's demuxers; those of sound are there to say "only sound" instead of "not a video".
    "format_whitelist": "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,mp3,wav,flac,aac",
    # The frame at which a film breaks off is left out; half of one makes the decoder drop whole ones before it.
    "fflags": "+discardcorrupt",
}

VideoSource = str | os.PathLike[str] | BinaryIO


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


def video_info(source: VideoSource, name: str | None = None) -> VideoInfo:
    """Read a film's size, rate and length; arguments and errors as in :func:`read_frames`."""
    with _open(source, name) as (container, stream, _):
        frame = next(_decode(container, stream), None)
        if frame is None:
            raise VideoError(_no_frames(_name(source, name)))
        height, width = _upright(frame).shape[:2]
        duration: float | None = None
        if stream.duration is not None and stream.time_base is not None:
            duration = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            duration = container.duration / av.time_base
        return VideoInfo(width, height, _rate(stream), duration)


def read_frames(source: VideoSource, name: str | None = None) -> Iterator[tuple[float, np.ndarray]]:
    """Decode a film frame by frame, upright, at its own pace.

    Damaged stretches are left out, and a film that breaks off ends where it does.

    Args:
        source: a path, or a seekable binary file, which is read from its beginning and left open.
        name: the film's name for messages; by default the file's own.

    Yields:
        ``(timestamp, frame)``: seconds since the first frame, from the film's own clock, so that a varying frame rate
        is kept; ``(H, W, 3) uint8`` BGR, turned and mirrored as the film's display matrix asks.

    Raises:
        VideoError: at the first ``next``, if the source is no film, has no picture or no frame that can be decoded.
    """
    with _open(source, name) as (container, stream, shown_name):
        step = 1.0 / _rate(stream)
        start: float | None = None
        timestamp = -step
        for frame in _decode(container, stream):
            if frame.time is None:
                timestamp += step
            else:
                start = frame.time if start is None else start
                # A clock that jumps back, as where two films were joined, must not make time run backwards.
                timestamp = max(frame.time - start, timestamp)
            yield max(timestamp, 0.0), _upright(frame)
        if timestamp < 0:
            raise VideoError(_no_frames(shown_name))


def write_video(target: str | os.PathLike[str] | BinaryIO, frames: Iterable[np.ndarray], fps: float) -> int:
    """Write frames as an MP4 that browsers play (H.264, or MPEG-4 part 2 where FFmpeg was built without an encoder).

    Args:
        target: a path or a seekable binary file.
        frames: ``(H, W, 3) uint8`` BGR, all of one shape. Of an odd height or width the last row or column is left
            out, since the pixel format stores colour for blocks of two by two.
        fps: frames per second.

    Returns:
        The number of frames written.

    Raises:
        VideoError: if there is no frame, they differ in shape, or the file can't be written.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise VideoError("There are no frames to write: expected at least one.")
    height, width = first.shape[0] // 2 * 2, first.shape[1] // 2 * 2
    codec: Literal["libx264", "mpeg4"] = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    count = 0
    try:
        # "faststart" puts the index first, so that a browser plays the film before it has all of it; FFmpeg opens the
        # file a second time for that, which only a path allows.
        is_path = isinstance(target, (str, os.PathLike))
        options = {"movflags": "+faststart"} if is_path else {}
        with av.open(target, "w", format="mp4", options=options) as container:
            stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for frame in chain([first], frames):
                if frame.shape != first.shape:
                    raise VideoError(f"Frame {count} has shape {frame.shape}: expected {first.shape} as the first has.")
                even = np.ascontiguousarray(frame[:height, :width])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="bgr24")))
                count += 1
            container.mux(stream.encode(None))
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"The video could not be written ({error.strerror}): choose another place.") from error
    return count


@contextmanager
def _open(source: VideoSource, name: str | None) -> Iterator[tuple[InputContainer, VideoStream, str]]:
    """Open a film, find its picture, and close everything again."""
    shown_name = _name(source, name)
    with ExitStack() as stack:
        if isinstance(source, (str, os.PathLike)):
            try:
                source = stack.enter_context(Path(source).open("rb"))
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise VideoError(f"{shown_name} could not be opened ({reason}): give the path of a video.") from error
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
        stream.thread_type = "AUTO"
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


def _upright(frame: av.VideoFrame) -> np.ndarray:
    """``(H, W, 3) uint8`` BGR as the film is meant to be shown."""
    pixels = frame.to_ndarray(format="bgr24")
    # PyAV's type stub knows one key only.
    side_data = cast("Mapping[str, Buffer]", frame.side_data)
    if "DISPLAYMATRIX" not in side_data:
        return pixels
    # ISO/IEC 14496-12, section 6.2.2: (x, y) is shown at (a*x + c*y, b*x + d*y), here in quarter turns.
    a, b, _, c, d = np.frombuffer(bytes(side_data["DISPLAYMATRIX"]), dtype=np.int32)[:5].tolist()
    if abs(b) > abs(a):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


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
