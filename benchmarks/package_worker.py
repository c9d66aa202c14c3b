"""Measures another package on one video, in the interpreter of an environment that has it.

``PYTHON -I package_worker.py WAY VIDEO SECONDS`` prints the measurements as JSON. It imports nothing of ``fer_core``, since
that environment lacks this project's dependencies or has conflicting ones.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

Answer = list[str]
"""The emotion of each face in a frame, in the package's words."""


def fer_answers(mtcnn: bool) -> Callable[[Any], Answer]:
    """``fer`` as its README has it, with OpenCV's Haar cascade or MTCNN."""
    detector = import_module("fer.fer").FER(mtcnn=mtcnn)

    def answer(frame: Any) -> Answer:
        faces = [face["emotions"] for face in detector.detect_emotions(frame)]
        return [max(emotions, key=emotions.__getitem__) for emotions in faces]

    return answer


def deepface_answers() -> tuple[Callable[[Any], Answer], bool]:
    """``deepface`` with its default detector, and whether its weights could be fetched; else only the speed counts."""
    weights: Any = import_module("deepface.commons.weight_utils")
    client = "deepface.models.demography.tf.Emotion"
    trained = True
    try:
        import_module(client).EmotionClient()
    except ValueError as error:  # deepface raises it for a failed download; other errors have other causes
        print(error, file=sys.stderr)
        trained = False
        weights.download_weights_if_necessary = lambda file_name, source_url, compress_type=None: file_name
        weights.load_model_weights = lambda model, weight_file: model
    analyze = import_module("deepface.DeepFace").analyze

    def answer(frame: Any) -> Answer:
        faces = analyze(frame, actions=["emotion"], enforce_detection=False, silent=True)
        return [face["dominant_emotion"] for face in faces if face["face_confidence"] > 0]

    return answer, trained


def frames_of(video: str) -> Iterator[Any]:
    """The frames of a video, as these packages' own examples read them."""
    cv2 = import_module("cv2")
    capture = cv2.VideoCapture(video)
    while True:
        there, frame = capture.read()
        if not there:
            return
        yield frame


def timed(answer: Callable[[Any], Answer], video: str, most_seconds: float) -> dict[str, Any]:
    """Answer frame by frame to the video's end or for ``most_seconds``; an untimed first frame loads the models."""
    answer(next(frames_of(video)))
    answers: list[Answer] = []
    started = time.perf_counter()
    for frame in frames_of(video):
        answers.append(answer(frame))
        if time.perf_counter() - started > most_seconds:
            break
    return {"answers": answers, "frames": len(answers), "seconds": time.perf_counter() - started}


def timed_video(video: str) -> dict[str, Any]:
    """Write the whole annotated video with ``fer.Video``."""
    module = import_module("fer.classes")
    detector = import_module("fer.fer").FER()
    with tempfile.TemporaryDirectory() as folder:
        recording = module.Video(video, outdir=folder)
        started = time.perf_counter()
        found = recording.analyze(detector, save_frames=False, save_video=True, zip_images=False)
        return {"frames": len(found), "seconds": time.perf_counter() - started}


def peak_megabytes() -> float:
    """Peak memory of this process in MB of 2**20 bytes (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def run(way: str, video: str, most_seconds: float) -> dict[str, Any]:
    """Measure one configuration: ``fer``, ``fer mtcnn``, ``fer film`` or ``deepface``."""
    trained = True
    if way == "fer film":
        result = timed_video(video)
    elif way == "deepface":
        answer, trained = deepface_answers()
        result = timed(answer, video, most_seconds)
    else:
        result = timed(fer_answers(mtcnn=way == "fer mtcnn"), video, most_seconds)
    package = way.partition(" ")[0]
    return {**result, "trained": trained, "version": version(package), "megabytes": peak_megabytes()}


if __name__ == "__main__":
    answer_line = json.dumps(run(sys.argv[1], sys.argv[2], float(sys.argv[3])))
    print(f"\n{answer_line}")
