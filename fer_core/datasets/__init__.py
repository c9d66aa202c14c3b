"""Readers of the public formats, all into one :class:`FaceDataset`, and splits."""

from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.datasets.load import read_dataset

__all__ = ["FaceDataset", "Split", "read_dataset"]
