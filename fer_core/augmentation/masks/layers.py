"""Masks, scarves and sunglasses as layers on top of a face: outline, fabric, folds, straps, shadow.

A layer is drawn in the frame of a face cropped as in FER2013: 0 is the frame's left or top edge, 1 its right or bottom.
Everything is drawn at a higher resolution and averaged, so that edges are smooth on a face 48 pixels wide.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fer_core.augmentation.masks.shapes import LENSES, SHAPES, MaskShape
from fer_core.augmentation.masks.textures import PATTERNS, MaskKind, MaskStyles, draw_colour, smooth_noise
from fer_core.media.images import as_bytes

CANVAS_LEFT, CANVAS_TOP, CANVAS_SIDE = -0.3, -0.2, 1.6
"""Area of a layer, in frames: straps reach the ears and scarves the neck."""
SUPERSAMPLING = 2
OUTLINE_JITTER = 0.012
"""Standard deviation of each point of an outline, in frames."""
UNDER_NOSE_TOP = 0.69
"""Height, in frames, of the upper edge of a mask that leaves the nose free: just below the nostrils."""
FIXED_HEIGHT = 1.0
"""Height, in frames, below which a mask under the nose does not move: the chin."""
STRAP_WIDTH = 0.014
"""In frames: about 3 mm."""
SHADOW_STRENGTH, SHADOW_SIZE = 0.45, 0.02
"""Darkening of the skin along an edge, as a share, and its reach in frames."""


@dataclass(frozen=True)
class MaskLayer:
    """A mask to put onto a face, ``side`` pixels for :data:`CANVAS_SIDE` frames."""

    kind: MaskKind
    nose_covered: bool
    colour: np.ndarray
    """``(side, side, 3) uint8`` BGR times alpha: the fabric in full light, with its folds."""
    alpha: np.ndarray
    """``(side, side) uint8``: 255 where the mask is opaque."""
    shadow: np.ndarray
    """``(side, side) uint8``: share of 255 by which the skin is darkened."""


def canvas_pixels(points: np.ndarray, pixels: float) -> np.ndarray:
    """Places in frames ``(N, 2)`` as places on a canvas of ``pixels`` per frame."""
    return (np.asarray(points, np.float64) - (CANVAS_LEFT, CANVAS_TOP)) * pixels


def draw_layer(
    kind: MaskKind, nose_covered: bool, styles: MaskStyles, rng: np.random.Generator, pixels: int
) -> MaskLayer:
    """One random mask.

    Args:
        kind: any but ``NONE``.
        nose_covered: whether it is worn over the nose or under it; sunglasses always leave the nose free.
        styles: the styles to draw from.
        rng: source of every random choice.
        pixels: per frame.

    Raises:
        ValueError: the kind is ``NONE``.
    """
    if kind == MaskKind.NONE:
        raise ValueError("expected a kind of mask to draw, got 'none'")
    draw = _sunglasses if kind == MaskKind.SUNGLASSES else _mask
    nose_covered = nose_covered and kind != MaskKind.SUNGLASSES
    colour, alpha = draw(kind, nose_covered, styles, rng, pixels * SUPERSAMPLING)
    side = round(CANVAS_SIDE * pixels)
    alpha = _averaged(alpha, side)
    reach = cv2.GaussianBlur(alpha, (0, 0), SHADOW_SIZE * pixels)
    shadow = SHADOW_STRENGTH * np.minimum(2 * reach, 1) * (1 - alpha)
    return MaskLayer(
        kind, nose_covered, as_bytes(_averaged(colour, side)), as_bytes(alpha * 255), as_bytes(shadow * 255)
    )


def _averaged(image: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)


def _mask(
    kind: MaskKind, nose_covered: bool, styles: MaskStyles, rng: np.random.Generator, pixels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Premultiplied colour ``(side, side, 3)`` and alpha ``(side, side)``, both float32."""
    names = styles.shapes[kind]
    mask_shape = SHAPES[names[rng.integers(len(names))]]
    side = round(CANVAS_SIDE * pixels)
    lower = 0.0 if nose_covered else UNDER_NOSE_TOP - mask_shape.top[0][1]
    outline = _pulled_down(_outline(mask_shape, rng), lower)
    shape = np.zeros((side, side), np.uint8)
    cv2.fillPoly(shape, [_fixed(canvas_pixels(outline, pixels))], 255, cv2.LINE_AA, shift=4)
    colour = _texture(kind, styles, rng, (side, side)) * _relief(mask_shape, shape, rng, pixels)[..., None]
    _hem(colour, shape, rng, pixels)
    straps = np.zeros((side, side), np.uint8)
    worn = mask_shape.straps[rng.integers(len(mask_shape.straps))]
    for strap in worn:
        for path in (np.array(strap), (1, 0) + np.array(strap) * (-1, 1)):
            line = _fixed(canvas_pixels(_pulled_down(_curve(path), lower), pixels))
            cv2.polylines(straps, [line], False, 255, max(1, round(STRAP_WIDTH * pixels)), cv2.LINE_AA, shift=4)
    inside, band = (part.astype(np.float32) / 255 for part in (shape, straps))
    strap_colour = rng.choice([235.0, 235.0, 40.0]) if kind != MaskKind.PATTERNED else rng.uniform(30, 235)
    alpha = np.maximum(inside, band)
    return colour * inside[..., None] + strap_colour * (alpha - inside)[..., None], alpha


def _outline(mask_shape: MaskShape, rng: np.random.Generator) -> np.ndarray:
    """The whole outline ``(N, 2)`` in frames; corners stay corners, and both halves have their own jitter."""
    halves = []
    for mirrored in (False, True):
        parts = [np.array(part, np.float64) for part in (mask_shape.top, mask_shape.side, mask_shape.bottom)]
        jitter = [rng.normal(0, OUTLINE_JITTER, part.shape) for part in parts]
        jitter[0][0] = jitter[2][-1] = 0  # where the halves meet
        jitter[1][0], jitter[2][0] = jitter[0][-1], jitter[1][-1]  # corners are in two parts
        top, side, bottom = (part + moved for part, moved in zip(parts, jitter, strict=True))
        half = np.concatenate([_from_middle(top), _curve(side), _from_middle(bottom[::-1])[::-1]])
        halves.append(((1, 0) + half * (-1, 1))[::-1] if mirrored else half)
    return np.concatenate(halves)


def _from_middle(points: np.ndarray) -> np.ndarray:
    """A curve from the middle of the face, level there, so that it meets its mirror image without a corner."""
    return _curve(points, before=(1, 0) + points[1] * (-1, 1))


def _curve(points: np.ndarray, steps: int = 12, before: np.ndarray | None = None) -> np.ndarray:
    """A Catmull-Rom spline (Catmull & Rom 1974) through ``(N, 2)`` points, ends included.

    Args:
        points: at least two.
        steps: places per piece.
        before: the point before the first, which bends the first piece; by default the first piece starts straight.
    """
    first = 2 * points[0] - points[1] if before is None else before
    padded = np.vstack([first, points, 2 * points[-1] - points[-2]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for last, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        bend = (2 * last - 5 * start + 4 * end - after) * t**2 + (3 * start - last - 3 * end + after) * t**3
        pieces.append(start + 0.5 * ((end - last) * t + bend))
    return np.vstack([*pieces, points[-1:]])


def _pulled_down(points: np.ndarray, by: float) -> np.ndarray:
    """Points lowered by ``by`` frames at the upper edge, by less below it and not at all at the chin."""
    share = np.clip((FIXED_HEIGHT - points[:, 1]) / (FIXED_HEIGHT - (UNDER_NOSE_TOP - by)), 0, 1) if by else 0.0
    return points + np.column_stack([np.zeros(len(points)), np.broadcast_to(by * share, len(points))])


def _fixed(points: np.ndarray) -> np.ndarray:
    """Places in sixteenths of a pixel, for OpenCV's ``shift=4``."""
    return np.rint(points * 16).astype(np.int32)


def _texture(kind: MaskKind, styles: MaskStyles, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Colour ``(H, W, 3) float32`` of the cloth laid flat, with its pattern and the unevenness of a weave."""
    cloth = np.broadcast_to(draw_colour(styles, kind, rng), (*shape, 3))
    if kind == MaskKind.PATTERNED or (kind == MaskKind.SCARF and rng.random() < 0.4):
        x, down = (axis.astype(np.float32) for axis in np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[::-1])))
        across = np.arcsin(np.clip(x, -1, 1)) * 0.8  # the print narrows towards the sides of the face
        pattern = PATTERNS[styles.patterns[rng.integers(len(styles.patterns))]]
        other = draw_colour(styles, kind, rng)
        if np.abs(other - cloth[0, 0]).mean() < 60:  # a pattern that can't be seen is none
            other = 255 - other
        share = pattern(across + np.float32(rng.uniform()), down * 0.8 + np.float32(rng.uniform()), rng)[..., None]
        cloth = cloth + (other - cloth) * share
    weave = smooth_noise(shape, (shape[0] / 5, shape[1] / 5), rng)
    return np.asarray(cloth * (1 + 0.015 * weave[..., None]), np.float32)


def _relief(mask_shape: MaskShape, shape: np.ndarray, rng: np.random.Generator, pixels: int) -> np.ndarray:
    """Brightness ``(side, side) float32`` of the mask's form, about 1: light falls from above and the front."""
    rows = np.arange(len(shape), dtype=np.float32)[:, None]
    x = (np.arange(len(shape), dtype=np.float32)[None] / pixels + CANVAS_LEFT - 0.5) / 0.38
    inside = shape > 127
    some = inside.any(axis=0)
    top = np.where(some, inside.argmax(axis=0), 0).astype(np.float32)
    bottom = np.where(some, len(shape) - inside[::-1].argmax(axis=0), len(shape)).astype(np.float32)
    down = (rows - top) / np.maximum(bottom - top, 1)  # 0 at the upper edge, 1 at the lower one
    light = 0.97 - 0.26 * np.minimum(np.abs(x), 1.3) ** 2.2 - 0.22 * np.clip(down, 0, 1) ** 2.5
    light += 0.10 * np.exp(-((x / 0.2) ** 2)) * np.exp(-((down / 0.35) ** 2))  # over the nose
    light += mask_shape.dome * (0.16 * np.exp(-((x / 0.55) ** 2) - ((down - 0.38) / 0.3) ** 2) - 0.05)
    light -= mask_shape.seam * 0.22 * np.exp(-((x / 0.02) ** 2)) - mask_shape.seam * 0.07 * np.sign(x) * np.exp(
        -((x / 0.5) ** 2)
    )
    wrinkles = smooth_noise(shape.shape, (rng.uniform(10, 18), rng.uniform(4, 7)), rng)
    light += 0.030 * mask_shape.folds * wrinkles
    if mask_shape.folds > 1:  # cloth that hangs: long folds, bent as gravity bends them
        bent = down + 0.25 * x**2 + 0.05 * smooth_noise(shape.shape, (4, 4), rng)
        light += 0.05 * mask_shape.folds * np.sin(2 * np.pi * rng.uniform(2, 4) * bent + rng.uniform(0, 6))
    if mask_shape.pleats:
        sag = 0.05 * (1 - x**2) + 0.012 * smooth_noise(shape.shape, (5, 5), rng)
        phase = np.mod((down - 0.16 + sag) / 0.68 * mask_shape.pleats, 1)
        strength = rng.uniform(0.18, 0.34) * ((down > 0.12) & (down < 0.9))
        light += strength * (0.35 - 0.5 * phase - 0.9 * np.exp(-((phase / 0.10) ** 2)))
    return np.clip(light, 0.25, 1.06).astype(np.float32)


def _hem(colour: np.ndarray, shape: np.ndarray, rng: np.random.Generator, pixels: int) -> None:
    """Darken the edge and draw a seam inside of it, in place."""
    depth = cv2.distanceTransform((shape > 127).astype(np.uint8), cv2.DIST_L2, 3) / pixels  # in frames
    colour *= (1 - 0.22 * np.exp(-((depth / 0.008) ** 2)))[..., None]
    colour *= (1 - rng.uniform(0, 0.2) * np.exp(-(((depth - 0.03) / 0.006) ** 2)))[..., None]


def _sunglasses(
    kind: MaskKind, nose_covered: bool, styles: MaskStyles, rng: np.random.Generator, pixels: int
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`_mask`; ``nose_covered`` is not used."""
    del nose_covered
    names = styles.shapes[kind]
    lens = np.array(LENSES[names[rng.integers(len(names))]]) * rng.uniform(0.98, 1.15)
    side = round(CANVAS_SIDE * pixels)
    glass, frame = np.zeros((side, side), np.uint8), np.zeros((side, side), np.uint8)
    thickness = max(1, round(rng.uniform(0.012, 0.03) * pixels))
    for middle, sign in ((0.31, -1), (0.69, 1)):
        closed = _curve(np.vstack([lens, lens[:2]]))[:-12]
        outline = _fixed(canvas_pixels(closed * (sign, 1) + (middle, 0.395), pixels))
        temple = _fixed(canvas_pixels(np.array([(middle + sign * 0.15, 0.36), (0.5 + sign * 0.44, 0.37)]), pixels))
        cv2.fillPoly(glass, [outline], 255, cv2.LINE_AA, shift=4)
        cv2.polylines(frame, [outline], True, 255, thickness, cv2.LINE_AA, shift=4)
        cv2.polylines(frame, [temple], False, 255, thickness, cv2.LINE_AA, shift=4)
    bridge = _fixed(canvas_pixels(_curve(np.array([(0.42, 0.385), (0.5, 0.365), (0.58, 0.385)])), pixels))
    cv2.polylines(frame, [bridge], False, 255, thickness, cv2.LINE_AA, shift=4)
    dark = draw_colour(styles, kind, rng)
    down = np.linspace(0, 1, side, dtype=np.float32)[:, None]
    sheen = rng.uniform(20, 70) * np.exp(-(((down - rng.uniform(0.3, 0.36)) / 0.04) ** 2))
    sheen = sheen * (1 + 0.3 * smooth_noise((side, side), (6, 3), rng))
    glass_share, frame_share = glass.astype(np.float32) / 255, frame.astype(np.float32) / 255
    alpha = np.maximum(glass_share * rng.uniform(0.94, 1.0), frame_share)
    colour = (dark + sheen[..., None]) * (1 - frame_share[..., None]) + dark * 0.7 * frame_share[..., None]
    return np.asarray(colour * alpha[..., None], np.float32), alpha
