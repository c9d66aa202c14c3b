"""Shares of time across people and sessions, with the interval in which the mean lies.

Every person counts once, however long they were seen and at whatever rate: a share is taken per person first, as seconds
over seconds, and means are over people. Intervals are 95% percentile intervals of the bootstrap that draws whole people
with replacement (Efron & Tibshirani 1993, ch. 13), as is usual for time courses of several subjects; with fewer than about
eight people they are too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from fer_core.analysis.attention import Attention
from fer_core.evaluation.metrics import BOOTSTRAP_SEED, INTERVAL
from fer_core.labels import Emotion
from fer_core.logs.sessions import ANSWERED, ATTENTION, MASKS, MOST_PEOPLE, NOBODY, ONE_OF_TWO, SEEN, UNSURE, Session

RESAMPLES = 1000
MOST_STEPS = 240
"""Stretches across a chart."""
USUAL_STEPS = 120
"""A stretch is chosen so that there are at most so many."""
MINUTE, FEWEST_MINUTES = 60.0, 10
"""The usual stretch, from so many of them on."""
STEPS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds of a stretch."""
LOOKING = [state for state in ATTENTION if state != Attention.ABSENT]
"""Of a person who is there."""


@dataclass(frozen=True)
class Placed:
    """A session with what someone calls it."""

    session: Session
    title: str
    """No two alike."""
    group: str
    """Empty where it is in none."""
    begins: float
    """Seconds into the lecture, or whatever all sessions are set against, at which the log's time is 0."""
    names: Mapping[int, str]
    """Of people who were named, by id. The same name anywhere is the same person."""


@dataclass(frozen=True)
class Insights:
    """Many sessions in the same stretches of time."""

    classes: tuple[Emotion, ...]
    step: float
    """Seconds of a stretch."""
    persons: tuple[str, ...]
    """What everyone is called, by session and number."""
    people: pd.DataFrame
    """One row per session, person and stretch: ``session``, ``group``, ``person``, ``start`` in seconds, and the sums of
    :attr:`fer_core.logs.sessions.Session.people`."""
    bins: pd.DataFrame
    """One row per session and stretch: ``session``, ``group``, ``start`` and seconds ``analysed``, ``nobody``."""

    @property
    def starts(self) -> np.ndarray:
        """``(B,)`` seconds at which the stretches begin, from the first to the last without gaps."""
        first, last = self.bins["start"].min(), self.bins["start"].max()
        return np.arange(round(first / self.step), round(last / self.step) + 1) * self.step

    def longest(self, count: int) -> list[str]:
        """The persons who were seen for longest, so many of them at most, by session and number."""
        seen = self.people.groupby("person")[SEEN].sum().reindex(self.persons)
        kept = set(seen.nlargest(count).index)
        return [person for person in self.persons if person in kept]

    def only(self, column: str, value: str) -> Insights:
        """The part of a session or group."""
        people, bins = self.people[self.people[column] == value], self.bins[self.bins[column] == value]
        there = set(people["person"])
        persons = tuple(person for person in self.persons if person in there)
        return replace(self, persons=persons, people=people, bins=bins)


@dataclass(frozen=True)
class Course:
    """Shares over time: the mean over people and its 95% interval; NaN where nobody was seen."""

    columns: tuple[str, ...]
    starts: np.ndarray
    """``(B,)`` seconds."""
    means: np.ndarray
    """``(B, len(columns))`` in [0, 1]."""
    low: np.ndarray
    """Of the interval; NaN where there is but one person."""
    high: np.ndarray
    people: np.ndarray
    """``(B,)`` how many were seen."""


def steps_for(span: float, finest: float) -> list[float]:
    """The lengths of stretches, in seconds, that so many seconds can be shown in; never empty.

    Args:
        span: seconds from the first moment to the last.
        finest: seconds of the stretches that the sessions were reduced to.
    """
    fitting = [step for step in STEPS if step >= finest and span / step <= MOST_STEPS]
    return fitting or [STEPS[-1]]


def usual_step(span: float, finest: float) -> float:
    """A minute where that makes a readable chart, else the shortest of them that does."""
    fitting = steps_for(span, finest)
    if FEWEST_MINUTES <= span / MINUTE <= USUAL_STEPS and MINUTE in fitting:
        return MINUTE
    return next((step for step in fitting if span / step <= USUAL_STEPS), fitting[-1])


def gather(placed: Sequence[Placed], classes: tuple[Emotion, ...], step: float, least_seconds: float = 0.0) -> Insights:
    """Sums of all sessions in the same stretches of time.

    Args:
        placed: the sessions.
        classes: of all of them.
        step: seconds of a stretch, a multiple of every session's own.
        least_seconds: people who were seen for less in all are left out; likewise all but the :data:`MOST_PEOPLE` who were
            seen for longest.
    """
    bins, people = [], []
    persons: dict[str, None] = {}
    for each in placed:
        session, shift = each.session, each.begins
        here = session.bins.assign(start=_stretch(session.bins["start"] + shift, step))
        bins.append(here.assign(session=each.title, group=each.group))
        of_people = session.people.assign(start=_stretch(session.people["start"] + shift, step))
        labels = {track: each.names.get(track) or _number(each, track, len(placed)) for track in ids_of(session)}
        persons |= dict.fromkeys(labels.values())
        of_people.insert(0, "person", of_people.pop("track").map(labels))
        people.append(of_people.assign(session=each.title, group=each.group))
    all_people = pd.concat(people, ignore_index=True)
    all_people = all_people.reindex(columns=["session", "group", "person", "start", *_sum_columns(classes)])
    seen = all_people.groupby("person")[SEEN].sum()
    kept = seen[seen >= least_seconds].nlargest(MOST_PEOPLE).index
    all_people = all_people[all_people["person"].isin(kept)].fillna(0.0)
    keys = ["session", "group", "person", "start"]
    return Insights(
        classes,
        step,
        tuple(person for person in persons if person in kept),
        all_people.groupby(keys, as_index=False, sort=True).sum(),
        pd.concat(bins, ignore_index=True).groupby(["session", "group", "start"], as_index=False, sort=True).sum(),
    )


def ids_of(session: Session) -> list[int]:
    """The ids of everyone in a session, rising."""
    return [int(track) for track in np.unique(session.people["track"])]


def _number(placed: Placed, track: int, sessions: int) -> str:
    """What a person without a name is called: a number, behind the session's title where there are several."""
    return f"Person {track}" if sessions == 1 else f"{placed.title}, {track}"


def course(insights: Insights, columns: Sequence[str], of: Sequence[str]) -> Course:
    """Shares over time.

    Args:
        insights: of at least one session.
        columns: of sums, whose shares are wanted.
        of: of sums, which together are the whole.
    """
    starts = insights.starts
    shares = _shares(insights.people, ["person", "start"], columns, of).unstack("start")
    wanted = pd.MultiIndex.from_product([columns, starts])
    values = shares.reindex(columns=wanted).to_numpy(np.float64)
    cube = values.reshape(len(values), len(columns), len(starts))
    means, low, high = _mean_and_interval(values)
    shape = (len(columns), len(starts))
    return Course(
        tuple(columns),
        starts,
        means.reshape(shape).T,
        low.reshape(shape).T,
        high.reshape(shape).T,
        np.isfinite(cube[:, :1]).sum(axis=(0, 1)),
    )


def emotion_course(insights: Insights) -> Course:
    """Of every class, then of being unsure: the mean of its probability, and the share of time without an answer."""
    return course(insights, [*map(str, insights.classes), UNSURE], [ANSWERED])


def attention_course(insights: Insights) -> Course:
    """Of attending, among people while they are in the picture."""
    return course(insights, [str(Attention.ATTENDING)], LOOKING)


def attention_states(insights: Insights) -> pd.DataFrame:
    """Share of each state by ``start``, of all that was watched: everyone's time, and the time with no face as absent.

    A person who leaves while others stay is in no row of a log, so only an empty picture is known to be absence.
    """
    states = insights.people.groupby("start")[ATTENTION].sum()
    watching = insights.people.groupby("session")[ATTENTION].sum().sum(axis=1)
    watched = insights.bins[insights.bins["session"].isin(watching[watching > 0].index)]
    nobody = watched.groupby("start")[NOBODY].sum()
    states = states.reindex(states.index.union(nobody.index), fill_value=0.0)
    states[str(Attention.ABSENT)] += nobody.reindex(states.index, fill_value=0.0)
    states = states[states.sum(axis=1) > 0]
    return states.div(states.sum(axis=1), axis=0).reset_index()


def grid(insights: Insights, columns: Sequence[str], of: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Shares of people by time: ``(len(names), B, len(columns))``, NaN where a person was not seen."""
    shares = _shares(insights.people, ["person", "start"], columns, of).unstack("start")
    wanted = pd.MultiIndex.from_product([columns, insights.starts])
    values = shares.reindex(index=list(names), columns=wanted).to_numpy(np.float64)
    return values.reshape(len(names), len(columns), -1).transpose(0, 2, 1)


def people_table(insights: Insights, attention: bool) -> pd.DataFrame:
    """One row per person: minutes seen, the share of each class, of unsure and of two, of masks and attention if known.

    Args:
        insights: of at least one session.
        attention: whether the share of attending is told.
    """
    people, keys = insights.people, ["person"]
    sessions = people.groupby(keys)["session"].agg(lambda titles: ", ".join(dict.fromkeys(titles)))
    table = pd.DataFrame({"sessions": sessions, "minutes seen": people.groupby(keys)[SEEN].sum() / 60})
    table = table.join(_shares(people, keys, [*map(str, insights.classes), UNSURE, ONE_OF_TWO], [ANSWERED]))
    if people[MASKS].to_numpy().any():
        table = table.join(_shares(people, keys, MASKS[1:], MASKS))
    if attention:
        table = table.join(_shares(people, keys, [str(Attention.ATTENDING)], LOOKING))
    return table.reindex(insights.persons).reset_index(names="person")


def binned_table(insights: Insights, attention: bool) -> pd.DataFrame:
    """One row per session, person and stretch: seconds seen and every share, empty where it is not known."""
    keys = ["session", "group", "person", "start"]
    people = insights.people
    table = people.set_index(keys)[[SEEN]].rename(columns={SEEN: "seconds seen"})
    table = table.join(_shares(people, keys, [*map(str, insights.classes), UNSURE, ONE_OF_TWO], [ANSWERED]))
    table = table.join(_shares(people, keys, MASKS, MASKS))
    if attention:
        table = table.join(_shares(people, keys, LOOKING, LOOKING))
    return table.reset_index().rename(columns={"start": "start, s"}).round(4)


def compare(insights: Insights, by: str, across: str, names: Sequence[str]) -> pd.DataFrame:
    """Shares of sessions or groups, with the interval across people or across sessions.

    Args:
        insights: of all of them.
        by: ``session`` or ``group``.
        across: ``person``, each counting once, or ``session``, each being the mean of its people.
        names: of the sessions or groups.

    Returns:
        One row per name and class, and ``unsure``: ``name``, ``class``, ``share``, ``low``, ``high`` (NaN of a single one)
        and ``across``, how many there are.
    """
    rows = []
    for name in names:
        shares = _units(insights, by, name, across)
        means, low, high = _mean_and_interval(shares.to_numpy())
        for column, *figures in zip(shares.columns, means, low, high, strict=True):
            rows.append([name, column, *figures, len(shares)])
    return pd.DataFrame(rows, columns=["name", "class", "share", "low", "high", "across"])


def difference(insights: Insights, by: str, across: str, first: str, second: str) -> tuple[pd.DataFrame, bool]:
    """The first one's shares minus the second's, with the bootstrap's 95% interval.

    Where both hold the same named people or the same sessions these are drawn together, as pairs.

    Returns:
        One row per class and ``unsure``: ``class``, ``difference``, ``low``, ``high``; and whether it is of pairs.
    """
    a, b = (_units(insights, by, name, across) for name in (first, second))
    paired = len(a) > 1 and set(a.index) == set(b.index)
    if paired:
        means, low, high = _mean_and_interval((a - b.reindex(a.index)).to_numpy())
    else:
        means = a.mean().to_numpy() - b.mean().to_numpy()
        low = high = np.full(len(means), np.nan)
        if min(len(a), len(b)) > 1:
            drawn = _drawn(a.to_numpy(), BOOTSTRAP_SEED) - _drawn(b.to_numpy(), BOOTSTRAP_SEED + 1)
            low, high = np.percentile(drawn, INTERVAL, axis=0)
    return pd.DataFrame({"class": a.columns, "difference": means, "low": low, "high": high}), paired


def _units(insights: Insights, by: str, name: str, across: str) -> pd.DataFrame:
    """Shares of each person or session of a group or session."""
    people = insights.people[insights.people[by] == name]
    columns = [*map(str, insights.classes), UNSURE]
    keys = ["person"] if across == "person" else ["session", "person"]
    shares = _shares(people, keys, columns, [ANSWERED]).dropna()
    return shares if across == "person" else shares.groupby("session").mean()


def _shares(sums: pd.DataFrame, keys: list[str], columns: Sequence[str], of: Sequence[str]) -> pd.DataFrame:
    """Seconds over seconds by key; NaN where the whole is none."""
    summed = sums.groupby(keys, sort=True)[list(dict.fromkeys([*columns, *of]))].sum()
    whole = summed[list(of)].sum(axis=1)
    return summed[list(columns)].div(whole.where(whole > 0), axis=0)


def _mean_and_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Over the first axis of ``(U, K)``, leaving out NaN: three ``(K,)``; the interval is NaN of fewer than two."""
    known = np.isfinite(values).sum(axis=0)
    means = np.divide(np.nansum(values, axis=0), known, out=np.full(values.shape[1], np.nan), where=known > 0)
    low, high = np.full((2, values.shape[1]), np.nan)
    several = known > 1
    if several.any():
        drawn = _drawn(values[:, several], BOOTSTRAP_SEED)
        whole = np.isfinite(drawn).all(axis=0)
        ends = np.empty((2, drawn.shape[1]))
        ends[:, whole] = np.percentile(drawn[:, whole], INTERVAL, axis=0)
        ends[:, ~whole] = np.nanpercentile(drawn[:, ~whole], INTERVAL, axis=0)  # far slower
        low[several], high[several] = ends
    return means, low, high


def _drawn(values: np.ndarray, seed: int) -> np.ndarray:
    """Means of :data:`RESAMPLES` draws of as many rows with replacement, ``(RESAMPLES, K)``, leaving out NaN."""
    count = len(values)
    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(np.float32)
    known = np.isfinite(values)
    sums = times @ np.where(known, values, 0).astype(np.float32)
    counts = times @ known.astype(np.float32)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _stretch(starts: pd.Series, step: float) -> pd.Series:
    return np.floor(starts / step + 1e-9) * step


def _sum_columns(classes: Sequence[Emotion]) -> list[str]:
    return [SEEN, ANSWERED, *map(str, classes), UNSURE, ONE_OF_TWO, *MASKS, *ATTENTION]
