"""Readers of the public formats, all into one :class:`FaceDataset`, and the augmentation that training applies."""

from fer_core.datasets.face_dataset import FaceDataset, Split
from fer_core.datasets.reading import read_dataset

__all__ = ["FaceDataset", "Split", "read_dataset"]
