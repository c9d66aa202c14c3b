"""Colours and patterns of masks, and the two styles that use them.

The styles share no colour, no pattern and no shape, so that a network trained with one can be tested with the other. A new
pattern is one decorated function.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import cv2
import numpy as np


class MaskKind(StrEnum):
    """A kind of mask."""

    NONE = "none"
    SURGICAL = "surgical"
    CLOTH = "cloth"
    N95 = "n95"
    """N95 respirators (cups) and KN95 ones (folded)."""
    PATTERNED = "patterned"
    SCARF = "scarf"
    SUNGLASSES = "sunglasses"
    """Cover the eyes, not the mouth: for tests of robustness."""


MASK_KINDS = (MaskKind.SURGICAL, MaskKind.CLOTH, MaskKind.N95, MaskKind.PATTERNED, MaskKind.SCARF)
"""Everything that covers mouth and chin."""
Colour = tuple[int, int, int]
"""RGB of the fabric in full light, 0..255."""
Pattern = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
"""From places across and down the fabric, ``(H, W) float32`` in widths of a face, to the share of the second colour."""
PATTERNS: dict[str, Pattern] = {}
"""All patterns by name."""
COLOUR_JITTER = 10.0
"""Standard deviation, in levels of 255, of a dyed colour from its name."""
_PIXELS_OF_NOISE = 24
"""Cells of smooth noise across a canvas at scale 1."""


@dataclass(frozen=True)
class MaskStyles:
    """Shapes, colours and patterns to draw masks from."""

    name: str
    shapes: Mapping[MaskKind, tuple[str, ...]]
    """Names of outlines, see :mod:`fer_core.augmentation.masks.shapes`."""
    colours: Mapping[MaskKind, tuple[Colour, ...]]
    """Of each kind; kinds without an entry take any hue of ``hues``."""
    hues: tuple[tuple[float, float], ...]
    """Ranges of free hues in [0, 1]."""
    patterns: tuple[str, ...]


def _register(name: str) -> Callable[[Pattern], Pattern]:
    def add(pattern: Pattern) -> Pattern:
        PATTERNS[name] = pattern
        return pattern

    return add


def draw_colour(styles: MaskStyles, kind: MaskKind, rng: np.random.Generator) -> np.ndarray:
    """The colour of one mask: ``(3,) float32`` BGR, 0..255."""
    named = styles.colours.get(kind)
    if named:
        colour = np.array(named[rng.integers(len(named))], np.float64)
    else:
        low, high = styles.hues[rng.integers(len(styles.hues))]
        hsv = rng.uniform(low, high), rng.uniform(0.1, 0.8), rng.uniform(0.12, 0.95)
        colour = np.array(colorsys.hsv_to_rgb(*hsv)) * 255
    return np.clip(colour + rng.normal(0, COLOUR_JITTER, 3), 12, 250)[::-1].astype(np.float32)


def smooth_noise(shape: tuple[int, int], cells: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Noise ``shape float32`` of about standard deviation 1 whose bumps are ``shape / cells`` pixels wide."""
    coarse = rng.normal(size=(max(2, round(cells[0])) + 3, max(2, round(cells[1])) + 3)).astype(np.float32)
    fine = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return fine / max(float(fine.std()), 1e-6)


def _ramp(value: np.ndarray, softness: float = 0.12) -> np.ndarray:
    """A step from 0 to 1 at 0, softened a little, as print on cloth is."""
    return np.clip(value / softness + 0.5, 0, 1).astype(np.float32)


@_register("stripes")
def _stripes(across: np.ndarray, down: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    along = across * np.cos(angle) + down * np.sin(angle)
    return _ramp(np.sin(2 * np.pi * along * rng.uniform(5, 14)) - rng.uniform(-0.6, 0.6), 0.5)


@_register("dots")
def _dots(across: np.ndarray, down: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _motifs(across, down, rng.uniform(7, 13), rng.uniform(0.2, 0.36), petals=0)


@_register("flowers")
def _flowers(across: np.ndarray, down: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _motifs(across, down, rng.uniform(3.5, 7), rng.uniform(0.3, 0.42), petals=int(rng.integers(4, 7)))


def _motifs(across: np.ndarray, down: np.ndarray, rate: float, radius: float, petals: int) -> np.ndarray:
    """Dots, or flowers of so many petals, in rows; every second row is moved by half; ``rate`` per face width."""
    row = np.floor(down * rate)
    x = np.mod(across * rate + 0.5 * np.mod(row, 2), 1) - 0.5
    y = np.mod(down * rate, 1) - 0.5
    edge = radius * (1 + 0.45 * np.cos(petals * np.arctan2(y, x))) / 1.45 if petals else radius
    return _ramp(edge - np.hypot(x, y))


@_register("plaid")
def _plaid(across: np.ndarray, down: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rate, width = rng.uniform(4, 8), rng.uniform(-0.3, 0.5)
    one, other = (_ramp(np.sin(2 * np.pi * rate * way) - width, 0.4) for way in (across, down))
    return (one + other) / 2


@_register("camouflage")
def _camouflage(across: np.ndarray, down: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rate = rng.uniform(1.0, 1.8) * _PIXELS_OF_NOISE
    shape = across.shape
    patches = smooth_noise((shape[0], shape[1]), (rate, rate), rng)
    return 0.5 * _ramp(patches) + 0.5 * _ramp(patches - 0.9)


@_register("chevron")
def _chevron(across: np.ndarray, down: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rate = rng.uniform(4, 8)
    zigzag = np.abs(np.mod(across * rate, 1) - 0.5) * rng.uniform(0.8, 1.6)
    return _ramp(np.sin(2 * np.pi * (down * rate + zigzag)), 0.5)


@_register("checks")
def _checks(across: np.ndarray, down: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rate = rng.uniform(3, 7)
    return _ramp(np.sin(2 * np.pi * rate * across) * np.sin(2 * np.pi * rate * down), 0.3)


@_register("rings")
def _rings(across: np.ndarray, down: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rate = rng.uniform(3, 6)
    x, y = np.mod(across * rate, 1) - 0.5, np.mod(down * rate, 1) - 0.5
    return _ramp(np.cos(2 * np.pi * np.hypot(x, y) * 2.2), 0.5)


_WHITE, _BLACK = (240, 240, 240), (36, 36, 40)

TRAINING_STYLES = MaskStyles(
    "training",
    shapes=MappingProxyType(
        {
            MaskKind.SURGICAL: ("pleated",),
            MaskKind.CLOTH: ("curved",),
            MaskKind.N95: ("cup",),
            MaskKind.PATTERNED: ("curved", "pleated"),
            MaskKind.SCARF: ("wrap",),
            MaskKind.SUNGLASSES: ("square",),
        }
    ),
    colours=MappingProxyType(
        {
            # Light blue three times: most surgical masks are.
            MaskKind.SURGICAL: (
                *[(160, 205, 232)] * 3,
                *[_WHITE] * 2,
                (165, 218, 205),
                (240, 196, 206),
                _BLACK,
                (110, 165, 215),
            ),
            MaskKind.N95: (*[_WHITE] * 3, (226, 224, 214), (190, 192, 196), _BLACK),
            MaskKind.SUNGLASSES: (_BLACK, (48, 34, 28)),
        }
    ),
    hues=((0.0, 0.12), (0.2, 0.4), (0.52, 0.7)),
    patterns=("stripes", "dots", "flowers", "plaid", "camouflage"),
)
"""Styles of training."""

TEST_STYLES = MaskStyles(
    "test",
    shapes=MappingProxyType(
        {
            MaskKind.SURGICAL: ("boxy",),
            MaskKind.CLOTH: ("seamed",),
            MaskKind.N95: ("folded",),
            MaskKind.PATTERNED: ("seamed", "boxy"),
            MaskKind.SCARF: ("bandana",),
            MaskKind.SUNGLASSES: ("round",),
        }
    ),
    colours=MappingProxyType(
        {
            MaskKind.SURGICAL: ((178, 214, 224), (222, 232, 240), (142, 190, 222), (196, 186, 226), (120, 198, 178)),
            MaskKind.N95: ((246, 244, 236), (214, 222, 230), (200, 190, 172)),
            MaskKind.SUNGLASSES: ((24, 26, 30), (30, 40, 34)),
        }
    ),
    hues=((0.13, 0.19), (0.42, 0.5), (0.72, 0.98)),
    patterns=("chevron", "checks", "rings"),
)
"""Styles of tests, which training never sees."""
