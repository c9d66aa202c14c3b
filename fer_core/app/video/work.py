"""The parts of the video page: choosing a film and what of it, the work in progress, and its preview."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import streamlit as st

from fer_core.analysis.frame import AttributeLevel
from fer_core.analysis.overlay import draw_analysis
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.app.common.background import Cancelled, Job, Report
from fer_core.media.sample_clip import SAMPLE_CLIP
from fer_core.media.video_reader import VideoInfo, video_info, video_span
from fer_core.video.analysis import VideoAnalysis, VideoProgress, analyse_video, minutes
from fer_core.video.annotate import VIDEO_LAYERS

MOST_MEGABYTES = 500
"""Of an upload, which is held in memory; longer films are for the command line."""


RATES: dict[str, float | None] = {"every frame": None, "10 a second": 10.0, "5 a second": 5.0, "2 a second": 2.0}


_EVERY = 0.5
"""Seconds between two looks at the progress."""


_PREVIEW_WIDTH = 480


_VIDEO, _WORK, _RESULT = "video-film-chosen", "video-work", "video-result"


@dataclass(frozen=True)
class ChosenVideo:
    """A film as it was uploaded."""

    key: str
    """Tells it from others of the same name."""
    name: str
    content: bytes
    info: VideoInfo
    start: float
    """Seconds on its clock at its first frame, and at its end."""
    end: float


@dataclass(frozen=True)
class Wish:
    """What is to be done with a film."""

    start: float | None
    end: float | None
    per_second: float | None
    attribute_level: AttributeLevel


class VideoWork:
    """The analysis of a film on a thread of its own, which outlives reruns of the page and ends with the session."""

    def __init__(self, video: ChosenVideo, analyser: FrameAnalyser, wish: Wish) -> None:
        latest = self._latest = _Latest()  # the thread must not hold this object, see Job

        def work(report: Report) -> VideoAnalysis:
            def stopped() -> bool:
                try:
                    report("Analysing", latest.progress.share if latest.progress else 0.0)
                except Cancelled:
                    return True
                return False

            return analyse_video(
                video.content,
                analyser,
                name=video.name,
                start=wish.start,
                end=wish.end,
                per_second=wish.per_second,
                attribute_level=wish.attribute_level,
                on_progress=latest.set,
                should_stop=stopped,
            )

        self.job: Job[VideoAnalysis] = Job(work)

    @property
    def progress(self) -> VideoProgress | None:
        """Of the latest frame; None before the first."""
        return self._latest.progress


class _Latest:
    """What the thread writes and the page reads."""

    def __init__(self) -> None:
        self.progress: VideoProgress | None = None

    def set(self, progress: VideoProgress) -> None:
        self.progress = progress


def choose_video() -> ChosenVideo | None:
    """An uploaded film, or the sample clip; None as long as there is none.

    Raises:
        VideoError: the file is no film that can be read.
    """
    origin = st.segmented_control(
        "Film",
        ["Upload", "Sample clip"],
        default="Upload",
        required=True,
        label_visibility="collapsed",
        key="video-origin",
    )
    if origin == "Sample clip":
        return _chosen("sample", SAMPLE_CLIP.name, SAMPLE_CLIP.read_bytes)
    upload = st.file_uploader(
        "Video",
        max_upload_size=MOST_MEGABYTES,
        help="MP4, MOV, WebM, MKV, AVI and others. It stays in this computer's memory and is dropped with the page.",
        key="video-upload",
    )
    if upload is None:
        st.session_state.pop(_VIDEO, None)
        return None
    return _chosen(upload.file_id, upload.name, upload.getvalue)


def _chosen(key: str, name: str, read: Any) -> ChosenVideo:
    known: ChosenVideo | None = st.session_state.get(_VIDEO)
    if known is None or known.key != key:
        content = read()
        info = video_info(content, name)
        known = st.session_state[_VIDEO] = ChosenVideo(key, name, content, info, *video_span(content, name, info))
    return known


def choose_wish(video: ChosenVideo, attention: bool) -> Wish:
    """Range and rate."""
    info = video.info
    st.caption(
        f"{video.name}: {info.width} x {info.height} pixels, {info.frames_per_second:.4g} frames a second, "
        f"{minutes(video.end - video.start)} long"
    )
    range_, rate = st.columns([3, 1], vertical_alignment="bottom")
    length = round(video.end - video.start, 2)
    if length > 1:
        first, last = range_.slider(
            "Range, s", 0.0, length, (0.0, length), min(0.1, length / 10), key=f"range-{video.key}"
        )
    else:
        first, last = 0.0, length
    per_second = RATES[rate.selectbox("Look at", list(RATES), help="Fewer frames take less time.")]
    return Wish(
        video.start + first if first > 0 else None,
        video.start + last if last < length else None,
        per_second,
        AttributeLevel.ATTENTION if attention else AttributeLevel.NONE,
    )


def start_work(video: ChosenVideo, analyser: FrameAnalyser, wish: Wish) -> None:
    """Begin; what ran before is ended."""
    end_work()
    for key in [key for key in st.session_state if str(key).startswith("video-result")]:
        del st.session_state[key]
    st.session_state[_WORK] = VideoWork(video, analyser, wish)


def end_work() -> None:
    """End what runs; what it found is kept for :func:`finished_work`."""
    work: VideoWork | None = st.session_state.get(_WORK)
    if work is not None:
        work.job.cancel()


def finished_work(video: ChosenVideo) -> VideoAnalysis | None:
    """What was found, once there is something; while the work goes on its progress is shown here.

    Raises:
        VideoError: the film could not be analysed.
    """
    work: VideoWork | None = st.session_state.get(_WORK)
    if work is not None:
        if work.job.running:
            work.job.wait(0.3)  # a short clip is done by then
        if work.job.running:
            _watch()
            return None
        del st.session_state[_WORK]
        st.session_state[_RESULT] = video.key, work.job.result()
    key, result = st.session_state.get(_RESULT, (None, None))
    return result if key == video.key else None


@st.fragment(run_every=_EVERY)
def _watch() -> None:
    work: VideoWork | None = st.session_state.get(_WORK)
    if work is None or not work.job.running:
        st.rerun()
    progress = work.progress
    picture, told = st.columns([2, 3], gap="medium")
    with told:
        if progress is None:
            st.progress(0.0, "Starting…")
        else:
            st.progress(progress.share, f"Analysed up to {minutes(progress.time)}: {progress.share:.0%}")
            frames, rate, left = st.columns(3)
            frames.metric("Frames", f"{progress.frames:,}")
            rate.metric("Frames/s", f"{progress.frames_per_second:.0f}")
            left.metric("Time left", "–" if progress.seconds_left is None else minutes(progress.seconds_left + 1))
        st.button(
            "Stop here",
            icon=":material/stop:",
            on_click=end_work,
            help="What was found until then is kept.",
            key="video-stop",
        )
    if progress is not None:
        picture.image(preview(progress), channels="BGR", output_format="JPEG", width="stretch")


def preview(progress: VideoProgress) -> np.ndarray:
    """The latest frame with what was found, small: ``(h, w, 3) uint8`` BGR."""
    drawn = draw_analysis(progress.pixels, progress.analysis, VIDEO_LAYERS)
    scale = _PREVIEW_WIDTH / drawn.shape[1]
    return cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else drawn
