"""Shares are those that plain pandas takes from raw rows; means and intervals are over people."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.insights import made_up_log
from fer_core.labels import FER2013
from fer_core.logs.sessions import LogFile, open_logs
from fer_core.logs.shares import (
    Insights,
    Placed,
    attention_course,
    attention_states,
    binned_table,
    compare,
    course,
    difference,
    emotion_course,
    gather,
    grid,
    people_table,
    steps_for,
    usual_step,
)

NAMES = list(FER2013.names)
TABLES = {"a": made_up_log(3, 60, 5, 0), "b": made_up_log(2, 60, 10, 1), "c": made_up_log(3, 60, 5, 2)}
"""Steps are even, so a row stands for the same time as any other of its log."""


def placed(groups: dict[str, str] | None = None, names: dict[int, str] | None = None) -> list[Placed]:
    files = [LogFile.of(f"{name}.csv", table.to_csv(index=False).encode()) for name, table in TABLES.items()]
    sessions = open_logs(files, {}).sessions
    return [Placed(each, each.name, (groups or {}).get(each.name, ""), 0.0, names or {}) for each in sessions]


def gathered(**options) -> Insights:
    return gather(placed(**options), FER2013.emotions, 10.0)


@pytest.fixture(scope="module")
def all_rows() -> pd.DataFrame:
    rows = pd.concat([table.assign(session=name) for name, table in TABLES.items()])
    rows = rows[rows["track"].notna()]
    rows["person"] = rows["session"] + ", " + rows["track"].astype(int).astype(str)
    rows["start"] = rows["time_ms"] // 10_000 * 10.0
    rows["unsure"] = (rows["verdict"] == "unsure").astype(float)
    return rows.rename(columns={f"p_{name}": name for name in NAMES})


def test_means_over_time_are_means_of_peoples_shares(all_rows):
    found = emotion_course(gathered())
    expected = all_rows.groupby(["start", "person"])[[*NAMES, "unsure"]].mean().groupby("start").mean()
    assert found.columns == (*NAMES, "unsure")
    assert found.starts.tolist() == expected.index.tolist()
    assert found.means == pytest.approx(expected.to_numpy())
    assert found.people.tolist() == all_rows.groupby("start")["person"].nunique().tolist()
    assert (found.low <= found.means + 1e-6).all()
    assert (found.high >= found.means - 1e-6).all()


def test_the_interval_is_that_of_scipys_bootstrap(all_rows):
    from scipy.stats import bootstrap

    found = emotion_course(gathered())
    happy = all_rows[all_rows["start"] == 20].groupby("person")["happy"].mean().to_numpy()
    theirs = bootstrap((happy,), np.mean, method="percentile", n_resamples=9999, random_state=0).confidence_interval
    column = NAMES.index("happy")
    assert found.low[2, column] == pytest.approx(theirs.low, abs=0.02)
    assert found.high[2, column] == pytest.approx(theirs.high, abs=0.02)


def test_one_person_has_no_interval_and_a_stretch_without_anyone_no_mean():
    (first, *_) = placed()
    alone = Placed(first.session, "a", "", 0.0, {1: "x", 2: "x", 3: "x"})
    late = gather([alone, Placed(first.session, "late", "", 600.0, {})], FER2013.emotions, 10.0)
    found = emotion_course(late.only("session", "a"))
    assert np.isnan(found.low).all()
    assert np.isfinite(found.means).all()
    gap = emotion_course(late)
    assert np.isnan(gap.means[10]).all()
    assert gap.people[10] == 0


def test_a_name_makes_several_numbers_one_person(all_rows):
    found = gathered(names={1: "Ada"})
    assert found.persons.count("Ada") == 1
    ada = grid(found, ["happy"], ["answered"], ["Ada"])[0, :, 0]
    rows = all_rows[all_rows["track"] == 1]
    # Rows of b stand for half as long.
    weights = rows["session"].map({"a": 0.2, "b": 0.1, "c": 0.2})
    expected = (rows["happy"] * weights).groupby(rows["start"]).sum() / weights.groupby(rows["start"]).sum()
    assert ada[np.isfinite(ada)] == pytest.approx(expected.to_numpy())


def test_who_was_seen_for_a_moment_is_left_out_and_a_late_log_is_shifted():
    everyone = placed()
    seen = everyone[0].session.people.groupby("track")["seen"].sum()
    found = gather(everyone[:1], FER2013.emotions, 10.0, float(seen.max()))
    assert set(found.persons) == {f"Person {track}" for track in seen[seen == seen.max()].index}
    shifted = gather([Placed(everyone[0].session, "a", "", 120.0, {})], FER2013.emotions, 10.0)
    assert shifted.starts[0] == 120


def test_tables_hold_the_shares_of_raw_rows_and_attention_only_where_it_is_wanted(all_rows):
    table = people_table(gathered(), True).set_index("person")
    by_person = all_rows.groupby("person")
    assert table["happy"].to_dict() == pytest.approx(by_person["happy"].mean().to_dict())
    assert table["masked"].to_dict() == pytest.approx(by_person["mask"].agg(lambda m: (m == "masked").mean()).to_dict())
    there = all_rows[all_rows["attention"] != "absent"].groupby("person")["attention"]
    assert table["attending"].to_dict() == pytest.approx(there.agg(lambda a: (a == "attending").mean()).to_dict())
    binned = binned_table(gathered(), True)
    assert len(binned) == all_rows.groupby(["person", "start"]).ngroups
    for columns in (people_table(gathered(), False).columns, binned_table(gathered(), False).columns):
        assert not {"attending", "looking left", "eyes closed"} & set(columns)


def test_attention_counts_empty_frames_as_absent(all_rows):
    states = attention_states(gathered()).set_index("start")
    assert states.sum(axis=1).to_numpy() == pytest.approx(1)
    raw = pd.concat([table.assign(session=name) for name, table in TABLES.items()])
    raw["weight"] = raw["session"].map({"a": 0.2, "b": 0.1, "c": 0.2})
    raw["state"] = raw["attention"].where(raw["track"].notna(), "absent")
    raw["start"] = raw["time_ms"] // 10_000 * 10.0
    expected = raw.pivot_table(index="start", columns="state", values="weight", aggfunc="sum", fill_value=0.0)
    expected = expected.div(expected.sum(axis=1), axis=0)
    pd.testing.assert_frame_equal(states[expected.columns], expected, check_names=False)
    assert attention_course(gathered()).columns == ("attending",)


def test_groups_are_compared_across_people_or_sessions(all_rows):
    groups = {"a": "x", "b": "x", "c": "y"}
    all_rows = all_rows.assign(group=all_rows["session"].map(groups))
    of_people = all_rows.groupby(["group", "session", "person"])[[*NAMES, "unsure"]].mean()
    table = compare(gathered(groups=groups), "group", "person", ["x", "y"]).set_index(["name", "class"])
    assert table.loc[("x", "sad"), "share"] == pytest.approx(of_people.loc["x", "sad"].mean())
    assert table.loc[("x", "sad"), "across"] == of_people.loc["x", "sad"].size
    across = compare(gathered(groups=groups), "group", "session", ["x", "y"]).set_index(["name", "class"])
    by_session = of_people.loc["x", "sad"].groupby("session").mean()
    assert across.loc[("x", "sad"), "share"] == pytest.approx(by_session.mean())
    assert np.isnan(across.loc[("y", "sad"), "low"])
    found, paired = difference(gathered(groups=groups), "group", "person", "x", "y")
    assert not paired
    sad = found.set_index("class").loc["sad"]
    assert sad["difference"] == pytest.approx(of_people.loc["x", "sad"].mean() - of_people.loc["y", "sad"].mean())
    assert sad["low"] < sad["difference"] < sad["high"]


def test_the_same_people_are_compared_with_themselves():
    found = gathered(names={1: "Ada", 2: "Bo", 3: "Cy"})
    table, paired = difference(found, "session", "person", "a", "c")
    assert paired
    same, _ = difference(found, "session", "person", "a", "a")
    assert same[["difference", "low", "high"]].to_numpy() == pytest.approx(0)
    assert (table["low"] <= table["difference"]).all()


def test_steps_fit_the_chart_and_the_sessions():
    assert [usual_step(span, 10) for span in (45 * 60, 3600, 90 * 60, 4 * 3600)] == [60, 60, 60, 120]
    assert usual_step(8, 1) == 1
    assert min(steps_for(3600, 10)) >= 10
    assert all(3600 / step <= 240 for step in steps_for(3600, 10))
    assert steps_for(1e9, 10) == [3600]


def test_many_columns_are_drawn_at_once_like_one_by_one():
    found = gathered()
    together, alone = emotion_course(found), course(found, ["sad"], ["answered"])
    assert together.means[:, NAMES.index("sad")] == pytest.approx(alone.means[:, 0])
    assert together.low[:, NAMES.index("sad")] == pytest.approx(alone.low[:, 0])
