"""The people of a video, each as a time series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_core.labels import LABEL_SETS, LabelSet


@dataclass(frozen=True)
class PersonSeries:
    """One person, frame by frame; the scores are the first model's if there are several."""

    track: int
    label_set: LabelSet
    frames: np.ndarray
    """``(N,) int64`` numbers of the frames in which the person was seen."""
    times: np.ndarray
    """``(N,) float64`` seconds of the video."""
    probabilities: np.ndarray
    """``(N, len(label_set)) float32``, smoothed as in the log."""
    verdicts: np.ndarray
    """``(N,)`` words."""
    masks: np.ndarray
    """``(N,)`` words; None where it was not read."""
    attention: np.ndarray
    """``(N,)`` words; None where it was not read."""

    def __len__(self) -> int:
        return len(self.times)


def people_of(table: pd.DataFrame) -> list[PersonSeries]:
    """Everyone in the log of a video, by id.

    Args:
        table: of :meth:`fer_core.video.analysis.VideoAnalysis.table`, or read by
            :func:`fer_core.logs.session_log.read_log`.
    """
    seen = table[table["track"].notna()]
    if not len(seen):
        return []
    # Not one model's rows: the mask-aware network answers for a face under a mask.
    seen = seen.drop_duplicates(["frame", "track"])
    labels = LABEL_SETS[seen["label_set"].iloc[0]]
    columns = [f"p_{emotion}" for emotion in labels.emotions]
    return [
        PersonSeries(
            int(track),
            labels,
            of_person["frame"].to_numpy(np.int64),
            of_person["time_ms"].to_numpy(np.float64) / 1000,
            of_person[columns].to_numpy(np.float32),
            of_person["verdict"].to_numpy(object),
            _words(of_person["mask"]),
            _words(of_person["attention"]),
        )
        for track, of_person in seen.groupby("track", sort=True)
    ]


def _words(column: pd.Series) -> np.ndarray:
    return column.astype(object).where(column.notna(), None).to_numpy(object)
