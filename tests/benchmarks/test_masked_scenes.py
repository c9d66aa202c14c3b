"""Counting found faces and false boxes, the checked boxes that ship, and the command's tables."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest

from benchmarks import masked_scenes as scene_benchmark
from benchmarks.masked_scenes import BoxKind, CheckedBox, Matching, masked_scenes, match, read_checked
from fer_core.augmentation.masks.textures import TEST_STYLES
from fer_core.cli.main import main
from fer_core.errors import DatasetError
from fer_core.results import BoundingBox


def face(x: float, y: float = 0, side: float = 100) -> CheckedBox:
    return CheckedBox(BoundingBox(x, y, side, side), BoxKind.FACE, True)


def ignore(x: float, y: float, width: float, height: float) -> CheckedBox:
    return CheckedBox(BoundingBox(x, y, width, height), BoxKind.IGNORE, None)


def square(x: float, y: float = 0, side: float = 100) -> BoundingBox:
    return BoundingBox(x, y, side, side)


def test_a_crop_counts_from_half_an_overlap_with_the_face() -> None:
    assert match([square(33)], [face(0)]) == Matching(found=1)  # 67 / 133
    assert match([square(34)], [face(0)]) == Matching(missed=1, false_boxes=1)  # 66 / 134
    assert match([square(34)], [face(0)], scene_benchmark.LENIENT_OVERLAP) == Matching(found=1)


def test_a_second_crop_on_the_same_face_is_false() -> None:
    assert match([square(0), square(5)], [face(0)]) == Matching(found=1, false_boxes=1)


def test_as_many_faces_as_possible_are_paired_even_against_the_closest_crop() -> None:
    # The first crop is closest to the first face, but the only one for the second.
    assert match([square(10), square(-25)], [face(0), face(38)]) == Matching(found=2)


def test_a_find_on_an_ignored_box_neither_helps_nor_hurts() -> None:
    crowd = ignore(200, 0, 300, 50)
    assert match([square(300, 10, 20)], [face(0), crowd]) == Matching(missed=1)
    assert match([square(300, 25, 50)], [crowd]) == Matching()  # half of it within
    assert match([square(300, 26, 50)], [crowd]) == Matching(false_boxes=1)


def test_scenes_without_faces_or_without_finds_are_counted_too() -> None:
    assert match([], [face(0), face(300)]) == Matching(missed=2)
    assert match([square(0)], []) == Matching(false_boxes=1)
    assert match([], []) == Matching()
    total = Matching(found=3, missed=1, false_boxes=2) + Matching(found=0, missed=2, false_boxes=1)
    assert (total.false_boxes, total.recall) == (3, 0.5)
    assert np.isnan(Matching().recall)


def test_the_checked_scenes_are_the_fifty_even_ones_with_sound_boxes() -> None:
    checked = read_checked()
    assert list(checked) == [f"{number:03d}.jpg" for number in range(0, 100, 2)]
    boxes = [box for scene in checked.values() for box in scene]
    assert all(box.box.width > 0 and box.box.height > 0 for box in boxes)
    faces = [box for box in boxes if box.kind == BoxKind.FACE]
    assert {box.kind for box in boxes} == set(BoxKind)
    assert all(box.box.width == box.box.height >= 20 and box.masked is not None for box in faces)
    assert all(box.masked is None for box in boxes if box.kind == BoxKind.IGNORE)
    assert (len(faces), sum(bool(box.masked) for box in faces)) == (56, 54)
    assert not pd.read_csv(scene_benchmark.CHECKED_SCENES).duplicated().any()


@pytest.fixture
def scene_folder(tmp_path: Path, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One scene with the astronaut and one without anybody."""
    monkeypatch.setattr(scene_benchmark, "TIMED_REPEATS", 1)
    scene = np.full((480, 640, 3), 128, np.uint8)
    scene[:400, 100:500] = photo[:400, :400]
    cv2.imwrite(str(tmp_path / "000.jpg"), scene)
    cv2.imwrite(str(tmp_path / "nobody.png"), np.full((480, 640, 3), 128, np.uint8))
    return tmp_path


def test_the_tables_name_every_detector_asked_for_side_by_side(scene_folder: Path) -> None:
    checked = {"000.jpg": (CheckedBox(BoundingBox(265, 58, 118, 118), BoxKind.FACE, False),), "001.jpg": (face(0),)}
    printed = masked_scenes(scene_folder, ["blazeface", "blazeface-full"], checked=checked).splitlines()
    assert printed[0].startswith("2 scenes; 1 hand-checked with 1 faces, 0 of them masked.")
    assert [" ".join(line.split()) for line in printed[2:4]] == [
        f"{name} 1 of 2 50.0% 100.0% 0.00 100.0% 0.00" for name in ("blazeface", "blazeface-full")
    ]
    assert "Median milliseconds" in printed[5]
    assert [line.split()[0] for line in printed[7:]] == ["blazeface", "blazeface-full"]


def test_the_command_measures_drawn_masks_where_fer2013_is_named(
    scene_folder: Path, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grey = cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY)
    faces = np.stack([cv2.resize(grey[58:176, 165:283], (48, 48), interpolation=cv2.INTER_AREA)] * 5)

    class Dataset:
        images = faces

        def split(self, split: str) -> "Dataset":
            return self

    class Blanking:
        def __init__(self, styles: object) -> None:
            assert styles is TEST_STYLES

        def apply(self, faces: np.ndarray, rng: np.random.Generator) -> SimpleNamespace:
            return SimpleNamespace(images=np.zeros_like(faces))

    monkeypatch.setattr(scene_benchmark, "read_dataset", lambda path: Dataset())
    monkeypatch.setattr(scene_benchmark, "MaskBank", Blanking)
    command = ["benchmark", "masked-scenes", "--data", str(scene_folder), "--detector", "blazeface"]
    assert main([*command, "--fer2013", "anywhere", "--faces", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("Share found of 3 PrivateTest faces"))
    assert lines[place + 1].split() == ["detector", "bare", "masked"]
    assert lines[place + 2].split() == ["blazeface", "100.0%", "0.0%"]


def test_mtcnn_is_measured_unasked_only_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = ["blazeface", "blazeface-front", "haar", "blazeface-back", "blazeface-full"]
    for installed in (False, True):
        monkeypatch.setattr(scene_benchmark, "mtcnn_is_installed", lambda installed=installed: installed)
        assert scene_benchmark._every_detector() == expected + ["mtcnn"] * installed


def test_without_photos_the_error_says_what_was_expected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DatasetError, match="no photo here, expected a folder of scenes"):
        masked_scenes(tmp_path)
    assert main(["benchmark", "masked-scenes"]) == 1
    assert "name it with --data PATH" in capsys.readouterr().err
