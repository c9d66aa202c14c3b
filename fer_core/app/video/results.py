"""What was found in a video, on the page: people over time, the frame that was clicked, key moments, and downloads."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import Any

import pandas as pd
import streamlit as st

from fer_core.analysis.overlay import draw_analysis
from fer_core.app.common import background
from fer_core.app.common.background import Report
from fer_core.app.common.widgets import download
from fer_core.app.video.work import ChosenVideo
from fer_core.media.video_reader import read_video
from fer_core.plots.video_timeline import person_timeline
from fer_core.video.analysis import VideoAnalysis, minutes
from fer_core.video.annotate import VIDEO_LAYERS
from fer_core.video.moments import KeyMoment, key_moments
from fer_core.video.persons import PersonSeries, people_of
from fer_core.video.replay import analysis_of

MOST_PEOPLE = 4
"""Number of people with a timeline at first; a box adds the others."""

_AT, _TABLE, _PEOPLE = "video-result-at", "video-result-table", "video-result-of-people"
_VIDEO_JOB, _VIDEO = "video-result-job", "video-result-film"
_CHART = {"displayModeBar": False}


def show_result(video: ChosenVideo, found: VideoAnalysis) -> None:
    """Everything about an analysed video."""
    if _TABLE not in st.session_state:  # made once, since every click runs the page
        table = found.table()
        people = people_of(table)
        st.session_state.update({_TABLE: table, _PEOPLE: (people, key_moments(people))})
    table, (people, moments) = st.session_state[_TABLE], st.session_state[_PEOPLE]
    for note in found.notes:
        st.info(note, icon=":material/info:")
    columns = st.columns(4)
    columns[0].metric("Frames", f"{found.frames:,}")
    columns[1].metric("People", len(people))
    columns[2].metric("From", minutes(found.start))
    columns[3].metric("To", minutes(found.end))
    if people:
        at = float(st.session_state.setdefault(_AT, found.start))
        left, right = st.columns([3, 2], gap="large")
        with left:
            _show_frame(video, table, at)
        with right:
            _show_moments(moments)
        _show_people(people, found, at)
    _downloads(video, found)


def jump_to(time: float) -> None:
    """Show the frame of this time."""
    st.session_state[_AT] = time


def _show_frame(video: ChosenVideo, table: pd.DataFrame, at: float) -> None:
    frame = next(read_video(video.content, video.name, at), None) if at < video.end else None
    if frame is None:
        return
    # Not every frame was analysed, perhaps: show the last result before this one.
    numbers = table["frame"].to_numpy()
    known = numbers[max(0, int(numbers.searchsorted(frame.number, side="right")) - 1)]
    rows = table[numbers == known].astype(object)
    analysis = analysis_of(rows.where(rows.notna(), None).to_dict("records"), video.info)
    st.image(
        draw_analysis(frame.pixels, analysis, VIDEO_LAYERS),
        channels="BGR",
        output_format="JPEG",
        width="stretch",
        caption=f"{minutes(frame.time)} ({frame.time:.2f} s), frame {frame.number}",
    )


def _show_moments(moments: list[KeyMoment]) -> None:
    st.subheader("Key moments")
    if not moments:
        st.caption("No expression changes much or is ever likely enough to name.")
    for number, moment in enumerate(moments):
        words = moment.words[0].upper() + moment.words[1:]
        st.button(
            f"{minutes(moment.time)} · {words}",
            key=f"video-moment-{number}",
            on_click=jump_to,
            args=(moment.time,),
            type="tertiary",
            icon=":material/trending_up:" if moment.before is not None else ":material/stat_1:",
        )


def _show_people(people: list[PersonSeries], found: VideoAnalysis, at: float) -> None:
    st.subheader("People over time")
    st.caption("Click a bar to see its frame. Colours are the mean probabilities in that stretch of time.")
    longest = sorted(people, key=lambda person: -len(person))
    shown = longest[:MOST_PEOPLE]
    if len(people) > MOST_PEOPLE:
        tracks = st.multiselect(
            "People",
            [person.track for person in longest],
            [person.track for person in shown],
            format_func=lambda track: f"Person {track}",
            help="People who were seen for longest come first.",
            key="video-result-people",
        )
        shown = [person for person in longest if person.track in tracks]
    for person in sorted(shown, key=lambda person: person.track):
        seen = f"{minutes(person.times[0])} to {minutes(person.times[-1])}"
        st.markdown(f"**Person {person.track}** · {seen} · {len(person):,} frames")
        key = f"video-timeline-{person.track}"
        st.plotly_chart(
            person_timeline(person, found.start, found.end, at),
            key=key,
            config=_CHART,
            on_select=partial(_clicked, key),
            selection_mode="points",
            alt=f"Expressions of person {person.track} over time",
        )


def _clicked(key: str) -> None:
    selection: Any = st.session_state[key].selection
    if selection.points:
        jump_to(float(selection.points[0]["x"]))


def _downloads(video: ChosenVideo, found: VideoAnalysis) -> None:
    st.subheader("Downloads")
    st.caption("Drop the table, CSV or Parquet, into **Session Insights** to compare videos, people and groups.")
    stem = video.name.rsplit(".", 1)[0]
    csv, parquet, subtitles, annotated = st.columns(4)
    download("CSV", found.log.to_csv, f"{stem}.csv", "video-CSV", place=csv, width="stretch")
    download("Parquet", found.log.to_parquet, f"{stem}.parquet", "video-Parquet", place=parquet, width="stretch")
    download("Subtitles", found.webvtt, f"{stem}.vtt", "video-Subtitles", place=subtitles, width="stretch")
    with annotated:
        made: bytes | None = st.session_state.get(_VIDEO)
        if made is not None:
            download("Annotated video", made, f"{stem}-annotated.mp4", "video-film-download", width="stretch")
        elif st.button(
            "Make the annotated video",
            icon=":material/movie:",
            width="stretch",
            key="video-film-make",
            help="Boxes, expressions and bars on every frame, with the sound, as MP4.",
        ):
            background.start(_VIDEO_JOB, partial(_make_video, video.content, found))
    job = background.finished(_VIDEO_JOB)
    if job is not None:
        st.session_state[_VIDEO] = job.result()
        st.rerun()
    if made is not None:
        st.columns([3, 2])[0].video(made)


def _make_video(content: bytes, found: VideoAnalysis, report: Report) -> bytes:
    target = BytesIO()
    found.write_annotated_video(content, target, partial(report, "Writing the video"))
    return target.getvalue()
