"""The faces of one photo: found once, one of them chosen, and what is said if there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.app.common.widgets import pick
from fer_core.results import BoundingBox
from fer_core.vision.detection.registry import DEFAULT_DETECTOR, create_detector

FACES_OFFERED = 12
"""Of one photo, the largest ones."""
THUMBNAIL_SIDE = 56
"""Pixels of each face that can be chosen."""
PHOTO_HELP = "JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF, up to 25 MB. It stays in memory and is not kept."


@st.cache_resource(show_spinner=False, max_entries=4)
def face_finder(detector: str = DEFAULT_DETECTOR) -> FrameAnalyser:
    """An analyser that only finds faces, shared by all sessions."""
    return FrameAnalyser(create_detector(detector), ())


def say_no_face() -> None:
    """What faces have to look like to be found."""
    st.info(
        "No face was found. Faces should look roughly towards the camera and be at least 40 pixels tall; another "
        "detector may find what this one missed.",
        icon=":material/face_retouching_off:",
    )


def which_face(label: str, count: int, key: str, **options: Any) -> int:
    """A box that chooses one of the faces of a photo, which are in order of size.

    Args:
        label: of the box.
        count: faces, of which the first :data:`FACES_OFFERED` are offered.
        key: of the box.
        options: of :func:`~fer_core.app.common.widgets.pick`.

    Returns:
        The number of the face, from 0.
    """
    numbers = range(min(count, FACES_OFFERED))
    return pick(label, {n: f"Face {n + 1}" + ("" if n else ", the largest") for n in numbers}, key, **options)


def middle_square(frame: np.ndarray) -> BoundingBox:
    """The largest square in the middle of a frame ``(H, W, 3)``."""
    height, width = frame.shape[:2]
    side = min(height, width)
    return BoundingBox((width - side) / 2, (height - side) / 2, side, side)
