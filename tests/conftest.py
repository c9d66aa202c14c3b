"""Small inputs that the tests make themselves: a real face, and faces with a pattern that a network can learn."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

import fer_core.app  # noqa: F401  # before TensorFlow, see there
from fer_core.datasets import FaceDataset, Split
from fer_core.labels import FER2013
from fer_core.store.store import ModelStore, StoredModel
from tests.stored_models import made_up, mixed_models, mixed_store  # noqa: F401  # fixtures of every test


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Streamlit's AppTest leaves its script as the main module, which processes started later would try to run again."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """The astronaut's portrait, 512x512 BGR: one smiling face."""
    return cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> StoredModel:
    """A copy of the network that the repository ships, alone in its store."""
    network = ModelStore().load("senet")
    folder = tmp_path_factory.mktemp("shipped") / network.name
    shutil.copytree(network.folder, folder)
    return ModelStore(folder.parent).load(network.name)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FER_CORE_CACHE", str(folder))
    return folder


def make_dataset(per_class: int = 8, seed: int = 0, with_votes: bool = True) -> FaceDataset:
    """A data set whose label is written into each image as the height of a bright bar."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(len(FER2013)), per_class * 3)
    images = rng.integers(0, 90, (len(labels), 48, 48)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[6 * label : 6 * label + 8, 8:40] += 150
    splits = np.repeat([Split.TRAINING, Split.VALIDATION, Split.TEST], per_class * len(FER2013))
    votes = None
    if with_votes:
        from fer_core.labels import FERPLUS

        votes = np.zeros((len(labels), 10), np.uint8)
        votes[np.arange(len(labels)), FER2013.indices_in(FERPLUS)[labels]] = 8
        votes[:, 8] = 2
    return FaceDataset("patterns", images, labels, splits, FER2013, votes)


@pytest.fixture
def dataset() -> FaceDataset:
    """See :func:`make_dataset`."""
    return make_dataset()
