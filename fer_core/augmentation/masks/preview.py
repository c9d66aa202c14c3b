"""Previews of drawn masks: chosen kinds on many small faces, and on one large face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from enum import StrEnum

import numpy as np

from fer_core.augmentation.masks.bank import UNDER_NOSE_SHARE, MaskBank, draw_mask
from fer_core.augmentation.masks.placement import FER2013_MASK_ANCHORS, MaskAnchors
from fer_core.augmentation.masks.textures import MaskKind, MaskStyles

LAYERS_PREVIEWED = 8
"""Layers of each kind; place, tilt and light make many different masks of one layer."""


class NoseCoverage(StrEnum):
    """Whether masks cover the nose."""

    MIXED = "As in training"
    OVER = "Over the nose"
    UNDER = "Under the nose"

    @property
    def under_nose(self) -> float:
        """Share of the masks worn under the nose."""
        return {NoseCoverage.MIXED: UNDER_NOSE_SHARE, NoseCoverage.OVER: 0.0, NoseCoverage.UNDER: 1.0}[self]


def preview_bank(size: int, kinds: Sequence[MaskKind], styles: MaskStyles, worn: NoseCoverage, seed: int) -> MaskBank:
    """A small bank; arguments as for :class:`MaskBank`."""
    return MaskBank(size, kinds, styles, LAYERS_PREVIEWED, worn.under_nose, seed)


def landmarks_in_crop(side: int) -> MaskAnchors:
    """Places of the parts of a face in a crop of ``side`` pixels, framed as FER2013's faces."""
    return MaskAnchors(*((x * side, y * side) for x, y in astuple(FER2013_MASK_ANCHORS)))


def mask_large_face(crop: np.ndarray, kind: MaskKind, styles: MaskStyles, worn: NoseCoverage, seed: int) -> np.ndarray:
    """One large face with a mask, placed by FER2013's framing.

    Args:
        crop: ``(S, S, 3) uint8`` BGR, framed as FER2013's faces.
        kind: of mask.
        styles: the styles to draw from.
        worn: whether it covers the nose.
        seed: of the mask.

    Returns:
        An array like ``crop``.
    """
    rng = np.random.default_rng(seed)
    covered = bool(rng.random() >= worn.under_nose)
    return draw_mask(crop, landmarks_in_crop(len(crop)), kind, rng, covered, styles)
