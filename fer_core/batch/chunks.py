"""A long film in pieces: what the networks see in each is found anywhere, who is who is told piece by piece in order.

Pieces begin where the whole frame is looked at anyhow, and what is remembered of people goes on from piece to piece, so that
the rows are those of the film in one piece.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fer_core.analysis.frame import FrameInference
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.analysis.stream import StreamMemory
from fer_core.logs.session_log import SessionLog
from fer_core.media.video_reader import read_video, video_index, video_info, video_span
from fer_core.video.inference import infer_frames
from fer_core.vision.detection.near_faces import FULL_DETECTION_SECONDS

CHUNK_SECONDS = 60.0


@dataclass(frozen=True)
class InferredFrame:
    """A frame without its picture."""

    number: int
    time: float
    """Seconds on the film's clock."""
    inference: FrameInference


@dataclass(frozen=True)
class InferredChunk:
    """What the networks saw in a piece of a film."""

    width: int
    height: int
    frames: tuple[InferredFrame, ...]


@dataclass
class TrackingState:
    """What goes on from piece to piece."""

    memory: StreamMemory = field(default_factory=StreamMemory)
    frames: int = 0
    last: float = 0.0
    """Seconds on the film's clock at the latest frame."""
    faces: bool = False
    """Whether there was any."""


def chunk_starts(path: str | os.PathLike[str], seconds: float = CHUNK_SECONDS) -> list[float]:
    """Seconds on a film's clock at which its pieces begin, each as near as may be to a key frame before it.

    A film that is not much longer than one piece, or whose frames can't be counted without decoding, is one piece.

    Args:
        path: of the film.
        seconds: of a piece.

    Raises:
        VideoError: it is no film.
    """
    origin, end = video_span(path)
    starts = [origin]
    if end - origin < 1.5 * seconds:
        return starts
    index = video_index(path)
    if not index.exact:
        return starts
    keys = index.times[index.keys]
    while True:
        at = int(np.searchsorted(keys, starts[-1] + seconds))
        if at == len(keys):
            return starts
        start = math.ceil(keys[at] / FULL_DETECTION_SECONDS) * FULL_DETECTION_SECONDS
        if start > end - seconds / 2:
            return starts
        starts.append(start)


def infer_chunk(
    path: str | os.PathLike[str],
    analyser: FrameAnalyser,
    start: float | None,
    end: float | None,
    per_second: float | None = None,
) -> InferredChunk:
    """What the networks see in a piece of a film; arguments as in :func:`fer_core.media.video_reader.read_video`."""
    info = video_info(path)
    frames = read_video(path, None, start, end, per_second)
    seen = tuple(
        InferredFrame(frame.number, frame.time, inference) for frame, inference in infer_frames(frames, analyser, 0)
    )
    return InferredChunk(info.width, info.height, seen)


def track_chunk(
    tracking: TrackingState, chunk: InferredChunk, analyser: FrameAnalyser, per_second: float | None = None
) -> bytes:
    """Who is seen in a piece, and what their answers come to over time.

    Args:
        tracking: of the pieces before; it goes on by this one.
        chunk: the next piece.
        analyser: asked where a mask that comes or goes lets another network answer.
        per_second: as the piece was seen with.

    Returns:
        The piece's rows as a Parquet file.
    """
    log = SessionLog("", bounded=False)
    # Of the picture only its size is needed any more.
    picture = np.broadcast_to(np.uint8(0), (chunk.height, chunk.width, 3))
    for frame in chunk.frames:
        analysis = analyser.analyse(picture, frame.time, tracking.memory, inference=frame.inference)
        # Counted where every frame is there, as in one piece; a damaged one has no number.
        log.add(analysis, tracking.frames if per_second is None else frame.number)
        tracking.frames, tracking.last, tracking.faces = (
            tracking.frames + 1,
            frame.time,
            tracking.faces or len(analysis) > 0,
        )
    content = BytesIO()
    pq.write_table(log.table(), content, compression="zstd")
    return content.getvalue()


def chunk_tables(chunks: Sequence[bytes]) -> list[pa.Table]:
    """The rows that pieces were told to."""
    return [pq.read_table(BytesIO(chunk)) for chunk in chunks]


def ranges(starts: Sequence[float]) -> list[tuple[float | None, float | None]]:
    """Start and end of each piece; None where the film itself begins and ends."""
    bounds = [None, *starts[1:], None]
    return list(itertools.pairwise(bounds))
