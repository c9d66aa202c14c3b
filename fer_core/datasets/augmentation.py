"""Random changes to faces that leave their expression as it is; what training draws and what the pages preview."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fer_core.datasets.masks import default_bank


@dataclass(frozen=True)
class Augmentation:
    """Strengths of each transformation; every one is drawn anew per image, and 0 switches it off."""

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
    mask: float = 0.0
    """Probability of a drawn mask or scarf, see :mod:`fer_core.datasets.masks`; for faces framed as FER2013's are."""

    def apply(self, images: np.ndarray, rng: np.random.Generator, size: int | None = None) -> np.ndarray:
        """Draw one changed copy of each image.

        Args:
            images: ``(N, H, W) uint8`` grey.
            rng: source of every draw.
            size: side of the result in pixels; the images' own height if left out. Resizing and the geometric
                changes are one interpolation.

        Returns:
            ``(N, size, size) uint8``.
        """
        count = len(images)
        height, width = images.shape[1:]
        if self.mask:  # before all else, so that it moves with the face and lies in its light
            images = default_bank(height).apply(images, rng, self.mask).images
        side = size or height
        angles = np.deg2rad(rng.uniform(-self.rotation, self.rotation, count))
        slants = np.tan(np.deg2rad(rng.uniform(-self.shear, self.shear, count))) if self.shear else np.zeros(count)
        zooms = rng.uniform(1 - self.zoom, 1 + self.zoom, count)
        shifts = rng.uniform(-self.shift, self.shift, (count, 2)) * side
        flips = np.where(rng.random(count) < self.flip, -1.0, 1.0)
        contrasts = rng.uniform(1 - self.contrast, 1 + self.contrast, count)
        offsets = rng.uniform(-self.brightness, self.brightness, count) * 255
        changed = np.empty((count, side, side), np.uint8)
        for i in range(count):
            cos, sin = np.cos(angles[i]) * zooms[i], np.sin(angles[i]) * zooms[i]
            # Source pixels to the centre, mirrored, turned and scaled, then to the centre of the result.
            scale = np.array([side / width, side / height])
            linear = np.array([[cos * flips[i], -sin], [sin * flips[i], cos]]) @ [[1, slants[i]], [0, 1]] * scale
            offset = np.array([side - 1, side - 1]) / 2 - linear @ np.array([width - 1, height - 1]) / 2 + shifts[i]
            matrix = np.column_stack([linear, offset])
            cv2.warpAffine(
                images[i], matrix, (side, side), dst=changed[i], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
        if self.contrast or self.brightness:
            pixels = changed.astype(np.float32)
            means = pixels.mean(axis=(1, 2), keepdims=True)
            pixels = (pixels - means) * contrasts[:, None, None].astype(np.float32) + means
            pixels += offsets[:, None, None].astype(np.float32)
            changed = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
        if self.erasing:
            self._erase(changed, rng)
        return changed

    def _erase(self, images: np.ndarray, rng: np.random.Generator) -> None:
        side = images.shape[1]
        for row in np.flatnonzero(rng.random(len(images)) < self.erasing):
            area, aspect = rng.uniform(0.02, 0.2), np.exp(rng.uniform(np.log(0.4), np.log(2.5)))
            high = min(side, max(1, round(side * np.sqrt(area * aspect))))
            wide = min(side, max(1, round(side * np.sqrt(area / aspect))))
            top, left = rng.integers(0, side - high + 1), rng.integers(0, side - wide + 1)
            images[row, top : top + high, left : left + wide] = rng.integers(0, 256)
