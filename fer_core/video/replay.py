"""Frame analyses reconstructed from the log of a video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import Any

import numpy as np

from fer_core.analysis.frame import FaceObservation, FrameAnalysis
from fer_core.labels import LABEL_SETS
from fer_core.logs.session_log import SessionLog
from fer_core.media.video_reader import VideoInfo
from fer_core.results import MASK_STATES, BoundingBox, ExpressionScores, FaceDetection, MaskReading, MaskState


def analyses_of(log: SessionLog, info: VideoInfo) -> Iterator[tuple[int, FrameAnalysis]]:
    """Frame numbers and what was found, frame by frame, as exact as the log: whole pixels, four digits.

    Landmarks and crops are not in a log.

    Args:
        log: of a video.
        info: of the same.
    """
    rows = chain.from_iterable(part.to_pylist() for part in log.parts())
    for number, of_frame in groupby(rows, key=lambda row: row["frame"]):
        yield number, analysis_of(list(of_frame), info)


def analysis_of(rows: Sequence[Mapping[str, Any]], info: VideoInfo) -> FrameAnalysis:
    """What was found in a frame.

    Args:
        rows: of that frame, at least one, as a log has them; what is empty is None.
        info: of the video.
    """
    faces = [_face(list(of_face)) for face, of_face in groupby(rows, key=lambda row: row["face"]) if face is not None]
    first = rows[0]
    return FrameAnalysis(first["time_ms"] / 1000, info.width, info.height, first["detector"], tuple(faces))


def _face(rows: list[Mapping[str, Any]]) -> FaceObservation:
    """One face from its rows, one for each model."""
    first = rows[0]
    box = BoundingBox(first["box_x"], first["box_y"], first["box_width"], first["box_height"])
    scores = []
    for row in rows:
        labels = LABEL_SETS[row["label_set"]]
        probabilities = np.array([row[f"p_{emotion}"] for emotion in labels.emotions], np.float32)
        scores.append(ExpressionScores(row["model"], labels, probabilities))
    mask = None
    if first["mask"] is not None:
        covered, state = first["mask_probability"], MASK_STATES.index(MaskState(first["mask"]))
        shares = np.array([1 - covered, 0, 0], np.float32)
        shares[max(state, 1)] = covered
        mask = MaskReading(shares)
    return FaceObservation(FaceDetection(box, first["detection_score"]), box, tuple(scores), mask, int(first["track"]))
