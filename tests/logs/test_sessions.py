"""Logs become the same sums as plain pandas makes of the raw rows, whatever their rate, gaps and classes."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.insights import made_up_log
from fer_core.analysis.attention import Attention
from fer_core.labels import FER2013, FER2013_FIVE, FERPLUS
from fer_core.logs import sessions as reading
from fer_core.logs.session_log import LogError, log_table
from fer_core.logs.sessions import LogFile, Session, open_logs

NAMES = list(FER2013.names)


def csv(table: pd.DataFrame, name: str = "log.csv") -> LogFile:
    return LogFile.of(name, table.to_csv(index=False).encode())


def parquet(table: pd.DataFrame, name: str = "log.parquet") -> LogFile:
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), buffer)
    return LogFile.of(name, buffer.getvalue().to_pybytes())


def opened(*files: LogFile) -> list[Session]:
    logs = open_logs(files, {})
    assert not logs.problems
    return list(logs.sessions)


def uneven() -> pd.DataFrame:
    """Three people at 5 frames a second, a pause of a minute, then at 20; and rows in which something is missing."""
    first, second = made_up_log(3, 100, 5, 0), made_up_log(3, 60, 20, 1)
    second["time_ms"] += 160_000
    table = pd.concat([first, second], ignore_index=True)
    faces = np.flatnonzero(table["track"].notna())
    table.loc[faces[5], "p_sad"] = np.nan
    table.loc[faces[10:40], ["mask", "attention"]] = None
    table.loc[faces[50], "verdict"] = None
    return table


def by_pandas(table: pd.DataFrame, width: float) -> pd.DataFrame:
    """The same sums in the plainest words."""
    times = table[["time_ms"]].drop_duplicates().sort_values("time_ms")["time_ms"] / 1000
    step = times.diff().median()
    seconds = (times.shift(-1) - times).clip(upper=max(2.0, 2 * step)).fillna(step)
    rows = table[table["track"].notna()].copy()
    rows["seen"] = (rows["time_ms"] / 1000).map(dict(zip(times, seconds, strict=True)))
    rows["start"] = rows["time_ms"] / 1000 // width * width
    told = rows[[f"p_{name}" for name in NAMES]].notna().all(axis=1) & rows["verdict"].notna()
    rows["answered"] = rows["seen"] * told
    for name in NAMES:
        rows[name] = (rows[f"p_{name}"] * rows["seen"]).where(told, 0)
    rows["unsure"] = rows["answered"] * (rows["verdict"] == "unsure")
    rows["one of two"] = rows["answered"] * rows["verdict"].str.contains(" or ", na=False).astype(float)
    for column, states in (("mask", reading.MASKS), ("attention", reading.ATTENTION)):
        for state in states:
            rows[state] = rows["seen"] * (rows[column] == state)
    columns = ["seen", "answered", *NAMES, "unsure", "one of two", *reading.MASKS, *reading.ATTENTION]
    return rows.groupby(["start", "track"], as_index=False)[columns].sum()


@pytest.mark.parametrize("pack", [csv, parquet])
@pytest.mark.parametrize("width", [reading.FINE_BIN, reading.BIN])
def test_sums_per_person_and_stretch_are_those_of_plain_pandas(pack, width, monkeypatch):
    monkeypatch.setattr(reading, "FINE_BIN", width)
    table = uneven()
    (session,) = opened(pack(table))
    expected = by_pandas(table, width)
    assert session.people["track"].tolist() == expected["track"].astype(int).tolist()
    pd.testing.assert_frame_equal(session.people[expected.columns], expected, check_dtype=False)
    assert session.frames == table["time_ms"].nunique()
    nobody = table["track"].isna()
    assert session.seconds == pytest.approx(100 - 0.2 + 2 + 60)  # the frame before the pause stands for two seconds
    empty = [0.2 * (nobody & (table["time_ms"] < 1e5)).sum(), 0.05 * (nobody & (table["time_ms"] > 1e5)).sum()]
    assert session.bins["nobody"].sum() == pytest.approx(sum(empty), abs=2)


def test_the_same_answers_at_another_rate_have_the_same_sums():
    slow = made_up_log(2, 120, 5, 0)
    fast = slow.loc[slow.index.repeat(6)].reset_index(drop=True)
    within = fast.groupby(["frame", "track"], dropna=False).cumcount()
    fast["time_ms"] = (fast["time_ms"] + within * 200 / 6).round().astype(int)
    fast = fast.sort_values("time_ms", kind="stable")
    one, other = opened(csv(slow), csv(fast, "fast.csv"))
    assert one.step / other.step == pytest.approx(6, rel=0.05)
    assert other.frames == 6 * one.frames
    pd.testing.assert_frame_equal(one.people, other.people, atol=0.02)  # milliseconds are whole


def test_rows_in_any_order_and_a_second_model_change_nothing():
    table = made_up_log(2, 30, 5, 0)
    other = table.assign(model="other", p_happy=1.0)
    twice = pd.concat([table, other]).sort_values("frame", kind="stable")
    shuffled = table.sample(frac=1, random_state=0)
    plain, both, mixed = opened(csv(table), csv(twice, "twice.csv"), csv(shuffled, "shuffled.csv"))
    pd.testing.assert_frame_equal(plain.people, both.people)
    pd.testing.assert_frame_equal(plain.people, mixed.people)


def test_logs_in_other_classes_are_brought_to_those_they_share_and_that_is_said():
    seven, five, eight = (
        made_up_log(2, 20, 5, 0),
        made_up_log(1, 20, 5, 1, FER2013_FIVE),
        made_up_log(1, 20, 5, 2, FERPLUS),
    )
    logs = open_logs([csv(seven), csv(five, "five.csv"), csv(eight, "eight.csv")], {})
    assert set(logs.classes) == set(FER2013_FIVE.emotions)
    assert "different classes" in logs.notes[0]
    assert FERPLUS.title in logs.notes[0]
    names = [str(emotion) for emotion in logs.classes]
    for session in logs.sessions:
        assert session.people[names].sum(axis=1).to_numpy() == pytest.approx(
            session.people["answered"].to_numpy(), abs=1e-3
        )
    faces = seven[seven["track"] == 1]
    given = faces["p_happy"] / faces[[f"p_{name}" for name in names]].sum(axis=1)
    of_person = logs.sessions[0].people.query("track == 1")
    assert of_person["happy"].sum() == pytest.approx(0.2 * given.sum())


def test_a_log_that_changes_its_classes_and_one_without_a_face_can_be_read():
    later = made_up_log(1, 20, 5, 1, FER2013_FIVE).assign(time_ms=lambda table: table["time_ms"] + 20_000)
    changing = pd.concat([made_up_log(1, 20, 5, 0), later])
    empty = made_up_log(1, 20, 5, 0).assign(track=None, label_set=None, attention=None)
    logs = open_logs([csv(changing), csv(empty, "empty.csv"), parquet(empty, "empty.parquet")], {})
    assert not logs.problems
    assert set(logs.classes) == set(FER2013_FIVE.emotions)
    assert [len(session.people) for session in logs.sessions[1:]] == [0, 0]
    assert logs.sessions[1].bins["nobody"].sum() == pytest.approx(20)


def test_a_part_of_an_archive_which_names_its_source_in_its_folder_is_a_session_too():
    (session,) = opened(parquet(made_up_log(1, 20, 5, 0).drop(columns="source"), "part.parquet"))
    assert (session.name, session.seconds) == ("part", pytest.approx(20))


def test_a_file_of_several_sources_is_a_session_for_each():
    table = pd.concat([made_up_log(1, 20, 5, 0).assign(source="a"), made_up_log(2, 10, 5, 1).assign(source="b")])
    sessions = opened(parquet(table))
    assert [session.name for session in sessions] == ["log, a", "log, b"]
    assert [session.seconds for session in sessions] == pytest.approx([20, 10])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="verdict"), "lacks the column 'verdict'"),
        (lambda t: t.drop(columns="p_happy"), "lacks the column 'p_happy'"),
        (lambda t: t.drop(columns="label_set"), "lacks the column 'label_set'"),
        (lambda t: t.assign(time_ms="soon"), "'time_ms' holds 'soon', expected numbers"),
        (lambda t: t.assign(time_ms=np.nan), "'time_ms' has empty cells"),
        (lambda t: t.assign(time_ms=t["time_ms"] * 1e6), "'time_ms' holds"),
        (lambda t: t.head(1), "'time_ms' holds a single frame"),
        (lambda t: t.assign(track=t["track"] + 0.5), "'track' holds fractions"),
        (lambda t: t.assign(p_sad=3.0), "'p_sad' goes beyond 0 to 1"),
        (lambda t: t.assign(verdict="maybe"), "'verdict' holds 'maybe'"),
        (lambda t: t.assign(verdict=7), "'verdict' holds"),
        (lambda t: t.assign(label_set="mine"), "'label_set' holds 'mine'"),
        (lambda t: t.assign(attention="asleep"), "'attention' holds 'asleep'"),
    ],
)
@pytest.mark.parametrize("pack", [csv, parquet])
def test_a_log_with_a_wrong_column_is_named_with_it_and_the_others_go_on(pack, change, words):
    good = made_up_log(1, 10, 5, 0)
    logs = open_logs([pack(change(good), "bad"), csv(good), LogFile.of("noise", b"\x89PNG\r\n\x1a\n\x00")], {})
    assert len(logs.sessions) == 1
    first, second = logs.problems
    assert first.startswith("bad")
    assert words in first
    assert second.startswith("noise is neither CSV nor Parquet")


def test_a_log_that_is_cut_off_is_told_from_one_that_is_none():
    content = csv(made_up_log(1, 10, 5, 0)).content
    (problem,) = open_logs([LogFile.of("cut.csv", content[:-120])], {}).problems
    assert "cut.csv has a row of" in problem
    assert len(opened(LogFile.of("excel.csv", b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")))) == 1


def test_a_file_that_unpacks_to_far_more_is_refused_before_it_is_read(monkeypatch):
    file = parquet(made_up_log(1, 60, 5, 0))
    monkeypatch.setattr("fer_core.logs.session_log.MOST_ROWS_READ", 200)
    with pytest.raises(LogError, match=r"300 rows.*expected up to 200 rows"):
        log_table(file.content, file.name, {"time_ms"})
    monkeypatch.setattr("fer_core.logs.session_log.MOST_ROWS_READ", 10**6)
    monkeypatch.setattr("fer_core.logs.session_log.MOST_BYTES_READ", 50)
    with pytest.raises(LogError, match="300 rows"):
        log_table(file.content, file.name, {"time_ms"})


def test_a_log_is_read_once_and_forgotten_with_its_file(monkeypatch):
    files = [csv(made_up_log(1, 10, 5, n), f"{n}.csv") for n in range(2)]
    same = LogFile.of("copy.csv", files[0].content)
    kept: reading.SessionCache = {}
    logs = open_logs([*files, same], kept)
    assert len(logs.sessions) == 2
    assert logs.notes == ("copy.csv is the same log as 0.csv and counts once.",)
    monkeypatch.setattr(reading, "read_sessions", lambda *_: pytest.fail("read again"))
    assert open_logs(files, kept).sessions == logs.sessions
    assert len(open_logs(files[:1], kept).sessions) == 1
    assert {digest for digest, _ in kept} == {files[0].digest}


def test_attention_of_nobody_is_not_known():
    (session,) = opened(csv(made_up_log(1, 10, 5, 0).assign(attention=None)))
    assert not session.knows_attention
    assert str(Attention.ABSENT) in session.people
