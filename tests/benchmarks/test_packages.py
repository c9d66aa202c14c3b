import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import package_worker as package_run
from benchmarks.packages import RECIPES, answer_metrics, package_comparison, write_scenes
from benchmarks.video import write_loop
from fer_core.datasets import FaceDataset, Split
from fer_core.errors import FerError
from fer_core.labels import FER2013

FER_MODULE = """
class FER:
    def __init__(self, mtcnn=False):
        self.mtcnn = mtcnn

    def detect_emotions(self, frame):
        assert frame.shape == (480, 640, 3)
        face = {"emotions": {"angry": 0.1, "happy": 0.7, "sad": 0.2}}
        return [face, face] if self.mtcnn else [face]
"""
CLASSES_MODULE = """
import cv2

class Video:
    def __init__(self, film, outdir):
        self.film = film

    def analyze(self, detector, **options):
        capture, found = cv2.VideoCapture(self.film), []
        while True:
            there, frame = capture.read()
            if not there:
                return found
            found.append(detector.detect_emotions(frame))
"""
DEEPFACE_MODULE = """
def analyze(frame, **options):
    return [{"dominant_emotion": "fear", "face_confidence": 0}, {"dominant_emotion": "sad", "face_confidence": 0.9}]
"""


def distribution(folder: Path, name: str, modules: dict[str, str]) -> None:
    """A package as pip would have installed it."""
    for path, text in {"__init__": "", **modules}.items():
        file = folder / name / f"{path}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    about = folder / f"{name}-7.8.9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 7.8.9\n")


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Environments that borrow this one's OpenCV and hold made-up packages of the right names."""
    folder = tmp_path_factory.mktemp("environments")
    modules = {
        "fer": {"fer": FER_MODULE, "classes": CLASSES_MODULE},
        "deepface": {
            "DeepFace": DEEPFACE_MODULE,
            "commons/weight_utils": "",
            "models/demography/tf/Emotion": "raise ValueError('its weights cannot be fetched')",
        },
    }
    for name in RECIPES:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / name], check=True)
        site = next((folder / name).glob("lib/python*/site-packages"))
        (site / "borrowed.pth").write_text(str(Path(np.__file__).parents[1]))
        distribution(site, name, modules[name])
    return folder


def test_each_package_answers_for_the_frames_of_a_film_in_its_own_environment(
    environments: Path, tmp_path: Path
) -> None:
    write_loop(tmp_path / "clip.mp4", 0.01)
    table = package_comparison("senet", environments, minutes=0.01)
    speeds, note = table.split("\n\n")
    assert [line.split("  ")[-1].split()[0] for line in speeds.splitlines()[1:3]] == ["1.0", "1.0"]
    for label, frames in (("fer 7.8.9, Haar", 15), ("fer 7.8.9, MTCNN", 15), ("deepface 7.8.9, Haar", 15)):
        row = next(line for line in speeds.splitlines() if label in line)
        assert f" {frames} " in row
    assert note == "deepface: its weights could not be fetched, so its network is untrained: only its speed counts"


def test_answers_are_the_likeliest_emotion_of_each_face(environments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = next((environments / "fer").glob("lib/python*/site-packages"))
    monkeypatch.syspath_prepend(str(site))
    frame = np.zeros((480, 640, 3), np.uint8)
    assert package_run.fer_answers(mtcnn=False)(frame) == ["happy"]
    assert package_run.fer_answers(mtcnn=True)(frame) == ["happy", "happy"]


def test_a_missing_environment_is_told_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(FerError, match=r"python3 -m venv .*/fer && .*/fer/bin/pip install 'fer==25") as error:
        package_comparison("senet", tmp_path)
    assert "--environments" in str(error.value)


def test_a_film_of_scenes_keeps_every_pixel_and_its_answers_are_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 48, 48), np.uint8)
    labels = np.array([3, 3, 4, 0], np.int8)
    faces = FaceDataset("made up", images, labels, np.full(4, Split.TEST), FER2013)
    write_scenes(tmp_path / "scenes.mkv", faces)
    frames = list(package_run.frames_of(str(tmp_path / "scenes.mkv")))
    assert [frame.shape for frame in frames] == [(480, 640, 3)] * 4
    assert [int((frame != 128).any(axis=2).sum()) > 190 * 190 for frame in frames] == [True] * 4
    metrics = answer_metrics([["happy"], ["sad"], ["sad", "happy"]], faces)
    assert metrics == {"scenes": 3, "one face found": 0.667, "right, of those": 0.5, "right, of all": 0.333}
