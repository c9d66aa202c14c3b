"""Running a stranger's model on faces from outside of its process: start, watch, cancel, and read its answers.

The model is run by :mod:`fer_core.external.sandbox_worker`. What comes back is not trusted either: messages are read
within bounds, numbers as raw float32 of a shape that is known beforehand, and sentences as plain text.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np

from fer_core.errors import ModelError
from fer_core.external.model_files import FileKind, ModelFile
from fer_core.storage import ARTIFACTS

TIME_LIMIT = 1200.0
"""Seconds a run may take: two splits of FER2013 through an SE-ResNet in Keras take a third of it on two busy cores."""
PROCESSOR_TIME = 2400
"""Seconds of all cores together."""
MOST_RUNS = 2
"""Models that are run at once, over all sessions: each may take gigabytes."""
_LONGEST_LINE = 4096
_LONGEST_SENTENCE = 300
_UNPRINTABLE = re.compile(r"[^ -~\u00a0-\u024f\u2010-\u2026]+")
_FILES = {FileKind.KERAS: "model.keras", FileKind.LITERT: "model.tflite"}
# The child gets these from the app's environment and nothing else: no keys, no tokens.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class SandboxTask:
    """Faces that a model is to answer for."""

    name: str
    faces: np.ndarray
    """``(N, H, W) uint8`` grey, N at least 1."""
    low: float
    """What black becomes."""
    high: float
    """What white becomes."""


@dataclass
class _Progress:
    """What the thread that listens has received; read from other threads, each field written whole."""

    share: float = 0.0
    loaded: bool = False
    parameters: int = 0
    answers: dict[str, np.ndarray] = field(default_factory=dict)
    refusal: str = ""
    done: bool = False
    ended: bool = False


class SandboxRun:
    """A model file on its way through a process of its own, which starts at once.

    The process ends with the time limit, with :meth:`cancel`, and when nobody holds the run any more.

    Args:
        file: the checked file.
        tasks: what it is to answer for; faces are sent once where tasks share an array.
        classes: numbers per face that are wanted.
        wanted: name of the output that answers where several have as many numbers.
        time_limit: seconds.

    Raises:
        ModelError: as many other models as are allowed at once are being run.
    """

    _under_way: ClassVar[weakref.WeakSet[SandboxRun]] = weakref.WeakSet()

    def __init__(
        self,
        file: ModelFile,
        tasks: Sequence[SandboxTask],
        classes: int,
        wanted: str = "",
        time_limit: float = TIME_LIMIT,
    ) -> None:
        if sum(run.running for run in SandboxRun._under_way) >= MOST_RUNS:
            raise ModelError(
                f"{MOST_RUNS} other models are being run on this computer just now: wait until one is done."
            )
        self.file = file
        self.started = time.monotonic()
        self._limit = time_limit
        self._progress = _Progress()
        self._shapes = {task.name: (len(task.faces), classes) for task in tasks}
        self._folder = tempfile.TemporaryDirectory(prefix="guest-")
        path = Path(self._folder.name) / _FILES[file.kind]
        path.write_bytes(file.content)
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", "fer_core.external.sandbox_worker", str(file.kind), path.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._folder.name,
            env=_environment(self._folder.name),
            start_new_session=True,
        )
        self._timer = threading.Timer(time_limit, self._process.kill)
        self._timer.daemon = True
        self._timer.start()
        header, blocks = _job(file, tasks, classes, wanted)
        listen = (self._process, header, blocks, self._progress, self._shapes)
        self._thread = threading.Thread(target=_exchange, args=listen, daemon=True)
        self._thread.start()
        SandboxRun._under_way.add(self)
        self._finalizer = weakref.finalize(self, _end, self._process, self._timer, self._folder)

    @property
    def running(self) -> bool:
        """Whether there is more to come."""
        return not self._progress.ended

    @property
    def share(self) -> float:
        """How much of the faces is answered for, in [0, 1]."""
        return self._progress.share

    @property
    def loaded(self) -> bool:
        """Whether the model was built."""
        return self._progress.loaded

    @property
    def parameters(self) -> int:
        """Of the model; 0 where its format does not say."""
        return self._progress.parameters

    def cancel(self) -> None:
        """End the process, whatever it is at."""
        self._finalizer()

    def wait(self) -> None:
        """Until there is no more to come."""
        self._thread.join()

    def answers(self) -> dict[str, np.ndarray]:
        """What the model answered, by the name of the task: ``(N, classes) float32``, as it came.

        Raises:
            ModelError: the model was refused or failed, took too long or was ended.
        """
        self.wait()
        took_too_long = time.monotonic() - self.started >= self._limit
        self._finalizer()
        if self._progress.refusal:
            raise ModelError(f"{self.file.name}: {self._progress.refusal}")
        if not self._progress.done or self._progress.answers.keys() != self._shapes.keys():
            raise ModelError(self._why_it_ended(took_too_long))
        return self._progress.answers

    def _why_it_ended(self, took_too_long: bool) -> str:
        if took_too_long:
            return (
                f"{self.file.name} did not answer within the {self._limit:.0f} seconds allowed and was stopped: try fewer "
                "faces or a smaller model."
            )
        code = self._process.poll()
        how = f"stopped by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
        return (
            f"{self.file.name} ended the process that ran it ({how}): it is damaged, needs too much memory, or was "
            "cancelled. Nothing else was touched."
        )


def _environment(folder: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": str(ARTIFACTS.parent),
        "PYTHONNOUSERSITE": "1",
        "HOME": folder,
        "TMPDIR": folder,
        "KERAS_HOME": folder,
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def _job(file: ModelFile, tasks: Sequence[SandboxTask], classes: int, wanted: str) -> tuple[bytes, list[np.ndarray]]:
    """The line that describes the work, and the faces it is about, each array once."""
    blocks = list({id(task.faces): np.ascontiguousarray(task.faces) for task in tasks}.values())
    places = {key: place for place, key in enumerate({id(task.faces): None for task in tasks})}
    header = {
        "side": file.side,
        "channels": file.channels,
        "classes": classes,
        "wanted": wanted,
        "seconds": PROCESSOR_TIME,
        "blocks": [list(block.shape) for block in blocks],
        "tasks": [
            {
                "name": task.name,
                "block": places[id(task.faces)],
                "faces": len(task.faces),
                "low": task.low,
                "high": task.high,
            }
            for task in tasks
        ],
    }
    return json.dumps(header).encode() + b"\n", blocks


def _exchange(
    process: subprocess.Popen[bytes],
    header: bytes,
    blocks: list[np.ndarray],
    progress: _Progress,
    shapes: Mapping[str, tuple[int, int]],
) -> None:
    """Send the work and receive the answers until the process ends; holds no reference to the run itself."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin as target:
            target.write(header)
            for block in blocks:
                target.write(block.tobytes())
        while line := process.stdout.readline(_LONGEST_LINE):
            _receive(json.loads(line), process.stdout, progress, shapes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        process.kill()  # it ended early, or says what this program never says
    finally:
        process.stdout.close()
        process.wait()
        progress.ended = True


def _receive(
    message: Mapping[str, Any], source: IO[bytes], progress: _Progress, shapes: Mapping[str, tuple[int, int]]
) -> None:
    kind = message["kind"]
    if kind == "answer":
        shape = shapes[message["name"]]
        size = shape[0] * shape[1] * 4
        if message["bytes"] != size:
            raise ValueError(f"expected {size} bytes, got {message['bytes']}")
        progress.answers[message["name"]] = np.frombuffer(source.read(size), "<f4").reshape(shape)
    elif kind == "progress":
        progress.share = min(max(float(message["share"]), 0.0), 1.0)
    elif kind == "loaded":
        progress.loaded, progress.parameters = True, int(message["parameters"])
    elif kind == "refused":
        progress.refusal = " ".join(_UNPRINTABLE.sub(" ", str(message["sentence"])).split())[:_LONGEST_SENTENCE]
    elif kind == "done":
        progress.done = True


def _end(process: subprocess.Popen[bytes], timer: threading.Timer, folder: tempfile.TemporaryDirectory) -> None:
    timer.cancel()
    process.kill()
    process.wait()
    folder.cleanup()
