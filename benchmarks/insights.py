"""Time to open many session logs: read them, reduce them to shares and aggregate them for the charts.

The logs are synthetic: every column of a real one, two people with drifting expressions, and moments without a face. They
are written into a temporary folder first.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from fer_core.analysis.attention import Attention
from fer_core.analysis.records import ATTRIBUTE_COLUMNS, FACE_COLUMNS
from fer_core.evaluation.hardware import peak_megabytes
from fer_core.labels import FER2013, LabelSet
from fer_core.logs.sessions import LogFile, Session, SessionCache, open_logs
from fer_core.logs.shares import Placed, emotion_course, gather
from fer_core.results import MASK_STATES, SURE, SURE_OF_TWO

LOGS, MINUTES, PEOPLE = 40, 60.0, 2
RATES = (5.0, 30.0)
"""Analysed frames a second."""
LOG_BATCH = 10
"""Logs whose files are in memory at once."""
WANTED_SECONDS = 5.0
EMPTY_SHARE = 0.05
"""Share of the ten-second stretches in which a person is away."""


def insights_speed(logs: int = LOGS, minutes: float = 0) -> str:
    """A table by rate and format: rows and megabytes of a log, seconds to open all, and to gather them for the charts.

    Args:
        logs: how many.
        minutes: of each; :data:`MINUTES` if 0.
    """
    minutes = minutes or MINUTES
    rows = []
    for rate in RATES:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(logs):
                table = pa.Table.from_pandas(made_up_log(PEOPLE, minutes * 60, rate, number), preserve_index=False)
                pq.write_table(table, Path(folder, f"{number}.parquet"), compression="zstd")
                pa_csv.write_csv(
                    table, Path(folder, f"{number}.csv"), pa_csv.WriteOptions(quoting_style="needed", batch_size=10_000)
                )
            for ending in ("parquet", "csv"):
                paths = sorted(Path(folder).glob(f"*.{ending}"))
                opening, gathering = _timed(paths)
                rows.append(
                    {
                        "frames/s": rate,
                        "format": ending,
                        "logs": logs,
                        "rows each": len(table),
                        "MB each": round(paths[0].stat().st_size / 1e6, 1),
                        "open, s": round(opening, 2),
                        "gather and draw from, s": round(gathering, 2),
                        "peak MB": round(peak_megabytes()),
                    }
                )
    wanted = f"wanted on two cores: {LOGS} logs of an hour at {RATES[0]:g} frames a second in {WANTED_SECONDS:g} s"
    return f"{pd.DataFrame(rows).to_string(index=False)}\n{wanted}"


def _timed(paths: list[Path]) -> tuple[float, float]:
    opening = 0.0
    kept: SessionCache = {}
    sessions: list[Session] = []
    for start in range(0, len(paths), LOG_BATCH):
        contents = [(path.name, path.read_bytes()) for path in paths[start : start + LOG_BATCH]]
        started = time.perf_counter()
        opened = open_logs([LogFile.of(name, content) for name, content in contents], kept)
        opening += time.perf_counter() - started
        sessions += opened.sessions
    started = time.perf_counter()
    placed = [Placed(session, f"{number}", "", 0.0, {}) for number, session in enumerate(sessions)]
    emotion_course(gather(placed, opened.classes, 60.0))
    return opening, time.perf_counter() - started


def made_up_log(people: int, seconds: float, rate: float, seed: int, label_set: LabelSet = FER2013) -> pd.DataFrame:
    """A log as a stream writes it, with random scores; people leave and come back.

    Args:
        people: how many, with the ids 1, 2...
        seconds: of the stream.
        rate: frames a second.
        seed: of the random scores.
        label_set: of the scores.
    """
    rng = np.random.default_rng(seed)
    frames = round(seconds * rate)
    drift = rng.normal(0, 0.3, (frames, people, len(label_set))).cumsum(axis=0) / np.sqrt(rate)
    logits = 2.5 * np.sin(drift)
    chances = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    there = rng.random((frames // max(1, round(10 * rate)) + 1, people)) > EMPTY_SHARE
    there = there.repeat(max(1, round(10 * rate)), axis=0)[:frames]  # ten seconds at a time
    frame, person = np.nonzero(there)
    empty = np.flatnonzero(~there.any(axis=1))
    p = chances[frame, person].round(4)
    order = np.argsort(-p, axis=1, kind="stable")
    first, second = (np.take_along_axis(p, order[:, [at]], axis=1)[:, 0] for at in (0, 1))
    names = np.array(label_set.names, object)
    two = names[order[:, 0]] + " or " + names[order[:, 1]]
    verdict = np.where(first >= SURE, names[order[:, 0]], np.where(first + second >= SURE_OF_TWO, two, "unsure"))
    count = len(frame)
    columns: dict[str, object] = {
        "face": person + 1,
        "track": person + 1.0,
        **{name: rng.integers(40, 400, count) for name in ("box_x", "box_y", "box_width", "box_height")},
        "detection_score": rng.random(count).round(4),
        "mask": np.array(MASK_STATES, object)[(rng.random(count) < 0.1).astype(int)],
        "mask_probability": rng.random(count).round(4),
        "model": "made up",
        "label_set": label_set.name,
        "verdict": verdict,
        "emotion": names[order[:, 0]],
        "confidence": first,
        "runner_up": names[order[:, 1]],
        "runner_up_confidence": second,
        **{f"p_{name}": p[:, number] for number, name in enumerate(names)},
        **{name: rng.normal(0, 10, count).round(1) for name in ATTRIBUTE_COLUMNS[:-1]},
        "attention": np.array(Attention, object)[np.minimum(rng.poisson(0.4, count), len(Attention) - 1)],
    }
    faces = pd.DataFrame(columns | {"frame": frame})
    table = pd.concat([faces, pd.DataFrame({"frame": empty})]).sort_values("frame", kind="stable", ignore_index=True)
    table = table.assign(
        source="made up", detector="blazeface", time_ms=(table["frame"] * 1000 / rate).round().astype(int)
    )
    others = [name for name in table if name not in FACE_COLUMNS and name not in ("frame", *ATTRIBUTE_COLUMNS)]
    words = [name for name in table if table[name].dtype == object]
    table[words] = table[words].astype("str")
    return table[["frame", *FACE_COLUMNS, *others, *ATTRIBUTE_COLUMNS]]
