"""The masks of the augmentation lab: what the generator draws, on small faces as training sees them and on a large one."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import streamlit as st

from fer_core.app.common.page import errors_in_words
from fer_core.app.explore.lab_face import LabFace
from fer_core.augmentation.masks.bank import UNDER_NOSE_SHARE, MaskBank
from fer_core.augmentation.masks.preview import NoseCoverage, mask_large_face, preview_bank
from fer_core.augmentation.masks.textures import MASK_KINDS, TEST_STYLES, TRAINING_STYLES, MaskKind
from fer_core.augmentation.policy import PREVIEWED
from fer_core.plots.augmentation import face_sheet

STYLE_SETS = {"Training": TRAINING_STYLES, "Test": TEST_STYLES}

_KINDS = [*MASK_KINDS, MaskKind.SUNGLASSES]
_TITLES = {MaskKind.N95: "N95"}


def _title(kind: MaskKind) -> str:
    return _TITLES.get(kind, str(kind).capitalize())


@st.fragment
def masks_part(face: LabFace) -> None:
    """Masks on the chosen face: a fragment of its own, since they take longer than a slider may."""
    with errors_in_words():
        st.subheader("Masks up close")
        st.markdown(
            "The masks that the slider above draws at random, one kind at a time. Training and test wardrobes share no "
            "colour, pattern or cut, so that a network trained with one can be tested honestly with the other."
        )
        left, right = st.columns([2, 3], gap="large")
        with left:
            kinds = st.pills(
                "Kinds",
                _KINDS,
                selection_mode="multi",
                default=MASK_KINDS,
                format_func=_title,
                key="lab-mask-kinds",
                persist_state="session",
                wrap=True,
            )
            styles = st.segmented_control(
                "Wardrobe",
                list(STYLE_SETS),
                default="Training",
                required=True,
                key="lab-mask-wardrobe",
                persist_state="session",
            )
            worn = st.segmented_control(
                "Worn",
                list(NoseCoverage),
                default=NoseCoverage.MIXED,
                required=True,
                key="lab-mask-worn",
                persist_state="session",
                wrap=True,
                help=f"In training {UNDER_NOSE_SHARE:.0%} of the masks are worn under the nose.",
            )
            seed = int(st.number_input("Seed of the masks", 0, 10**6, key="lab-mask-seed", persist_state="session"))
        if not kinds:
            right.info("Choose at least one kind.")
            return
        with right:
            _show_small(face, tuple(kinds), styles, worn, seed)
        if face.large is not None:
            _show_large(face.large, tuple(kinds), styles, worn, seed)


def _show_small(face: LabFace, kinds: tuple[MaskKind, ...], styles: str, worn: NoseCoverage, seed: int) -> None:
    small = face.others if face.pixels is None else _grey(face.pixels)[None]
    faces = np.resize(small, (PREVIEWED, *small.shape[1:]))
    masked = _bank(len(faces[0]), kinds, styles, worn, seed).apply(faces, np.random.default_rng(seed))
    counts = Counter(masked.kinds)
    drawn = ", ".join(f"{_title(kind)} {counts[str(kind)]}" for kind in kinds if counts[str(kind)])
    free = sum(not covered for covered in masked.nose_covered)
    st.image(face_sheet(masked.images), caption=f"{drawn}; with a free nose {free} of {PREVIEWED}", width="stretch")


def _show_large(crop: np.ndarray, kinds: tuple[MaskKind, ...], styles: str, worn: NoseCoverage, seed: int) -> None:
    large = [_large(crop, kind, styles, worn, seed) for kind in kinds]
    st.image(large, caption=[_title(kind) for kind in kinds], width=len(crop))
    st.caption(
        "On the photo. Masks are placed here by where eyes, nose and mouth are on average in a face cut out like this one; "
        "the points of this very face would place them better."
    )


def _grey(pixels: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY) if pixels.ndim == 3 else pixels


@st.cache_resource(show_spinner="Drawing the masks…", max_entries=16)
def _bank(size: int, kinds: tuple[MaskKind, ...], styles: str, worn: NoseCoverage, seed: int) -> MaskBank:
    return preview_bank(size, kinds, STYLE_SETS[styles], worn, seed)


@st.cache_data(show_spinner="Drawing the masks…", max_entries=48)
def _large(crop: np.ndarray, kind: MaskKind, styles: str, worn: NoseCoverage, seed: int) -> np.ndarray:
    """RGB."""
    return mask_large_face(crop, kind, STYLE_SETS[styles], worn, seed)[..., ::-1]
