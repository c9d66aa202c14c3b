"""What was found in a set of photos as a table, CSV or JSON; the page and the command line write the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from fer_core.analysis.frame import FrameAnalysis
from fer_core.analysis.records import ATTRIBUTE_COLUMNS, face_rows
from fer_core.errors import ImageError
from fer_core.media.suffixes import PHOTO_SUFFIXES

_TABLE_COLUMNS = [
    "source", "face", "mask", "model", "verdict", "emotion", "confidence", "runner_up", "runner_up_confidence",
]  # fmt: skip


@dataclass(frozen=True)
class PhotoReport:
    """One photo's name and analysis."""

    source: str
    analysis: FrameAnalysis


def image_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files named, and the image files of the folders named, in order.

    Raises:
        ImageError: nothing is at one of the paths.
    """
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES and p.is_file())
        elif path.exists():
            yield path
        else:
            raise ImageError(f"{path}: there is no file at this path.")


def face_table(reports: Sequence[PhotoReport]) -> pd.DataFrame:
    """One row per face and model, columns as :func:`fer_core.analysis.records.face_rows` but for those of streams."""
    rows = [row for report in reports for row in face_rows(report.source, [report.analysis])]
    return (
        pd.DataFrame(rows).drop(columns=["track", *ATTRIBUTE_COLUMNS]) if rows else pd.DataFrame(columns=_TABLE_COLUMNS)
    )


def format_reports(reports: Sequence[PhotoReport], form: Literal["table", "csv", "json"]) -> str:
    """The reports as text.

    ``table`` is for reading, ``csv`` has every column of :func:`face_table`, ``json`` lists every photo with its size
    and faces, those without a face included.
    """
    if form == "json":
        photos = [
            {
                "source": report.source,
                "width": report.analysis.width,
                "height": report.analysis.height,
                "detector": report.analysis.detector,
                "faces": [
                    {
                        "box": [round(v) for v in (face.box.x, face.box.y, face.box.width, face.box.height)],
                        "detection_score": round(face.detection.score, 4),
                        "mask": str(face.mask.state) if face.mask else None,
                        "mask_probability": round(face.mask.covered, 4) if face.mask else None,
                        "answers": [
                            {
                                "model": scores.model,
                                "label_set": scores.label_set.name,
                                "verdict": scores.verdict().words,
                                "emotion": str(scores.top),
                                "probabilities": {str(e): round(p, 4) for e, p in scores.ranked()},
                            }
                            for scores in face.scores
                        ],
                    }
                    for face in report.analysis
                ],
            }
            for report in reports
        ]
        return json.dumps(photos, indent=1)
    table = face_table(reports)
    if form == "csv":
        return table.to_csv(index=False).rstrip("\n")
    lines = [table[_TABLE_COLUMNS].to_string(index=False)] if len(table) else []
    lines += [f"{report.source}: no face found" for report in reports if not len(report.analysis)]
    return "\n".join(lines)
