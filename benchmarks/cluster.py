"""The speedup of a second worker for an archive of short videos and a long one, on this machine.

Workers have one thread each and are warmed up first. The data sets must be the same to the byte,
and the same as without a cluster.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.video import write_loop
from fer_core.batch.cluster import local_cluster
from fer_core.batch.parts import ArchiveSettings
from fer_core.batch.run import analyse_archive
from fer_core.batch.sources import ArchiveError, SourceFile
from fer_core.batch.worker import Outcome
from fer_core.errors import FerError

SHORT_VIDEOS = 6
SHORT_MINUTES, LONG_MINUTES = 1.0, 6.0
"""The long video is split into chunks, the short ones are not."""
WANTED = 1.7
"""Expected speed of two workers relative to one, on two cores."""


def cluster_speed(
    model: str,
    short_videos: int = SHORT_VIDEOS,
    short_minutes: float = SHORT_MINUTES,
    long_minutes: float = LONG_MINUTES,
) -> str:
    """A table: seconds and frames a second of one process without a cluster, one worker and two.

    Args:
        model: name of a stored model.
        short_videos: how many; each is a frame longer than the one before, since equal videos are analysed once.
        short_minutes: of the first of them.
        long_minutes: of the long video.

    Raises:
        FerError: Dask is not installed, a video failed, or the data sets differ.
    """
    settings = ArchiveSettings(models=(model,))
    rows: list[dict[str, object]] = []
    contents: list[dict[str, bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        videos = []
        for number in range(short_videos + 1):
            video = Path(folder, f"{number}.mp4")
            write_loop(video, long_minutes if number == short_videos else short_minutes + number / (25 * 60))
            videos.append(SourceFile(video, video.name))
        for workers in (0, 1, 2):
            out = Path(folder, f"by-{workers}")
            with _workers(workers) as cluster:
                address = cluster.scheduler_address if cluster else None
                analyse_archive(videos[:workers], Path(folder, f"warm-{workers}"), settings, 0, scheduler=address)
                started = time.perf_counter()
                results = analyse_archive(videos, out, settings, 0, scheduler=address)
                seconds = time.perf_counter() - started
            if failures := [result.note for result in results if result.outcome is not Outcome.DONE]:
                raise FerError(f"The videos of the benchmark were not analysed: {failures[0]}")
            frames = len(pd.read_parquet(out, columns=["frame"]))
            name = f"{workers} worker{'s' * (workers > 1)} of one thread" if workers else "no cluster, threads"
            rows.append({"by": name, "rows": frames, "seconds": round(seconds, 1), "rows/s": round(frames / seconds)})
            contents.append({part.relative_to(out).as_posix(): part.read_bytes() for part in out.rglob("*.parquet")})
    if contents[0] != contents[1] or contents[0] != contents[2]:
        raise FerError("The data sets of the benchmark differ, expected the same bytes however the work was shared.")
    table = pd.DataFrame(rows)
    table["times one worker"] = (table["seconds"].iloc[1] / table["seconds"]).round(2)
    return (
        f"{table.to_string(index=False)}\nthe same bytes all three times; wanted of two workers: {WANTED:g} times one"
    )


def _workers(count: int) -> AbstractContextManager[Any]:
    if not count:
        return nullcontext()
    try:
        return local_cluster(count)
    except ImportError as error:
        raise ArchiveError("benchmark cluster needs Dask: pip install 'dask[distributed]'.") from error
