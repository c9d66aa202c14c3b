"""The columns of a face's row, written once for every table, log and archive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from fer_core.analysis.frame import FaceAttributes, FaceObservation, FrameAnalysis
from fer_core.labels import Emotion
from fer_core.results import ExpressionScores


class Kind(Enum):
    """What a column holds; it may be empty in any row."""

    TEXT = "text"
    INTEGER = "whole numbers"
    NUMBER = "numbers"


@dataclass(frozen=True)
class Record:
    """What a row is made of: one face of a frame and one model's answer for it."""

    source: str
    analysis: FrameAnalysis
    number: int
    face: FaceObservation
    scores: ExpressionScores

    @cached_property
    def ranked(self) -> list[tuple[Emotion, float]]:
        """Emotions with their probabilities, most probable first."""
        return self.scores.ranked()


@dataclass(frozen=True)
class Column:
    """Of a table of faces."""

    kind: Kind
    value: Callable[[Record], Any]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _mask(read: Callable[[Any], Any]) -> Callable[[Record], Any]:
    return lambda r: None if r.face.mask is None else read(r.face.mask)


def _attribute(read: Callable[[FaceAttributes], Any], digits: int = 1) -> Column:
    def value(record: Record) -> float | None:
        attributes = record.face.attributes
        return None if attributes is None else _rounded(read(attributes), digits)

    return Column(Kind.NUMBER, value)


_FACE: dict[str, Column] = {
    "source": Column(Kind.TEXT, lambda r: r.source),
    "time_ms": Column(Kind.INTEGER, lambda r: round(r.analysis.timestamp * 1000)),
    "face": Column(Kind.INTEGER, lambda r: r.number),
    "track": Column(Kind.INTEGER, lambda r: r.face.track),
    "detector": Column(Kind.TEXT, lambda r: r.analysis.detector),
    "box_x": Column(Kind.INTEGER, lambda r: round(r.face.box.x)),
    "box_y": Column(Kind.INTEGER, lambda r: round(r.face.box.y)),
    "box_width": Column(Kind.INTEGER, lambda r: round(r.face.box.width)),
    "box_height": Column(Kind.INTEGER, lambda r: round(r.face.box.height)),
    "detection_score": Column(Kind.NUMBER, lambda r: round(r.face.detection.score, 4)),
    "mask": Column(Kind.TEXT, _mask(lambda mask: str(mask.state))),
    "mask_probability": Column(Kind.NUMBER, _mask(lambda mask: round(mask.covered, 4))),
    "model": Column(Kind.TEXT, lambda r: r.scores.model),
    "label_set": Column(Kind.TEXT, lambda r: r.scores.label_set.name),
    "verdict": Column(Kind.TEXT, lambda r: r.scores.verdict().words),
    "emotion": Column(Kind.TEXT, lambda r: str(r.ranked[0][0])),
    "confidence": Column(Kind.NUMBER, lambda r: round(r.ranked[0][1], 4)),
    "runner_up": Column(Kind.TEXT, lambda r: str(r.ranked[1][0])),
    "runner_up_confidence": Column(Kind.NUMBER, lambda r: round(r.ranked[1][1], 4)),
}
_ATTRIBUTES: dict[str, Column] = {
    "yaw": _attribute(lambda a: a.pose and a.pose.yaw),
    "pitch": _attribute(lambda a: a.pose and a.pose.pitch),
    "roll": _attribute(lambda a: a.pose and a.pose.roll),
    "gaze_yaw": _attribute(lambda a: a.gaze and a.gaze.yaw),
    "gaze_pitch": _attribute(lambda a: a.gaze and a.gaze.pitch),
    "eye_openness": _attribute(lambda a: a.openness, 4),
    "perclos": _attribute(lambda a: a.perclos, 4),
    "attention": Column(
        Kind.TEXT,
        lambda r: str(r.face.attributes.attention) if r.face.attributes and r.face.attributes.attention else None,
    ),
}
FACE_COLUMNS = tuple(_FACE)
"""Of a table of faces, before the probabilities; ``track`` is empty in still images."""
ATTRIBUTE_COLUMNS = tuple(_ATTRIBUTES)
"""Of a table of faces, after the probabilities; angles in degrees, all empty where landmarks were not read."""
FRAME_COLUMN = "frame"
"""Number of the frame, in tables of streams and videos."""
TEXT_COLUMNS = tuple(name for name, column in (_FACE | _ATTRIBUTES).items() if column.kind is Kind.TEXT)
"""The other columns hold numbers."""


def kind_of(column: str) -> Kind | None:
    """What a column of a table of faces holds; None for a column that such tables don't have."""
    if column == FRAME_COLUMN:
        return Kind.INTEGER
    if column.startswith("p_"):
        return Kind.NUMBER
    known = _FACE.get(column) or _ATTRIBUTES.get(column)
    return known.kind if known else None


def face_rows(source: str, analyses: Iterable[FrameAnalysis]) -> Iterator[dict[str, Any]]:
    """Flat rows for tables, CSV and JSON: one per face and model, columns in a fixed order; faces count from 1.

    Args:
        source: name of the file or stream the frames come from.
        analyses: frames in order.

    Yields:
        :data:`FACE_COLUMNS`, one ``p_<emotion>`` per emotion of the label set, then :data:`ATTRIBUTE_COLUMNS`.
    """
    for analysis in analyses:
        for number, face in enumerate(analysis, start=1):
            for scores in face.scores:
                record = Record(source, analysis, number, face, scores)
                row = {name: column.value(record) for name, column in _FACE.items()}
                for emotion, p in zip(scores.label_set.emotions, scores.probabilities, strict=True):
                    row[f"p_{emotion}"] = round(float(p), 4)
                yield row | {name: column.value(record) for name, column in _ATTRIBUTES.items()}
