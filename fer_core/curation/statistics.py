"""What a data set is made of: how many faces per class and split, what they look like on average, how they vary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.labels import LabelSet

MEASURES = {
    "brightness": "Brightness: mean grey level, 0 to 255",
    "contrast": "Contrast: standard deviation of the grey levels",
    "sharpness": "Sharpness: standard deviation of the Laplacian, grey levels",
}
"""What :func:`image_measures` gives of each face, with titles as axes."""


def class_counts(dataset: FaceDataset, label_set: LabelSet) -> pd.DataFrame:
    """Faces per class and split: columns ``split, emotion, faces, share``; share of the split's labelled faces.

    Raises:
        DatasetError: FER+ is asked for and the data set has no votes.
    """
    labels = dataset.as_label_set(label_set).labels
    rows = []
    for split in Split:
        of_split = labels[(dataset.splits == split) & (labels >= 0)]
        counts = np.bincount(of_split, minlength=len(label_set))
        rows += [
            {"split": str(split), "emotion": str(emotion), "faces": int(n), "share": n / len(of_split)}
            for emotion, n in zip(label_set.emotions, counts, strict=True)
            if len(of_split)
        ]
    return pd.DataFrame(rows, columns=["split", "emotion", "faces", "share"])


def imbalance_ratio(counts: Iterable[int]) -> float:
    """Faces of the largest class for each face of the smallest one that has any; 1 is balanced, NaN without faces.

    (Japkowicz & Stephen 2002, "The class imbalance problem", sec. 2.)
    """
    present = [count for count in counts if count > 0]
    return max(present) / min(present) if present else float("nan")


def class_weights(counts: np.ndarray, power: float) -> np.ndarray:
    """Weight of a face of each class in training, one on average over all faces.

    A face weighs (1 / share of its class) to ``power`` (Mahajan et al. 2018, arXiv:1805.00932, sec. 2.2): 0 leaves the
    classes as they are, 1 balances them.

    Args:
        counts: ``(C,)`` faces per class, at least one in all.
        power: 0 or more.

    Returns:
        ``(C,) float64``; a class without faces has the weight of a class that holds them all.
    """
    shares = np.asarray(counts, np.float64) / np.sum(counts)
    weights = np.where(shares > 0, shares, 1.0) ** -power
    return weights / (shares * weights).sum()


def seen_shares(counts: np.ndarray, power: float) -> np.ndarray:
    """Share of each class in what a network's loss is made of under :func:`class_weights`: ``(C,) float64``, sum one."""
    counts = np.asarray(counts, np.float64)
    return counts / counts.sum() * class_weights(counts, power)


def image_measures(images: np.ndarray) -> pd.DataFrame:
    """Brightness, contrast and sharpness of ``(N, H, W) uint8`` faces, a row each; see :data:`MEASURES`.

    Sharpness by the Laplacian's deviation after Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield
    microscopy", sec. 2.3; it grows with noise as well.
    """
    flat = images.reshape(len(images), -1)
    laplacians = (cv2.Laplacian(image, cv2.CV_32F).std() for image in images)
    return pd.DataFrame(
        {
            "brightness": flat.mean(axis=1, dtype=np.float32),
            "contrast": flat.std(axis=1, dtype=np.float32),
            "sharpness": np.fromiter(laplacians, np.float32, len(images)),
        }
    )


@dataclass(frozen=True)
class MeanFaces:
    """What the faces of each class look like on average, and where they differ most."""

    label_set: LabelSet
    faces: np.ndarray
    """``(C,) int64``: how many."""
    means: np.ndarray
    """``(C, H, W) float32``, grey levels; 0 for a class without faces."""
    spreads: np.ndarray
    """``(C, H, W) float32``: standard deviation of each pixel."""


def mean_faces(dataset: FaceDataset, label_set: LabelSet) -> MeanFaces:
    """Mean and standard deviation of every pixel per class, over all rows of ``dataset`` that have one.

    Raises:
        DatasetError: FER+ is asked for and the data set has no votes.
    """
    labels = dataset.as_label_set(label_set).labels
    shape = (len(label_set), *dataset.images.shape[1:])
    means, spreads = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for emotion in np.unique(labels[labels >= 0]):
        images = dataset.images[labels == emotion]
        means[emotion] = images.mean(axis=0, dtype=np.float64)
        spreads[emotion] = images.std(axis=0, dtype=np.float64)
    return MeanFaces(label_set, np.bincount(labels[labels >= 0], minlength=len(label_set)), means, spreads)
