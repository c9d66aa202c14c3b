"""An archive on many machines that share a file system, through a Dask scheduler; Dask is an extra.

Long films are cut into pieces, see :mod:`fer_core.batch.chunks`. The scheduler does again what a dead worker had begun,
and a part is written whole or not at all under a name that its content fixes, so that results are there exactly once.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.batch.chunks import (
    CHUNK_SECONDS,
    InferredChunk,
    TrackingState,
    chunk_starts,
    chunk_tables,
    infer_chunk,
    ranges,
    track_chunk,
)
from fer_core.batch.parts import ArchiveSettings, Parts
from fer_core.batch.sources import ArchiveError, SourceFile, content_digest
from fer_core.batch.worker import FileResult, FileWorker, Outcome, failed
from fer_core.media.video_reader import video_info
from fer_core.video.analysis import no_face_note, tail_note

LOCAL = "local"
"""In place of an address: worker processes on this machine."""
_PATIENCE = "10s"
"""For a scheduler to answer."""


@dataclass(frozen=True)
class _LongVideo:
    """A long film that is still to be analysed."""

    digest: str
    starts: tuple[float, ...]


def analyse_on_cluster(
    files: Sequence[SourceFile],
    folder: Path,
    settings: ArchiveSettings,
    address: str,
    workers: int | None = None,
    chunk_seconds: float = CHUNK_SECONDS,
) -> Iterator[FileResult]:
    """Results as they come; the data set is that of :func:`fer_core.batch.run.analyse_archive`.

    Args:
        files: at paths that every worker can read.
        folder: of the data set, which every worker can write to.
        settings: of the analysis.
        address: of the scheduler, ``tcp://HOST:PORT``, or :data:`LOCAL`.
        workers: processes, of a local cluster alone; as many as there are cores if left out.
        chunk_seconds: of a piece of a film.

    Raises:
        ArchiveError: Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise ArchiveError("--scheduler needs Dask: pip install 'dask[distributed]'.") from error
    try:
        scheduler = local_cluster(workers or os.cpu_count() or 1) if address == LOCAL else address
        client = Client(scheduler, timeout=_PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        raise ArchiveError(f"No Dask scheduler answers at {address}: start one with `dask scheduler`.") from error
    folder = folder.resolve()
    files = [SourceFile(file.path.resolve(), file.source) for file in files]
    run = f"{time.time_ns():x}"  # keys of another run must not be taken for those of this one
    try:
        begun = {
            client.submit(_begin, file, folder, settings, chunk_seconds, key=f"begin-{run}-{number}"): number
            for number, file in enumerate(files)
        }
        waiting = as_completed(list(begun))
        for future in waiting:
            number = begun.pop(future)
            file = files[number]
            try:
                result: FileResult | _LongVideo = future.result()
            except Exception as error:  # of a task, or that it killed one worker after the other
                yield failed(file, error)
                continue
            if isinstance(result, FileResult):
                yield result
                continue
            last = _submit_video(client, file, folder, settings, result, f"{run}-{number}")
            begun[last] = number
            waiting.add(last)
    finally:
        client.close()
        if address == LOCAL:
            scheduler.close()  # type: ignore[union-attr]


def local_cluster(workers: int) -> Any:
    """So many worker processes on this machine, each of one thread; raises ``ImportError`` where Dask is not installed."""
    from distributed import LocalCluster

    return LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)


def _submit_video(
    client: Any, file: SourceFile, folder: Path, settings: ArchiveSettings, video: _LongVideo, key: str
) -> Any:
    """Hand in the pieces of a film; returns the future of its result."""
    state: Any = TrackingState()
    tables = []
    for piece, (start, end) in enumerate(ranges(video.starts)):
        seen = client.submit(_infer, file, settings, start, end, key=f"see-{key}-{piece}")
        tracking = client.submit(_track, state, seen, settings, key=f"tell-{key}-{piece}")
        state = client.submit(itemgetter(0), tracking, key=f"state-{key}-{piece}")
        tables.append(client.submit(itemgetter(1), tracking, key=f"rows-{key}-{piece}"))
    return client.submit(_finish, file, folder, settings, video.digest, state, tables, key=f"finish-{key}")


# What follows runs on the workers.


@cache
def _analyser(settings: ArchiveSettings) -> FrameAnalyser:
    return settings.analyser()


@cache
def _worker(folder: Path, settings: ArchiveSettings) -> FileWorker:
    return FileWorker(folder, settings, threads=0)  # a worker is one process of many on its machine, and takes one core


def _begin(file: SourceFile, folder: Path, settings: ArchiveSettings, chunk_seconds: float) -> FileResult | _LongVideo:
    """Do a file, or say into which pieces a long film is to be cut."""
    if not file.is_video:
        return _worker(folder, settings).work(file)
    digest = content_digest(file.path)
    if Parts(folder, settings).take_over(file, digest):
        return FileResult(file.source, Outcome.SKIPPED)
    starts = chunk_starts(file.path, chunk_seconds)
    return _LongVideo(digest, tuple(starts)) if len(starts) > 1 else _worker(folder, settings).work(file, digest)


def _infer(file: SourceFile, settings: ArchiveSettings, start: float | None, end: float | None) -> InferredChunk:
    return infer_chunk(file.path, _analyser(settings), start, end, settings.per_second)


def _track(tracking: TrackingState, chunk: InferredChunk, settings: ArchiveSettings) -> tuple[TrackingState, bytes]:
    tracking = copy.deepcopy(tracking)  # a task that is done again must find what it began with
    rows = track_chunk(tracking, chunk, _analyser(settings), settings.per_second)
    return tracking, rows


def _finish(
    file: SourceFile,
    folder: Path,
    settings: ArchiveSettings,
    digest: str,
    tracking: TrackingState,
    tables: Sequence[bytes],
) -> FileResult:
    Parts(folder, settings).write(file, digest, chunk_tables(tables), _analyser(settings))
    name = file.path.name
    notes = tail_note(name, video_info(file.path), tracking.last, settings.per_second)
    return FileResult(file.source, Outcome.DONE, " ".join(notes if tracking.faces else [*notes, no_face_note(name)]))
