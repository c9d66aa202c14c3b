"""Pieces of a film come to what the film in one piece does, also on several worker processes of which one dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.batch.chunks import TrackingState, chunk_starts, chunk_tables, infer_chunk, ranges, track_chunk
from fer_core.batch.parts import ArchiveSettings
from fer_core.batch.run import analyse_archive
from fer_core.batch.sources import ArchiveError, find_sources
from fer_core.batch.worker import Outcome
from fer_core.video.analysis import analyse_video
from fer_core.vision.detection.near_faces import FULL_DETECTION_SECONDS
from tests.films import film


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, photo: np.ndarray) -> Path:
    """Ten people who sway, with a key frame every ten frames; two of them are out of sight where a piece ends."""
    face = cv2.resize(photo[20:210, 130:320], (120, 120), interpolation=cv2.INTER_AREA)
    frames = []
    for number in range(30):
        scene = np.full((300, 700, 3), 120, np.uint8)
        for person in range(10):
            x = 10 + 138 * (person % 5) + round(6 * np.sin(number / 5 + person))
            y = 15 + 145 * (person // 5)
            if not (person in (2, 7) and 13 <= number < 18):
                light = 0.6 + 0.04 * person
                scene[y : y + 120, x : x + 120] = (face if person % 2 else face[:, ::-1]) * light
        frames.append(scene)
    path = tmp_path_factory.mktemp("crowd") / "crowd.mp4"
    path.write_bytes(film(frames, b_frames=2))
    return path


def rows(table: pd.DataFrame) -> pd.DataFrame:
    told = [name for name in table if name != "source" and table[name].notna().any()]
    return table[told].reset_index(drop=True)


def test_pieces_begin_at_looks_at_the_whole_frame_after_key_frames(crowd: Path) -> None:
    starts = chunk_starts(crowd, 0.4)
    assert starts == pytest.approx([0.0, 0.6])  # key frames at 0.4 and 0.8 s
    assert all(
        (start / FULL_DETECTION_SECONDS) == pytest.approx(round(start / FULL_DETECTION_SECONDS)) for start in starts
    )
    assert chunk_starts(crowd, 60) == [0.0]


@pytest.mark.parametrize("per_second", [None, 5.0])
def test_ten_people_keep_their_ids_over_pieces_as_in_one_piece(crowd: Path, per_second: float | None) -> None:
    analyser = FrameAnalyser.from_store(["senet"])
    whole = analyse_video(crowd, analyser, per_second=per_second).table()
    assert whole.groupby("frame").size().max() == 10
    told = TrackingState()
    pieces = [infer_chunk(crowd, analyser, *range_, per_second) for range_ in ranges(chunk_starts(crowd, 0.4))]
    tables = chunk_tables([track_chunk(told, piece, analyser, per_second) for piece in pieces])
    together = pd.concat([table.to_pandas() for table in tables])
    pd.testing.assert_frame_equal(rows(together), rows(whole), check_dtype=False)
    assert (told.frames, told.faces) == (whole["frame"].nunique(), True)


def test_a_cluster_writes_what_one_process_does_also_when_a_worker_dies(
    crowd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    from fer_core.batch import cluster

    (crowd.parent / "text.mp4").write_text("no film")
    files = find_sources([crowd.parent])
    analyse_archive(files, tmp_path / "one", workers=0)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as local:

        def kill() -> None:
            """Whoever sees a piece first dies over it."""
            while True:
                for worker in list(local.scheduler.workers.values()):
                    if any(str(task.key).startswith("see-") for task in worker.processing):
                        nanny = next(n for n in local.workers.values() if n.worker_address == worker.address)
                        killed.append(nanny.pid)
                        os.kill(nanny.pid, signal.SIGKILL)
                        return
                time.sleep(0.02)

        killed: list[int] = []
        threading.Thread(target=kill, daemon=True).start()
        results = [
            *cluster.analyse_on_cluster(
                files, tmp_path / "two", ArchiveSettings(), local.scheduler_address, chunk_seconds=0.4
            )
        ]
    assert {result.source: result.outcome for result in results} == {
        "crowd.mp4": Outcome.DONE,
        "text.mp4": Outcome.FAILED,
    }
    assert killed
    one, two = (sorted((tmp_path / name).rglob("*.parquet")) for name in ("one", "two"))
    assert [path.name for path in one] == [path.name for path in two]
    assert one[0].read_bytes() == two[0].read_bytes()


def test_a_scheduler_that_does_not_answer_is_told_of_in_a_sentence(crowd: Path, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("distributed")
    from fer_core.batch import cluster

    monkeypatch.setattr(cluster, "_PATIENCE", "0.3s")
    with pytest.raises(ArchiveError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        analyse_archive(find_sources([crowd]), tmp_path, scheduler="tcp://127.0.0.1:9")
