"""Other packages and this project on the same video, and on the same faces with known labels.

Each package runs in an environment of its own, since their dependencies conflict with this project's: ``fer`` 25.10 needs
numpy 1 and an old PyTorch, ``deepface`` 0.0.103 installs an OpenCV without the Haar cascades of its own default detector
and lacks ``werkzeug``. :data:`RECIPES` lists what each environment needs.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd

from benchmarks import package_worker
from benchmarks.synthetic_scenes import FRAME_SIZE, pasted_scenes
from benchmarks.video import measured, speed_row, write_loop
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.datasets import FaceDataset, Split, read_dataset
from fer_core.errors import FerError
from fer_core.media.video_reader import read_frames
from fer_core.storage import cache_folder

RECIPES = {
    "fer": ("fer==25.10.3", "setuptools<81"),
    "deepface": ("deepface==0.0.103", "tf-keras", "werkzeug", "opencv-contrib-python-headless<5"),
}
"""What ``pip`` installs into the environment of each package."""
WAYS = ("fer", "fer film", "fer mtcnn", "deepface")
"""See :func:`benchmarks.package_worker.run`."""
MAX_SECONDS = 60.0
"""Time limit of each configuration; slow ones analyse fewer frames."""
SCENE_PIXELS = 192
"""Side of the faces with known labels."""


def environments_folder() -> Path:
    """Default folder of the packages' environments, in the user's cache folder."""
    return cache_folder() / "packages"


def package_comparison(
    model: str, environments: Path | None = None, data: Path | None = None, faces: int = 500, minutes: float = 1.0
) -> str:
    """Tables of speed and memory on the repeated sample clip, and of accuracy on faces of PrivateTest.

    Args:
        model: name of a stored model.
        environments: folder of virtual environments named after the packages.
        data: FER2013; without it only speed is measured.
        faces: number of PrivateTest faces, from the first on.
        minutes: length of the video.

    Raises:
        FerError: an environment is missing; the message says how to make it.
    """
    folder = environments or environments_folder()
    pythons = {package: _python(folder, package) for package in RECIPES}
    with tempfile.TemporaryDirectory() as scratch:
        video = Path(scratch, "clip.mp4")
        write_loop(video, minutes)
        speeds = [
            {"package": f"fer_core, {model}", **measured(video, model, minutes, with_video)}
            for with_video in (False, True)
        ]
        notes: list[str] = []
        for way in WAYS:
            result = _run(pythons[way.partition(" ")[0]], way, video)
            row = speed_row("film" in way, result["frames"], result["seconds"], result["megabytes"])
            speeds.append({"package": _label(way, result), "minutes": minutes, **row})
            if not result["trained"]:
                notes.append(
                    f"{way}: its weights could not be fetched, so its network is untrained: only its speed counts"
                )
        parts = [_speed_table(speeds), *notes]
        if data is not None:
            dataset = read_dataset(data).split(Split.TEST)
            dataset = dataset.take(np.arange(min(faces, len(dataset))))
            scenes = Path(scratch, "scenes.mkv")
            write_scenes(scenes, dataset)
            parts.append(_answer_table(model, pythons, scenes, dataset))
    return "\n\n".join(parts)


def _python(folder: Path, package: str) -> Path:
    python = folder / package / "bin" / "python"
    if not python.exists():
        wanted = " ".join(f"'{requirement}'" for requirement in RECIPES[package])
        place = folder / package
        raise FerError(
            f"{place}: no environment with the package {package}. Make it with\n"
            f"  python3 -m venv {place} && {place}/bin/pip install {wanted}\n"
            "or name the folder that holds it with --environments."
        )
    return python


def _run(python: Path, way: str, video: Path) -> dict[str, Any]:
    command = [str(python), "-I", package_worker.__file__, way, str(video), str(MAX_SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=video.parent)
    if done.returncode:
        raise FerError(f"{way} failed in {python}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def _label(way: str, result: dict[str, Any]) -> str:
    package, _, rest = way.partition(" ")
    detector = "MTCNN" if rest == "mtcnn" else "Haar"
    return f"{package} {result['version']}, {detector}"


def _speed_table(rows: list[dict[str, object]]) -> str:
    table = pd.DataFrame(rows)
    for _, group in table.groupby("annotated film"):
        speed = group["frames/s"]
        table.loc[group.index, "fer_core is faster by"] = (speed.iloc[0] / speed).round(1)
    return table.to_string(index=False)


def write_scenes(path: Path, dataset: FaceDataset) -> None:
    """Write a lossless video with one frame per face, enlarged onto a random place of a grey scene."""
    with av.open(str(path), "w") as video:
        stream = video.add_stream("ffv1", rate=Fraction(25))
        (stream.width, stream.height), stream.pix_fmt = FRAME_SIZE, "bgr0"
        for _, pixels in pasted_scenes(dataset.images, SCENE_PIXELS):
            video.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "bgr24").reformat(format="bgr0")))
        video.mux(stream.encode())


def _answer_table(model: str, pythons: dict[str, Path], scenes: Path, dataset: FaceDataset) -> str:
    analyser = FrameAnalyser.from_store([model])
    answers = [[face.scores[0].top for face in analyser.analyse(frame)] for _, frame in read_frames(scenes)]
    rows = [{"package": f"fer_core, {model}", **answer_metrics(answers, dataset)}]
    for way in ("fer", "fer mtcnn"):
        result = _run(pythons["fer"], way, scenes)
        rows.append({"package": _label(way, result), **answer_metrics(result["answers"], dataset)})
    heading = (
        f"The first {len(dataset)} faces of PrivateTest, {SCENE_PIXELS} px on 640x480 scenes, seven classes.\n"
        "A package that reached its time limit has fewer scenes. fer's network was trained on FER2013 too; on which of\n"
        "its faces is not stated.\n"
    )
    return heading + pd.DataFrame(rows).to_string(index=False)


def answer_metrics(answers: Sequence[Sequence[str]], dataset: FaceDataset) -> dict[str, object]:
    """How often exactly one face was found in a scene, and how often its emotion was correct.

    Args:
        answers: the emotion of each face in each scene, at least of the first scenes.
        dataset: the faces in the scenes, labelled with classes of FER2013.
    """
    labels = [dataset.label_set.emotions[label] for label in dataset.labels[: len(answers)]]
    alone = [(found[0], label) for found, label in zip(answers, labels, strict=True) if len(found) == 1]
    right = sum(found == label for found, label in alone)
    return {
        "scenes": len(answers),
        "one face found": round(len(alone) / len(answers), 3),
        "right, of those": round(right / len(alone), 3) if alone else float("nan"),
        "right, of all": round(right / len(answers), 3),
    }
