"""How many masked people each face detector finds, side by side: in photos, on hand-checked boxes, under drawn masks.

``artifacts/benchmarks/mask_scenes.csv`` holds the checked boxes as numbers; the photos themselves can't be shipped. It
covers the fifty photos with even numbers below 100 of the 120 masked scenes, ``000.jpg``, ``002.jpg`` ... ``098.jpg``.
Every box was set by eye and looked at again, drawn onto its photo. A box is the square in which FER2013 frames a face:
eyes 39% down, chin 97% down (medians of ``FER2013_MASK_ANCHORS`` of the masks). Every
detector frames faces in its own way, so the box is compared with the crop that the expression networks get.

``face`` is a person's face, masked or unmasked, from frontal to about profile, whose square measures at least 20 pixels. A
detection on ``ignore`` counts neither way: smaller, blurred, turned away, or cut off by a third or more; a crowd of such
faces has one such box.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from benchmarks.synthetic_scenes import FOUND_OVERLAP, FRAME_SIZE, face_scene, webcam_frame
from fer_core.analysis.photo_report import image_files
from fer_core.augmentation.masks.bank import MaskBank
from fer_core.augmentation.masks.textures import TEST_STYLES
from fer_core.datasets import Split, read_dataset
from fer_core.errors import DatasetError
from fer_core.media.images import read_image
from fer_core.results import BoundingBox
from fer_core.storage import ARTIFACTS
from fer_core.vision.detection.base import FaceDetector
from fer_core.vision.detection.mtcnn import MtcnnDetector, mtcnn_is_installed
from fer_core.vision.detection.registry import COMPARED_DETECTORS, DETECTORS, create_detector

CHECKED_SCENES = ARTIFACTS / "benchmarks" / "mask_scenes.csv"
OVERLAP = 0.5
"""Intersection over union from which a crop is a match, as in WIDER FACE and FDDB."""
LENIENT_OVERLAP = 0.3
"""The same for boxes that are too loose, tight or shifted, since a mask hides the chin."""
IGNORED_SHARE = 0.5
"""Share of a crop's area within an ``ignore`` box from which the crop is not counted (COCO's rule for crowds)."""
PASTED_PIXELS = 192
TIMED_REPEATS = 25


class BoxKind(StrEnum):
    """What a checked box is to a detector."""

    FACE = "face"
    IGNORE = "ignore"


@dataclass(frozen=True)
class CheckedBox:
    """One hand-checked box."""

    box: BoundingBox
    """In pixels of the photo, framed as in FER2013; it may reach over the border."""
    kind: BoxKind
    masked: bool | None
    """Whether the face wears a mask; None where unknown."""


@dataclass(frozen=True)
class Matching:
    """Counts of matched faces and boxes in some scenes."""

    found: int = 0
    missed: int = 0
    false_boxes: int = 0

    def __add__(self, other: Matching) -> Matching:
        return Matching(self.found + other.found, self.missed + other.missed, self.false_boxes + other.false_boxes)

    @property
    def recall(self) -> float:
        """Share of the faces that were found, in [0, 1]; NaN without a face."""
        faces = self.found + self.missed
        return self.found / faces if faces else float("nan")


def read_checked(path: Path = CHECKED_SCENES) -> dict[str, tuple[CheckedBox, ...]]:
    """The checked boxes of each scene, by the photo's file name."""
    table = pd.read_csv(path, keep_default_na=False)
    return {
        str(scene): tuple(
            CheckedBox(
                BoundingBox(row.x, row.y, row.width, row.height),
                BoxKind(row.kind),
                {"yes": True, "no": False, "": None}[row.masked],
            )
            for row in rows.itertuples()
        )
        for scene, rows in table.groupby("scene")
    }


def match(crops: Sequence[BoundingBox], checked: Sequence[CheckedBox], overlap: float = OVERLAP) -> Matching:
    """Pair crops with faces one to one, as many as possible and among those the closest (Hungarian method).

    Args:
        crops: squares framed as in FER2013, from a detector.
        checked: the boxes of the same scene.
        overlap: intersection over union from which a crop is a face's.

    Returns:
        Faces found and missed, and the crops that are neither a face's nor on an ``ignore`` box.
    """
    faces = [c.box for c in checked if c.kind == BoxKind.FACE]
    ignored = [c.box for c in checked if c.kind == BoxKind.IGNORE]
    overlaps = np.array([[crop.intersection_over_union(face) for face in faces] for crop in crops])
    overlaps = overlaps.reshape(len(crops), len(faces))
    rows, columns = linear_sum_assignment(np.where(overlaps >= overlap, 1 + overlaps, 0), maximize=True)
    paired = set(rows[overlaps[rows, columns] >= overlap].tolist())
    false_boxes = sum(
        number not in paired and all(_share_within(crop, box) < IGNORED_SHARE for box in ignored)
        for number, crop in enumerate(crops)
    )
    return Matching(len(paired), len(faces) - len(paired), false_boxes)


def _share_within(crop: BoundingBox, box: BoundingBox) -> float:
    wide = min(crop.x + crop.width, box.x + box.width) - max(crop.x, box.x)
    high = min(crop.y + crop.height, box.y + box.height) - max(crop.y, box.y)
    return max(wide, 0) * max(high, 0) / crop.area


def masked_scenes(
    photos: Path,
    detectors: Sequence[str] = (),
    fer2013: Path | None = None,
    faces: int = 400,
    checked: Mapping[str, Sequence[CheckedBox]] | None = None,
) -> str:
    """Tables of the faces that each detector finds, and of its time per frame.

    Args:
        photos: the folder of scenes.
        detectors: names; by default all, MTCNN only if it is installed.
        fer2013: to also draw masks onto its PrivateTest faces.
        faces: how many of them.
        checked: boxes by file name (default: those that are shipped).

    Raises:
        DatasetError: there is no photo in the folder, or FER2013 can't be read.
        ModelError: a detector is unknown or not installed.
        ImageError: a photo can't be read.
    """
    paths = list(image_files([photos]))
    if not paths:
        raise DatasetError(f"{photos}: there is no photo here, expected a folder of scenes with masked people.")
    checked = read_checked() if checked is None else checked
    created = {name: create_detector(name) for name in detectors or _every_detector()}
    frames = [read_image(path) for path in paths]
    here = {path.name: frame for path, frame in zip(paths, frames, strict=True) if path.name in checked}
    parts = [f"{len(paths)} scenes", _table(created, lambda d: _scene_metrics(d, frames, here, checked))]
    if here:
        boxes = [box for name in here for box in checked[name] if box.kind == BoxKind.FACE]
        parts[0] += (
            f"; {len(here)} hand-checked with {len(boxes)} faces, {sum(b.masked is True for b in boxes)} of them masked. "
            "False boxes are per checked scene."
        )
    if fer2013 is not None:
        unmasked = read_dataset(fer2013).split(Split.TEST).images[:faces]
        masked = MaskBank(styles=TEST_STYLES).apply(unmasked, np.random.default_rng(0)).images
        parts += [
            f"\nShare found of {len(unmasked)} PrivateTest faces, {PASTED_PIXELS} px on a grey scene, bare and masked",
            _table(created, lambda d: {"bare": _share_found(d, unmasked), "masked": _share_found(d, masked)}),
        ]
    cv2.setNumThreads(1)
    empty = np.ascontiguousarray(webcam_frame()[240:, :320])  # a shuttle and a shoulder, no face
    empty = cv2.resize(empty, FRAME_SIZE)
    parts += [
        "\nMedian milliseconds of a frame of 640x480",
        _table(created, lambda d: {"one face": _milliseconds(d, webcam_frame()), "no face": _milliseconds(d, empty)}),
    ]
    return "\n".join(parts)


def _every_detector() -> list[str]:
    return [n for n in DETECTORS | COMPARED_DETECTORS if n != MtcnnDetector.name or mtcnn_is_installed()]


def _table(detectors: Mapping[str, FaceDetector], measure: Callable[[FaceDetector], dict[str, object]]) -> str:
    rows = [{"detector": name, **measure(detector)} for name, detector in detectors.items()]
    return pd.DataFrame(rows).to_string(index=False)


def _scene_metrics(
    detector: FaceDetector,
    frames: Sequence[np.ndarray],
    here: Mapping[str, np.ndarray],
    checked: Mapping[str, Sequence[CheckedBox]],
) -> dict[str, object]:
    found = sum(bool(detector.detect(frame)) for frame in frames)
    row: dict[str, object] = {"face found in": f"{found} of {len(frames)}", "share": f"{found / len(frames):.1%}"}
    if here:
        crops = {name: _crops(detector, frame) for name, frame in here.items()}
        for overlap in (OVERLAP, LENIENT_OVERLAP):
            counts = sum((match(crops[name], checked[name], overlap) for name in here), Matching())
            row[f"recall, IoU {overlap:g}"] = f"{counts.recall:.1%}"
            row[f"false, IoU {overlap:g}"] = f"{counts.false_boxes / len(here):.2f}"
    return row


def _crops(detector: FaceDetector, frame: np.ndarray) -> list[BoundingBox]:
    return [detector.framing.crop_box(detection.box) for detection in detector.detect(frame)]


def _share_found(detector: FaceDetector, faces: np.ndarray) -> str:
    rng, found = np.random.default_rng(0), 0
    for face in faces:
        x, y = rng.integers(0, (FRAME_SIZE[0] - PASTED_PIXELS, FRAME_SIZE[1] - PASTED_PIXELS), endpoint=True).tolist()
        truth = BoundingBox(x, y, PASTED_PIXELS, PASTED_PIXELS)
        crops = _crops(detector, face_scene(face, truth, FRAME_SIZE))
        found += any(crop.intersection_over_union(truth) >= FOUND_OVERLAP for crop in crops)
    return f"{found / len(faces):.1%}"


def _milliseconds(detector: FaceDetector, frame: np.ndarray) -> float:
    times = []
    for _ in range(TIMED_REPEATS):
        started = time.perf_counter()
        detector.detect(frame)
        times.append((time.perf_counter() - started) * 1e3)
    return round(statistics.median(times), 1)
