"""Maps over a face as people see them: colours that read alike with every colour vision, more where it matters more."""

from __future__ import annotations

import cv2
import numpy as np

SHOWN_SIDE = 240
"""Pixels of a side that a face is enlarged to, so that its parts can be told apart."""
# Okabe & Ito's vermilion for what speaks for a class and their blue for what speaks against it.
FOR = np.array([0xD5, 0x5E, 0x00], np.float32)
AGAINST = np.array([0x00, 0x72, 0xB2], np.float32)


def overlay(face: np.ndarray, cam: np.ndarray, strength: float = 0.5, side: int = SHOWN_SIDE) -> np.ndarray:
    """A map from 0 to 1 as heat over a face, in cividis (Nuñez et al. 2018, doi:10.1371/journal.pone.0199239).

    Args:
        face: ``(S, S) uint8`` grey.
        cam: ``(S, S) float`` in 0..1.
        strength: share of the colour in the mix, 0..1; 0 is the face alone.
        side: of the picture in pixels.

    Returns:
        ``(side, side, 3) uint8`` RGB.

    Raises:
        ValueError: the strength is out of bounds.
    """
    _check(strength)
    heat = cv2.applyColorMap(np.rint(_enlarged(cam, side) * 255).astype(np.uint8), cv2.COLORMAP_CIVIDIS)[..., ::-1]
    return _mixed(face, heat.astype(np.float32), np.float32(strength), side)


def signed_overlay(face: np.ndarray, values: np.ndarray, strength: float = 0.5, side: int = SHOWN_SIDE) -> np.ndarray:
    """A map of both signs over a face: vermilion speaks for the class, blue against it, zero leaves the face as it is.

    Args:
        face: ``(S, S) uint8`` grey.
        values: ``(S, S) float``, scaled here by the largest by size.
        strength: share of the colour in the mix where the map is strongest, 0..1.
        side: of the picture in pixels.

    Returns:
        ``(side, side, 3) uint8`` RGB.

    Raises:
        ValueError: the strength is out of bounds.
    """
    _check(strength)
    largest = float(np.abs(values).max())
    scaled = _enlarged(values / largest if largest else values, side, least=-1)[..., None]
    return _mixed(face, np.where(scaled > 0, FOR, AGAINST), strength * np.abs(scaled), side)


def _check(strength: float) -> None:
    if not 0 <= strength <= 1:
        raise ValueError(f"expected a strength of 0 to 1, got {strength}")


def _enlarged(values: np.ndarray, side: int, least: float = 0) -> np.ndarray:
    enlarged = cv2.resize(values.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(enlarged, least, 1)  # cubic interpolation overshoots


def _mixed(face: np.ndarray, colour: np.ndarray, share: np.ndarray | np.float32, side: int) -> np.ndarray:
    grey = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)[..., None]
    return np.rint(grey * (1 - share) + colour * share).astype(np.uint8)
