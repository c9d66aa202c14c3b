"""Masks, scarves and sunglasses drawn onto faces, for training and for tests of robustness.

A mask is placed by the landmarks of the face (:func:`draw_mask`, or :meth:`MaskBank.apply` with landmarks) or by the common
framing of FER2013's faces (:meth:`MaskBank.apply`). The bank draws its layers once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from fer_core.augmentation.masks.layers import CANVAS_LEFT, CANVAS_SIDE, CANVAS_TOP, MaskLayer, draw_layer
from fer_core.augmentation.masks.placement import (
    FER2013_MASK_ANCHORS,
    MaskAnchors,
    frame_of,
    light_on,
    places_in_frames,
)
from fer_core.augmentation.masks.textures import MASK_KINDS, TRAINING_STYLES, MaskKind, MaskStyles
from fer_core.media.images import as_bytes

TILT, ZOOM, SHIFT = 7.0, 0.07, 0.035
"""Variation of a mask's place by the common framing: largest angle in degrees, relative change of size and shift in
frames, uniform."""
UNDER_NOSE_SHARE = 0.2
"""Share of the masks that are worn under the nose."""
LAYERS_PER_KIND = 32
"""Layers of each kind in a bank; place, tilt, mirror image and light make many different masks of one layer."""
OVERSAMPLING = 2
"""Layers are warped at twice the resolution of the face, and then averaged."""
_MAX_PIXELS = 600
"""Pixels per frame of a layer drawn for a single photo."""


@dataclass(frozen=True)
class MaskedFaces:
    """Faces with their masks."""

    images: np.ndarray
    """``(N, S, S) uint8`` grey."""
    kinds: np.ndarray
    """``(N,) str``: :class:`MaskKind` values."""
    nose_covered: np.ndarray
    """``(N,) bool``; false for unmasked faces."""


class MaskBank:
    """Layers of masks, drawn once and put onto many grey faces.

    Args:
        size: side of the faces in pixels.
        kinds: kinds of masks, all equally frequent.
        styles: the styles to draw from.
        layers: number of layers of each kind.
        under_nose: share of the masks worn under the nose, in [0, 1].
        seed: of the layers.
    """

    def __init__(
        self,
        size: int = 48,
        kinds: Sequence[MaskKind] = MASK_KINDS,
        styles: MaskStyles = TRAINING_STYLES,
        layers: int = LAYERS_PER_KIND,
        under_nose: float = UNDER_NOSE_SHARE,
        seed: int = 0,
    ) -> None:
        rng = np.random.default_rng(seed)
        lowered = round(layers * under_nose)
        drawn = [
            draw_layer(kind, number >= lowered, styles, rng, size * OVERSAMPLING)
            for kind in kinds
            for number in range(layers)
        ]
        self.size = size
        self.kinds = np.array([str(layer.kind) for layer in drawn])
        """``(layers,) str``: kind of each layer."""
        self.nose_covered = np.array([layer.nose_covered for layer in drawn])
        self._layers = [_grey_layer(layer) for layer in drawn]

    def apply(
        self,
        faces: np.ndarray,
        rng: np.random.Generator,
        probability: float = 1.0,
        landmarks: Sequence[MaskAnchors] | None = None,
    ) -> MaskedFaces:
        """Mask faces.

        Args:
            faces: ``(N, size, size) uint8`` grey, framed as FER2013's faces; not changed in place.
            rng: source of every random choice.
            probability: of a mask, for each face.
            landmarks: of each face in pixels; without them masks are placed by
                :data:`~fer_core.augmentation.masks.placement.FER2013_MASK_ANCHORS`.

        Raises:
            ValueError: the faces are of another size.
        """
        if faces.shape[1:] != (self.size, self.size):
            raise ValueError(f"expected faces of {self.size}x{self.size} pixels, got {faces.shape[1:]}")
        count = len(faces)
        masked = np.flatnonzero(rng.random(count) < probability)
        chosen = rng.integers(len(self._layers), size=count)[masked]
        mirrored = rng.random(count)[masked] < 0.5
        places = _random_places(rng, count)[masked]
        images = faces.copy()
        kinds, nose_covered = np.full(count, str(MaskKind.NONE), dtype="U10"), np.zeros(count, bool)
        kinds[masked], nose_covered[masked] = self.kinds[chosen], self.nose_covered[chosen]
        if len(masked):
            warped = np.empty((len(masked), self.size, self.size, 3), np.uint8)
            for i, row in enumerate(masked):
                frame = frame_of(landmarks[int(row)]) if landmarks else np.diag([self.size, self.size, 1.0])
                self._place(int(chosen[i]), frame @ places[i], bool(mirrored[i]), warped[i])
            images[masked] = _composed(faces[masked], warped)
        return MaskedFaces(images, kinds, nose_covered)

    def _place(self, layer: int, frame: np.ndarray, mirrored: bool, out: np.ndarray) -> None:
        """Warp a layer onto a face; ``frame`` (3x3) maps frames to pixels of the face."""
        canvas = _from_canvas(len(self._layers[layer]), mirrored)
        fine = np.diag([OVERSAMPLING, OVERSAMPLING, 1.0])
        fine[:2, 2] = (OVERSAMPLING - 1) / 2  # centres of pixels
        matrix = (fine @ _PIXEL_CENTRE @ frame @ canvas)[:2]
        side = self.size * OVERSAMPLING
        laid = cv2.warpAffine(self._layers[layer], matrix, (side, side), flags=cv2.INTER_LINEAR)
        cv2.resize(laid, (self.size, self.size), dst=out, interpolation=cv2.INTER_AREA)


_PIXEL_CENTRE = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
"""From places, where pixel j covers ``[j, j + 1]``, to OpenCV's indices of pixels."""


@lru_cache(maxsize=4)
def default_bank(size: int, seed: int = 0) -> MaskBank:
    """The bank of training for faces of ``size`` pixels; another seed gives other masks of the same styles."""
    return MaskBank(size, seed=seed)


def draw_mask(
    image: np.ndarray,
    landmarks: MaskAnchors,
    kind: MaskKind,
    rng: np.random.Generator,
    nose_covered: bool = True,
    styles: MaskStyles = TRAINING_STYLES,
) -> np.ndarray:
    """One face with a mask fitted to its landmarks.

    Args:
        image: ``(H, W, 3) uint8`` BGR or ``(H, W) uint8`` grey; not changed in place.
        landmarks: of the face, in pixels of the image.
        kind: of mask; ``NONE`` gives a copy.
        rng: source of every random choice.
        nose_covered: whether the mask is worn over the nose or under it.
        styles: the styles to draw from.

    Returns:
        An array like ``image``.
    """
    if kind == MaskKind.NONE:
        return image.copy()
    height, width = image.shape[:2]
    frame = frame_of(landmarks)
    pixels = int(np.clip(np.sqrt(abs(np.linalg.det(frame[:2, :2]))) * OVERSAMPLING, 64, _MAX_PIXELS))
    layer = draw_layer(kind, nose_covered, styles, rng, pixels)
    places = places_in_frames(landmarks, (height, width)) - np.array([CANVAS_LEFT, CANVAS_TOP], np.float32)
    across, down = (places[..., axis] * np.float32(pixels) - np.float32(0.5) for axis in (0, 1))
    colour, alpha, shadow = (
        cv2.remap(part, across, down, cv2.INTER_LINEAR).astype(np.float32)
        for part in (layer.colour, layer.alpha, layer.shadow)
    )
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    inverse = np.linalg.inv(_PIXEL_CENTRE @ frame @ np.diag([1 / _LIGHT_SIDE, 1 / _LIGHT_SIDE, 1.0]))[:2]
    face = cv2.warpAffine(grey, inverse, (_LIGHT_SIDE, _LIGHT_SIDE), borderMode=cv2.BORDER_REPLICATE)
    light = light_on(face[None])[0]
    here = light[0] + light[1] * (places[..., 0] + CANVAS_LEFT - 0.5) + light[2] * (places[..., 1] + CANVAS_TOP - 0.5)
    if image.ndim == 2:
        colour = colour @ _LUMA
    else:
        here, alpha, shadow = here[..., None], alpha[..., None], shadow[..., None]
    skin = image.astype(np.float32) * (1 - shadow / 255) * (1 - alpha / 255)
    return as_bytes(skin + colour * np.clip(here, 0.1, 1.4))


LUMA = (0.114, 0.587, 0.299)
"""ITU-R BT.601, of BGR, as OpenCV converts."""
_LUMA = np.array(LUMA, np.float32)
_LIGHT_SIDE = 48
"""Side in pixels of the reduced face on which :func:`draw_mask` measures the light."""


def _grey_layer(layer: MaskLayer) -> np.ndarray:
    """``(side, side, 3) uint8``: grey times alpha, alpha, shadow."""
    grey = np.rint(layer.colour.astype(np.float32) @ _LUMA).astype(np.uint8)
    return np.ascontiguousarray(np.stack([grey, layer.alpha, layer.shadow], axis=-1))


def _from_canvas(side: int, mirrored: bool) -> np.ndarray:
    """From indices of a canvas's pixels to frames, 3x3; mirrored about the middle of the face."""
    step = CANVAS_SIDE / side
    matrix = np.array([[step, 0, CANVAS_LEFT + step / 2], [0, step, CANVAS_TOP + step / 2], [0, 0, 1]])
    return np.array([[-1, 0, 1], [0, 1, 0], [0, 0, 1]]) @ matrix if mirrored else matrix


def _random_places(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random places of masks: ``(count, 3, 3)`` from frames to frames, about the nose tip."""
    angles = np.deg2rad(rng.uniform(-TILT, TILT, count))
    zooms = rng.uniform(1 - ZOOM, 1 + ZOOM, count)
    shifts = rng.uniform(-SHIFT, SHIFT, (count, 2))
    cos, sin = np.cos(angles) * zooms, np.sin(angles) * zooms
    places = np.zeros((count, 3, 3))
    places[:, 0, 0], places[:, 0, 1], places[:, 1, 0], places[:, 1, 1] = cos, -sin, sin, cos
    centre = np.array(FER2013_MASK_ANCHORS.nose_tip)
    places[:, :2, 2] = centre + shifts - places[:, :2, :2] @ centre
    places[:, 2, 2] = 1
    return places


def _composed(faces: np.ndarray, warped: np.ndarray) -> np.ndarray:
    """Faces ``(N, S, S) uint8`` under layers ``(N, S, S, 3) uint8``, lit as the faces are."""
    axis = (np.arange(faces.shape[1], dtype=np.float32) + 0.5) / faces.shape[1] - 0.5
    gain, across, down = light_on(faces).T[..., None, None]
    light = gain + across * axis[None, None, :] + down * axis[None, :, None]
    colour, alpha, shadow = (warped[..., channel].astype(np.float32) for channel in range(3))
    skin = faces * (1 - shadow / 255) * (1 - alpha / 255)
    return as_bytes(skin + colour * light)
