"""Runs a stranger's model in a process of its own: ``python -m fer_core.external.sandbox_worker KIND FILE``.

Started by :mod:`fer_core.external.sandbox` in a scratch folder and with bounds on memory, processor time and the size
of what it writes. Before the model is touched, the process gives up its network where the system allows that, and from
then on Python refuses sockets, other programs, unpickling and writing outside of the folder. Standard input brings one
line of JSON and the faces as raw bytes; standard output takes messages back, each a line of JSON, an ``answer`` followed by
its numbers as raw float32. A LiteRT file is run without Keras and TensorFlow.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import resource
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from fer_core.errors import ModelError

RUNNER_BATCH = 64
MEMORY = 6 * 2**30
"""Bytes of address space, of which TensorFlow alone takes 3.2 GB."""
LARGEST_WRITTEN = 2**20
"""Bytes of a file that the process may write; it needs none."""
OPEN_FILES = 256
_MAX_DATASETS = 20_000
_DEEPEST = 32
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_FORBIDDEN = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "pty.",
    "pickle.find_class",
    "urllib.",
)
"""Python's audit events that no network of faces has a reason to raise."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class _Runner(Protocol):
    """A loaded model."""

    parameters: int
    """0 where the format does not say."""

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """``(B, S, S, C) float32`` pixels to ``(B, classes) float32`` numbers."""
        ...


def prepared(faces: np.ndarray, side: int, channels: int, low: float, high: float) -> np.ndarray:
    """Faces as a network wants them.

    Args:
        faces: ``(B, H, W) uint8`` grey.
        side: S, in pixels.
        channels: 1, or 3 equal ones.
        low: what black becomes.
        high: what white becomes.

    Returns:
        ``(B, S, S, channels) float32``.
    """
    import cv2

    if faces.shape[1:] != (side, side):
        how = cv2.INTER_AREA if faces.shape[1] > side else cv2.INTER_LINEAR
        faces = np.stack([cv2.resize(face, (side, side), interpolation=how) for face in faces])
    pixels = faces.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)
    return np.repeat(pixels[..., None], channels, axis=3)


def choose_output(outputs: list[tuple[str, int]], classes: int, wanted: str) -> int:
    """Which output answers: the one with as many numbers as classes, of several the one that is named ``wanted``.

    Raises:
        ModelError: there is none.
    """
    fitting = [place for place, (_, numbers) in enumerate(outputs) if numbers == classes]
    named = [place for place in fitting if outputs[place][0] == wanted]
    if not fitting:
        found = " and ".join(str(numbers) for _, numbers in outputs)
        raise ModelError(f"The model answers with {found} numbers per face, expected {classes}, one for each class.")
    return (named or fitting)[0]


class _KerasRunner:
    def __init__(self, path: Path, job: Mapping[str, Any]) -> None:
        _check_weights(path)
        import keras

        _restrict_filesystem(Path.cwd())
        try:
            self._model = keras.saving.load_model(path, compile=False, safe_mode=True)
            shape = tuple(self._model.inputs[0].shape)
            outputs = self._model.output
            names = list(outputs) if isinstance(outputs, dict) else [str(t.name) for t in self._model.outputs]
            numbers = [int(t.shape[-1] or 0) if len(t.shape) == 2 else 0 for t in self._model.outputs]
            self.parameters = int(self._model.count_params())
        except MemoryError:
            raise
        except Exception as error:  # whatever Keras makes of a stranger's file is a reason to refuse it
            raise ModelError(f"Keras cannot build the model ({_first_line(error)}).") from error
        if len(self._model.inputs) != 1 or shape[1:] != (job["side"], job["side"], job["channels"]):
            raise ModelError(f"The model takes an input of {shape}, expected one that is as its config says.")
        self._flatten: Callable[[Any], list] = keras.tree.flatten
        self._place = choose_output(
            list(zip(sorted(names) if isinstance(outputs, dict) else names, numbers, strict=True)),
            job["classes"],
            job["wanted"],
        )

    def run(self, pixels: np.ndarray) -> np.ndarray:
        return np.asarray(self._flatten(self._model.predict_on_batch(pixels))[self._place], np.float32)


class _LiteRTRunner:
    parameters = 0

    def __init__(self, path: Path, job: Mapping[str, Any]) -> None:
        from ai_edge_litert.interpreter import Interpreter

        content = path.read_bytes()
        _restrict_filesystem(Path.cwd())
        self._expected = (job["side"], job["side"], job["channels"])
        try:
            self._interpreter = Interpreter(model_content=content, num_threads=1)
            self._allocate(RUNNER_BATCH)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"LiteRT cannot build the model ({_first_line(error)}).") from error
        outputs = [(str(d["name"]), int(d["shape"][-1]) if len(d["shape"]) == 2 else 0) for d in self._outputs()]
        names = self._signature_names(outputs)
        self._place = choose_output(names, job["classes"], job["wanted"])

    def _allocate(self, batch: int) -> None:
        """For batches where the model allows them; otherwise for the one face that it was converted for."""
        (entry,) = self._interpreter.get_input_details()
        if tuple(int(n) for n in entry["shape"][1:]) != self._expected:
            raise ValueError(f"its input is {tuple(entry['shape'])}")
        self._batch = batch if entry["shape_signature"][0] == -1 else int(entry["shape"][0])
        self._interpreter.resize_tensor_input(entry["index"], (self._batch, *self._expected))
        self._interpreter.allocate_tensors()

    def _outputs(self) -> list[dict[str, Any]]:
        return self._interpreter.get_output_details()

    def _signature_names(self, outputs: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """The outputs under the names that the signature gives them, which converters keep; tensors' names they don't."""
        with contextlib.suppress(ValueError, KeyError, RuntimeError):
            runner = self._interpreter.get_signature_runner()
            by_index = {d["index"]: name for name, d in runner.get_output_details().items()}
            return [
                (by_index.get(detail["index"], name), numbers)
                for detail, (name, numbers) in zip(self._outputs(), outputs, strict=True)
            ]
        return outputs

    def run(self, pixels: np.ndarray) -> np.ndarray:
        parts = [self._run(pixels[start : start + self._batch]) for start in range(0, len(pixels), self._batch)]
        return np.concatenate(parts)

    def _run(self, pixels: np.ndarray) -> np.ndarray:
        (entry,) = self._interpreter.get_input_details()
        full = np.zeros((self._batch, *self._expected), np.float32)
        full[: len(pixels)] = pixels
        self._interpreter.set_tensor(entry["index"], _quantised(full, entry))
        self._interpreter.invoke()
        detail = self._outputs()[self._place]
        answer = self._interpreter.get_tensor(detail["index"])
        if answer.ndim != 2 or len(answer) != self._batch:
            raise ModelError(f"The model answers {answer.shape} for {self._batch} faces, expected one row per face.")
        scale, zero = detail["quantization"]
        return ((answer.astype(np.float32) - zero) * (scale or 1.0) if scale else answer)[: len(pixels)].astype(
            np.float32
        )


def _quantised(pixels: np.ndarray, entry: Mapping[str, Any]) -> np.ndarray:
    kind = entry["dtype"]
    if kind == np.float32:
        return pixels
    scale, zero = entry["quantization"]
    limits = np.iinfo(kind)
    return np.clip(np.round(pixels / (scale or 1.0) + zero), limits.min, limits.max).astype(kind)


def _check_weights(path: Path) -> None:
    """Refuse weights that lie outside of the file or claim more than is allowed, before Keras reads them."""
    import h5py

    from fer_core.external.model_files import MAX_WEIGHTS_BYTES

    with zipfile.ZipFile(path) as archive:
        data = archive.read("model.weights.h5")
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            claimed = 0
            for count, dataset in enumerate(_datasets(file)):
                claimed += dataset.size * dataset.dtype.itemsize
                if dataset.external or dataset.is_virtual or dataset.dtype.kind not in "fiubV":
                    raise ModelError("The weights refer to other files or hold no numbers, so they are refused.")
                if claimed > MAX_WEIGHTS_BYTES or count > _MAX_DATASETS:
                    raise ModelError(f"The weights claim more than the {MAX_WEIGHTS_BYTES // 2**20} MB allowed.")
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise ModelError("model.weights.h5 in the file is damaged or cut off; save the model again.") from error


def _datasets(group: Any, depth: int = 0) -> Iterator[Any]:
    import h5py

    if depth > _DEEPEST:
        raise ModelError("The weights are nested too deeply, so they are refused.")
    for key in group:
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise ModelError("The weights refer to other files or places, so they are refused.")
        child = group[key]
        if isinstance(child, h5py.Group):
            yield from _datasets(child, depth + 1)
        elif isinstance(child, h5py.Dataset):
            yield child


def _limit(seconds: int) -> None:
    """Bounds that the process cannot lift again."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, LARGEST_WRITTEN),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # macOS has no bound on address space
            hard = resource.getrlimit(what)[1]
            resource.setrlimit(what, (most, most) if hard == resource.RLIM_INFINITY else (min(most, hard),) * 2)


def _unshare_network() -> None:
    """Go into a name space without a network, where Linux lets a process do so; the audit hook stands in elsewhere."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _restrict_filesystem(folder: Path) -> None:
    """From here on Python refuses what no network of faces needs; an audit hook cannot be taken off again."""
    own = str(folder.resolve()) + os.sep

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_FORBIDDEN):
            raise PermissionError(f"it asks for {event.split('.')[0]}, which a model has no need of")
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
            path = str(arguments[0])
            if not os.path.abspath(path).startswith((own, "/dev/")):
                raise PermissionError("it asks to write a file, which a model has no need of")

    sys.addaudithook(hook)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(" .:")


def _own_output() -> IO[bytes]:
    """Standard output for messages alone: what libraries print goes where errors go."""
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return own


def _send(output: IO[bytes], kind: str, payload: bytes = b"", **more: Any) -> None:
    output.write(json.dumps({"kind": kind, "bytes": len(payload), **more}).encode() + b"\n" + payload)
    output.flush()


def _read_blocks(source: IO[bytes], shapes: list[list[int]]) -> list[np.ndarray]:
    return [np.frombuffer(source.read(int(np.prod(shape))), np.uint8).reshape(shape) for shape in shapes]


def _answer_all(runner: _Runner, job: Mapping[str, Any], blocks: list[np.ndarray], output: IO[bytes]) -> None:
    total = sum(task["faces"] for task in job["tasks"])
    done = 0
    for task in job["tasks"]:
        faces = blocks[task["block"]][: task["faces"]]
        parts = []
        for start in range(0, len(faces), RUNNER_BATCH):
            batch = faces[start : start + RUNNER_BATCH]
            parts.append(runner.run(prepared(batch, job["side"], job["channels"], task["low"], task["high"])))
            done += len(batch)
            _send(output, "progress", share=done / total)
        numbers = np.concatenate(parts).astype("<f4")
        if numbers.shape != (len(faces), job["classes"]):
            raise ModelError(f"The model answers {numbers.shape} for {len(faces)} faces of {job['classes']} classes.")
        _send(output, "answer", numbers.tobytes(), name=task["name"])


def main(kind: str, file: str) -> None:
    """Read the job, run the model, write the answers; whatever goes wrong becomes one sentence."""
    output = _own_output()
    job = json.loads(sys.stdin.buffer.readline())
    _limit(job["seconds"])
    blocks = _read_blocks(sys.stdin.buffer, job["blocks"])
    _unshare_network()
    runners: dict[str, Callable[[Path, Mapping[str, Any]], _Runner]] = {"keras": _KerasRunner, "tflite": _LiteRTRunner}
    try:
        runner = runners[kind](Path(file), job)
        _send(output, "loaded", parameters=runner.parameters)
        _answer_all(runner, job, blocks, output)
        _send(output, "done")
    except ModelError as error:
        _send(output, "refused", sentence=str(error))
    except MemoryError:
        _send(output, "refused", sentence=f"The model needs more than the {MEMORY // 2**30} GB of memory allowed.")
    except Exception as error:  # a stranger's model may fail in any way
        _send(output, "refused", sentence=f"The model failed on the faces ({_first_line(error)}).")


if __name__ == "__main__":
    main(*sys.argv[1:3])
