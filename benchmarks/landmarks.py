"""The time of landmarks, irises, head pose and gaze, for one face and for five in a 640x480 frame."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks.speed import MAX_SERIES_SECONDS, REPEATS
from benchmarks.synthetic_scenes import FRAME_SIZE, webcam_frame
from fer_core.errors import FerError
from fer_core.evaluation.verification import SAMPLE_PHOTO
from fer_core.media.images import read_image
from fer_core.vision.detection.base import FaceDetector
from fer_core.vision.detection.registry import create_detector
from fer_core.vision.gaze import estimate_gaze, eye_openness
from fer_core.vision.head_pose import Camera, estimate_head_pose
from fer_core.vision.landmarks import LandmarkReader

WARM_UP = 2
_PORTRAIT = slice(20, 250), slice(110, 340)
_FIVE = ((10, 5), (220, 5), (430, 5), (110, 240), (330, 240))
"""Left and top edges in pixels of five portraits of 200 pixels in the frame."""


def frame_of_five() -> np.ndarray:
    """A 640x480 frame with five faces of some 110 pixels: ``(480, 640, 3) uint8`` BGR."""
    frame = np.full((FRAME_SIZE[1], FRAME_SIZE[0], 3), 128, np.uint8)
    portrait = cv2.resize(read_image(SAMPLE_PHOTO)[_PORTRAIT], (200, 200), interpolation=cv2.INTER_AREA)
    for left, top in _FIVE:
        frame[top : top + 200, left : left + 200] = portrait
    return frame


def landmark_speed(repeats: int = REPEATS) -> str:
    """Median milliseconds per face and per frame of each step on one thread.

    ``landmarks`` is one pass for faces of known roll, ``roll unknown`` the passes without it. ``gaze`` includes openness.
    ``all`` is the sum of the first four steps.
    """
    cv2.setNumThreads(1)
    detector, reader, blind = create_detector(), LandmarkReader(), LandmarkReader(with_eyes=False)
    rows: dict[str, dict[str, float]] = {}
    with threadpool_limits(1, user_api="blas"):
        for name, frame, count in (("1 face", webcam_frame(), 1), ("5 faces", frame_of_five(), 5)):
            times = {
                step: _median_milliseconds(run, repeats)
                for step, run in _steps(frame, count, detector, reader, blind).items()
            }
            times["all"] = sum(times[step] for step in ("landmarks", "irises", "pose", "gaze"))
            for step, milliseconds in times.items():
                row = rows.setdefault(step, {})
                row[f"{name}: ms per face"] = round(milliseconds / count, 2)
                row[f"{name}: ms per frame"] = round(milliseconds, 2)
    return pd.DataFrame([{"step": step, **row} for step, row in rows.items()]).to_string(index=False)


def _steps(
    frame: np.ndarray, count: int, detector: FaceDetector, reader: LandmarkReader, blind: LandmarkReader
) -> dict[str, Callable[[], object]]:
    """The timed steps by name, on a frame with ``count`` faces; ``blind`` is the reader without eyes."""
    camera = Camera.of_frame(*FRAME_SIZE)
    boxes = [detector.framing.crop_box(found.box) for found in detector.detect(frame)]
    faces = [face for face in reader.read(frame, boxes) if face is not None]
    posed = [(face, pose) for face in faces if (pose := estimate_head_pose(face.points, camera)) is not None]
    eyes = [(face, pose, face.eyes) for face, pose in posed if face.eyes is not None]
    if len(eyes) != count:
        raise FerError(
            f"In the frame of {count} faces landmarks and pose were found for {len(eyes)}; expected all of them."
        )
    rolls = [face.roll for face in faces]
    return {
        "landmarks": lambda: blind.read(frame, boxes, rolls),
        "irises": lambda: [reader.refine_eyes(frame, face) for face in faces],
        "pose": lambda: [estimate_head_pose(face.points, camera) for face in faces],
        "gaze": lambda: [(estimate_gaze(face, pose, camera), eye_openness(seen)) for face, pose, seen in eyes],
        "roll unknown": lambda: blind.read(frame, boxes),
    }


def _median_milliseconds(run: Callable[[], object], repeats: int) -> float:
    times: list[float] = []
    series_ends = time.perf_counter() + MAX_SERIES_SECONDS
    for number in range(repeats + WARM_UP):
        if number > WARM_UP and time.perf_counter() > series_ends:
            break
        started = time.perf_counter()
        run()
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times[WARM_UP:])
