"""Faces are pasted as rolled as asked for, and the command compares both ways of cropping."""

import numpy as np
import pytest

from benchmarks import rolled_scenes as roll_benchmark
from fer_core.cli.main import main
from fer_core.datasets import FaceDataset
from fer_core.labels import FER2013
from fer_core.results import BoundingBox


def test_a_face_is_pasted_clockwise_about_its_middle() -> None:
    face = np.full((48, 48), 60, np.uint8)
    face[:24] = 200
    upright, rolled = (
        roll_benchmark.rolled_scene(face, BoundingBox(100, 80, 96, 96), roll, (320, 240)) for roll in (0, 90)
    )
    assert upright.shape == (240, 320, 3)
    assert (upright[90, 148, 0], upright[166, 148, 0], upright[10, 10, 0]) == (200, 60, 128)
    assert (rolled[128, 185, 0], rolled[128, 110, 0]) == (200, 60)  # what was above lies on the right


def test_the_command_has_a_row_per_roll(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8)
    dataset = FaceDataset("noise", noise, np.zeros(3, np.int64), np.array(["test"] * 3), FER2013)
    monkeypatch.setattr(roll_benchmark, "read_dataset", lambda path: dataset)
    assert main(["benchmark", "rolled-scenes", "--data", "fer2013", "--faces", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "2 faces of test" in lines[0]
    assert [int(line.split()[0]) for line in lines[2:]] == [*roll_benchmark.ROLLS]
