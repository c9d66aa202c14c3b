"""The log of a stream or a film: one row per face and frame, kept in memory until someone downloads or drops it.

Rows are compressed in chunks, each a small Parquet file in memory, so that an hour of several people takes megabytes, and
a change of the model, which changes the columns, does no harm.
"""

from __future__ import annotations

import csv
import re
import secrets
import time
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from fer_core.analysis.frame import FrameAnalysis
from fer_core.analysis.records import ATTRIBUTE_COLUMNS, FACE_COLUMNS, TEXT_COLUMNS, Kind, face_rows, kind_of
from fer_core.errors import FerError

CHUNK_ROWS = 2000
MOST_ROWS = 2_000_000
"""Six hours of three people at 30 frames a second, at most 135 MB."""
MOST_KEPT, KEPT_SECONDS = 8, 6 * 3600.0
"""How many logs are kept for those who come back, and for how long."""
NEEDED_COLUMNS = ("time_ms", "frame", "track", "verdict", "emotion", "confidence")
"""Without which a table is no log."""
MOST_ROWS_READ, MOST_BYTES_READ = 3_000_000, 2**30
"""Of a log that is read: rows, and bytes of its columns once unpacked."""


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
    columns |= dict.fromkeys(ATTRIBUTE_COLUMNS)
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
    """A log, CSV or Parquet, with all its columns.

    Raises:
        LogError: it is neither, or a column is missing or holds something else.
    """
    frame = log_table(content).to_pandas()
    words = frame.select_dtypes("category")
    return frame.assign(**{column: words[column].astype(object) for column in words})


def log_table(content: bytes | Path, name: str = "", columns: Collection[str] | None = None) -> pa.Table:
    """Columns of a log, CSV or Parquet: numbers as float64, words as dictionaries.

    Args:
        content: of the file, or its path.
        name: what errors call it.
        columns: to read, since others cost time and memory; those that the log lacks are left out. All by default.

    Raises:
        LogError: it is neither, too long, or a column is missing or holds something else.
    """
    name = name or (content.name if isinstance(content, Path) else "The log")
    data = content.read_bytes() if isinstance(content, Path) else content
    try:
        read = _read_parquet if data[:4] == b"PAR1" else _read_csv
        table = read(data, name, columns)
    except (ValueError, OSError, pa.ArrowException) as error:
        raise LogError(
            f"{name} is neither CSV nor Parquet, or is damaged; expected a session log as this app writes it."
        ) from error
    for number, (column, values) in enumerate(zip(table.column_names, table.columns, strict=True)):
        wanted = _type_of(column)
        if wanted is not None and values.type != wanted:
            try:
                table = table.set_column(number, column, values.cast(wanted))
            except pa.ArrowException as error:
                raise _wrong_type(name, column, str(error)) from error
    return table


def _read_parquet(data: bytes, name: str, columns: Collection[str] | None) -> pa.Table:
    metadata = pq.read_metadata(pa.BufferReader(data))
    names = metadata.schema.to_arrow_schema().names
    _check_columns(name, names)
    chosen = [column for column in names if columns is None or column in columns]
    # What it says of itself, before anything is unpacked.
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    unpacked = sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema in chosen)
    _check_size(name, metadata.num_rows, unpacked)
    words = [column for column in chosen if column in TEXT_COLUMNS]
    file = pq.ParquetFile(pa.BufferReader(data), metadata=metadata, read_dictionary=words)
    return file.read(columns=chosen, use_threads=False)


def _read_csv(data: bytes, name: str, columns: Collection[str] | None) -> pa.Table:
    names = next(csv.reader([BytesIO(data).readline().decode("utf-8-sig").strip()]), [])
    if not names:
        raise ValueError("empty")
    _check_columns(name, names)
    _check_size(name, data.count(b"\n"), 0)
    types = {column: wanted for column in names if (wanted := _type_of(column)) is not None}
    options = pa_csv.ConvertOptions(
        column_types=types,
        include_columns=[column for column in names if columns is None or column in columns],
        strings_can_be_null=True,
    )
    try:
        return pa_csv.read_csv(
            pa.BufferReader(data), pa_csv.ReadOptions(use_threads=False), convert_options=options
        ).unify_dictionaries()
    except pa.ArrowInvalid as error:
        cells = re.search(r"Expected (\d+) columns, got (\d+)", str(error))
        if cells is not None:
            raise LogError(
                f"{name} has a row of {cells[2]} cells, expected {cells[1]} as in its first row: it may be cut off."
            ) from error
        at = re.search(r"CSV column #(\d+): (?:Row #\d+: )?(.*)", str(error))
        if at is None:
            raise
        raise _wrong_type(name, names[int(at[1])], at[2]) from error


def _check_columns(name: str, columns: Collection[str]) -> None:
    missing = [column for column in NEEDED_COLUMNS if column not in columns]
    if missing:
        raise LogError(f"{name} lacks the column {missing[0]!r}, expected a session log as this app writes it.")


def _check_size(name: str, rows: int, unpacked: int) -> None:
    if rows > MOST_ROWS_READ or unpacked > MOST_BYTES_READ:
        held = f"{rows:,} rows, {unpacked / 2**20:,.0f} MB once unpacked"
        raise LogError(f"{name} holds {held}, expected up to {MOST_ROWS_READ:,} rows and {MOST_BYTES_READ >> 20:,} MB.")


def _type_of(column: str) -> pa.DataType | None:
    """Of a column that logs have; None of others."""
    kind = kind_of(column)
    if kind is None:
        return None
    return pa.dictionary(pa.int32(), pa.string()) if kind is Kind.TEXT else pa.float64()


def _wrong_type(name: str, column: str, error: str) -> LogError:
    expected = "words" if column in TEXT_COLUMNS else "numbers"
    held = re.search(r"'([^']*)'", error)
    what = f"{held[1][:40]!r}" if held else "something else"
    return LogError(f"{name}: the column {column!r} holds {what}, expected {expected}.")
