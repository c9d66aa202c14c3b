"""Whether a face is masked, read from the crop that the expression networks see."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from fer_core.errors import ModelError
from fer_core.results import MaskReading
from fer_core.storage import ARTIFACTS
from fer_core.vision.litert import LiteRTModel

MASK_STATE_FOLDER = ARTIFACTS / "mask_state"
MASK_STATE_FILE = "model.int8.tflite"
INPUT_SIZE = 48
"""Side of a crop in pixels, the same as that of the expression networks, so that one crop serves both."""


class MaskStateNetwork(LiteRTModel):
    """Reads the mask state of face crops: one output of three logits in the order of ``fer_core.results.MASK_STATES``.

    Raises:
        ModelError: the bytes are no such model.
    """

    expected = "mask-state model of this project, expected face -> logits"

    def __init__(self, content: bytes, threads: int = 1) -> None:
        super().__init__(content, threads)
        if len(self.outputs) != 1 or self.input_size != INPUT_SIZE:
            raise ModelError(
                f"The file is no {self.expected}: it takes faces of {self.input_size} pixels and has "
                f"{len(self.outputs)} outputs, expected {INPUT_SIZE} and 1."
            )

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
        (logits,) = self.run(crops).values()
        return softmax(logits, axis=-1)

    def read(self, crops: np.ndarray) -> list[MaskReading]:
        """One reading per crop of ``(N, 48, 48) uint8``."""
        return [MaskReading(probabilities) for probabilities in self.predict(crops)]
