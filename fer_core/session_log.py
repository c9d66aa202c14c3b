"""The log of a stream or a film: one row per face and frame, kept in memory until someone downloads or drops it.

Rows are compressed in chunks, each a small Parquet file in memory, so that an hour of several people takes megabytes, and
a change of the model, which changes the columns, does no harm.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fer_core.errors import FerError
from fer_core.observations import FACE_COLUMNS, LOOK_COLUMNS, FrameAnalysis, face_rows

CHUNK_ROWS = 2000
MOST_ROWS = 2_000_000
"""Six hours of three people at 30 frames a second, at most 135 MB."""
MOST_KEPT, KEPT_SECONDS = 8, 6 * 3600.0
"""How many logs are kept for those who come back, and for how long."""
NEEDED_COLUMNS = ("source", "time_ms", "frame", "track", "verdict", "emotion", "confidence")
"""Without which a table is no log."""


class LogError(FerError):
    """A file that is no log, or lacks a part of one."""


class SessionLog:
    """A table that grows with a stream; it may be read while it does.

    A frame without a face has one row, in which all that tells of a face is empty.

    Args:
        source: name of the stream, for the column ``source``.
        bounded: whether it ends at :data:`MOST_ROWS`; a film does by itself.
    """

    def __init__(self, source: str, bounded: bool = True) -> None:
        self.source = source
        self._bounded = bounded
        self.started_at = datetime.now()
        """On the clock of the computer, for the file's name."""
        self.full = ""
        """Why nothing is added any more; empty while there is room."""
        self._lock = Lock()
        self._chunks: list[Future[bytes]] = []
        self._pending: list[dict[str, Any]] = []
        self._rows = self._frames = 0
        self._first: float | None = None

    def __len__(self) -> int:
        return self._rows

    def add(self, analysis: FrameAnalysis, frame: int | None = None) -> None:
        """Take note of the next frame.

        Args:
            analysis: of the frame.
            frame: its number in a film; its time is then that in the film. Without it ``time_ms`` counts from the first
                frame and ``frame`` from 0.
        """
        with self._lock:
            if self.full:
                return
            if self._first is None:
                self._first = analysis.timestamp if frame is None else 0.0
            time_ms = round((analysis.timestamp - self._first) * 1000)
            rows = [*face_rows(self.source, [analysis])] or [{"source": self.source, "detector": analysis.detector}]
            number = self._frames if frame is None else frame
            self._pending += ({**row, "time_ms": time_ms, "frame": number} for row in rows)
            self._rows += len(rows)
            self._frames += 1
            if self._bounded and self._rows >= MOST_ROWS:
                self.full = f"It is full with {MOST_ROWS:,} rows: download it and start another."
            if len(self._pending) >= CHUNK_ROWS or self.full:
                self._chunks.append(_packer().submit(_packed_rows, self._pending))
                self._pending = []

    @property
    def frames(self) -> int:
        """How many frames it holds."""
        return self._frames

    def parts(self) -> Iterator[pa.Table]:
        """All rows so far, some thousand at a time; a column that is empty in a part has no type there."""
        with self._lock:
            chunks, pending = list(self._chunks), list(self._pending)
        yield from (pq.read_table(BytesIO(chunk.result())) for chunk in chunks)
        if pending:
            yield pa.Table.from_pylist(_filled(pending))

    def table(self) -> pa.Table:
        """All rows so far; without any, a table without columns."""
        tables = list(self.parts())
        return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})

    def to_csv(self) -> bytes:
        """The rows so far as CSV with a header, UTF-8."""
        return self.table().to_pandas().to_csv(index=False).encode()

    def to_parquet(self) -> bytes:
        """The rows so far as a Parquet file."""
        return _packed(self.table())


class KeptLogs:
    """Logs that can be asked for again by whoever knows their key, when a page was closed or a connection was lost.

    Args:
        most: of them that are kept; the oldest makes room.
        seconds: after which a log is forgotten.
    """

    def __init__(self, most: int = MOST_KEPT, seconds: float = KEPT_SECONDS) -> None:
        self._most, self._seconds = most, seconds
        self._lock = Lock()
        self._logs: dict[str, tuple[float, SessionLog]] = {}

    def keep(self, log: SessionLog) -> str:
        """Keep a log; returns its key, which cannot be guessed."""
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._logs[key] = time.monotonic(), log
            for oldest in list(self._logs)[: -self._most]:
                del self._logs[oldest]
        return key

    def get(self, key: str) -> SessionLog | None:
        """The log, or None where there is none of this key any more."""
        with self._lock:
            now = time.monotonic()
            self._logs = {k: (kept, log) for k, (kept, log) in self._logs.items() if now - kept < self._seconds}
            return self._logs[key][1] if key in self._logs else None


def _filled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with every column of any of them; Arrow would take those of the first alone."""
    columns = dict.fromkeys(["source", "time_ms", "frame", *FACE_COLUMNS, *max(rows, key=len)])
    for row in rows:
        columns |= dict.fromkeys(row)
    columns |= dict.fromkeys(LOOK_COLUMNS)
    return [columns | row for row in rows]


@cache
def _packer() -> ThreadPoolExecutor:
    """The thread that packs the chunks of all logs, which would hold up a stream for the time of several frames."""
    return ThreadPoolExecutor(1, thread_name_prefix="session-log")


def _packed_rows(rows: list[dict[str, Any]]) -> bytes:
    return _packed(pa.Table.from_pylist(_filled(rows)))


def _packed(table: pa.Table) -> bytes:
    content = BytesIO()
    pq.write_table(table, content, compression="zstd")
    return content.getvalue()


def read_log(content: bytes | Path) -> pd.DataFrame:
    """A log, CSV or Parquet.

    Raises:
        LogError: it is neither, or a column is missing or holds something else.
    """
    name = content.name if isinstance(content, Path) else "The log"
    data = content.read_bytes() if isinstance(content, Path) else content
    try:
        table = pd.read_parquet(BytesIO(data)) if data[:4] == b"PAR1" else pd.read_csv(BytesIO(data))
    except (ValueError, OSError, pa.ArrowException) as error:
        raise LogError(f"{name} is neither CSV nor Parquet, expected a session log as this app writes it.") from error
    missing = [column for column in NEEDED_COLUMNS if column not in table.columns]
    if missing:
        raise LogError(f"{name} lacks the column {missing[0]!r}, expected a session log as this app writes it.")
    # Of the columns of looks the last one holds words.
    measured = [c for c in table.columns if c.startswith("p_") or c in LOOK_COLUMNS[:-1]]
    for column in ["time_ms", "frame", "track", "confidence", *measured]:
        try:
            table[column] = pd.to_numeric(table[column])
        except (ValueError, TypeError) as error:
            raise LogError(f"{name}: the column {column!r} holds {error}, expected numbers.") from error
    return table
