"""Works through an archive: several processes, one file each at a time; what fails is told at the end."""

from __future__ import annotations

import csv
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from fer_core.batch.parts import ArchiveSettings, Parts
from fer_core.batch.sources import SourceFile
from fer_core.batch.worker import FileResult, FileWorker, Outcome

FAILURES_FILE = "_failures.csv"
"""In the data set's folder, whose readers leave out names that begin so."""


_STANDARD = ArchiveSettings()


def analyse_archive(
    files: Sequence[SourceFile],
    folder: Path,
    settings: ArchiveSettings = _STANDARD,
    workers: int | None = None,
    on_result: Callable[[FileResult], None] = lambda result: None,
    scheduler: str | None = None,
) -> list[FileResult]:
    """Analyse every file into a Parquet data set that is partitioned by source.

    Killed and started again it does what is left, and the data set is the same as if it had never been stopped.

    Args:
        files: photos and films.
        folder: of the data set.
        settings: of the analysis.
        workers: processes; as many as there are processor cores if left out, 0 for this one.
        on_result: told of each file, in the order in which they end.
        scheduler: address of a Dask scheduler whose workers do the work, or ``local``.

    Returns:
        One result per file, in their order. Those that failed are also listed in :data:`FAILURES_FILE`.

    Raises:
        FerError: the settings name what there is not, or the folder cannot be made.
    """
    settings.analyser()  # tells of a wrong name before any process is started
    Parts(folder, settings)
    cores = os.cpu_count() or 1
    count = cores if workers is None else workers
    arguments = folder, settings, max(2, cores // max(count, 1) + 1)
    by_source: dict[str, FileResult] = {}
    results: Iterable[FileResult]
    if scheduler is not None:
        from fer_core.batch.cluster import analyse_on_cluster

        results = analyse_on_cluster(files, folder, settings, scheduler, workers)
    elif not count:
        worker = FileWorker(*arguments)
        results = map(worker.work, files)
    else:
        results = _in_processes(files, arguments, count)
    for result in results:
        by_source[result.source] = result
        on_result(result)
    ordered = [by_source[file.source] for file in files]
    _list_failures(folder, [result for result in ordered if result.outcome is Outcome.FAILED])
    return ordered


_worker: FileWorker | None = None
"""Of a process of the pool."""


def _start(folder: Path, settings: ArchiveSettings, threads: int) -> None:
    global _worker
    _worker = FileWorker(folder, settings, threads)


def _work(file: SourceFile) -> FileResult:
    assert _worker is not None
    return _worker.work(file)


def _in_processes(
    files: Sequence[SourceFile], arguments: tuple[Path, ArchiveSettings, int], workers: int
) -> Iterator[FileResult]:
    """Results as they come. A process that dies takes only its own file with it."""
    batches = [(list(files), workers)]
    while batches:
        batch, count = batches.pop()
        left = dict.fromkeys(batch)
        for result in _in_pool(batch, arguments, count):
            left.pop(result[0])
            yield result[1]
        unfinished = list(left)
        if not unfinished:
            continue
        if count == 1:
            killer = unfinished.pop(0)
            yield FileResult(killer.source, Outcome.FAILED, f"{killer.source} ended the process that looked at it.")
            batches.append((unfinished, 1))
        else:
            # Which file killed a process is not told, so those that were at work then are tried again one by one: the
            # pool has handed out one per process and some in reserve, in order.
            handed_out = 2 * count + 1
            batches += [(unfinished[handed_out:], count), (unfinished[:handed_out], 1)]


def _in_pool(
    files: Sequence[SourceFile], arguments: tuple[Path, ArchiveSettings, int], workers: int
) -> Iterator[tuple[SourceFile, FileResult]]:
    """Files and their results until all are done, or a process dies."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start, initargs=arguments)
    try:
        running = {pool.submit(_work, file): file for file in files}
        for future in as_completed(running):
            if future.exception() is None:
                yield running[future], future.result()
    except BrokenProcessPool:  # while files were handed in
        return
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _list_failures(folder: Path, failures: Sequence[FileResult]) -> None:
    place = folder / FAILURES_FILE
    if not failures:
        place.unlink(missing_ok=True)
        return
    with place.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["source", "reason"])
        writer.writerows([result.source, result.note] for result in failures)
