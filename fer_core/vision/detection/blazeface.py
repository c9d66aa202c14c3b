"""BlazeFace in three sizes.

BlazeFace (Bazarevsky et al. 2019, arXiv:1907.05047) runs with LiteRT from the model files of MediaPipe in
``artifacts/mediapipe``. Anchors, decoding and weighted suppression follow MediaPipe's
``SsdAnchorsCalculator``, ``TensorsToDetectionsCalculator`` and ``NonMaxSuppressionCalculator`` with the options of its
``face_detection_*.pbtxt``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from threading import Lock

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from fer_core.results import BoundingBox, FaceDetection
from fer_core.vision.detection.base import check_frame, largest_first
from fer_core.vision.framing import FaceFraming
from fer_core.vision.litert import mediapipe_model_path, sigmoid


@dataclass(frozen=True)
class BlazeFaceVariant:
    """One of MediaPipe's BlazeFace networks."""

    name: str
    title: str
    file_name: str
    input_size: int
    """Longer side of the input in pixels, and MediaPipe's x_scale, y_scale, w_scale, h_scale of the offsets."""
    anchor_layers: tuple[tuple[int, int], ...]
    """Stride in pixels and anchors per cell of each feature map, in the order of the network's outputs."""
    framing: FaceFraming
    resizable: bool = True
    """Whether the input may be cut to the frame, or keeps its square since the file fixes sizes of feature maps."""


# Layers: MediaPipe lists one stride per pair of anchors (aspect ratio 1 and interpolated scale) and merges equal
# strides, so strides 16, 32, 32, 32 are two anchors per cell at stride 16 and six at 32.
# Framing: median of the box's edges over 400 FER2013 PublicTest faces, each enlarged to 192 px at a random place of a
# 640x480 grey scene, as fractions of the face's true frame.
BLAZEFACE_VARIANTS = {
    "back": BlazeFaceVariant(
        name="blazeface-back",
        title="BlazeFace 256 (back camera)",
        file_name="face_detection_back.tflite",
        input_size=256,
        anchor_layers=((16, 2), (32, 6)),
        # The median (0.070, 0.168, 0.936, 1.023) with the frame 3.5% wider: of widths from 0 to 7.5% what lies between
        # the two that the network answered best for, on all PublicTest faces pasted at 192 px.
        framing=FaceFraming(0.085, 0.179, 0.921, 1.005),
    ),
    "front": BlazeFaceVariant(
        name="blazeface-front",
        title="BlazeFace 128 (front camera, near faces)",
        file_name="face_detection_front.tflite",
        input_size=128,
        anchor_layers=((8, 2), (16, 6)),
        framing=FaceFraming(0.08, 0.16, 0.92, 1.00),
    ),
    "full": BlazeFaceVariant(
        name="blazeface-full",
        title="BlazeFace 192 (full range)",
        file_name="face_detection_full_range.tflite",
        input_size=192,
        anchor_layers=((4, 1),),
        framing=FaceFraming(0.07, 0.12, 0.93, 0.97),
        resizable=False,
    ),
}

MIN_SCORE = 0.5
"""Confidence from which a box counts as a face: the default of MediaPipe's face detection."""
SUPPRESSION_OVERLAP = 0.3
"""Intersection over union from which two boxes are one face: ``min_suppression_threshold`` in MediaPipe."""
KEY_POINTS = 6
"""Of a face, as :attr:`fer_core.results.FaceDetection.key_points` lists them."""


class BlazeFaceDetector:
    """BlazeFace on one shared LiteRT interpreter.

    Args:
        variant: a key of ``BLAZEFACE_VARIANTS``.
        num_threads: CPU threads of the network.
        min_score: confidence in (0, 1) from which a box counts as a face.

    Raises:
        ModelError: a model file is missing.
    """

    def __init__(self, variant: str = "back", num_threads: int = 1, min_score: float = MIN_SCORE) -> None:
        chosen = BLAZEFACE_VARIANTS[variant]
        self.name = chosen.name
        self.title = chosen.title
        self.framing = chosen.framing
        self._size = chosen.input_size
        self._layers = chosen.anchor_layers
        self._min_logit = math.log(min_score / (1 - min_score))
        self._resizable = chosen.resizable
        model = mediapipe_model_path(chosen.file_name).read_bytes()
        self._interpreter = Interpreter(model_content=model, num_threads=num_threads)
        self._input_index = self._interpreter.get_input_details()[0]["index"]
        regressors, classificators = self._interpreter.get_output_details()
        self._regressors_index, self._logits_index = regressors["index"], classificators["index"]
        self._fit_canvas(self._size, self._size)
        self._lock = Lock()  # neither the interpreter nor the buffers stand two threads at once

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        """See :meth:`FaceDetector.detect`; scores and key points are the network's."""
        check_frame(frame)
        with self._lock:
            frame_from_canvas = self._letterbox(frame)
            self._interpreter.set_tensor(self._input_index, self._tensor)
            self._interpreter.invoke()
            regressors = self._interpreter.get_tensor(self._regressors_index)[0]
            logits = self._interpreter.get_tensor(self._logits_index)[0, :, 0]
            anchors = self._anchors
        # Thresholding the logits first leaves a handful of the hundreds of anchors to decode.
        likely = np.flatnonzero(logits >= self._min_logit)
        if not len(likely):
            return []
        faces = decode_faces(regressors[likely], anchors[likely])
        faces, scores = weighted_suppression(faces, sigmoid(logits[likely]), SUPPRESSION_OVERLAP)
        scale_x, scale_y, offset_x, offset_y = frame_from_canvas
        points = (faces.reshape(len(faces), -1, 2) - (offset_x, offset_y)) * (scale_x, scale_y)
        key_points = points[:, 2:].astype(np.float32)
        return largest_first(
            FaceDetection(BoundingBox(left, top, right - left, bottom - top), score, of_face)
            for ((left, top), (right, bottom)), score, of_face in zip(
                points[:, :2].tolist(), scores.tolist(), key_points, strict=True
            )
            if right > left and bottom > top
        )

    def _fit_canvas(self, width: int, height: int) -> None:
        """Give the network an input of this size in pixels; frames of one video come here once."""
        self._canvas = np.empty((height, width, 3), np.uint8)
        self._tensor = np.empty((1, height, width, 3), np.float32)
        self._anchors = anchor_centres(width, height, self._layers)
        self._interpreter.resize_tensor_input(self._input_index, self._tensor.shape)
        self._interpreter.allocate_tensors()

    def _letterbox(self, frame: np.ndarray) -> tuple[float, float, int, int]:
        """Fill the input tensor with the whole frame, its aspect ratio kept and the rest black.

        MediaPipe's canvas is square. Here it is cut to the strides that the frame reaches into, where the network
        allows it, so that a 4:3 frame costs a quarter less.

        Returns:
            Frame pixels per canvas pixel across and down, and the frame's left and top edge on the canvas.
        """
        height, width = frame.shape[:2]
        scale = self._size / max(height, width)
        wide, high = max(1, round(width * scale)), max(1, round(height * scale))
        stride = max(stride for stride, _ in self._layers)
        canvas = self._size, self._size
        if self._resizable:
            canvas = math.ceil(high / stride) * stride, math.ceil(wide / stride) * stride
        if canvas != self._canvas.shape[:2]:
            self._fit_canvas(canvas[1], canvas[0])
        left, top = (canvas[1] - wide) // 2, (canvas[0] - high) // 2
        # Bilinear alone would skip pixels, and small faces with them. Averaging whole blocks first mends that at a
        # sixth of what INTER_AREA costs for an odd ratio; the last pixels that fill no whole block are left out.
        block = max(1, max(height, width) // self._size)
        block_x, block_y = min(block, width), min(block, height)
        blocks_x, blocks_y = width // block_x, height // block_y
        whole = frame[: blocks_y * block_y, : blocks_x * block_x]
        if block > 1:
            whole = cv2.resize(whole, (blocks_x, blocks_y), interpolation=cv2.INTER_AREA)
        self._canvas.fill(0)
        cv2.resize(whole, (wide, high), dst=self._canvas[top : top + high, left : left + wide])
        cv2.cvtColor(self._canvas, cv2.COLOR_BGR2RGB, dst=self._canvas)
        np.multiply(self._canvas, np.float32(2 / 255), out=self._tensor[0])  # to [-1, 1]
        self._tensor -= 1
        return blocks_x * block_x / wide, blocks_y * block_y / high, left, top


def anchor_centres(width: int, height: int, layers: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Centres of the SSD anchors, whose own size is fixed at one input side (``fixed_anchor_size``).

    Args:
        width: of the network's input in pixels, a multiple of every stride.
        height: of the input, in the same way.
        layers: stride and anchors per cell of each feature map.

    Returns:
        ``(anchors, 2) float32`` x and y in input pixels, row by row, a cell's anchors next to each other.
    """
    centres = []
    for stride, per_cell in layers:
        middles = (np.arange(max(width, height) // stride, dtype=np.float32) + 0.5) * stride
        x, y = np.meshgrid(middles[: width // stride], middles[: height // stride])
        centres.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), per_cell, axis=0))
    return np.concatenate(centres)


def decode_faces(regressors: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Boxes and key points from the network's regression output.

    Args:
        regressors: ``(n, 16) float32``: centre offset x, y, width, height, then six key points, in input pixels.
        anchors: ``(n, 2) float32`` anchor centres in input pixels.

    Returns:
        ``(n, 16) float32`` left, top, right, bottom, then x and y of each key point, in input pixels.
    """
    points = regressors.reshape(-1, 2 + KEY_POINTS, 2) + anchors[:, None]
    half = regressors[:, 2:4] / 2
    points[:, 1] = points[:, 0] + half
    points[:, 0] -= half
    return points.reshape(regressors.shape)


def weighted_suppression(faces: np.ndarray, scores: np.ndarray, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """Merge the boxes of each face into one, their mean weighted by score (BlazeFace paper, post-processing).

    Args:
        faces: ``(n, 4 or more) float32`` left, top, right, bottom, and what else is merged as the box is.
        scores: ``(n,) float32`` in (0, 1].
        overlap: intersection over union above which a box belongs to a more confident one.

    Returns:
        The merged rows and ``(merged,)`` scores of their most confident members, most confident first.
    """
    order = np.argsort(-scores, kind="stable")
    faces, scores = faces[order], scores[order]
    merged, best = [], []
    while len(scores):
        same = _overlaps(faces[0, :4], faces[:, :4]) > overlap
        same[0] = True  # a box without area overlaps nothing, itself included
        merged.append(scores[same] @ faces[same] / scores[same].sum())
        best.append(scores[0])
        faces, scores = faces[~same], scores[~same]
    return np.array(merged, np.float32).reshape(-1, faces.shape[1]), np.array(best, np.float32)


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one ``(4,)`` box with ``(n, 4)`` others: ``(n,)``, 0 where both have no area."""
    shared = np.maximum(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
