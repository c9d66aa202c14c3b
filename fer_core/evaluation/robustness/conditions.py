"""The conditions under which networks are tried: masks, blur, noise, darkness, rotation and size."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from fer_core.augmentation.masks.bank import UNDER_NOSE_SHARE, MaskBank
from fer_core.augmentation.masks.textures import MASK_KINDS, TEST_STYLES, MaskKind

SEED = 0
BLUR = 1.5
"""Standard deviation of the Gaussian, in pixels of a 48-pixel face."""
NOISE = 20.0
"""Standard deviation of the Gaussian, in grey levels of 255."""
DARKNESS = 0.25
"""What every grey level is multiplied by, as two stops less light do."""
ROTATION = 30.0
"""Degrees, to either side by chance; training turns by at most 15."""
SMALL, SMALLEST = 24, 16
"""Sides in pixels that faces are reduced to before they are enlarged again."""
UNMASKED = "bare"
MASKS_OF_ALL_KINDS = "masks"
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Faces ``(N, S, S) uint8`` to faces of the same shape and type."""


@dataclass(frozen=True)
class Condition:
    """One way of making faces hard to read."""

    name: str
    title: str
    setting: str
    """How strong it is, in words and units; predictions under another setting are not read as this condition's."""
    change: Change
    masked: bool = False
    """Whether every face wears a mask, so that a network with answers for masked faces gives those."""

    def apply(self, faces: np.ndarray) -> np.ndarray:
        """Changed copies of ``(N, S, S) uint8`` faces; the same faces always become the same."""
        return self.change(faces, np.random.default_rng([SEED, zlib.crc32(self.name.encode())]))


CONDITIONS: dict[str, Condition] = {}
"""By name, in the order of the table."""


def _register(name: str, title: str, setting: str, masked: bool = False) -> Callable[[Change], Change]:
    def add(change: Change) -> Change:
        CONDITIONS[name] = Condition(name, title, setting, change, masked)
        return change

    return add


@lru_cache(maxsize=8)
def _bank(size: int, *kinds: MaskKind, under_nose: float = 0.0) -> MaskBank:
    return MaskBank(size, kinds, TEST_STYLES, under_nose=under_nose, seed=SEED)


@_register(UNMASKED, "Bare", "unchanged")
def _unmasked(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return faces


def _wearing(*kinds: MaskKind, under_nose: float = 0.0) -> Change:
    return lambda faces, rng: _bank(faces.shape[1], *kinds, under_nose=under_nose).apply(faces, rng).images


def _reduced(side: int) -> Change:
    def change(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        size = faces.shape[1:]
        small = [cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA) for face in faces]
        return np.stack([cv2.resize(face, size, interpolation=cv2.INTER_LINEAR) for face in small])

    return change


_register(
    MASKS_OF_ALL_KINDS,
    "Any mask",
    "masks of all kinds and scarves, one in five under the nose, drawn in styles that no training draws",
    masked=True,
)(_wearing(*MASK_KINDS, under_nose=UNDER_NOSE_SHARE))
for _kind, _title in ((MaskKind.SURGICAL, "Surgical mask"), (MaskKind.CLOTH, "Cloth mask")):
    _register(str(_kind), _title, "drawn over the nose, in styles that no training draws", masked=True)(_wearing(_kind))
_register("sunglasses", "Eyes covered", "drawn sunglasses")(_wearing(MaskKind.SUNGLASSES))
for _name, _side in (("small", SMALL), ("smallest", SMALLEST)):
    _register(_name, f"{_side} pixels", f"reduced to {_side}x{_side} pixels and enlarged again")(_reduced(_side))


@_register("blur", "Blur", f"Gaussian, standard deviation {BLUR:g} of 48 pixels")
def _blurred(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(face, (0, 0), BLUR * faces.shape[1] / 48) for face in faces])


@_register("noise", "Noise", f"Gaussian, standard deviation {NOISE:g} of 255 grey levels")
def _noisy(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _as_bytes(faces + rng.normal(0, NOISE, faces.shape))


@_register("darkness", "Darkness", f"a share of {DARKNESS:g} of the light, in whole grey levels")
def _darkened(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _as_bytes(faces * DARKNESS)


@_register("rotation", "Rotation", f"by {ROTATION:g} degrees to either side")
def _rotated(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    side = faces.shape[1]
    angles = np.where(rng.random(len(faces)) < 0.5, ROTATION, -ROTATION)
    matrices = [cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), float(angle), 1.0) for angle in angles]
    return np.stack(
        [
            cv2.warpAffine(face, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
            for face, matrix in zip(faces, matrices, strict=True)
        ]
    )


def _as_bytes(pixels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
