"""What session logs say, in tabs, and the report and tables of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import pandas as pd
import streamlit as st

from fer_core.analysis.attention import NOTICE, Attention
from fer_core.app.common.figures import show_report_figures
from fer_core.app.common.page import PRIVACY, WHAT_A_SCORE_IS, show_open_tab
from fer_core.app.common.widgets import download, pick
from fer_core.app.insights.inputs import InsightsView
from fer_core.labels import Emotion
from fer_core.logs.sessions import ANSWERED, MASKS, NOBODY, UNSURE
from fer_core.logs.shares import (
    LOOKING,
    attention_course,
    attention_states,
    binned_table,
    compare,
    difference,
    emotion_course,
    grid,
    ids_of,
    people_table,
)
from fer_core.plots import insights as figures
from fer_core.plots.model_styles import MOST_MODELS
from fer_core.plots.report import ReportFigure, report_html
from fer_core.plots.timeline import ATTENTION_COLOURS
from fer_core.plots.video_timeline import MASK_COLOURS
from fer_core.results import MaskState

MOST_ROWS = 40
"""People in a map, those who were seen for longest."""
DEFINITION = (
    "Shares are of time, not of rows: an analysed frame stands for the time until the next one (2 s at most, or twice the "
    "log's usual step), so logs of 5 and of 30 frames a second weigh the same. The share of an emotion is its mean "
    "probability over that time. Every person counts once."
)
BAND = (
    "Line: mean over people. Band: 95% bootstrap interval of that mean, people resampled with replacement; there is none "
    "for one person, and with fewer than about eight it is too narrow."
)
ALONE = "Only one person was seen, so there is no band."
LIKELIEST, MASKED = "likeliest emotion", "masked"

_MAP, _BY, _ACROSS = "insights-map", "insights-by", "insights-across"
_NAMES, _PAIR = "insights-names", "insights-pair"
_OPEN_TAB = "insights-tab"
_PEOPLE, _SESSIONS = "people", "sessions"
Option = TypeVar("Option")


def insights_tabs(shown: InsightsView) -> None:
    """All tabs, below the buttons for the report and the table of all time steps."""
    above = st.container()
    show_open_tab(_TABS, _OPEN_TAB, shown)
    with above:  # drawn last, so that the report shows what the tab was just set to
        _exports(shown)
    st.caption(DEFINITION)


def _exports(shown: InsightsView) -> None:
    left, right, _ = st.columns([1, 1, 1])
    download(
        "Report, one HTML file",
        partial(_report, shown, _chosen(shown)),
        "session-insights.html",
        "insights-report",
        icon=":material/summarize:",
        place=left,
        width="stretch",
        help="Every figure and table of all tabs; it opens in any browser, offline too.",
    )
    download(
        "Table of all steps, CSV",
        partial(_csv, shown),
        "session-insights.csv",
        "insights-csv",
        icon=":material/table_rows:",
        place=right,
        width="stretch",
        help="One row per session, person and time step: seconds seen and every share.",
    )


def _csv(shown: InsightsView) -> bytes:
    return binned_table(shown.all_sessions, shown.attention).to_csv(index=False).encode("utf-8-sig")


@dataclass(frozen=True)
class Chosen:
    """What was chosen in the tabs."""

    map: str
    by: str
    """``group`` or ``session``; empty if there is nothing to compare."""
    across: str
    """``person`` or ``session``."""
    names: tuple[str, ...]
    pair: tuple[str, str] | None


def _chosen(shown: InsightsView) -> Chosen:
    state = st.session_state
    ways = _comparable(shown)
    by = _one_of(state.get(_BY), list(ways)) or ""
    names = tuple(
        name for name in state.get(f"{_NAMES}-{by}", ways.get(by, [])[:MOST_MODELS]) if name in ways.get(by, [])
    )
    across = "session" if by == "group" and state.get(_ACROSS) == _SESSIONS else "person"
    what = _one_of(state.get(_MAP), _maps(shown)) or LIKELIEST
    return Chosen(what, by, across, names, _one_of(state.get(_PAIR), _pairs(names)))


def _one_of(wanted: Option | None, known: Sequence[Option]) -> Option | None:
    """The wanted one if it is there, else the first."""
    return wanted if wanted in known else next(iter(known), None)


def _comparable(shown: InsightsView) -> dict[str, list[str]]:
    """Names of groups and of sessions with people in them, each if there are several."""
    people = shown.all_sessions.people
    there = {by: set(people[by]) for by in ("group", "session")}
    groups = list(dict.fromkeys(p.group for p in shown.placed if p.group and p.group in there["group"]))
    sessions = [p.title for p in shown.placed if p.title in there["session"]]
    return {by: names for by, names in (("group", groups), ("session", sessions)) if len(names) > 1}


def _pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(a, b) for a in names for b in names if a != b]


def _maps(shown: InsightsView) -> list[str]:
    masks = [MASKED] if shown.selection.people[MASKS[1:]].to_numpy().any() else []
    attention = [str(Attention.ATTENDING)] if shown.attention else []
    return [LIKELIEST, *map(str, shown.selection.classes), UNSURE, *masks, *attention]


def over_time_report_figures(shown: InsightsView) -> list[ReportFigure]:
    """The mean distribution over time, and every class with its band."""
    course = emotion_course(shown.selection)
    several = course.people.max() > 1
    return [
        ReportFigure(
            "over-time",
            "Expressions over time, mean over people",
            figures.stacked_course(course, shown.selection.step),
            "Empty where nobody was seen.",
        ),
        ReportFigure(
            "bands",
            "Each expression, with the band across people" if several else "Each expression",
            figures.facets(course, shown.selection.step),
            (BAND if several else ALONE) + " Unsure is the share of time in which no emotion was likely enough.",
        ),
    ]


def people_report_figures(shown: InsightsView, what: str) -> list[ReportFigure]:
    """Everyone over time, and everyone's shares."""
    part = shown.selection
    names = part.longest(MOST_ROWS)
    note = "Empty where a person was not seen."
    if len(part.persons) > MOST_ROWS:
        note += f" Shown are the {MOST_ROWS} of {len(part.persons)} people who were seen for longest."
    if what == LIKELIEST:
        values = grid(part, [str(emotion) for emotion in part.classes], [ANSWERED], names)
        figure = figures.dominant_map(values, names, part.starts, part.step, part.classes)
    else:
        columns, of, colour = {
            UNSURE: ([UNSURE], [ANSWERED], figures.UNSURE_COLOUR),
            MASKED: (MASKS[1:], MASKS, MASK_COLOURS[MaskState.MASKED]),
            str(Attention.ATTENDING): (
                [str(Attention.ATTENDING)],
                LOOKING,
                ATTENTION_COLOURS[Attention.ATTENDING],
            ),
        }.get(what) or ([what], [ANSWERED], Emotion(what).colour)
        values = grid(part, columns, of, names).sum(axis=2)
        figure = figures.share_map(values, names, part.starts, part.step, colour)
    return [
        ReportFigure("people-over-time", f"People over time: {what}", figure, note),
        ReportFigure("people", "Everyone's shares", people_table(part, shown.attention)),
    ]


def compare_report_figures(shown: InsightsView, chosen: Chosen) -> list[ReportFigure]:
    """Groups or sessions side by side, and the difference of two."""
    across = _PEOPLE if chosen.across == "person" else _SESSIONS
    table = compare(shown.all_sessions, chosen.by, chosen.across, chosen.names)
    counts = table.drop_duplicates("name").set_index("name")["across"]
    note = (
        f"Dot: mean over {across} ({', '.join(f'{name}: {count}' for name, count in counts.items())}). Line: its 95% "
        "bootstrap interval; there is none for a single one, and with fewer than about eight it is too narrow."
    )
    report_figures = [
        ReportFigure("comparison", f"Shares by {chosen.by}", figures.group_intervals(table), note),
        ReportFigure("comparison-table", f"Shares by {chosen.by}, as a table", table),
    ]
    if chosen.pair:
        first, second = chosen.pair
        differences, paired = difference(shown.all_sessions, chosen.by, chosen.across, first, second)
        note = "An interval that leaves out 0 speaks for a difference between these people, not for its cause."
        if paired:
            note += f" Both hold the same {across}, so each is compared with themselves."
        figure = figures.difference_intervals(differences, first, second)
        report_figures.append(ReportFigure("difference", f"{first} minus {second}", figure, note))
    return report_figures


def attention_report_figures(shown: InsightsView) -> list[ReportFigure]:
    """Attention against the minute."""
    part = shown.selection
    states = attention_states(part)
    if not len(states):
        return []
    course = attention_course(part)
    return [
        ReportFigure(
            "attention",
            "Attending, of those in the picture",
            figures.attention_line(course, part.step),
            BAND if course.people.max() > 1 else ALONE,
        ),
        ReportFigure(
            "attention-states",
            "What people do",
            figures.attention_stack(states, part.starts, part.step),
            "Of all time that was watched. Frames without any face count as absent; someone who leaves while others stay "
            "is in no row of a log, and so in none of these shares.",
        ),
    ]


def _show(report_figures: Sequence[ReportFigure], key: str) -> None:
    """Figures and tables, a table's shares in percent."""
    shown = []
    for each in report_figures:
        formats = {}
        if isinstance(each.content, pd.DataFrame):
            shares = each.content.select_dtypes("number").columns.difference(["minutes seen", "across"])
            formats = {**dict.fromkeys(shares, "percent"), "minutes seen": "%.1f"}
        shown.append(replace(each, formats=formats))
    show_report_figures(shown, key)


def _over_time(shown: InsightsView) -> None:
    _show(over_time_report_figures(shown), "insights-over-time")


def _people(shown: InsightsView) -> None:
    pick("Colours show", _maps(shown), _MAP, persist_state="page")
    _show(people_report_figures(shown, _chosen(shown).map), "insights-people")


def _compare(shown: InsightsView) -> None:
    ways = _comparable(shown)
    if not ways:
        st.info(
            "A comparison needs two sessions or two groups: drop in another log above, or write the names of groups into "
            "the table of sessions."
        )
        return
    columns = st.columns(3)
    by = pick("Compare", {way: f"{way}s" for way in ways}, _BY, place=columns[0], persist_state="page")
    if by == "group":
        pick(
            "Intervals across",
            [_PEOPLE, _SESSIONS],
            _ACROSS,
            place=columns[1],
            persist_state="page",
            help="Across sessions, each is the mean of its people: the honest choice where people of one session influence "
            "each other.",
        )
    if len(ways[by]) > 2:
        st.multiselect(
            f"{by.capitalize()}s",
            ways[by],
            ways[by][:MOST_MODELS],
            max_selections=MOST_MODELS,
            key=f"{_NAMES}-{by}",
            persist_state="page",
        )
    pairs = _pairs(_chosen(shown).names)
    if len(pairs) > 2:
        pick(
            "Difference of", {pair: " and ".join(pair) for pair in pairs}, _PAIR, place=columns[2], persist_state="page"
        )
    chosen = _chosen(shown)
    if not chosen.names:
        st.info(f"Choose at least one {by}.")
        return
    _show(compare_report_figures(shown, chosen), "insights-compare")


def _attention(shown: InsightsView) -> None:
    if not any(placed.session.knows_attention for placed in shown.placed):
        st.info("These logs hold no attention: switch on *Attention* before a stream or video is analysed.")
    elif not shown.attention:
        st.info("Attention is shown once you switch it on in the sidebar and confirm the notice there.")
    else:
        report_figures = attention_report_figures(shown)
        if not report_figures:
            st.info("The sessions chosen hold no attention.")
        st.caption(NOTICE)
        without = [p.title for p in shown.placed if not p.session.knows_attention]
        if without:
            st.caption(f"Without attention, and so not counted here: {', '.join(without)}.")
        _show(report_figures, "insights-attention")


def sessions_table(shown: InsightsView) -> pd.DataFrame:
    """The sessions that are shown, one row each."""
    return pd.DataFrame(
        [
            {
                "session": placed.title,
                "group": placed.group,
                "begins at, min": placed.begins / 60,
                "minutes": round(placed.session.seconds / 60, 1),
                "people": len(ids_of(placed.session)),
                "frames/s": round(1 / placed.session.step, 2),
                "time without a face": round(float(placed.session.bins[NOBODY].sum()) / placed.session.seconds, 4),
                "model": ", ".join(placed.session.models),
                "classes": ", ".join(placed.session.label_sets),
            }
            for placed in shown.placed
        ]
    )


def _report(shown: InsightsView, chosen: Chosen) -> bytes:
    lead = [
        f"Shown: {shown.selection_title}.",
        DEFINITION,
        *(text.replace("**", "") for text in (WHAT_A_SCORE_IS, PRIVACY)),
    ]
    sections = {
        "Sessions": [ReportFigure("sessions", "What was looked at", sessions_table(shown))],
        "Over time": over_time_report_figures(shown),
        "People": people_report_figures(shown, chosen.map),
        "Comparison": compare_report_figures(shown, chosen) if chosen.names else [],
    }
    if shown.attention:
        lead.append(NOTICE)
        sections["Attention"] = attention_report_figures(shown)
    return report_html("Expression Studio: session insights", lead, sections).encode()


_TABS = {
    "Over time": _over_time,
    "People": _people,
    "Compare": _compare,
    "Attention": _attention,
}
