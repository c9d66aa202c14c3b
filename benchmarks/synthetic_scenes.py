"""Measure how a detector frames faces that are framed as FER2013 frames them.

Faces of the data set are enlarged and pasted onto a plain grey scene, one a scene, so that their true frame is known;
the detector's boxes in that frame give the fractions of its :class:`~fer_core.vision.framing.FaceFraming`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from fer_core.datasets import FaceDataset, Split
from fer_core.evaluation.verification import SAMPLE_PHOTO
from fer_core.labels import FER2013
from fer_core.media.images import read_image
from fer_core.results import BoundingBox
from fer_core.vision.detection.base import FaceDetector
from fer_core.vision.framing import FaceFraming

SCENE_GREY = 128
"""Grey level of the scene around the pasted face."""


@dataclass(frozen=True)
class FramingMeasurement:
    """What a detector made of pasted faces."""

    framing: FaceFraming
    """Median edges of its boxes as fractions of the true frame; NaN where it found no face."""
    recall: float
    """Share of the faces that it found: a box centred within the true frame."""
    crop_overlap: float
    """Mean intersection over union of the crops by the detector's own framing with the true frames; NaN where it found
    no face."""


def face_scene(face: np.ndarray, place: BoundingBox, scene_size: tuple[int, int]) -> np.ndarray:
    """A plain grey scene with one face enlarged into it.

    Args:
        face: ``(48, 48) uint8`` grey.
        place: a square in whole pixels within the scene.
        scene_size: width and height of the scene in pixels.

    Returns:
        ``(height, width, 3) uint8`` BGR.
    """
    scene = np.full((scene_size[1], scene_size[0]), SCENE_GREY, np.uint8)
    x, y, side = int(place.x), int(place.y), int(place.width)
    scene[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
    return cv2.cvtColor(scene, cv2.COLOR_GRAY2BGR)


def measure_framing(
    detector: FaceDetector,
    faces: np.ndarray,
    face_pixels: int = 192,
    scene_size: tuple[int, int] = (640, 480),
    seed: int = 0,
) -> FramingMeasurement:
    """Paste each face at a random place of a grey scene and compare the detector's box with the true frame.

    Args:
        detector: the detector to measure.
        faces: ``(N, 48, 48) uint8`` grey faces framed as in FER2013, N at least 1.
        face_pixels: side of the enlarged faces in pixels.
        scene_size: width and height of the scene in pixels, neither below ``face_pixels``.
        seed: of the places. They vary, so that no result hangs on how a face falls onto the detector's grid.

    Raises:
        ValueError: the face is larger than the scene.
    """
    width, height = scene_size
    if face_pixels > min(width, height):
        raise ValueError(f"expected faces of at most {min(width, height)} px for this scene, got {face_pixels} px")
    places = np.random.default_rng(seed).integers(
        0, (width - face_pixels, height - face_pixels), (len(faces), 2), endpoint=True
    )
    edges, overlaps = [], []
    for face, (x, y) in zip(faces, places.tolist(), strict=True):
        truth = BoundingBox(x, y, face_pixels, face_pixels)
        detections = detector.detect(face_scene(face, truth, scene_size))
        box = max((d.box for d in detections), key=truth.intersection_over_union, default=None)
        if box is None or not _is_centred_in(box, truth):
            continue
        edges.append([box.x - x, box.y - y, box.x + box.width - x, box.y + box.height - y])
        overlaps.append(truth.intersection_over_union(detector.framing.crop_box(box)))
    if not edges:
        nan = float("nan")
        return FramingMeasurement(FaceFraming(nan, nan, nan, nan), recall=0.0, crop_overlap=nan)
    left, top, right, bottom = (np.median(edges, axis=0) / face_pixels).tolist()
    return FramingMeasurement(
        FaceFraming(left, top, right, bottom),
        recall=len(edges) / len(faces),
        crop_overlap=float(np.mean(overlaps)),
    )


def _is_centred_in(box: BoundingBox, frame: BoundingBox) -> bool:
    across = (box.x + box.width / 2 - frame.x) / frame.width
    down = (box.y + box.height / 2 - frame.y) / frame.height
    return 0 <= across <= 1 and 0 <= down <= 1


FRAME_SIZE = (640, 480)


FOUND_OVERLAP = 0.3
"""Intersection over union of a crop with the pasted square from which the face counts as found."""


def webcam_frame() -> np.ndarray:
    """A 640x480 frame with one face of webcam size: ``(480, 640, 3) uint8`` BGR."""
    photo = read_image(SAMPLE_PHOTO)
    height, width = photo.shape[:2]
    scale = max(FRAME_SIZE[0] / width, FRAME_SIZE[1] / height)
    return cv2.resize(photo, None, fx=scale, fy=scale)[: FRAME_SIZE[1], : FRAME_SIZE[0]]


def noise_faces(count: int) -> FaceDataset:
    """So many 48x48 pictures of noise with labels, splits and votes at random, in FER2013's classes."""
    rng = np.random.default_rng(0)
    return FaceDataset(
        "noise",
        rng.integers(0, 256, (count, 48, 48), np.uint8),
        rng.integers(0, len(FER2013), count),
        rng.choice([Split.TRAINING, Split.VALIDATION, Split.TEST], count, p=[0.8, 0.1, 0.1]),
        FER2013,
        rng.multinomial(10, [0.3, *[0.1] * 7, 0.0, 0.0], count).astype(np.uint8),
    )


def pasted_scenes(faces: np.ndarray, side: int) -> Iterator[tuple[BoundingBox, np.ndarray]]:
    """Each face ``(48, 48) uint8`` enlarged onto a place of a grey scene: its square, and ``(480, 640, 3) uint8`` BGR.

    Places are drawn with seed 0.
    """
    rng = np.random.default_rng(0)
    for face in faces:
        x, y = int(rng.integers(0, FRAME_SIZE[0] - side)), int(rng.integers(0, FRAME_SIZE[1] - side))
        truth = BoundingBox(x, y, side, side)
        yield truth, face_scene(face, truth, FRAME_SIZE)
