"""The inputs of the page: a face and one to three models. Nothing here loads TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import streamlit as st

from fer_core.analysis.frame import FrameAnalysis
from fer_core.analysis.overlay import draw_analysis
from fer_core.app.common.page import errors_in_words
from fer_core.app.common.photo import (
    FACES_OFFERED,
    PHOTO_HELP,
    THUMBNAIL_SIDE,
    face_finder,
    middle_square,
    say_no_face,
    which_face,
)
from fer_core.app.common.selection import headline, model_labels, model_titles
from fer_core.app.common.widgets import pick, switch
from fer_core.errors import ModelError
from fer_core.media.images import decode_image, read_image
from fer_core.results import BoundingBox
from fer_core.storage import ARTIFACTS
from fer_core.store.store import ModelStore, StoredModel
from fer_core.vision.crops import aligned_rolls, crop_faces

SAMPLE_FOLDER = ARTIFACTS / "samples"
MAX_NETWORKS = 3
"""Side by side on the page."""
CROP_SIDE = 180
"""Pixels of the chosen face."""
PICTURE_HEIGHT = 240
"""Pixels of the picture in which the face is chosen."""

_PHOTO = "feature-maps-photo"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class PhotoSource(StrEnum):
    """Where the face comes from."""

    SAMPLE = "Sample"
    UPLOAD = "Upload"
    CAMERA = "Camera"


@dataclass(frozen=True)
class ChosenFace:
    """A face in a picture."""

    stem: str
    """Beginning of the names of files about it."""
    frame: np.ndarray
    """``(H, W, 3) uint8`` BGR."""
    box: BoundingBox
    """The part of the frame that is cut out, in pixels."""
    roll: float = 0.0
    """Degrees clockwise by which the box is rotated."""

    def pixels(self, side: int) -> np.ndarray:
        """The face as networks see it, ``(side, side) uint8`` grey."""
        return crop_faces(self.frame, [self.box], side, [self.roll])[0]


@dataclass(frozen=True)
class _Photo:
    key: str
    stem: str
    frame: np.ndarray


def choose_networks() -> list[StoredModel]:
    """A choice of one to three models with a Keras file, the best first; says which are left out, and why.

    Raises:
        ModelError: there is no such model.
    """
    known = ModelStore().all()
    able = sorted((m for m in known if m.has_keras and not m.card.members), key=lambda m: -(headline(m) or 0.0))
    if not able:
        raise ModelError(
            "No model with a Keras file is in the store, and only those can be looked into. Train one with "
            "`python -m fer_core train senet --data PATH`, or fetch artifacts/models with the repository."
        )
    labels = model_labels(able)
    models = {model.name: model for model in able}
    names = st.multiselect(
        "Networks",
        list(models),
        default=list(models)[:1],
        format_func=labels.__getitem__,
        max_selections=MAX_NETWORKS,
        help="One to three, side by side. The share is the accuracy that the Compare Models page shows too.",
        key="feature-maps-models",
    )
    left_out = _left_out(known)
    if left_out:
        st.caption(left_out)
    if not names:
        st.info("Choose one to three networks in the sidebar.")
        st.stop()
    return [models[name] for name in names]


def _left_out(models: Sequence[StoredModel]) -> str:
    """Which models cannot be looked into, and why, in a sentence or two."""
    titles = model_titles(models)
    ensembles = [titles[model.name] for model in models if model.card.members]
    absent = [titles[model.name] for model in models if not model.card.members and not model.has_keras]
    parts = []
    if ensembles:
        parts.append(f"Not here: {', '.join(ensembles)}: an ensemble has no layers of its own, so look at its members.")
    if absent:
        parts.append(f"Without layers to show: {', '.join(absent)}, whose Keras files do not ship with the studio.")
    return " ".join(parts)


def choose_face(detector: str) -> ChosenFace:
    """A face of a sample, an upload or a camera photo; stops the page until there is one.

    Args:
        detector: name of the detector that finds it.
    """
    with st.container(border=True):
        left, right = st.columns([3, 4], gap="large")
        with left:
            photo = _choose_photo()
        if photo is None:
            right.info("Choose a picture of a face first.", icon=":material/face:")
            st.stop()
        analysis = face_finder(detector).analyse(photo.frame)
        with right:
            return _choose_among(photo, analysis)


def _choose_photo() -> _Photo | None:
    source = switch("Face from", list(PhotoSource), "feature-maps-source")
    if source == PhotoSource.UPLOAD:
        return _given(st.file_uploader("Photo", help=PHOTO_HELP, key="feature-maps-upload"))
    if source == PhotoSource.CAMERA:
        return _given(st.camera_input("Take a photo; it stays in memory and is not kept", key="feature-maps-camera"))
    samples = {path.stem: path for path in sorted(SAMPLE_FOLDER.iterdir()) if path.suffix.lower() in _SUFFIXES}
    if not samples:
        st.info("No sample ships with this copy: upload a photo or take one.")
        return None
    stem = pick("Sample", {s: s.replace("_", " ").capitalize() for s in samples}, "feature-maps-sample")
    return _Photo(f"sample-{stem}", stem, _sample(samples[stem]))


@st.cache_data(show_spinner=False, max_entries=4)
def _sample(path: Path) -> np.ndarray:
    return read_image(path)


def _given(upload: Any) -> _Photo | None:
    """An upload or a camera photo, decoded once and kept for the session; says so if it cannot be read."""
    if upload is None:
        return None
    known: _Photo | None = st.session_state.get(_PHOTO)
    if known is None or known.key != upload.file_id:
        known = None
        with errors_in_words(stop=False, icon=":material/broken_image:"):
            frame = decode_image(upload.getvalue(), upload.name)
            st.session_state[_PHOTO] = known = _Photo(upload.file_id, Path(upload.name).stem, frame)
    return known


def _choose_among(photo: _Photo, analysis: FrameAnalysis) -> ChosenFace:
    rolls = aligned_rolls(face.detection for face in analysis)
    faces = [
        ChosenFace(f"{photo.stem}-{number}", photo.frame, face.crop_box, roll)
        for number, (face, roll) in enumerate(zip(analysis, rolls, strict=True), 1)
    ]
    picture, crop = st.columns(2, gap="medium", vertical_alignment="top")
    picture.image(_small(draw_analysis(photo.frame, analysis)), channels="BGR", output_format="JPEG")
    if len(faces) > 1:
        offered = faces[:FACES_OFFERED]
        captions = [str(number) for number in range(1, len(offered) + 1)]
        picture.image([face.pixels(THUMBNAIL_SIDE) for face in offered], caption=captions, width=THUMBNAIL_SIDE)
    with crop:
        face = _one_of(photo, faces)
        st.image(face.pixels(CROP_SIDE), caption="What the networks are shown: grey, cut out as in FER2013")
    return face


def _one_of(photo: _Photo, faces: Sequence[ChosenFace]) -> ChosenFace:
    if not faces:
        say_no_face()
        if not st.toggle("Take the whole picture as the face", key=f"feature-maps-whole-{photo.key}"):
            st.stop()
        return ChosenFace(photo.stem, photo.frame, middle_square(photo.frame))
    if len(faces) == 1:
        return faces[0]
    return faces[which_face(f"Which of {len(faces)} faces", len(faces), f"feature-maps-face-{photo.key}")]


def _small(frame: np.ndarray) -> np.ndarray:
    """The picture, at most :data:`PICTURE_HEIGHT` pixels high."""
    height, width = frame.shape[:2]
    scale = min(1.0, PICTURE_HEIGHT / height)
    return cv2.resize(frame, (max(1, round(width * scale)), round(height * scale)), interpolation=cv2.INTER_AREA)
