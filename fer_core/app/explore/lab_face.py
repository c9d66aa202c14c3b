"""Which face the augmentation lab changes: of the data set, the mean of a class, the sample, or one's own photo."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import streamlit as st

from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.app.explore.explored import ExploredDataset
from fer_core.augmentation.policy import PREVIEWED
from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.errors import ImageError
from fer_core.media.images import decode_image, read_image
from fer_core.results import BoundingBox
from fer_core.storage import ARTIFACTS
from fer_core.vision.crops import crop_faces
from fer_core.vision.detection.registry import create_detector

SAMPLE_PHOTO = ARTIFACTS / "samples" / "astronaut.jpg"
LARGE_SIDE = 160
"""Pixels of a photo's face, for masks."""
THUMBNAIL_SIDE = 56
FACES_OFFERED = 12
"""Of one photo, the largest ones."""
_PHOTO = "lab-photo"


class LabFaceSource(StrEnum):
    """Where the face comes from."""

    BATCH = "Training batch"
    ROW = "One row"
    SAMPLE = "Sample photo"
    MEAN = "Mean of a class"
    UPLOAD = "Own photo"


@dataclass(frozen=True)
class LabFace:
    """What is changed."""

    pixels: np.ndarray | None
    """``(S, S) uint8`` grey or ``(S, S, 3) uint8`` BGR; ``None`` for a batch of the data set's training faces."""
    others: np.ndarray
    """``(K, S, S) uint8`` grey, to mix it with."""
    words: str
    """Which face it is."""
    large: np.ndarray | None = None
    """``(L, L, 3) uint8`` BGR where it comes from a photo."""


@dataclass(frozen=True)
class _Photo:
    name: str
    frame: np.ndarray


def choose_lab_face(explored: ExploredDataset) -> LabFace | None:
    """The inputs; ``None`` until there is a face."""
    at_hand = explored.dataset is not None
    source = st.segmented_control(
        "Face from",
        list(LabFaceSource)
        if at_hand
        else [source for source in LabFaceSource if source not in (LabFaceSource.BATCH, LabFaceSource.ROW)],
        default=LabFaceSource.ROW if at_hand else LabFaceSource.SAMPLE,
        required=True,
        key="lab-source-data" if at_hand else "lab-source",
        persist_state="session",
        wrap=True,
    )
    if not at_hand:
        st.caption(f"With the faces of {explored.summary.name} at hand, its own faces can be taken here.")
    if source == LabFaceSource.BATCH and explored.dataset:
        return LabFace(None, _others(explored), "The first faces of a training batch")
    if source == LabFaceSource.ROW and explored.dataset:
        return _row(explored, explored.dataset)
    if source == LabFaceSource.MEAN:
        return _mean(explored)
    photo = _sample(SAMPLE_PHOTO) if source == LabFaceSource.SAMPLE else _upload()
    return None if photo is None else _face_in(photo, explored)


def _others(explored: ExploredDataset) -> np.ndarray:
    """Training faces where they are at hand, else the means of the classes."""
    if explored.dataset is None:
        return _means(explored)
    rows = np.flatnonzero(explored.dataset.splits == Split.TRAINING)
    return explored.dataset.images[np.random.default_rng(0).permutation(rows)[:PREVIEWED]]


def _means(explored: ExploredDataset) -> np.ndarray:
    means = explored.summary.means[explored.summary.label_set.name]
    return np.rint(means.means[means.faces > 0]).astype(np.uint8)


def _row(explored: ExploredDataset, dataset: FaceDataset) -> LabFace:
    key = f"lab-row-{explored.key}"

    def another() -> None:
        st.session_state[key] = int(np.random.default_rng().integers(len(dataset)))

    box, button = st.columns([3, 2], vertical_alignment="bottom")
    button.button("Another face", on_click=another, icon=":material/casino:", width="stretch")
    row = int(box.number_input("Row", 0, len(dataset) - 1, key=key, persist_state="session"))
    label = dataset.labels[row]
    emotion = str(dataset.label_set.emotions[label]) if label >= 0 else "no label"
    return LabFace(dataset.images[row], _others(explored), f"Row {row}: {emotion}, {dataset.splits[row]}")


def _mean(explored: ExploredDataset) -> LabFace:
    means = explored.summary.means[explored.summary.label_set.name]
    emotions = [str(emotion) for emotion, faces in zip(means.label_set.emotions, means.faces, strict=True) if faces]
    emotion = st.selectbox("Class", emotions, key=f"lab-class-{means.label_set.name}", persist_state="session")
    caption = f"Mean of all {emotion} faces of {explored.summary.name}"
    return LabFace(_means(explored)[emotions.index(emotion)], _others(explored), caption)


@st.cache_resource(show_spinner=False, max_entries=1)
def _sample(path: Path) -> _Photo:
    return _Photo("the sample photo", read_image(path))


def _upload() -> _Photo | None:
    """A photo, decoded once; it stays with the session until it is taken out of the box."""

    def changed() -> None:
        st.session_state.pop(_PHOTO, None)

    file = st.file_uploader(
        "Photo",
        key="lab-upload",
        on_change=changed,
        help="JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF, up to 25 MB. It stays in memory while the studio is open.",
    )
    if file is not None and _PHOTO not in st.session_state:
        try:
            st.session_state[_PHOTO] = _Photo(file.name, decode_image(file.getvalue(), file.name))
        except ImageError as error:
            st.error(str(error), icon=":material/broken_image:")
    photo: _Photo | None = st.session_state.get(_PHOTO)
    # The box is empty again once its tab was closed; the photo is not.
    if photo is not None and file is None and st.button(f"Forget {photo.name}", icon=":material/delete:"):
        del st.session_state[_PHOTO]
        photo = None
    if photo is None and file is None:
        st.info("Choose a photo of a face.", icon=":material/add_a_photo:")
    return photo


@st.cache_resource(show_spinner=False)
def _finder() -> FrameAnalyser:
    return FrameAnalyser(create_detector(), ())


def _face_in(photo: _Photo, explored: ExploredDataset) -> LabFace:
    boxes = [face.crop_box for face in _finder().analyse(photo.frame)][:FACES_OFFERED]
    number = 0
    if not boxes:
        st.info("No face was found, so the middle of the picture is taken.", icon=":material/face_retouching_off:")
        boxes = [_middle_square(photo.frame)]
    if len(boxes) > 1:
        captions = [str(number + 1) for number in range(len(boxes))]
        st.image(list(crop_faces(photo.frame, boxes, THUMBNAIL_SIDE)), caption=captions, width=THUMBNAIL_SIDE)
        number = st.selectbox(
            f"Which of {len(boxes)} faces",
            range(len(boxes)),
            format_func=lambda n: f"Face {n + 1}" + (", the largest" if n == 0 else ""),
            key=f"lab-face-{photo.name}-{len(boxes)}",
            persist_state="session",
        )
    box = boxes[number]
    return LabFace(
        _colour_crop(photo.frame, box, explored.summary.side[0]),
        _others(explored),
        f"The face of {photo.name}, cut out as FER2013's are",
        _colour_crop(photo.frame, box, LARGE_SIDE),
    )


def _colour_crop(frame: np.ndarray, box: BoundingBox, side: int) -> np.ndarray:
    """As :func:`crop_faces` cuts, in colour: the grey level of three equal channels is theirs."""
    planes = [crop_faces(np.broadcast_to(frame[..., c : c + 1], frame.shape), [box], side)[0] for c in range(3)]
    return np.stack(planes, axis=-1)


def _middle_square(frame: np.ndarray) -> BoundingBox:
    height, width = frame.shape[:2]
    side = min(height, width)
    return BoundingBox((width - side) / 2, (height - side) / 2, side, side)
