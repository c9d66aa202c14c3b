"""The parts of the image page: reading uploads, and one card per face."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
import streamlit as st

from fer_core.analysis.frame import FaceObservation
from fer_core.analysis.overlay import draw_analysis
from fer_core.analysis.photo_report import PhotoReport
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.app.common.page import errors_in_words
from fer_core.app.common.photo import say_no_face
from fer_core.app.common.widgets import download
from fer_core.media.images import decode_image, encode_image
from fer_core.plots.models import probability_bars
from fer_core.results import ExpressionScores
from fer_core.vision.crops import aligned_rolls, crop_faces

FACES_SHOWN = 24
"""Faces of one photo shown as cards; the tables and downloads always hold all."""
CROP_SIDE = 160
DISPLAY_SIDE = 1280
"""Longer side in pixels of a photo on the page; the download has every pixel."""


@dataclass(frozen=True)
class AnalysedPhoto:
    """A photo that could be read, with what was found."""

    name: str
    frame: np.ndarray
    report: PhotoReport


def analyse_uploads(uploads: list[Any], analyser: FrameAnalyser, choice: tuple[str, ...]) -> list[AnalysedPhoto]:
    """Analyse uploaded files one after another; one that cannot be read is named and the others go on.

    A photo that is still uploaded is not analysed again on the next run of the page. Its result is kept only in the
    session, not in a cache that outlives it, and dropped with the upload.

    Args:
        uploads: Streamlit's uploaded files.
        analyser: for the present choice of models and detector.
        choice: names that identify this analyser.
    """
    known: dict[tuple[str, ...], AnalysedPhoto] = st.session_state.get("analysed_photos", {})
    photos: dict[tuple[str, ...], AnalysedPhoto] = {}
    progress = st.progress(0.0, "Reading photos…") if len(uploads) > 1 else None
    for number, upload in enumerate(uploads, start=1):
        key = (upload.file_id, *choice)
        with errors_in_words(stop=False, icon=":material/broken_image:"):
            photos[key] = known.get(key) or _analyse(upload.getvalue(), upload.name, analyser)
        if progress:
            progress.progress(number / len(uploads), f"{number} of {len(uploads)} photos")
    if progress:
        progress.empty()
    st.session_state["analysed_photos"] = photos
    return list(photos.values())


def _analyse(data: bytes, name: str, analyser: FrameAnalyser) -> AnalysedPhoto:
    frame = decode_image(data, name)
    return AnalysedPhoto(name, frame, PhotoReport(name, analyser.analyse(frame)))


def show_photo(number: int, photo: AnalysedPhoto) -> None:
    """The annotated photo and one card per face; ``number`` tells photos of the same name apart."""
    analysis = photo.report.analysis
    annotated = draw_analysis(photo.frame, analysis)
    with st.container(border=True):
        count = len(analysis)
        st.markdown(
            f"#### {photo.name}\n{count} {'face' if count == 1 else 'faces'} found" if count else f"#### {photo.name}"
        )
        picture, faces = st.columns([2, 3], gap="medium")
        with picture:
            st.image(_for_display(annotated), channels="BGR", output_format="JPEG", width="stretch")
            name = f"{photo.name.rsplit('.', 1)[0]}-annotated.png"
            download("Annotated image", partial(encode_image, annotated, "png"), name, f"annotated-{number}")
        with faces:
            if not count:
                say_no_face()
            # One model leaves room for two faces in a row.
            places = st.columns(2) if count > 1 and len(analysis.faces[0].scores) == 1 else [faces]
            for index, face in enumerate(analysis.faces[:FACES_SHOWN]):
                with places[index % len(places)]:
                    _show_face(photo, index, face, key=f"bars-{number}-{index}")
            if count > FACES_SHOWN:
                st.caption(f"{count - FACES_SHOWN} more faces are in the table and the downloads.")


def answer_in_words(scores: ExpressionScores) -> str:
    """``**happy** 93%, then neutral 4%`` in Markdown; if unsure, the two likeliest emotions."""
    verdict, ranked = scores.verdict(), [f"{emotion} {p:.0%}" for emotion, p in scores.ranked()[:3]]
    if not verdict.emotions:
        return f"**{verdict.words}**, perhaps {' or '.join(ranked[:2])}"
    return f"**{verdict.words}** {verdict.probability:.0%}, then {ranked[len(verdict.emotions)]}"


def _for_display(frame: np.ndarray) -> np.ndarray:
    scale = DISPLAY_SIDE / max(frame.shape[:2])
    return cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else frame


def _show_face(photo: AnalysedPhoto, index: int, face: FaceObservation, key: str) -> None:
    columns = st.columns([2] + [3] * len(face.scores), gap="small", vertical_alignment="center")
    crop = crop_faces(photo.frame, [face.crop_box], CROP_SIDE, aligned_rolls([face.detection]))[0]
    caption = f"Face {index + 1}" + (f", {face.mask.state}" if face.mask and face.covered else "")
    columns[0].image(crop, caption=caption, width="stretch")
    for column, scores in zip(columns[1:], face.scores, strict=True):
        column.markdown(f"{answer_in_words(scores)}  \n:small[:gray[{scores.model}]]")
        column.plotly_chart(
            probability_bars(scores),
            key=f"{key}-{scores.model}",
            config={"displayModeBar": False},
        )
