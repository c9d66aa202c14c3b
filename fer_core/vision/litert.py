"""Networks that run through LiteRT."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from scipy.special import softmax

from fer_core.errors import ModelError
from fer_core.labels import LABEL_SETS
from fer_core.storage import ARTIFACTS

LOGIT_LIMIT = 80.0
"""Logits are clipped here: MediaPipe's ``score_clipping_thresh`` of 100 overflows ``exp`` in single precision."""


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits of any size, without overflow; same shape and type."""
    return 1 / (1 + np.exp(-np.clip(logits, -LOGIT_LIMIT, LOGIT_LIMIT)))


def mediapipe_model_path(file_name: str) -> Path:
    """Path of one of MediaPipe's model files (Apache-2.0) that ship with the package.

    Raises:
        ModelError: the file is not there.
    """
    path = ARTIFACTS / "mediapipe" / file_name
    if not path.is_file():
        raise ModelError(f"The model file {path} is missing: install fer_core again, or check the clone out anew.")
    return path


MAX_BATCH = 64
"""Faces of one call; a crowd is worked through in pieces of this size, which bounds the memory."""


class LiteRTModel:
    """One ``.tflite`` file that takes face crops; calls from several threads take turns.

    Args:
        content: the flatbuffer, with a signature ``face (N, S, S, 1) float32 in 0..255 -> {output: (N, values)}``.
        threads: CPU threads of one call.

    Raises:
        ModelError: the bytes are no such model.
    """

    expected = "LiteRT model of this project, expected face -> logits per head"
    """What an error says that the file should be."""

    def __init__(self, content: bytes, threads: int = 1) -> None:
        try:
            self._runner = Interpreter(model_content=content, num_threads=threads).get_signature_runner(
                "serving_default"
            )
            shape = tuple(int(side) for side in self._runner.get_input_details()["face"]["shape_signature"])
        except (ValueError, RuntimeError, KeyError) as error:
            raise ModelError(f"The file is no {self.expected}.") from error
        if len(shape) != 4 or shape[3] != 1:
            raise ModelError(f"The file is no {self.expected}: its faces are {shape}, expected (N, S, S, 1).")
        self.input_size = shape[1]
        """Side S of a crop in pixels."""
        self.outputs: dict[str, dict[str, Any]] = self._runner.get_output_details()
        """By name, LiteRT's details: shape, type and quantization."""
        self._lock = threading.Lock()

    def run(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Every output for ``(N, S, S) uint8`` grey crops: ``{output: (N, values)}`` in the output's type."""
        parts = {name: [np.empty((0, of["shape"][-1]), of["dtype"])] for name, of in self.outputs.items()}
        for start in range(0, len(crops), MAX_BATCH):
            batch = crops[start : start + MAX_BATCH, ..., None].astype(np.float32)
            with self._lock:
                outputs = self._runner(face=batch)
            for name, values in outputs.items():
                parts[name].append(values)
        return {name: np.concatenate(of_output) for name, of_output in parts.items()}


class LiteRTNetwork(LiteRTModel):
    """An expression network: every output is a head, named after the label set that it answers in.

    Raises:
        ModelError: the bytes are no LiteRT model, or its inputs and outputs are not those of this project.
    """

    def __init__(self, content: bytes, threads: int = 1) -> None:
        super().__init__(content, threads)
        self.heads = tuple(self.outputs)
        if any(head not in LABEL_SETS for head in self.heads):
            raise ModelError(
                f"The LiteRT model answers {', '.join(self.heads)}; expected heads out of {', '.join(LABEL_SETS)}."
            )

    def predict(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Probabilities of every head for ``(N, S, S) uint8`` grey crops: ``{head: (N, classes) float32}``."""
        return {head: softmax(logits, axis=-1) for head, logits in self.run(crops).items()}
