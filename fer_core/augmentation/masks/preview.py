"""Drawn masks as a page shows them: chosen kinds on many small faces, and on one large face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from enum import StrEnum

import numpy as np

from fer_core.augmentation.masks.bank import (
    FER2013_LANDMARKS,
    UNDER_NOSE_SHARE,
    MaskAnchors,
    MaskBank,
    MaskKind,
    MaskStyles,
    draw_mask,
)

LAYERS_PREVIEWED = 8
"""Of each kind; place, tilt and light make many more of them."""


class Worn(StrEnum):
    """How masks sit on the nose."""

    MIXED = "As in training"
    OVER = "Over the nose"
    UNDER = "Under the nose"

    @property
    def under_nose(self) -> float:
        """Share of the masks worn under the nose."""
        return {Worn.MIXED: UNDER_NOSE_SHARE, Worn.OVER: 0.0, Worn.UNDER: 1.0}[self]


def preview_bank(size: int, kinds: Sequence[MaskKind], styles: MaskStyles, worn: Worn, seed: int) -> MaskBank:
    """A small bank; arguments as for :class:`MaskBank`."""
    return MaskBank(size, kinds, styles, LAYERS_PREVIEWED, worn.under_nose, seed)


def landmarks_in_crop(side: int) -> MaskAnchors:
    """Where the parts of a face are in a crop of ``side`` pixels that is framed as FER2013's faces are."""
    return MaskAnchors(*((x * side, y * side) for x, y in astuple(FER2013_LANDMARKS)))


def mask_large_face(crop: np.ndarray, kind: MaskKind, styles: MaskStyles, worn: Worn, seed: int) -> np.ndarray:
    """One large face with a mask, placed by FER2013's framing.

    Args:
        crop: ``(S, S, 3) uint8`` BGR, framed as FER2013's faces are.
        kind: what to draw.
        styles: the styles to draw from.
        worn: how it sits on the nose.
        seed: of the draw.

    Returns:
        An array like ``crop``.
    """
    rng = np.random.default_rng(seed)
    covered = bool(rng.random() >= worn.under_nose)
    return draw_mask(crop, landmarks_in_crop(len(crop)), kind, rng, covered, styles)
