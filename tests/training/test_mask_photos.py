"""Photos with and without masks: cut out, and split so that copies of one photo stay together."""

import cv2
import numpy as np
import pytest

from fer_core.datasets import Split
from fer_core.errors import DatasetError
from fer_core.results import BoundingBox, FaceDetection
from fer_core.training import mask_photos
from fer_core.training.mask_photos import SAME_SOURCE, SHARES, colour_signature, read_mask_photos, split_by_source
from fer_core.vision.framing import FaceFraming


class MiddleFinder:
    """Finds a face in the middle of every photo that is not dark."""

    name = "middle"
    framing = FaceFraming(0, 0, 1, 1)

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        if frame.mean() < 60:
            return []
        height, width = frame.shape[:2]
        return [FaceDetection(BoundingBox(width / 4, height / 4, width / 2, height / 2), 0.9)]


def portrait(seed: int) -> np.ndarray:
    """A picture of a few colours of its own."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(70, 255, (4, 4, 3)).astype(np.uint8)
    return cv2.resize(patches, (96, 96), interpolation=cv2.INTER_NEAREST)


def test_turned_and_mirrored_copies_have_the_colours_of_their_source():
    photo = portrait(1)
    turn = cv2.getRotationMatrix2D((48, 48), 12, 1)
    copy = cv2.warpAffine(photo[:, ::-1], turn, (96, 96), borderMode=cv2.BORDER_REPLICATE)
    assert colour_signature(photo) @ colour_signature(copy) > SAME_SOURCE
    assert colour_signature(photo) @ colour_signature(portrait(2)) < 0.5
    assert np.linalg.norm(colour_signature(photo)) == pytest.approx(1)


def test_a_source_and_all_that_is_like_it_is_in_one_split_and_splits_have_their_shares():
    likeness = np.eye(100)
    for first in range(0, 40, 4):  # chains of four: each is like the next one alone
        for step in range(3):
            likeness[first + step, first + step + 1] = likeness[first + step + 1, first + step] = 0.95
    splits = split_by_source(likeness, np.random.default_rng(0))
    for first in range(0, 40, 4):
        assert len(set(splits[first : first + 4])) == 1
    for split, share in SHARES.items():
        assert (splits == split).mean() == pytest.approx(share, abs=0.03)


def test_photos_are_cut_out_and_those_without_a_found_face_are_taken_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(mask_photos, "RIM", 0)
    for number in range(6):
        for folder in ("with_mask", "without_mask"):
            (tmp_path / folder).mkdir(exist_ok=True)
            photo = portrait(number) if number else np.full((96, 96, 3), 20, np.uint8)
            cv2.imwrite(str(tmp_path / folder / f"{number}.png"), photo)
    shares: list[float] = []
    finder = MiddleFinder()
    photos = read_mask_photos(tmp_path, finder, 48, progress=shares.append)
    assert photos.crops.shape == (12, 48, 48)
    assert photos.masked.tolist() == [True] * 6 + [False] * 6
    assert photos.detected.tolist() == [False, *[True] * 5] * 2
    assert shares[-1] == 1
    middle = cv2.cvtColor(portrait(1), cv2.COLOR_BGR2GRAY)[24:72, 24:72]
    np.testing.assert_allclose(photos.crops[1], middle, atol=1)
    training = photos.rows(Split.TRAINING)
    assert (photos.like_training[training] == 1).all()
    assert (photos.like_training[~training] < SAME_SOURCE).all()


def test_a_rim_is_laid_around_photos_that_are_cut_tightly(tmp_path):
    for folder in ("with_mask", "without_mask"):
        (tmp_path / folder).mkdir()
        for number in range(1, 4):
            cv2.imwrite(str(tmp_path / folder / f"{number}.png"), portrait(number))
    seen = []
    finder = MiddleFinder()
    finder.detect = lambda frame: seen.append(frame.shape) or []  # type: ignore[method-assign]
    assert not read_mask_photos(tmp_path, finder, 48).detected.any()
    assert set(seen) == {(230, 230, 3)}


def test_a_folder_without_photos_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(DatasetError, match=r"with_mask: found no .jpg or .png"):
        read_mask_photos(tmp_path, MiddleFinder(), 48)
