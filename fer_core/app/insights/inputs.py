"""The parts of the page of session logs: choosing logs, naming sessions and people, and selecting what is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from fer_core.analysis.frame import AttributeLevel
from fer_core.app.common.selection import frame_analyser, installed_models
from fer_core.app.common.widgets import number_columns, pick
from fer_core.app.live.settings import choose_attention
from fer_core.errors import FerError
from fer_core.logs.sessions import ANSWERED, NOBODY, SEEN, UNSURE, LogFile, OpenedLogs, Session, SessionCache, open_logs
from fer_core.logs.shares import Insights, Placed, gather, ids_of, steps_for, usual_step
from fer_core.media.sample_clip import SAMPLE_CLIP
from fer_core.video.analysis import analyse_video
from fer_core.vision.detection.registry import DEFAULT_DETECTOR

MOST_FILES, MOST_MEGABYTES, MOST_MEGABYTES_TOGETHER = 200, 200, 1000
LEAST_SECONDS = 5
"""People seen for less are left out at first: mostly they are false detections."""
SAMPLE_RATE = 5.0
"""Analysed frames a second."""
EVERYTHING = "All sessions"

_FILES, _KEPT, _TYPED = "insights-files", "insights-kept", "insights-told"
_SAMPLE, _BASES = "insights-sample", "insights-bases"
_MOST_LETTERS = 60


@dataclass(frozen=True)
class InsightsView:
    """What the page shows."""

    placed: tuple[Placed, ...]
    all_sessions: Insights
    """All sessions."""
    selection: Insights
    """The sessions that were chosen."""
    selection_title: str
    attention: bool
    """Whether attention may be shown."""


def choose_logs() -> list[LogFile]:
    """Uploaded logs, or the log of the sample clip.

    Raises:
        FerError: there are too many at once.
    """
    uploads = st.file_uploader(
        "Session logs",
        accept_multiple_files=True,
        type=["csv", "parquet"],
        max_upload_size=MOST_MEGABYTES,
        key="insights-upload",
        help=f"CSV or Parquet, as *Live Webcam* and *Analyse Video* write them: up to {MOST_FILES} logs of "
        f"{MOST_MEGABYTES} MB, {MOST_MEGABYTES_TOGETHER:,} MB together. They stay in this computer's memory and are "
        "dropped with the page.",
    )
    if not uploads:
        st.session_state.pop(_FILES, None)
        sample: LogFile | None = st.session_state.get(_SAMPLE)
        return [sample] if sample else []
    together = sum(upload.size for upload in uploads) / 1e6
    if len(uploads) > MOST_FILES or together > MOST_MEGABYTES_TOGETHER:
        raise FerError(
            f"These are {len(uploads)} logs of {together:,.0f} MB, expected up to {MOST_FILES} of "
            f"{MOST_MEGABYTES_TOGETHER:,} MB together: take some out, or download them as Parquet, which is far smaller."
        )
    known: dict[str, LogFile] = st.session_state.get(_FILES, {})
    st.session_state[_FILES] = {
        upload.file_id: known.get(upload.file_id) or LogFile.of(upload.name, upload.getvalue()) for upload in uploads
    }
    return list(st.session_state[_FILES].values())


def what_to_upload() -> None:
    """What to drop in, and a button that makes a sample."""
    st.info(
        "Nothing to look at yet. A log is the table that *Live Webcam* (under **Session log**) and *Analyse Video* (under "
        "**Downloads**) offer as CSV or Parquet: drop in one, or many at once to compare sessions, groups or days.",
        icon=":material/insights:",
    )
    if st.button(
        "Try it with the sample clip",
        icon=":material/movie:",
        help="Eight seconds of one moving portrait, analysed now with the best installed model.",
    ):
        model = installed_models()[0]
        with st.spinner("Analysing the sample clip…"):
            analyser = frame_analyser((model.name,), DEFAULT_DETECTOR, model.card.default_rule.name)
            found = analyse_video(
                SAMPLE_CLIP, analyser, per_second=SAMPLE_RATE, attribute_level=AttributeLevel.ATTENTION
            )
            st.session_state[_SAMPLE] = LogFile.of("sample clip.parquet", found.log.to_parquet())
        st.rerun()


def opened(files: list[LogFile]) -> OpenedLogs:
    """The sessions of all files that are logs; for each other file the page shows one sentence."""
    kept: SessionCache = st.session_state.setdefault(_KEPT, {})
    with st.spinner(f"Reading {len(files)} logs…" if len(files) > 1 else "Reading the log…"):
        logs = open_logs(files, kept)
    for problem in logs.problems:
        st.error(problem, icon=":material/error:")
    for note in logs.notes:
        st.warning(note, icon=":material/info:")
    return logs


def name_sessions(logs: OpenedLogs) -> tuple[Placed, ...]:
    """Tables in which sessions and people may be named; names are kept while logs come and go."""
    typed: dict[tuple[str, ...], str | float] = st.session_state.setdefault(_TYPED, {})
    sessions = logs.sessions
    st.subheader("Sessions")
    edited = st.data_editor(
        _base("sessions", tuple(session.key for session in sessions), lambda: _sessions_table(sessions, typed)),
        key=f"insights-sessions-{hash(tuple(session.key for session in sessions))}",
        hide_index=True,
        disabled=["Minutes", "People", "Frames/s", "No face", "Model"],
        column_config={
            "Session": st.column_config.TextColumn(max_chars=_MOST_LETTERS, help="Click a cell to rename the session."),
            "Group": st.column_config.TextColumn(
                max_chars=_MOST_LETTERS, help="Sessions of the same group are compared with those of others."
            ),
            "Begins at, min": st.column_config.NumberColumn(
                min_value=-1440,
                max_value=1440,
                step=0.5,
                help="Minute of the event at which the log starts. It puts logs that started at different times on "
                "one clock.",
            ),
            "Minutes": st.column_config.NumberColumn(format="%.1f", help="Analysed time."),
            "Frames/s": st.column_config.NumberColumn(format="%.3g", help="Analysed frames a second."),
            "No face": st.column_config.NumberColumn(format="percent", help="Share of the time without any face."),
        },
    )
    titles: Counter[str] = Counter()
    placed = []
    for session, row in zip(sessions, edited.to_dict("records"), strict=True):
        title, group = _text(row["Session"]) or session.name, _text(row["Group"])
        begins = float(row["Begins at, min"]) if pd.notna(row["Begins at, min"]) else 0.0
        typed |= {(session.key, "title"): title, (session.key, "group"): group, (session.key, "begins"): begins}
        titles[title] += 1
        title = title if titles[title] == 1 else f"{title} ({titles[title]})"
        placed.append(Placed(session, title, group, begins * 60, {}))
    with st.expander("Name people", icon=":material/badge:"):
        return _name_people(placed, typed)


def _name_people(placed: list[Placed], typed: dict[tuple[str, ...], str | float]) -> tuple[Placed, ...]:
    st.caption(
        "People are numbers, and nothing needs a name. The same name given to several numbers makes them one person: "
        "someone who came back under another number, or who was there in several sessions."
    )
    people = [(each, track) for each in placed for track in ids_of(each.session)]
    which = tuple((each.session.key, each.title) for each in placed)
    edited = st.data_editor(
        _base("people", which, lambda: _people_table(people, typed)),
        key=f"insights-people-{hash(which)}",
        hide_index=True,
        disabled=["Session", "Number", "Minutes seen", "Unsure"],
        column_config={
            "Name": st.column_config.TextColumn(max_chars=_MOST_LETTERS),
            **number_columns({"Minutes seen": "%.1f", "Unsure": "percent"}),
        },
    )
    names: dict[str, dict[int, str]] = {}
    for (each, track), name in zip(people, edited["Name"] if len(people) else [], strict=True):
        typed[each.session.key, "name", str(track)] = _text(name)
        if _text(name):
            names.setdefault(each.session.key, {})[track] = _text(name)
    return tuple(replace(each, names=names.get(each.session.key, {})) for each in placed)


def _base(name: str, which: object, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The table an editor starts from; it changes only with the logs, or the editor would forget what was typed."""
    bases = st.session_state.setdefault(_BASES, {})
    if name not in bases or bases[name][0] != which:
        bases[name] = which, make()
    table: pd.DataFrame = bases[name][1]
    return table


def _sessions_table(sessions: tuple[Session, ...], typed: dict[tuple[str, ...], str | float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Session": [str(typed.get((s.key, "title"), s.name)) for s in sessions],
            "Group": [str(typed.get((s.key, "group"), "")) for s in sessions],
            "Begins at, min": [float(typed.get((s.key, "begins"), 0.0)) for s in sessions],
            "Minutes": [s.seconds / 60 for s in sessions],
            "People": [len(ids_of(s)) for s in sessions],
            "Frames/s": [1 / s.step for s in sessions],
            "No face": [float(s.bins[NOBODY].sum()) / s.seconds for s in sessions],
            "Model": [", ".join(s.models) for s in sessions],
        }
    )


def _people_table(people: list[tuple[Placed, int]], typed: dict[tuple[str, ...], str | float]) -> pd.DataFrame:
    sums = {
        each.session.key: each.session.people.groupby("track")[[SEEN, ANSWERED, UNSURE]].sum() for each, _ in people
    }
    of_person = [sums[each.session.key].loc[track] for each, track in people]
    return pd.DataFrame(
        {
            "Session": [each.title for each, _ in people],
            "Number": [track for _, track in people],
            "Name": [str(typed.get((each.session.key, "name", str(track)), "")) for each, track in people],
            "Minutes seen": [row[SEEN] / 60 for row in of_person],
            "Unsure": [row[UNSURE] / row[ANSWERED] if row[ANSWERED] else None for row in of_person],
        }
    )


def _text(value: object) -> str:
    return str(value).strip() if pd.notna(value) else ""


def choose_shown(logs: OpenedLogs, placed: tuple[Placed, ...]) -> InsightsView:
    """Widgets for the sessions, the time step, the people to leave out, and attention."""
    ends = [(each.begins + each.session.bins["start"].agg(["min", "max"])).tolist() for each in placed]
    span = max(last for _, last in ends) - min(first for first, _ in ends)
    finest = max(each.session.bin_seconds for each in placed)
    groups = list(dict.fromkeys(each.group for each in placed if each.group))
    choices = {EVERYTHING: ("", "")}
    choices |= {f"Group {group}": ("group", group) for group in groups}
    if len(placed) > 1:
        choices |= {each.title: ("session", each.title) for each in placed}
    with st.sidebar:
        title = pick("Show", list(choices), "insights-show")
        steps = steps_for(span, finest)
        titles = {step: _step_title(step) for step in steps}
        step = pick("In steps of", titles, f"insights-step-{span}-{finest}", default=usual_step(span, finest))
        least = st.number_input(
            "Leave out people seen for less than, s",
            0,
            3600,
            LEAST_SECONDS,
            help="A face seen for a moment is mostly a false detection, or someone under a wrong number.",
            key="insights-least",
        )
        attention = any(each.session.knows_attention for each in placed) and choose_attention()
    all_sessions = gather(placed, logs.classes, step, float(least))
    column, value = choices[title]
    selection = all_sessions.only(column, value) if column else all_sessions
    return InsightsView(placed, all_sessions, selection, title, attention)


def _step_title(seconds: float) -> str:
    number, unit = (seconds / 60, "minute") if seconds >= 60 else (seconds, "second")
    return f"{number:g} {unit}" + ("s" if number != 1 else "")
