"""A frame and its analysis to an annotated frame: box, answer and small bars for every face.

Sizes follow the frame, everything stays inside it, and text has its own background, so it can be read on any picture.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import cv2
import numpy as np

from fer_core.analysis.frame import FaceAttributes, FaceObservation, FrameAnalysis
from fer_core.labels import Emotion
from fer_core.results import BoundingBox, ExpressionScores
from fer_core.vision.landmarks import EYES

FACES_WITH_BARS = 4
"""Of the largest faces; with more of them the bars would hide the picture."""


class Layer(StrEnum):
    """What may be drawn."""

    BOXES = "Boxes"
    LABELS = "Labels"
    IDS = "Ids"
    """A number in the label: the person's id in a stream, else from 1, largest first. Drawn where there are several."""
    BARS = "Bars"
    """Probabilities of the :data:`FACES_WITH_BARS` largest faces, where there is room for them."""
    LANDMARKS = "Landmarks"
    POSE = "Head pose"
    """The head's axes: red to its left, green up, blue forwards."""
    GAZE = "Gaze"


STANDARD_LAYERS = frozenset({Layer.BOXES, Layer.LABELS, Layer.IDS})
ATTRIBUTE_LAYERS = frozenset({Layer.LANDMARKS, Layer.POSE, Layer.GAZE})
"""Those that need :attr:`fer_core.analysis.frame.FaceObservation.attributes`."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LARGE, _SMALL = 0.65, 0.42
"""Factors of OpenCV's font size, for the answer and for the names beside the bars."""
_REFERENCE_HEIGHT = 480
"""Pixels of frame height at which text and lines have their nominal size."""
_PANEL = np.array([40, 37, 27], np.uint8)
_PANEL_SHADE = 0.72
"""How much of the panel behind the bars covers the picture."""
_UNFILLED = (126, 122, 112)
_LIGHT, _DARK = (255, 255, 255), (24, 22, 18)
_NO_ANSWER = (160, 160, 160)
_DOT, _IRIS, _GAZE = (230, 230, 120), (255, 255, 255), (0, 215, 255)
_AXES = (60, 60, 230), (80, 200, 80), (230, 120, 50)
_AXIS_LENGTH, _GAZE_LENGTH = 0.45, 0.8
"""In shares of the face's extent."""
_NOSE_TIP = 4
_SHIFT = 3
"""Fractional bits of the coordinates of circles."""

_Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the frame."""


def draw_analysis(
    frame: np.ndarray, analysis: FrameAnalysis, layers: Collection[Layer] = STANDARD_LAYERS
) -> np.ndarray:
    """Draw every face's box, the first model's answer ("happy 93%", "sad or neutral 74%", "unsure") with the state of a
    mask that was seen, and what else is asked for.

    Args:
        frame: ``(H, W, 3) uint8`` BGR; it is left as it is.
        analysis: of this frame.
        layers: what to draw.

    Returns:
        A new ``(H, W, 3) uint8`` BGR array.
    """
    canvas: np.ndarray = frame.copy()
    pen = _Pen(canvas)
    for face in analysis:
        if face.attributes is not None:
            pen.attributes(face.attributes, layers)
    numbered = len(analysis) > 1 and Layer.IDS in layers
    faces = [
        (
            _clip(face.box, canvas),
            pen.label(face, (face.track or number) if numbered else None, Layer.LABELS in layers),
        )
        for number, face in enumerate(analysis, 1)
    ]
    taken = [rectangle for box, label in faces for rectangle in (box, label.place)]
    panels: list[tuple[ExpressionScores, _Rectangle]] = []
    with_bars = FACES_WITH_BARS if Layer.BARS in layers else 0
    for face, (box, _) in zip(analysis.faces[:with_bars], faces, strict=False):
        place = pen.place_for_bars(face.scores[0], box, taken) if face.scores else None
        if place is not None:
            panels.append((face.scores[0], place))
            taken.append(place)
    for scores, place in panels:
        pen.bars(scores, place)
    # Small faces first, so that the largest one's box and label lie on top.
    for box, label in reversed(faces):
        if Layer.BOXES in layers:
            pen.box(box, label)
        pen.text(label)
    return canvas


@dataclass(frozen=True)
class _Label:
    """A line of text on a coloured ground."""

    text: str
    size: float
    place: _Rectangle
    colour: tuple[int, int, int]


class _Pen:
    """Draws on one frame at the scale of that frame."""

    def __init__(self, canvas: np.ndarray) -> None:
        self.canvas = canvas
        self.height, self.width = canvas.shape[:2]
        self.scale = max(0.4, min(self.height, self.width * 3 / 4) / _REFERENCE_HEIGHT)
        self.thickness = max(1, round(2 * self.scale))
        self.thin = max(1, self.thickness // 2)
        self.margin = max(2, round(5 * self.scale))

    def label(self, face: FaceObservation, number: int | None, with_answer: bool = True) -> _Label:
        """The answer above the box; in the box's upper part where the frame ends above it."""
        answer = face.scores[0] if face.scores else None
        words = [str(number)] if number is not None else []
        verdict = answer.verdict() if answer else None
        if verdict and with_answer:
            words.append(f"{verdict.words} {verdict.probability:.0%}" if verdict.emotions else verdict.words)
        words += [str(face.mask.state)] if face.mask and face.covered and with_answer else []
        text = "  ".join(words)
        left, top, _, _ = _clip(face.box, self.canvas)
        size, (wide, high) = self._fitted(text, _LARGE * self.scale, self.width - 2 * self.margin)
        wide, high = (wide + 2 * self.margin, high + 2 * self.margin) if text else (0, 0)
        x = max(0, min(left - self.thickness, self.width - wide))
        y = max(0, top - high)
        colour = _bgr(verdict.emotions[0]) if verdict and verdict.emotions else _NO_ANSWER
        return _Label(text, size, (x, y, x + wide, y + high), colour)

    def box(self, box: _Rectangle, label: _Label) -> None:
        """The box in the colour of the answer."""
        left, top, right, bottom = box
        # A dark line below the coloured one keeps the box visible on a background of its own colour.
        cv2.rectangle(self.canvas, (left, top), (right, bottom), _DARK, self.thickness + 2, cv2.LINE_AA)
        cv2.rectangle(self.canvas, (left, top), (right, bottom), label.colour, self.thickness, cv2.LINE_AA)

    def text(self, label: _Label) -> None:
        """The label on its ground."""
        if not label.text:
            return
        left, top, right, bottom = label.place
        cv2.rectangle(self.canvas, (left, top), (right - 1, bottom - 1), label.colour, cv2.FILLED)
        origin = (left + self.margin, bottom - self.margin)
        cv2.putText(self.canvas, label.text, origin, _FONT, label.size, _ink(label.colour), self.thickness, cv2.LINE_AA)

    def attributes(self, attributes: FaceAttributes, layers: Collection[Layer]) -> None:
        """Landmarks, the head's axes and where the eyes look."""
        points, eyes = attributes.landmarks.points[:, :2], attributes.landmarks.eyes
        side = float(np.ptp(points, axis=0).max())
        if Layer.LANDMARKS in layers:
            self._dots(points)
            for iris in eyes.irises if eyes else ():
                radius = np.linalg.norm(iris[1:] - iris[0], axis=1).mean()
                cv2.circle(self.canvas, _shifted(iris[0]), _shifted(radius), _IRIS, self.thin, cv2.LINE_AA, _SHIFT)
        if Layer.POSE in layers and attributes.pose is not None:
            nose = points[_NOSE_TIP]
            for colour, axis in zip(_AXES, attributes.pose.rotation.T, strict=True):
                self._arrow(nose, nose + axis[:2] * side * _AXIS_LENGTH, colour)
        if Layer.GAZE in layers and attributes.gaze is not None:
            ahead = attributes.gaze.direction[:2] * side * _GAZE_LENGTH
            for corners in EYES:
                middle = points[[corners.outer, corners.inner]].mean(axis=0)
                self._arrow(middle, middle + ahead, _GAZE)

    def _dots(self, points: np.ndarray) -> None:
        """Dots of one pixel for small faces and of more for large ones; those outside the frame are left out."""
        spread = np.arange(self.thin + 1)
        x, y = (np.rint(points[:, axis, None] + spread).astype(int) for axis in (0, 1))
        x, y = np.repeat(x, len(spread), axis=1), np.tile(y, (1, len(spread)))
        inside = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        self.canvas[y[inside], x[inside]] = _DOT

    def _arrow(self, start: np.ndarray, end: np.ndarray, colour: tuple[int, int, int]) -> None:
        length = math.dist(start, end)
        if not 1 <= length <= 4 * max(self.width, self.height):
            return
        from_, to = ((round(float(x)), round(float(y))) for x, y in (start, end))
        tip = min(0.5, 6 * self.scale / length)
        cv2.arrowedLine(self.canvas, from_, to, _DARK, self.thickness + 2, cv2.LINE_AA, 0, tip)
        cv2.arrowedLine(self.canvas, from_, to, colour, self.thickness, cv2.LINE_AA, 0, tip)

    def place_for_bars(
        self, scores: ExpressionScores, box: _Rectangle, taken: Sequence[_Rectangle]
    ) -> _Rectangle | None:
        """Beside the box or under it, where it hides nothing else; for a lone face without room the frame's corner."""
        wide, high = self._panel_size(scores)
        if wide > self.width or high > self.height:
            return None
        left, top, right, bottom = box
        gap = self.margin
        beside = min(top, self.height - high)
        below = min(left, self.width - wide)
        for x, y in (
            (right + gap, beside),
            (left - gap - wide, beside),
            (below, bottom + gap),
            (below, top - gap - high),
        ):
            place = (x, y, x + wide, y + high)
            inside = x >= 0 and y >= 0 and place[2] <= self.width and place[3] <= self.height
            if inside and not any(_overlap(place, other) for other in taken):
                return place
        only_own_box_and_label = len(taken) == 2
        # The lower corner hides the least of a face that fills the frame.
        return (self.width - wide, self.height - high, self.width, self.height) if only_own_box_and_label else None

    def bars(self, scores: ExpressionScores, place: _Rectangle) -> None:
        """A shaded panel with one row per emotion in the order of the label set."""
        left, top, right, bottom = place
        region = self.canvas[top:bottom, left:right]
        shade = np.empty_like(region)
        shade[:] = _PANEL
        cv2.addWeighted(shade, _PANEL_SHADE, region, 1 - _PANEL_SHADE, 0, dst=region)
        row, words, bar = self._panel_parts(scores)
        size = _SMALL * self.scale
        for number, (emotion, p) in enumerate(
            zip(scores.label_set.emotions, scores.probabilities.tolist(), strict=True)
        ):
            y = top + self.margin + number * row
            origin = (left + self.margin, y + round(row * 0.75))
            cv2.putText(self.canvas, str(emotion), origin, _FONT, size, _LIGHT, self.thin, cv2.LINE_AA)
            x = left + 2 * self.margin + words
            upper, lower = y + round(row * 0.25), y + round(row * 0.8)
            cv2.rectangle(self.canvas, (x, upper), (x + bar, lower), _UNFILLED, cv2.FILLED)
            length = round(bar * p)
            if length:
                cv2.rectangle(self.canvas, (x, upper), (x + length, lower), _bgr(emotion), cv2.FILLED)

    def _panel_size(self, scores: ExpressionScores) -> tuple[int, int]:
        row, words, bar = self._panel_parts(scores)
        return words + bar + 3 * self.margin + 1, row * len(scores.label_set) + 2 * self.margin

    def _panel_parts(self, scores: ExpressionScores) -> tuple[int, int, int]:
        """Height of a row, width of the words, width of a full bar."""
        words = _widest_word(scores.label_set.emotions, _SMALL * self.scale, self.thin)
        return max(7, round(16 * self.scale)), words, max(16, round(58 * self.scale))

    def _fitted(self, text: str, size: float, available: int) -> tuple[float, tuple[int, int]]:
        """Font size and extent of a line of text that is no wider than available."""
        (wide, high), _ = cv2.getTextSize(text, _FONT, size, self.thickness)
        if wide > available > 0:
            size *= available / wide
            (wide, high), _ = cv2.getTextSize(text, _FONT, size, self.thickness)
        return size, (wide, high)


def _clip(box: BoundingBox, canvas: np.ndarray) -> _Rectangle:
    """The part of a box that lies inside the frame, at least one pixel of it."""
    height, width = canvas.shape[:2]
    left, top = (round(min(max(v, 0), limit - 1)) for v, limit in ((box.x, width), (box.y, height)))
    right, bottom = box.x + box.width, box.y + box.height
    return left, top, round(min(max(right, left), width - 1)), round(min(max(bottom, top), height - 1))


def _shifted(value: np.ndarray | float) -> Any:
    """Coordinates or a length as OpenCV takes them with :data:`_SHIFT` bits of fraction."""
    scaled = np.rint(np.asarray(value) * (1 << _SHIFT)).astype(int)
    return scaled.tolist()


def _overlap(one: _Rectangle, other: _Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@cache
def _bgr(emotion: Emotion) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(emotion.colour[1:])
    return blue, green, red


@cache
def _ink(background: tuple[int, int, int]) -> tuple[int, int, int]:
    """Black or white, whichever stands out more from the background (luma of ITU-R BT.601)."""
    blue, green, red = background
    return _DARK if 0.114 * blue + 0.587 * green + 0.299 * red > 128 else _LIGHT


@cache
def _widest_word(emotions: tuple[Emotion, ...], size: float, thickness: int) -> int:
    return max(cv2.getTextSize(str(emotion), _FONT, size, thickness)[0][0] for emotion in emotions)
