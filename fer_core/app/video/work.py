"""The parts of the video page: choosing a video and the part of it to analyse, progress, and a preview."""

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
from fer_core.app.common.widgets import pick, switch
from fer_core.media.sample_clip import SAMPLE_CLIP
from fer_core.media.video_reader import VideoInfo, video_info, video_span
from fer_core.video.analysis import VideoAnalysis, VideoProgress, analyse_video, minutes
from fer_core.video.annotate import VIDEO_LAYERS

MOST_MEGABYTES = 500
"""Of an upload, which is held in memory; longer videos are for the command line."""
RATES: dict[str, float | None] = {"every frame": None, "10 a second": 10.0, "5 a second": 5.0, "2 a second": 2.0}
_EVERY = 0.5
"""Seconds between two updates of the progress."""

_PREVIEW_WIDTH = 480
_VIDEO, _WORK, _RESULT = "video-film-chosen", "video-work", "video-result"


@dataclass(frozen=True)
class ChosenVideo:
    """A video as it was uploaded."""

    key: str
    """Tells it from others of the same name."""
    name: str
    content: bytes
    info: VideoInfo
    start: float
    """Seconds on its clock at its first frame, and at its end."""
    end: float


@dataclass(frozen=True)
class VideoOptions:
    """Which part of a video is analysed, and how closely."""

    start: float | None
    end: float | None
    per_second: float | None
    attribute_level: AttributeLevel


class VideoJob:
    """The analysis of a video on its own thread; it outlives reruns of the page and ends with the session."""

    def __init__(self, video: ChosenVideo, analyser: FrameAnalyser, options: VideoOptions) -> None:
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
                start=options.start,
                end=options.end,
                per_second=options.per_second,
                attribute_level=options.attribute_level,
                on_progress=latest.set,
                should_stop=stopped,
            )

        self.job: Job[VideoAnalysis] = Job(work)

    @property
    def progress(self) -> VideoProgress | None:
        """Progress at the latest frame; ``None`` before the first."""
        return self._latest.progress


class _Latest:
    """What the thread writes and the page reads."""

    def __init__(self) -> None:
        self.progress: VideoProgress | None = None

    def set(self, progress: VideoProgress) -> None:
        self.progress = progress


def choose_video() -> ChosenVideo | None:
    """An uploaded video, or the sample clip; ``None`` until there is one.

    Raises:
        VideoError: the file is not a video that can be read.
    """
    origin = switch("Video from", ["Upload", "Sample clip"], "video-origin", label_visibility="collapsed")
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


def choose_options(video: ChosenVideo, attention: bool) -> VideoOptions:
    """Widgets for the range and the rate."""
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
    per_second = RATES[pick("Analyse", list(RATES), None, place=rate, help="Fewer frames take less time.")]
    return VideoOptions(
        video.start + first if first > 0 else None,
        video.start + last if last < length else None,
        per_second,
        AttributeLevel.ATTENTION if attention else AttributeLevel.NONE,
    )


def start_job(video: ChosenVideo, analyser: FrameAnalyser, options: VideoOptions) -> None:
    """Start the analysis and end the one that ran before."""
    end_job()
    for key in [key for key in st.session_state if str(key).startswith("video-result")]:
        del st.session_state[key]
    st.session_state[_WORK] = VideoJob(video, analyser, options)


def end_job() -> None:
    """End the analysis that runs; :func:`finished_job` gives what it found until then."""
    work: VideoJob | None = st.session_state.get(_WORK)
    if work is not None:
        work.job.cancel()


def finished_job(video: ChosenVideo) -> VideoAnalysis | None:
    """The result once there is one; until then this shows the progress.

    Raises:
        VideoError: the video could not be analysed.
    """
    work: VideoJob | None = st.session_state.get(_WORK)
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
    work: VideoJob | None = st.session_state.get(_WORK)
    if work is None or not work.job.running:
        st.rerun()
    progress = work.progress
    picture, progress_place = st.columns([2, 3], gap="medium")
    with progress_place:
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
            on_click=end_job,
            help="What was found so far is kept.",
            key="video-stop",
        )
    if progress is not None:
        picture.image(preview(progress), channels="BGR", output_format="JPEG", width="stretch")


def preview(progress: VideoProgress) -> np.ndarray:
    """The latest frame with what was found, small: ``(h, w, 3) uint8`` BGR."""
    drawn = draw_analysis(progress.pixels, progress.analysis, VIDEO_LAYERS)
    scale = _PREVIEW_WIDTH / drawn.shape[1]
    return cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else drawn
