"""Random changes to faces that keep their expression, for training and for the previews of the pages."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fer_core.augmentation.masks.bank import LUMA, default_bank
from fer_core.media.images import as_bytes

TRANSFORM_LIMITS = {
    "rotation": 180.0,
    "shear": 80.0,
    "noise": 128.0,
    "blur": 12.0,
    "zoom": 0.9,
    "coarse": 0.9,
    "crop": 0.9,
    "colour": 0.9,
}
"""Largest strengths that make sense, in each field's unit; fields that are not named here go up to 1."""


@dataclass(frozen=True)
class TransformSamples:
    """Sampled place and light of ``N`` faces."""

    matrices: np.ndarray
    """``(N, 2, 3) float64``: from pixels of the source to pixels of the result."""
    contrasts: np.ndarray
    """``(N,) float64``: factor of the deviation from the mean."""
    offsets: np.ndarray
    """``(N,) float64``: added grey levels."""


@dataclass(frozen=True)
class Augmentation:
    """Strengths of each transformation; every one is sampled anew per image, and 0 switches it off."""

    rotation: float = 0.0
    """Largest angle in degrees, uniform to both sides."""
    shear: float = 0.0
    """Largest slant of the vertical in degrees, uniform to both sides."""
    zoom: float = 0.0
    """Largest relative change of size, uniform to both sides; width and height alike."""
    shift: float = 0.0
    """Largest shift as a share of the side, uniform in both directions."""
    flip: float = 0.0
    """Probability of a horizontal mirror image."""
    brightness: float = 0.0
    """Largest offset as a share of the full range, uniform to both sides."""
    contrast: float = 0.0
    """Largest relative change of the deviation from the image's mean, uniform to both sides."""
    erasing: float = 0.0
    """Probability of a blank rectangle (Zhong et al. 2017, arXiv:1708.04896) of 2-20% of the area."""
    noise: float = 0.0
    """Largest standard deviation of Gaussian noise in grey levels, uniform from 0."""
    blur: float = 0.0
    """Largest standard deviation of a Gaussian blur in pixels of the result, uniform from 0."""
    coarse: float = 0.0
    """Largest loss of resolution, uniform from 0: at 0.5 a face may keep half of its pixels a side, and is enlarged."""
    crop: float = 0.0
    """Largest share of the side that is cut away, uniform from 0; the window lies anywhere and is enlarged to the whole."""
    vertical_flip: float = 0.0
    """Probability of a face upside down."""
    mask: float = 0.0
    """Probability of a drawn mask or scarf, see :mod:`fer_core.augmentation.masks`; for faces framed as FER2013's are."""
    width_shift: float = 0.0
    """Largest further shift to either side as a share of the side, uniform."""
    height_shift: float = 0.0
    """Largest further shift up and down as a share of the side, uniform."""
    colour: float = 0.0
    """Largest relative change of each colour's weight in the grey level, uniform to both sides; of colour faces alone."""

    def apply(self, images: np.ndarray, rng: np.random.Generator, size: int | None = None) -> np.ndarray:
        """One changed copy of each image.

        Args:
            images: ``(N, H, W) uint8`` grey, or ``(N, H, W, 3) uint8`` BGR, which becomes grey first.
            rng: source of every random choice.
            size: side of the result in pixels; the images' own height if left out. Resizing and the geometric
                changes are one interpolation.

        Returns:
            ``(N, size, size) uint8`` grey.
        """
        if images.ndim == 4:
            images = self._grey(images, rng)
        count = len(images)
        height, width = images.shape[1:]
        if self.mask:
            images = self.masked(images, rng)
        side = size or height
        samples = self.sample(count, rng, (width, height), side)
        changed = np.empty((count, side, side), np.uint8)
        for image, matrix, result in zip(images, samples.matrices, changed, strict=True):
            cv2.warpAffine(
                image, matrix, (side, side), dst=result, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
        if self.contrast or self.brightness:
            pixels = changed.astype(np.float32)
            means = pixels.mean(axis=(1, 2), keepdims=True)
            pixels = (pixels - means) * samples.contrasts[:, None, None].astype(np.float32) + means
            pixels += samples.offsets[:, None, None].astype(np.float32)
            changed = as_bytes(pixels)
        if self.degrades:
            changed = self._degrade(changed, rng)
        for row, (top, left, high, wide, grey) in enumerate(self.sample_erasing(count, rng, side)):
            changed[row, top : top + high, left : left + wide] = grey
        return changed

    @property
    def degrades(self) -> bool:
        """Whether it degrades faces as bad cameras do: few pixels, blur, noise."""
        return bool(self.coarse or self.blur or self.noise)

    def masked(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Grey faces ``(N, S, S) uint8``, some of them masked: before all other changes, so that a mask moves with its
        face and is lit as it is."""
        return default_bank(images.shape[1]).apply(images, rng, self.mask).images

    def sample(self, count: int, rng: np.random.Generator, source: tuple[int, int], side: int) -> TransformSamples:
        """Sample what happens to the place and the light of each face.

        Args:
            count: of faces.
            rng: source of every random choice.
            source: width and height of the faces in pixels.
            side: of the result.
        """
        angles = np.deg2rad(rng.uniform(-self.rotation, self.rotation, count))
        slants = np.tan(np.deg2rad(rng.uniform(-self.shear, self.shear, count))) if self.shear else np.zeros(count)
        zooms = rng.uniform(1 - self.zoom, 1 + self.zoom, count)
        shifts = rng.uniform(-self.shift, self.shift, (count, 2)) * side
        flips = np.where(rng.random(count) < self.flip, -1.0, 1.0)
        contrasts = rng.uniform(1 - self.contrast, 1 + self.contrast, count)
        offsets = rng.uniform(-self.brightness, self.brightness, count) * 255
        # Newer transformations sample after the older ones, and only where they are used: a seed keeps its meaning.
        upside = np.where(rng.random(count) < self.vertical_flip, -1.0, 1.0) if self.vertical_flip else np.ones(count)
        if self.crop:
            kept = 1 - rng.uniform(0, self.crop, count)
            zooms = zooms / kept
            shifts = shifts + rng.uniform(-1, 1, (count, 2)) * ((1 - kept) / kept / 2 * side)[:, None]
        if self.width_shift or self.height_shift:
            shifts = shifts + rng.uniform(-side, side, (count, 2)) * (self.width_shift, self.height_shift)
        cos, sin = np.cos(angles) * zooms, np.sin(angles) * zooms
        # Source pixels to the centre, mirrored, turned and scaled, then to the centre of the result.
        turned = np.stack([np.stack([cos * flips, -sin * upside], -1), np.stack([sin * flips, cos * upside], -1)], 1)
        slanted = np.tile(np.eye(2), (count, 1, 1))
        slanted[:, 0, 1] = slants
        linear = turned @ slanted * (side / np.array(source))
        offset = (side - 1) / 2 - linear @ ((np.array(source) - 1) / 2) + shifts
        return TransformSamples(np.concatenate([linear, offset[..., None]], axis=-1), contrasts, offsets)

    def sample_erasing(self, count: int, rng: np.random.Generator, side: int) -> np.ndarray:
        """Sample blank rectangles: ``(N, 5) int64`` of top, left, height, width and grey level; no rows if erasing is off.

        Faces that keep all their pixels have a height and width of 0.
        """
        if not self.erasing:
            return np.empty((0, 5), np.int64)
        rectangles = np.zeros((count, 5), np.int64)
        for row in np.flatnonzero(rng.random(count) < self.erasing):
            area, aspect = rng.uniform(0.02, 0.2), np.exp(rng.uniform(np.log(0.4), np.log(2.5)))
            high = min(side, max(1, round(side * np.sqrt(area * aspect))))
            wide = min(side, max(1, round(side * np.sqrt(area / aspect))))
            top, left = rng.integers(0, side - high + 1), rng.integers(0, side - wide + 1)
            rectangles[row] = top, left, high, wide, rng.integers(0, 256)
        return rectangles

    def _grey(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        weights = np.broadcast_to(np.array(LUMA), (len(images), 3))
        if self.colour:
            weights = weights * rng.uniform(1 - self.colour, 1 + self.colour, weights.shape)
            weights = weights / weights.sum(axis=1, keepdims=True)
        return np.rint(np.einsum("nhwc,nc->nhw", images, weights)).astype(np.uint8)

    def _degrade(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Degraded faces, in the order of a camera: few pixels, blur, noise."""
        count, side = len(images), images.shape[1]
        sides = np.rint(side * (1 - rng.uniform(0, self.coarse, count))).astype(int)
        blurs = rng.uniform(0, self.blur, count)
        degraded = images.copy()
        for i in range(count):
            if 0 < sides[i] < side:
                small = cv2.resize(degraded[i], (int(sides[i]),) * 2, interpolation=cv2.INTER_AREA)
                cv2.resize(small, (side, side), dst=degraded[i], interpolation=cv2.INTER_LINEAR)
            if blurs[i] > 0.1:  # less than that changes no grey level
                cv2.GaussianBlur(degraded[i], (0, 0), blurs[i], dst=degraded[i])
        if self.noise:
            deviations = rng.uniform(0, self.noise, (count, 1, 1)).astype(np.float32)
            noisy = degraded + deviations * rng.standard_normal(images.shape, np.float32)
            degraded = as_bytes(noisy)
        return degraded
