"""The columns of a face's row, written once for every table, log and archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fer_core.analysis.frame import FrameAnalysis

if TYPE_CHECKING:
    from fer_core.analysis.frame import FaceAttributes

ATTRIBUTE_COLUMNS = ("yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch", "eye_openness", "perclos", "attention")
"""Of a table of faces, filled where landmarks were looked for."""


FACE_COLUMNS = (
    *("source", "time_ms", "face", "track", "detector", "box_x", "box_y", "box_width", "box_height", "detection_score"),
    *("mask", "mask_probability", "model", "label_set", "verdict", "emotion", "confidence"),
    *("runner_up", "runner_up_confidence"),
)
"""Of a table of faces, before the probabilities."""


def face_rows(source: str, analyses: Iterable[FrameAnalysis]) -> Iterator[dict[str, Any]]:
    """Flat rows for tables, CSV and JSON: one per face and model, columns in a fixed order; faces count from 1.

    Args:
        source: name of the file or stream the frames come from.
        analyses: frames in order.

    Yields:
        ``source, time_ms, face, track, detector, box_x, box_y, box_width, box_height, detection_score, mask,
        mask_probability, model, label_set, verdict, emotion, confidence, runner_up, runner_up_confidence`` and one
        ``p_<emotion>`` per emotion of the label set, then :data:`ATTRIBUTE_COLUMNS`, angles in degrees, which
        are empty where nobody looked. ``track`` is empty in still images, ``mask`` and ``mask_probability``
        where nobody looked for a mask.
    """
    for analysis in analyses:
        for number, face in enumerate(analysis, start=1):
            for scores in face.scores:
                first, second = scores.ranked()[:2]
                yield {
                    "source": source,
                    "time_ms": round(analysis.timestamp * 1000),
                    "face": number,
                    "track": face.track,
                    "detector": analysis.detector,
                    "box_x": round(face.box.x),
                    "box_y": round(face.box.y),
                    "box_width": round(face.box.width),
                    "box_height": round(face.box.height),
                    "detection_score": round(face.detection.score, 4),
                    "mask": str(face.mask.state) if face.mask else None,
                    "mask_probability": round(face.mask.covered, 4) if face.mask else None,
                    "model": scores.model,
                    "label_set": scores.label_set.name,
                    "verdict": scores.verdict().words,
                    "emotion": str(first[0]),
                    "confidence": round(first[1], 4),
                    "runner_up": str(second[0]),
                    "runner_up_confidence": round(second[1], 4),
                    **{
                        f"p_{emotion}": round(float(p), 4)
                        for emotion, p in zip(scores.label_set.emotions, scores.probabilities, strict=True)
                    },
                    **_attribute_columns(face.attributes),
                }


def _attribute_columns(attributes: FaceAttributes | None) -> dict[str, Any]:
    if attributes is None:
        return dict.fromkeys(ATTRIBUTE_COLUMNS)
    pose, gaze = attributes.pose, attributes.gaze
    of_head = (pose.yaw, pose.pitch, pose.roll) if pose else (None, None, None)
    of_eyes = (gaze.yaw, gaze.pitch) if gaze else (None, None)
    numbers = [degree if degree is None else round(degree, 1) for degree in (*of_head, *of_eyes)]
    shares = [share if share is None else round(share, 4) for share in (attributes.openness, attributes.perclos)]
    words = str(attributes.attention) if attributes.attention else None
    return dict(zip(ATTRIBUTE_COLUMNS, [*numbers, *shares, words], strict=True))
