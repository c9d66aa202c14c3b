"""An MP4 written frame by frame at the frames' own times, with the sound of another film."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer

from fer_core.errors import VideoError
from fer_core.media.video_reader import VideoFile, VideoInfo, open_video

TICKS = 90_000
"""Of the film's clock in a second, the measure of MPEG: frame rates of 24, 25, 30 and 60 are whole numbers of it."""
_COPIED = ("aac", "mp3")
"""Formats of sound that an MP4 which browsers play may hold; others are encoded anew."""
_OPTIONS = {"preset": "superfast", "crf": "23"}
"""Half the time of the preset before it for files less than twice as large."""


class VideoWriter:
    """Writes an H.264 film that browsers play; it is whole once it is closed.

    Args:
        target: a path, which is replaced when the film is whole, or a seekable binary file.
        like: size and rate of the frames to come.
        sound: the film whose sound is taken along, copied where an MP4 can hold it and else encoded as AAC.
        start: seconds of that film's clock at which this one begins; by default where its picture does.
        end: and at which its sound ends at the latest.

    Raises:
        VideoError: the frames are too small for a film, or it cannot be written.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | BinaryIO,
        like: VideoInfo,
        sound: VideoFile | None = None,
        start: float | None = None,
        end: float | None = None,
    ) -> None:
        self._width, self._height = like.width // 2 * 2, like.height // 2 * 2
        if not (self._width and self._height):
            raise VideoError(f"Frames of {like.width} x {like.height} pixels make no film: expected at least 2 x 2.")
        self._start, self._last = like.origin if start is None else start, -1
        self._path = Path(target) if isinstance(target, (str, os.PathLike)) else None
        # A film that breaks off never takes the place of a whole one.
        self._part = self._path.with_name(f".{self._path.name}.part") if self._path else None
        file = self._part or target
        codec: Literal["libx264", "mpeg4"] = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        self._stack = ExitStack()
        try:
            # Makes the index come first, so that a browser plays the film before it has all of it.
            options = {"movflags": "+faststart"} if self._path else {}
            self._video = self._stack.enter_context(av.open(file, "w", format="mp4", options=options))  # type: ignore[arg-type]
        except (av.FFmpegError, OSError) as error:
            raise _not_written(error) from error
        self._picture = self._video.add_stream(codec, rate=Fraction(like.frames_per_second).limit_denominator(1001))
        self._picture.width, self._picture.height, self._picture.pix_fmt = self._width, self._height, "yuv420p"
        self._picture.codec_context.time_base = Fraction(1, TICKS)
        if codec == "libx264":
            self._picture.options = dict(_OPTIONS)
        until = math.inf if end is None else end
        self._sound = iter(()) if sound is None else self._take_sound(sound, self._start, until)
        self._sound_time = next(self._sound, math.inf)  # also adds its stream, before the first packet is written

    def add(self, pixels: np.ndarray, time: float) -> None:
        """The next frame.

        Args:
            pixels: ``(H, W, 3) uint8`` BGR; one of another size than the film's is resized to it.
            time: seconds, on the clock of ``start``.

        Raises:
            VideoError: it cannot be written.
        """
        if pixels.shape[0] // 2 * 2 != self._height or pixels.shape[1] // 2 * 2 != self._width:
            pixels = cv2.resize(pixels, (self._width, self._height), interpolation=cv2.INTER_AREA)
        even = np.ascontiguousarray(pixels[: self._height, : self._width])
        # OpenCV takes a fifth of the time that FFmpeg's scaler takes for the same BT.601 colours.
        planes = cv2.cvtColor(even, cv2.COLOR_BGR2YUV_I420).astype(np.uint8, copy=False)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        self._last = max(round((time - self._start) * TICKS), self._last + 1)
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        try:
            # Sound and picture go side by side, so that neither has to be held back.
            while self._sound_time <= time - self._start:
                self._sound_time = next(self._sound, math.inf)
            self._video.mux(self._picture.encode(frame))
        except (av.FFmpegError, OSError) as error:
            raise _not_written(error) from error

    def close(self) -> None:
        """Finish the film.

        Raises:
            VideoError: it cannot be written.
        """
        try:
            self._video.mux(self._picture.encode(None))
            # A film that was ended early has sound up to its last frame.
            while self._sound_time <= self._last / TICKS:
                self._sound_time = next(self._sound, math.inf)
            self._stack.close()
            if self._part and self._path:
                self._part.replace(self._path)
        except (av.FFmpegError, OSError) as error:
            raise _not_written(error) from error

    def discard(self) -> None:
        """Leave nothing behind."""
        with suppress(av.FFmpegError, OSError, ValueError):
            self._stack.close()
        if self._part:
            self._part.unlink(missing_ok=True)

    def _take_sound(self, source: VideoFile, start: float, end: float) -> Iterator[float]:
        """Write the sound packet by packet; yields the time in this film that it has come to, in seconds."""
        container, _, _ = self._stack.enter_context(open_video(source))
        if not container.streams.audio:
            return
        stream = container.streams.audio[0]
        copied = stream.codec_context.name in _COPIED and container.format.name != "mpegts"
        write = self._copy if copied else self._encode_anew
        yield from write(container, stream, start, end)

    def _copy(self, container: InputContainer, stream: AudioStream, start: float, end: float) -> Iterator[float]:
        out = self._video.add_stream_from_template(stream)
        yield 0.0
        base = stream.time_base or Fraction(1, TICKS)
        shift = round(start / base)
        if start > 0:
            container.seek(shift, stream=stream)
        for packet in container.demux(stream):
            if packet.pts is None or packet.dts is None or packet.pts < shift:
                continue
            if packet.pts * base >= end:
                break
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = out
            time = float(packet.pts * base)
            self._video.mux(packet)
            yield time

    def _encode_anew(self, container: InputContainer, stream: AudioStream, start: float, end: float) -> Iterator[float]:
        out = self._video.add_stream("aac", rate=stream.rate or 44_100)
        yield 0.0
        if start > 0:
            container.seek(round(start / (stream.time_base or Fraction(1, TICKS))), stream=stream)
        packets, time = container.demux(stream), 0.0
        while True:
            frames: list[av.AudioFrame] = []
            with suppress(av.FFmpegError, ValueError):  # damaged sound is left out
                packet = next(packets, None)
                if packet is None:
                    break
                frames = packet.decode()
            for frame in frames:
                base = frame.time_base
                if frame.pts is None or base is None:
                    continue
                time = float(frame.pts * base) - start
                frame.pts = round(time / base)
                if 0 <= time < end - start:
                    self._video.mux(out.encode(frame))
                    yield time
            if time >= end - start:
                break
        self._video.mux(out.encode(None))


def _not_written(error: Exception) -> VideoError:
    reason = getattr(error, "strerror", None) or error
    return VideoError(f"The video could not be written ({reason}): choose another place.")


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
