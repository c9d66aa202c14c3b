"""Whether a face is masked, told from the crop that the expression networks see; LiteRT, no TensorFlow."""

from __future__ import annotations

import threading

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from fer_core.errors import ModelError
from fer_core.results import MASK_STATES, MaskReading
from fer_core.storage import ARTIFACTS
from fer_core.store.decision import softmax

MASK_STATE_FOLDER = ARTIFACTS / "mask_state"
MASK_STATE_FILE = "model.int8.tflite"
INPUT_SIZE = 48
"""Side of a crop in pixels, the same as that of the expression networks, so that one crop serves both."""
_LARGEST_BATCH = 64


class MaskStateNetwork:
    """Reads the mask state of face crops; calls from several threads take turns.

    Args:
        content: the flatbuffer, with a signature ``face (N, 48, 48, 1) float32 in 0..255 -> logits (N, 3)`` in the order of
            :data:`fer_core.results.MASK_STATES`.
        threads: CPU threads of one call.

    Raises:
        ModelError: the bytes are no such model.
    """

    def __init__(self, content: bytes, threads: int = 1) -> None:
        try:
            self._runner = Interpreter(model_content=content, num_threads=threads).get_signature_runner(
                "serving_default"
            )
            (self._input,) = self._runner.get_input_details().values()
            (self._output,) = self._runner.get_output_details()
        except (ValueError, RuntimeError, KeyError) as error:
            raise ModelError("The file is no mask-state model of this project, expected face -> logits.") from error
        shape = tuple(int(side) for side in self._input["shape_signature"][1:])
        if shape != (INPUT_SIZE, INPUT_SIZE, 1):
            raise ModelError(f"The mask-state model takes faces of {shape}, expected {(INPUT_SIZE, INPUT_SIZE, 1)}.")
        self._lock = threading.Lock()

    @classmethod
    def shipped(cls, threads: int = 1) -> MaskStateNetwork:
        """The network of this project; raises :class:`ModelError` where its file is missing."""
        try:
            return cls((MASK_STATE_FOLDER / MASK_STATE_FILE).read_bytes(), threads)
        except OSError as error:
            raise ModelError(
                f"{MASK_STATE_FOLDER.name}/{MASK_STATE_FILE} is missing; fetch it anew or train it with "
                "`python -m fer_core train-mask-state`."
            ) from error

    def predict(self, crops: np.ndarray) -> np.ndarray:
        """Probabilities for ``(N, 48, 48) uint8`` grey crops: ``(N, 3) float32``, rows summing to one."""
        parts = [np.empty((0, len(MASK_STATES)), np.float32)]
        for start in range(0, len(crops), _LARGEST_BATCH):
            batch = crops[start : start + _LARGEST_BATCH, ..., None].astype(np.float32)
            with self._lock:
                parts.append(softmax(self._runner(face=batch)[self._output]))
        return np.concatenate(parts)

    def read(self, crops: np.ndarray) -> list[MaskReading]:
        """One reading per crop of ``(N, 48, 48) uint8``."""
        return [MaskReading(probabilities) for probabilities in self.predict(crops)]
