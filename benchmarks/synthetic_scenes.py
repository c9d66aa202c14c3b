"""Scenes with known answers: a webcam frame, faces pasted onto grey at known places, and faces of noise."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from fer_core.datasets import FaceDataset, Split
from fer_core.evaluation.verification import SAMPLE_PHOTO
from fer_core.labels import FER2013
from fer_core.media.images import read_image
from fer_core.results import BoundingBox

SCENE_GREY = 128
"""Grey level of the scene around the pasted face."""


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
    """48x48 images of noise with random labels, splits and votes, in FER2013's classes."""
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

    Places are sampled with seed 0.
    """
    rng = np.random.default_rng(0)
    for face in faces:
        x, y = int(rng.integers(0, FRAME_SIZE[0] - side)), int(rng.integers(0, FRAME_SIZE[1] - side))
        truth = BoundingBox(x, y, side, side)
        yield truth, face_scene(face, truth, FRAME_SIZE)
