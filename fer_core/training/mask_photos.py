"""Photos of faces with and without masks, cut out as the pipeline does, and split so that no photo is in two splits.

Such collections hold rotated, mirrored and pixelated copies of their own photos under names that do not tell. Copies have
the colours of their source: photos whose colour histograms are alike (Bhattacharyya 1943, Bull. Calcutta Math. Soc. 35)
count as one source, and so do those that are like one of them, and whole sources go to one split.
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
from fer_core.datasets.readers.image_files import DATASET_IMAGE_SUFFIXES
from fer_core.errors import DatasetError
from fer_core.results import BoundingBox
from fer_core.vision.crops import crop_faces
from fer_core.vision.detection.base import FaceDetector

MASKED_FOLDER, UNMASKED_FOLDER = "with_mask", "without_mask"


SAME_SOURCE = 0.88
"""Bhattacharyya coefficient of the colour histograms from which on two photos count as one source."""


LIKE_TRAINING = 0.80
"""From which on a test photo is too like one of the training photos to be sure that it is another source."""


SHARES = {Split.TRAINING: 0.7, Split.VALIDATION: 0.1, Split.TEST: 0.2}
"""Of the sources."""


RIM = 0.7
"""Of the longer side, that the pixels at the border are repeated over before a face is looked for."""


LEAST_SIDE = 0.4
"""Of the side of a photo of a face, that the face must have; what is smaller is an eye, or a thing in the picture."""


_HISTOGRAM_SIDE, _HISTOGRAM_RIM = 64, 8
"""Pixels that a photo is reduced to before its colours are counted, and of the rim that is not: copies differ there."""


_BINS = [6, 12, 12]
"""Of L*, a*, b*."""


_RANGES = [0, 256, 64, 192, 64, 192]


@dataclass(frozen=True)
class MaskPhotos:
    """Faces of photos, one a photo."""

    crops: np.ndarray
    """``(N, side, side) uint8`` grey."""
    masked: np.ndarray
    """``(N,) bool``."""
    splits: np.ndarray
    """``(N,)`` of :class:`Split` values as strings."""
    detected: np.ndarray
    """``(N,) bool``: the detector found the face; else the whole photo was taken for one."""
    like_training: np.ndarray
    """``(N,) float32``: the largest coefficient with a training photo of the same folder, 1 for training photos."""

    def rows(self, split: Split) -> np.ndarray:
        """``(N,) bool``."""
        return self.splits == split


def read_mask_photos(
    folder: Path, detector: FaceDetector, side: int, seed: int = 0, progress: Callable[[float], None] = lambda _: None
) -> MaskPhotos:
    """Read ``with_mask`` and ``without_mask`` below a folder.

    Args:
        folder: holds both.
        detector: finds the face; the largest one of a photo is taken.
        side: of the crops in pixels.
        seed: of the split.
        progress: called with the share that is done, 0..1.

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
    """Splits ``(N,)`` such that photos alike by :data:`SAME_SOURCE`, and those alike to them, share one.

    Sources are dealt out in random order, each to the split that lacks most of its share, so that a large source does not
    unbalance them.
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
    """The face of a photo that may be cut so tightly that a detector, used to whole scenes, needs a rim to see it as one."""
    height, width = photo.shape[:2]
    rim = round(RIM * max(height, width))
    framed = cv2.copyMakeBorder(photo, rim, rim, rim, rim, cv2.BORDER_REPLICATE)
    detections = detector.detect(framed)
    if detections and detections[0].box.area >= LEAST_SIDE**2 * height * width:
        return crop_faces(framed, [detector.framing.crop_box(detections[0].box)], side)[0], True
    return crop_faces(photo, [BoundingBox(0, 0, width, height)], side)[0], False
