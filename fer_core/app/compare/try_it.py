"""One photo through all chosen models: its faces are found once, and every model answers for them."""

from __future__ import annotations

import hashlib
import statistics
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from fer_core.analysis.frame import FaceObservation, FrameAnalysis
from fer_core.analysis.overlay import draw_analysis
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.app.common.figures import show_report_figure
from fer_core.app.common.photo import say_no_face, which_face
from fer_core.app.common.selection import choose_detector
from fer_core.app.common.widgets import number_columns
from fer_core.app.compare.choice import Choice
from fer_core.app.compare.external import is_external
from fer_core.evaluation.verification import SAMPLE_PHOTO
from fer_core.media.images import decode_image
from fer_core.plots.models import probability_bars_by_model
from fer_core.plots.report import ReportFigure
from fer_core.store.store import ModelStore
from fer_core.vision.crops import aligned_rolls, crop_faces
from fer_core.vision.detection.registry import create_detector
from fer_core.vision.expression import ExpressionClassifier

TIMED_CALLS = 15
"""At most, for one face; their median is shown."""
MAX_TIMING_SECONDS = 0.5
"""After which no further call is timed."""
UNSURE_BELOW = 0.4
"""Probability below which an answer is shown as 'unsure' until the slider is moved."""
CROP_SIDE = 160
"""Pixels of the face as the models see it."""
SAMPLE, UPLOAD, CAMERA = "Sample", "Upload", "Camera"
_KEPT = "try-it-kept"


@dataclass(frozen=True)
class _Tried:
    """A photo and the models' answers to it."""

    key: tuple[object, ...]
    """Photo, models, decision rules and detector."""
    frame: np.ndarray
    analysis: FrameAnalysis
    milliseconds: dict[str, float]
    """Median time for the largest face, by model."""


def try_it_tab(choice: Choice) -> None:
    """The tab."""
    able = {
        name: choice.rules[name].name
        for name, model in choice.models.items()
        if not is_external(name) and model.has_litert
    }
    _name_the_others(choice, list(able))
    if not able:
        return
    left, right = st.columns([2, 3], gap="medium")
    with left:
        photo = _choose_photo()
        detector = choose_detector()
        unsure = st.slider(
            "Unsure below",
            0,
            100,
            round(100 * UNSURE_BELOW),
            5,
            format="%d%%",
            key="try-it-unsure",
            help="A model whose most probable class stays below this says 'unsure'.",
        )
    if photo is None:
        right.info("Choose or take a photo with a face.", icon=":material/add_a_photo:")
        return
    tried = _tried(photo, able, detector)
    with left:
        st.image(draw_analysis(tried.frame, tried.analysis), channels="BGR", width="stretch")
    with right:
        _show_face(choice, tried, list(able), unsure / 100)


def _name_the_others(choice: Choice, able: list[str]) -> None:
    """Say which models do not answer here, and why."""
    external_models = [choice.styles[name].title for name in choice.models if is_external(name)]
    absent = [choice.styles[n].title for n in choice.models if n not in able and not is_external(n)]
    if absent:
        st.info(f"Without an answer here: {', '.join(absent)}, whose LiteRT file is not installed.")
    if external_models:
        st.info(
            f"Without an answer here: {', '.join(external_models)}, since this page itself never loads a file of yours."
        )


def _choose_photo() -> tuple[bytes, str] | None:
    """Bytes and name of the photo; ``None`` until there is one."""
    source = st.segmented_control("Photo", [SAMPLE, UPLOAD, CAMERA], default=SAMPLE, key="try-it-source")
    if source == UPLOAD:
        upload = st.file_uploader("A photo", key="try-it-upload", help="JPEG, PNG, WebP and others, up to 25 MB.")
    elif source == CAMERA:
        upload = st.camera_input("Take a photo", key="try-it-camera")
    else:
        return SAMPLE_PHOTO.read_bytes(), SAMPLE_PHOTO.name
    return (upload.getvalue(), upload.name) if upload else None


@st.cache_resource(show_spinner="Loading the networks…", max_entries=4)
def _analyser(models: tuple[tuple[str, str], ...], detector: str) -> FrameAnalyser:
    """An analyser of models, each with its decision rule, shared by all sessions; safe to call from several threads."""
    store = ModelStore()
    classifiers = [ExpressionClassifier(store.load(name), rule) for name, rule in models]
    return FrameAnalyser(create_detector(detector), classifiers)


def _tried(photo: tuple[bytes, str], able: dict[str, str], detector: str) -> _Tried:
    """The photo analysed; the last one is kept for the session, so that a slider does not analyse it again."""
    key = (hashlib.sha256(photo[0]).hexdigest(), tuple(able.items()), detector)
    kept: _Tried | None = st.session_state.get(_KEPT)
    if kept is not None and kept.key == key:
        return kept
    analyser = _analyser(tuple(able.items()), detector)
    frame = decode_image(*photo)
    analysis = analyser.analyse(frame)
    tried = _Tried(key, frame, analysis, _times(analyser, frame, analysis))
    st.session_state[_KEPT] = tried
    return tried


def _times(analyser: FrameAnalyser, frame: np.ndarray, analysis: FrameAnalysis) -> dict[str, float]:
    """Median milliseconds of one call for the largest face, by the model's name."""
    times: dict[str, float] = {}
    for classifier in analyser.classifiers if len(analysis) else ():
        face = analysis.faces[0]
        crops = crop_faces(frame, [face.crop_box], classifier.input_size, aligned_rolls([face.detection]))
        series: list[float] = []
        ends = time.perf_counter() + MAX_TIMING_SECONDS
        while len(series) < TIMED_CALLS and (not series or time.perf_counter() < ends):
            started = time.perf_counter()
            classifier.classify(crops)
            series.append((time.perf_counter() - started) * 1e3)
        times[classifier.name] = statistics.median(series)
    return times


def _show_face(choice: Choice, tried: _Tried, names: list[str], unsure: float) -> None:
    faces = tried.analysis.faces
    if not faces:
        say_no_face()
        return
    face = faces[which_face("Face", len(faces), "try-it-face") if len(faces) > 1 else 0]
    scores = dict(zip(names, face.scores, strict=True))
    figure = probability_bars_by_model(scores, {name: choice.styles[name] for name in names}, unsure)
    show_report_figure(ReportFigure("try-it", "Probabilities for the face, by model", figure))
    crop, table = st.columns([1, 4], vertical_alignment="top")
    crops = crop_faces(tried.frame, [face.crop_box], CROP_SIDE, aligned_rolls([face.detection]))
    crop.image(crops[0], caption="As the models see it")
    with table:
        st.dataframe(
            _answers(choice, tried, face, names, unsure),
            hide_index=True,
            column_config=number_columns({"probability": "percent", "ms per face": "%.1f"}),
        )
        st.caption(
            f"Time for the largest face on one thread of this computer as it is now, median of up to {TIMED_CALLS} calls."
        )


def _answers(choice: Choice, tried: _Tried, face: FaceObservation, names: list[str], unsure: float) -> pd.DataFrame:
    rows = []
    for name, scores in zip(names, face.scores, strict=True):
        (first, share), (second, _) = scores.ranked()[:2]
        rows.append(
            {
                "model": choice.styles[name].title,
                "says": str(first) if share >= unsure else f"unsure, {first}?",
                "probability": share,
                "then": str(second),
                "ms per face": tried.milliseconds[name],
            }
        )
    return pd.DataFrame(rows)
