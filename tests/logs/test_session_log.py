"""A log grows with its stream, stays small, and can be read back."""

import threading
from dataclasses import replace
from io import BytesIO

import pandas as pd
import pytest

from fer_core.analysis.frame import AttributeLevel, FrameAnalysis
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.analysis.stream import StreamMemory
from fer_core.labels import FER2013, FER2013_FIVE
from fer_core.logs import session_log
from fer_core.logs.session_log import KeptLogs, LogError, SessionLog, read_log


@pytest.fixture(scope="module")
def seen(photo) -> FrameAnalysis:
    analyser = FrameAnalyser.from_store(["senet"])
    return analyser.analyse(photo, 5.0, StreamMemory(), AttributeLevel.ATTENTION)


def filled(seen: FrameAnalysis, frames: int, rate: float = 30.0) -> SessionLog:
    log = SessionLog("camera")
    for number in range(frames):
        log.add(replace(seen, timestamp=100 + number / rate))
    return log


def test_times_count_from_the_first_frame_and_rows_hold_all_that_was_seen(seen):
    table = read_log(filled(seen, 4).to_csv())
    assert table["time_ms"].tolist() == [0, 33, 67, 100]
    assert table["frame"].tolist() == [0, 1, 2, 3]
    assert table["track"].tolist() == [1] * 4
    assert table.loc[0, ["emotion", "mask", "attention"]].tolist() == ["happy", "bare", "attending"]
    assert table.loc[0, [f"p_{emotion}" for emotion in FER2013.emotions]].sum() == pytest.approx(1, abs=1e-3)
    assert table["yaw"].abs().max() < 15


def test_a_frame_without_a_face_has_a_row_so_that_absence_is_told_from_a_pause(seen):
    log = filled(seen, 2)
    log.add(replace(seen, timestamp=101.0, faces=()))
    table = read_log(log.to_parquet())
    assert table["time_ms"].tolist() == [0, 33, 1000]
    assert table["track"].isna().tolist() == [False, False, True]


def test_a_log_without_a_face_can_be_read_back(seen):
    log = SessionLog("camera")
    log.add(replace(seen, faces=()))
    for content in (log.to_csv(), log.to_parquet()):
        assert read_log(content)[["track", "verdict", "yaw"]].isna().all(axis=None)


def test_frames_of_a_film_keep_their_numbers_and_times(seen):
    log = SessionLog("clip.mp4", bounded=False)
    for number in (50, 75):
        log.add(replace(seen, timestamp=number / 25), number)
    table = read_log(log.to_csv())
    assert table["time_ms"].tolist() == [2000, 3000]
    assert table["frame"].tolist() == [50, 75]


def test_csv_and_parquet_say_the_same_over_the_borders_of_chunks(seen, monkeypatch):
    monkeypatch.setattr(session_log, "CHUNK_ROWS", 7)
    log = filled(seen, 20)
    csv, parquet = read_log(log.to_csv()), read_log(log.to_parquet())
    assert parquet["frame"].tolist() == list(range(20))
    pd.testing.assert_frame_equal(csv, parquet, check_dtype=False)


def test_chunks_are_packed_on_a_thread_of_their_own_and_the_stream_goes_on(seen, monkeypatch):
    monkeypatch.setattr(session_log, "CHUNK_ROWS", 2)
    threads, may_pack, packed_rows = [], threading.Event(), session_log._packed_rows

    def slowly(rows):
        threads.append(threading.current_thread().name)
        assert may_pack.wait(10)
        return packed_rows(rows)

    monkeypatch.setattr(session_log, "_packed_rows", slowly)
    log = filled(seen, 5)
    assert len(log) == 5
    may_pack.set()
    assert log.table()["frame"].to_pylist() == [0, 1, 2, 3, 4]
    assert len(threads) == 2
    assert all(name.startswith("session-log") for name in threads)


def test_another_model_or_empty_frames_first_change_no_row(seen, monkeypatch):
    monkeypatch.setattr(session_log, "CHUNK_ROWS", 3)
    five = seen.faces[0].scores[0]
    five = replace(five, label_set=FER2013_FIVE, probabilities=five.probabilities[:5] / five.probabilities[:5].sum())
    log = SessionLog("camera")
    for number in range(4):
        log.add(replace(seen, timestamp=float(number), faces=()))
    log.add(replace(seen, timestamp=4.0))
    log.add(replace(seen, timestamp=5.0, faces=(replace(seen.faces[0], scores=(five,)),)))
    table = read_log(log.to_parquet())
    assert table["label_set"].fillna("").tolist() == [""] * 4 + ["fer2013", FER2013_FIVE.name]
    assert table["p_disgust"].notna().tolist() == [False] * 4 + [True, False]


def test_ten_minutes_of_five_people_stay_small(seen):
    log = filled(replace(seen, faces=seen.faces * 5), 600)
    bytes_per_row = sum(len(chunk.result()) for chunk in log._chunks) / (len(log) - len(log._pending))
    assert bytes_per_row * 10 * 60 * 30 * 5 < 15e6


def test_a_full_log_says_so_and_keeps_what_it_has(seen, monkeypatch):
    monkeypatch.setattr(session_log, "MOST_ROWS", 5)
    log = filled(seen, 9)
    assert len(log) == 5
    assert "full" in log.full
    assert len(read_log(log.to_csv())) == 5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "neither CSV nor Parquet|lacks the column"),
        (b"", "neither CSV nor Parquet"),
        (b"PAR1 and then nothing", "neither CSV nor Parquet"),
        (b"source,time_ms,frame\na,1,2\n", "lacks the column 'track'"),
    ],
)
def test_a_file_that_is_no_log_is_told_with_what_is_wrong(content, words):
    with pytest.raises(LogError, match=words):
        read_log(content)


def test_a_column_with_words_in_place_of_numbers_is_named(seen):
    table = pd.read_csv(BytesIO(filled(seen, 3).to_csv())).astype({"p_sad": object})
    table.loc[1, "p_sad"] = "much"
    with pytest.raises(LogError, match="'p_sad'"):
        read_log(table.to_csv(index=False).encode())


def test_kept_logs_are_given_to_who_knows_their_key_until_others_need_the_room(seen):
    kept = KeptLogs(most=2)
    logs = [filled(seen, 1) for _ in range(3)]
    keys = [kept.keep(log) for log in logs]
    assert [kept.get(key) for key in keys] == [None, logs[1], logs[2]]
    assert kept.get("") is None
    assert KeptLogs(seconds=0).get(keys[1]) is None
