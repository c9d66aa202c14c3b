"""Networks that run through LiteRT."""

from __future__ import annotations

import threading
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from fer_core.errors import ModelError
from fer_core.labels import LABEL_SETS
from fer_core.storage import ARTIFACTS
from fer_core.store.decision import softmax

LOGIT_LIMIT = 80.0
"""Logits are clipped here: MediaPipe's ``score_clipping_thresh`` of 100 overflows ``exp`` in single precision."""


def resizable_model(model: bytes) -> bytes:
    """A BlazeFace model file whose input may be resized: its final reshapes count the anchors themselves.

    Args:
        model: LiteRT flatbuffer with reshapes to ``(1, anchors, values)``.

    Returns:
        The same network with reshapes to ``(1, -1, values)``.
    """
    content = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model))
    for operator in content.subgraphs[0].operators:
        if isinstance(operator.builtinOptions, schema.ReshapeOptionsT):
            operator.builtinOptions.newShape = [1, -1, int(operator.builtinOptions.newShape[2])]
    builder = flatbuffers.Builder(len(model))
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())


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


# A crowd is worked through in pieces of this size, which bounds the memory of one call.
LARGEST_BATCH = 64


class LiteRTNetwork:
    """One ``.tflite`` file; calls from several threads take turns.

    Args:
        content: the flatbuffer, with a signature ``face (N, S, S, 1) float32 in 0..255 -> {head: logits}``.
        threads: CPU threads of one call.

    Raises:
        ModelError: the bytes are no LiteRT model, or its inputs and outputs are not those of this project.
    """

    def __init__(self, content: bytes, threads: int = 1) -> None:
        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._runner = self._interpreter.get_signature_runner("serving_default")
            shape = self._runner.get_input_details()["face"]["shape_signature"]
        except (ValueError, RuntimeError, KeyError) as error:
            raise ModelError(
                "The file is no LiteRT model of this project, expected face -> logits per head."
            ) from error
        self.input_size = int(shape[1])
        self.heads = tuple(self._runner.get_output_details())
        if len(shape) != 4 or shape[3] != 1 or any(head not in LABEL_SETS for head in self.heads):
            raise ModelError(
                f"The LiteRT model takes {tuple(shape)} and answers {', '.join(self.heads)}; expected (N, S, S, 1) "
                f"and heads out of {', '.join(LABEL_SETS)}."
            )
        self._lock = threading.Lock()

    def predict(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Probabilities of every head for ``(N, S, S) uint8`` grey crops: ``{head: (N, classes) float32}``."""
        parts = []
        for start in range(0, len(crops), LARGEST_BATCH):
            batch = crops[start : start + LARGEST_BATCH, ..., None].astype(np.float32)
            with self._lock:
                parts.append(self._runner(face=batch))
        return {
            head: softmax(np.concatenate([part[head] for part in parts]))
            if parts
            else np.empty((0, len(LABEL_SETS[head])), np.float32)
            for head in self.heads
        }
