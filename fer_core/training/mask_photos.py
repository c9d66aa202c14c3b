"""Photos of faces with and without masks, cropped as the pipeline crops, and split so that no photo is in two splits.

Such collections hold rotated, mirrored and pixelated copies of their own photos under unrelated names. Copies have the
colours of their source: photos with similar colour histograms (Bhattacharyya 1943, Bull. Calcutta Math. Soc. 35) count as
one source, as do photos similar to one of these, and every source goes to one split as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from fer_core.datasets.dataset import Split
from fer_core.errors import DatasetError
from fer_core.media.suffixes import DATASET_IMAGE_SUFFIXES
from fer_core.results import BoundingBox
from fer_core.vision.crops import crop_faces
from fer_core.vision.detection.base import FaceDetector

MASKED_FOLDER, UNMASKED_FOLDER = "with_mask", "without_mask"
SAME_SOURCE = 0.88
"""Bhattacharyya coefficient of the colour histograms from which on two photos count as one source."""
LIKE_TRAINING = 0.80
"""Coefficient from which on a test photo may be of the same source as a training photo."""
SHARES = {Split.TRAINING: 0.7, Split.VALIDATION: 0.1, Split.TEST: 0.2}
"""Share of the photos in each split."""
RIM = 0.7
"""Width of the repeated border that is added before detection, as a share of the longer side."""
MIN_FACE_SHARE = 0.4
"""Smallest side of a face as a share of the photo's; smaller detections are eyes or objects."""
_HISTOGRAM_SIDE, _HISTOGRAM_RIM = 64, 8
"""Side in pixels of the reduced photo whose colours are counted, and of its rim that is left out: copies differ there."""
_BINS = [6, 12, 12]
"""For L*, a*, b*."""
_RANGES = [0, 256, 64, 192, 64, 192]


@dataclass(frozen=True)
class MaskPhotos:
    """One face per photo."""

    crops: np.ndarray
    """``(N, side, side) uint8`` grey."""
    masked: np.ndarray
    """``(N,) bool``."""
    splits: np.ndarray
    """``(N,)`` of :class:`Split` values as strings."""
    detected: np.ndarray
    """``(N,) bool``: whether the detector found the face; if not, the crop is the whole photo."""
    like_training: np.ndarray
    """``(N,) float32``: the largest coefficient with a training photo of the same folder, 1 for training photos."""

    def rows(self, split: Split) -> np.ndarray:
        """Which photos are in a split: ``(N,) bool``."""
        return self.splits == split


def read_mask_photos(
    folder: Path, detector: FaceDetector, side: int, seed: int = 0, progress: Callable[[float], None] = lambda _: None
) -> MaskPhotos:
    """Read ``with_mask`` and ``without_mask`` below a folder.

    Args:
        folder: holds both.
        detector: finds the faces; the largest one of a photo is kept.
        side: of the crops in pixels.
        seed: of the split.
        progress: called with the share of the photos that is read, 0..1.

    Raises:
        DatasetError: a folder is missing or holds no image, or a file is no image.
    """
    files = [
        (path, name == MASKED_FOLDER) for name in (MASKED_FOLDER, UNMASKED_FOLDER) for path in _images(folder / name)
    ]
    crops = np.empty((len(files), side, side), np.uint8)
    detected = np.zeros(len(files), bool)
    colours = []
    for number, (path, _) in enumerate(files):
        photo = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if photo is None:
            raise DatasetError(f"{path.name}: found a file that is no image, expected a photo of a face.")
        crops[number], detected[number] = _crop(photo, detector, side)
        colours.append(colour_signature(photo))
        progress((number + 1) / len(files))
    masked = np.array([is_masked for _, is_masked in files])
    splits, like_training = np.empty(len(files), dtype="U16"), np.empty(len(files), np.float32)
    rng = np.random.default_rng(seed)
    for of_kind in (masked, ~masked):
        likeness = np.stack(colours)[of_kind] @ np.stack(colours)[of_kind].T
        splits[of_kind] = split_by_source(likeness, rng)
        training = splits[of_kind] == Split.TRAINING
        nearest = likeness[:, training].max(axis=1)
        like_training[of_kind] = np.where(training, 1, nearest)
    return MaskPhotos(crops, masked, splits, detected, like_training)


def colour_signature(photo: np.ndarray) -> np.ndarray:
    """Square roots of a photo's colour shares, ``(864,) float32`` of length one: products are Bhattacharyya coefficients.

    Args:
        photo: ``(H, W, 3) uint8`` BGR.
    """
    small = cv2.resize(photo, (_HISTOGRAM_SIDE, _HISTOGRAM_SIDE), interpolation=cv2.INTER_AREA)
    inner = small[_HISTOGRAM_RIM:-_HISTOGRAM_RIM, _HISTOGRAM_RIM:-_HISTOGRAM_RIM]
    lab = cv2.cvtColor(inner, cv2.COLOR_BGR2LAB)
    counts = cv2.calcHist([lab], [0, 1, 2], None, _BINS, _RANGES).ravel()
    return np.sqrt(counts / max(1.0, float(counts.sum())))


def split_by_source(likeness: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Splits ``(N,)`` in which every source, that is photos connected by :data:`SAME_SOURCE`, is in one split.

    Sources are dealt out from the largest to the smallest, in random order where they are equally large, each to the split
    that lacks most of its share.
    """
    count, source = connected_components(csr_array(likeness >= SAME_SOURCE), directed=False)
    sizes = np.bincount(source, minlength=count)
    order = rng.permutation(count)
    order = order[np.argsort(-sizes[order], kind="stable")]
    held = dict.fromkeys(SHARES, 0.0)
    split_of = np.empty(count, dtype="U16")
    for number in order:
        split = max(SHARES, key=lambda s: SHARES[s] * len(likeness) - held[s])
        split_of[number] = str(split)
        held[split] += sizes[number]
    return split_of[source]


def _images(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in DATASET_IMAGE_SUFFIXES) if folder.is_dir() else []
    if not found:
        raise DatasetError(
            f"{folder}: found no .jpg or .png, expected photos in {MASKED_FOLDER}/ and {UNMASKED_FOLDER}/."
        )
    return found


def _crop(photo: np.ndarray, detector: FaceDetector, side: int) -> tuple[np.ndarray, bool]:
    """The face of a photo, and whether it was detected; tightly cropped photos need a border before a detector finds it."""
    height, width = photo.shape[:2]
    rim = round(RIM * max(height, width))
    framed = cv2.copyMakeBorder(photo, rim, rim, rim, rim, cv2.BORDER_REPLICATE)
    detections = detector.detect(framed)
    if detections and detections[0].box.area >= MIN_FACE_SHARE**2 * height * width:
        return crop_faces(framed, [detector.framing.crop_box(detections[0].box)], side)[0], True
    return crop_faces(photo, [BoundingBox(0, 0, width, height)], side)[0], False
