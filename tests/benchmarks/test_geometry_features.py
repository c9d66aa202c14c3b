"""Measures of a face's shape follow its expression and nothing else."""

import numpy as np
import pytest
import skimage.data
from scipy.spatial.transform import Rotation

from benchmarks.geometry_features import GEOMETRY_FEATURES, geometry_features, pose_normalised
from fer_core.results import BoundingBox
from fer_core.vision.head_pose import CANONICAL_FACE
from fer_core.vision.landmarks import LandmarkReader

MOUTH_WIDTH = 0
RIGHT_CORNER, LEFT_CORNER = 61, 291


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    reader = LandmarkReader(with_eyes=False)
    (face,) = reader.read(skimage.data.astronaut()[..., ::-1], [BoundingBox(162, 52, 125, 125)])
    return face.points[None]


def test_pose_place_and_size_do_not_matter(points: np.ndarray) -> None:
    turn = Rotation.from_euler("zyx", [25, -30, 10], degrees=True).as_matrix()
    moved = points @ turn.T * 3 + (50, -20, 7)
    features = geometry_features(points)
    assert (features.shape, features.dtype) == ((1, GEOMETRY_FEATURES), np.float32)
    np.testing.assert_allclose(geometry_features(moved), features, atol=1e-3)


def test_a_face_is_laid_over_the_canonical_one(points: np.ndarray) -> None:
    stable = pose_normalised(points)[0, list(CANONICAL_FACE)]
    expected = np.array(list(CANONICAL_FACE.values())) * (1, -1, -1)
    assert np.linalg.norm(stable - expected, axis=1).mean() < 1  # of 15 cm that a face is wide


def test_a_mouth_pulled_apart_is_wider_by_as_much(points: np.ndarray) -> None:
    face = pose_normalised(points)
    wider = face.copy()
    across = wider[0, LEFT_CORNER] - wider[0, RIGHT_CORNER]
    wider[0, LEFT_CORNER] += across / np.linalg.norm(across)
    before, after = geometry_features(face)[0], geometry_features(wider)[0]
    assert after[MOUTH_WIDTH] - before[MOUTH_WIDTH] == pytest.approx(1, abs=1e-3)
    assert np.isclose(before, after).mean() > 0.7
