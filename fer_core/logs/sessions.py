"""Session logs reduced to seconds per person and stretch of time, each log once.

Every analysed frame stands for the time until the next one, at most :data:`LONGEST_STEP` seconds or twice the log's usual
step, so that a stream that stood still counts no further; the last one stands for the usual step. A share is seconds over
seconds, so logs of 5 and of 30 frames a second weigh the same. A frame counts to the stretch in which it begins.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import PurePath

import numpy as np
import pandas as pd
import pyarrow as pa

from fer_core.analysis.attention import Attention
from fer_core.labels import LABEL_SETS, Emotion
from fer_core.logs.session_log import LogError, log_table
from fer_core.results import MaskState

LONGEST_STEP = 2.0
"""Seconds that a frame stands for at most, unless the log's frames are farther apart."""
SHORT_LOG, FINE_BIN, BIN = 600.0, 1.0, 10.0
"""Seconds: up to which a log is short, and the stretches that short and long logs are reduced to."""
LONGEST_LOG = 48 * 3600.0
"""Seconds from the first frame to the last."""
MOST_PEOPLE = 2000
"""Ids in a log."""
UNSURE, ONE_OF_TWO = "unsure", "one of two"
"""Columns of seconds by verdict: no emotion was likely enough, or two were only together."""
SEEN, ANSWERED, ANALYSED, NOBODY = "seen", "answered", "analysed", "nobody"
"""Columns of seconds: a person was in the picture, was answered for; the log has a frame, none with a face."""
MASKS, ATTENTION = [str(state) for state in MaskState], [str(state) for state in Attention]
"""Columns of seconds in a state; nothing where nobody looked."""
_OPTIONAL = ("label_set", "model", "mask", "attention")


@dataclass(frozen=True)
class LogFile:
    """A file that may be a log."""

    name: str
    content: bytes
    digest: str
    """Of the content."""

    @classmethod
    def of(cls, name: str, content: bytes) -> LogFile:
        """A file with its digest."""
        return cls(name, content, sha256(content).hexdigest())


@dataclass(frozen=True)
class Session:
    """A log reduced to sums."""

    key: str
    """Tells it from any other log, whatever the file's name."""
    name: str
    """The file's, without its ending; with the source's where the file holds several."""
    label_sets: tuple[str, ...]
    """Names of those that it was answered in; none where nobody was seen."""
    models: tuple[str, ...]
    bin_seconds: float
    """Length of a stretch."""
    step: float
    """Seconds from one analysed frame to the next, median."""
    frames: int
    bins: pd.DataFrame
    """One row per stretch with a frame: ``start`` (seconds of the log) and seconds ``analysed``, ``nobody``."""
    people: pd.DataFrame
    """One row per person and stretch in which they were seen: ``track``, ``start`` and seconds: ``seen``, ``answered``, one
    column per class (seconds times probability), ``unsure``, ``one of two``, one per mask state and per attention."""

    @property
    def seconds(self) -> float:
        """Analysed."""
        return float(self.bins[ANALYSED].sum())

    @property
    def knows_attention(self) -> bool:
        """Whether anyone's was followed."""
        return bool(self.people[ATTENTION].to_numpy().any())


@dataclass(frozen=True)
class OpenedLogs:
    """What many files hold, in the same classes."""

    sessions: tuple[Session, ...]
    classes: tuple[Emotion, ...]
    """Of all of them; none where nobody was seen in any."""
    problems: tuple[str, ...]
    """A sentence for each file that is no log."""
    notes: tuple[str, ...]
    """Sentences on what is to be known before logs are compared."""


SessionCache = MutableMapping[tuple[str, tuple[Emotion, ...]], tuple[Session, ...] | str]
"""What was read before by digest and classes, the log's own being (): its sessions, or what was wrong with it."""


def open_logs(files: Sequence[LogFile], kept: SessionCache) -> OpenedLogs:
    """Read and reduce many logs, several at once, and bring them to the classes that all of them know.

    Args:
        files: in the order of the sessions.
        kept: what was read before; what is read is added, and what is of no file any more is taken out.
    """
    by_digest = {file.digest: file for file in reversed(files)}
    unique, notes = _without_copies(files, by_digest)
    sessions = _read_all(unique, (), kept)
    label_sets = dict.fromkeys(name for session in sessions for name in session.label_sets)
    classes = common_classes(label_sets)
    if len({_emotions(name) for name in label_sets}) > 1:
        sessions = _read_all(unique, classes, kept)
        notes.append(_classes_differ(label_sets, classes))
    models = dict.fromkeys(model for session in sessions for model in session.models)
    if len(models) > 1:
        notes.append(
            f"These logs were answered by different models ({', '.join(models)}), which differ in how sure they are: "
            "differences between such logs may be the models'."
        )
    for key in [key for key in kept if key[0] not in by_digest]:
        del kept[key]
    problems = [kept[file.digest, ()] for file in unique]
    return OpenedLogs(tuple(sessions), classes, tuple(text for text in problems if isinstance(text, str)), tuple(notes))


def _without_copies(files: Sequence[LogFile], by_digest: Mapping[str, LogFile]) -> tuple[list[LogFile], list[str]]:
    """Each log once, and a sentence for every copy."""
    unique = [file for file in files if by_digest[file.digest] is file]
    copies = [file for file in files if by_digest[file.digest] is not file]
    return unique, [f"{f.name} is the same log as {by_digest[f.digest].name} and counts once." for f in copies]


def _classes_differ(label_sets: Collection[str], classes: Sequence[Emotion]) -> str:
    titles = "; ".join(LABEL_SETS[name].title for name in label_sets)
    return (
        f"These logs were answered in different classes ({titles}). All are shown in the {len(classes)} that they "
        "share, as probabilities given that it is one of these."
    )


def common_classes(label_sets: Collection[str]) -> tuple[Emotion, ...]:
    """The emotions that all these label sets know, in the order of the only one or of :class:`Emotion`."""
    if len(label_sets) == 1:
        return LABEL_SETS[next(iter(label_sets))].emotions
    return tuple(emotion for emotion in Emotion if all(emotion in _emotions(name) for name in label_sets))


def read_sessions(file: LogFile, classes: Sequence[Emotion] = ()) -> tuple[Session, ...]:
    """A log as one session per source, which is one in most logs.

    Where several models answered for a face, the first counts.

    Args:
        file: CSV or Parquet.
        classes: to tell it in, all known to its label sets: probabilities are then those given that it is one of these.
            Its own if left out, or those that its label sets share.

    Raises:
        LogError: it is no log, or a column holds what it should not.
    """
    wanted = {"source", "time_ms", "track", "verdict", *_OPTIONAL, *(f"p_{emotion}" for emotion in Emotion)}
    columns = _Columns(log_table(file.content, file.name, wanted), file.name)
    sources, of_row = columns.words("source")
    stem, digest = PurePath(file.name).stem, file.digest
    if len(sources) < 2:
        return (_reduced(columns, np.arange(len(of_row)), digest, stem, classes),)
    return tuple(
        _reduced(columns, np.flatnonzero(of_row == number), f"{digest}-{number}", f"{stem}, {source}", classes)
        for number, source in enumerate(sources)
        if (of_row == number).any()
    )


class _Columns:
    """Of a log, checked as they are taken."""

    def __init__(self, table: pa.Table, name: str) -> None:
        self._table, self.name = table, name

    def numbers(self, column: str) -> np.ndarray:
        """``(N,) float64``; NaN where the log says nothing.

        Raises:
            LogError: it is not there.
        """
        if column not in self._table.column_names:
            raise LogError(f"{self.name} lacks the column {column!r}, expected one for each class of its label set.")
        values: np.ndarray = self._table.column(column).to_numpy()
        return values

    def words(self, column: str, known: Collection[str] | None = None) -> tuple[list[str], np.ndarray]:
        """The words of a column, and ``(N,) int64`` which one a row holds, -1 for none.

        Raises:
            LogError: a word is none of the known ones.
        """
        if column not in self._table.column_names or not len(self._table):
            return [], np.full(len(self._table), -1)
        values = self._table.column(column).combine_chunks()
        words = values.dictionary.to_pylist()
        numbers = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        strange = [word for word in words if known is not None and word not in known]
        if strange:
            expected = ", ".join(list(known or ())[:4])
            raise LogError(
                f"{self.name}: the column {column!r} holds {str(strange[0])[:40]!r}, expected one of {expected}…"
            )
        return words, numbers


@dataclass(frozen=True)
class _Frames:
    """When the frames of a session were, and how long each stands."""

    order: np.ndarray
    """``(R,)`` rows of the log in order of time."""
    of_row: np.ndarray
    """``(R,)`` which frame each of these rows belongs to."""
    seconds: np.ndarray
    """``(F,)`` that a frame stands for."""
    bins: np.ndarray
    """``(F,)`` number of the stretch in which it begins."""
    width: float
    """Seconds of a stretch."""
    step: float
    """Median seconds from one frame to the next."""


def _frames(columns: _Columns, rows: np.ndarray) -> _Frames:
    """Raises :class:`LogError` where times are missing, stand still or span too long."""
    times = columns.numbers("time_ms")[rows] / 1000
    if not np.isfinite(times).all() or not len(times):
        raise LogError(f"{columns.name}: the column 'time_ms' has empty cells, expected milliseconds in every row.")
    order = np.argsort(times, kind="stable")
    times = times[order]
    begins = np.append(True, np.diff(times) > 0)
    frame_times = times[begins]
    span = float(frame_times[-1] - frame_times[0])
    if len(frame_times) < 2 or span > LONGEST_LOG:
        held = "a single frame" if len(frame_times) < 2 else f"{span / 3600:,.0f} hours"
        raise LogError(
            f"{columns.name}: the column 'time_ms' holds {held}, expected a stretch of up to {LONGEST_LOG / 3600:g} hours."
        )
    steps = np.diff(frame_times)
    step = float(np.median(steps))
    seconds = np.append(np.minimum(steps, max(LONGEST_STEP, 2 * step)), step)
    width = FINE_BIN if span <= SHORT_LOG else BIN
    bins = np.floor(frame_times / width + 1e-9).astype(np.int64)
    return _Frames(rows[order], np.cumsum(begins) - 1, seconds, bins, width, step)


def _people(columns: _Columns, frames: _Frames) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of faces, one a person and frame: places in the session's order, whose each is, and the ids of all people.

    Raises:
        LogError: ids are no whole numbers, or too many.
    """
    tracks = columns.numbers("track")[frames.order]
    found = np.flatnonzero(np.isfinite(tracks))
    ids, person = np.unique(tracks[found], return_inverse=True)
    if len(ids) > MOST_PEOPLE or (ids != np.round(ids)).any():
        held = f"{len(ids):,} ids" if len(ids) > MOST_PEOPLE else "fractions"
        raise LogError(
            f"{columns.name}: the column 'track' holds {held}, expected whole numbers, {MOST_PEOPLE:,} at most."
        )
    # The first model's answer where several answered for a face.
    first = ~pd.Series(frames.of_row[found] * (len(ids) + 1) + person).duplicated().to_numpy()
    return found[first], person[first], ids


def _reduced(columns: _Columns, rows: np.ndarray, key: str, name: str, classes: Sequence[Emotion]) -> Session:
    frames = _frames(columns, rows)
    found, person, ids = _people(columns, frames)
    of_face = frames.of_row[found]
    empty = np.ones(len(frames.seconds), bool)
    empty[of_face] = False
    bins = _sums(frames.bins, {ANALYSED: frames.seconds, NOBODY: frames.seconds * empty})
    bins.insert(0, "start", bins.index.to_numpy() * frames.width)

    at, weights, bin_of_row = frames.order[found], frames.seconds[of_face], frames.bins[of_face]
    label_sets = _used(columns, "label_set", at, LABEL_SETS)
    if len(at) and not label_sets:
        raise LogError(f"{columns.name} lacks the column 'label_set' or it is empty, expected the name of its classes.")
    classes = tuple(classes) or common_classes(label_sets)
    sums = {SEEN: weights} | _answers(columns, at, weights, classes, label_sets if len(at) else ())
    for column, states in (("mask", MASKS), ("attention", ATTENTION)):
        words, numbers = columns.words(column, states)
        sums |= {state: weights * (numbers[at] == _place(words, state)) for state in states}
    lowest = int(bin_of_row.min()) if len(at) else 0
    people = _sums((bin_of_row - lowest) * max(len(ids), 1) + person, sums)
    places, who = np.divmod(people.index.to_numpy(), max(len(ids), 1))
    people.insert(0, "start", (places + lowest) * frames.width)
    people.insert(0, "track", ids[who].astype(np.int64))
    return Session(
        key,
        name,
        label_sets,
        _used(columns, "model", at),
        frames.width,
        frames.step,
        len(frames.seconds),
        bins.reset_index(drop=True),
        people.reset_index(drop=True),
    )


def _answers(
    columns: _Columns, at: np.ndarray, weights: np.ndarray, classes: Sequence[Emotion], label_sets: Sequence[str]
) -> dict[str, np.ndarray]:
    """Seconds by class and verdict of the rows of faces."""
    probabilities = np.zeros((len(classes), len(at)))
    for number, emotion in enumerate(classes):
        probabilities[number] = columns.numbers(f"p_{emotion}")[at] if label_sets else 0
        with np.errstate(invalid="ignore"):
            if ((probabilities[number] < 0) | (probabilities[number] > 1)).any():
                raise LogError(f"{columns.name}: the column 'p_{emotion}' goes beyond 0 to 1, expected probabilities.")
    if any(len(_emotions(name)) > len(classes) for name in label_sets):
        sums = probabilities.sum(axis=0)
        probabilities = np.divide(probabilities, sums, out=np.full_like(probabilities, np.nan), where=sums > 0)
    verdicts, verdict = columns.words("verdict")
    named = np.array([_emotions_in(word, columns.name) for word in verdicts] + [-1])[verdict[at]]
    told = np.isfinite(probabilities).all(axis=0) & (named >= 0)
    answered = weights * told
    return {
        ANSWERED: answered,
        **{str(emotion): answered * np.where(told, p, 0) for emotion, p in zip(classes, probabilities, strict=True)},
        UNSURE: answered * (named == 0),
        ONE_OF_TWO: answered * (named == 2),
    }


def _emotions_in(verdict: str, name: str) -> int:
    """How many emotions a verdict names: 0 is unsure."""
    named = verdict.split(" or ")
    if verdict == UNSURE:
        return 0
    if len(named) > 2 or any(word not in list(Emotion) for word in named):
        raise LogError(f"{name}: the column 'verdict' holds {verdict[:40]!r}, expected emotions or {UNSURE}.")
    return len(named)


def _used(columns: _Columns, column: str, at: np.ndarray, known: Collection[str] | None = None) -> tuple[str, ...]:
    words, numbers = columns.words(column, known)
    used = np.unique(numbers[at])
    return tuple(words[number] for number in used if number >= 0)


def _place(words: Sequence[str], word: str) -> int:
    return list(words).index(word) if word in words else -2


def _sums(keys: np.ndarray, columns: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Sums of columns by key, sorted by it, which is the index."""
    numbers, of_row = np.unique(keys, return_inverse=True)
    return pd.DataFrame(
        {name: np.bincount(of_row, values, len(numbers)) for name, values in columns.items()}, index=numbers
    )


def _emotions(label_set: str) -> frozenset[Emotion]:
    return frozenset(LABEL_SETS[label_set].emotions)


def _read_all(files: Sequence[LogFile], classes: tuple[Emotion, ...], kept: SessionCache) -> list[Session]:
    new = [file for file in files if (file.digest, classes) not in kept]
    # What is wrong with a log is told once, by its first reading.
    new = [file for file in new if not isinstance(kept.get((file.digest, ())), str)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for file, read in zip(new, pool.map(partial(_read, classes=classes), new), strict=True):
            kept[file.digest, classes] = read
    found = [kept.get((file.digest, classes), ()) for file in files]
    return [session for sessions in found if not isinstance(sessions, str) for session in sessions]


def _read(file: LogFile, classes: tuple[Emotion, ...]) -> tuple[Session, ...] | str:
    try:
        return read_sessions(file, classes)
    except LogError as error:
        return str(error)
