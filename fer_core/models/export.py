"""A trained Keras network as LiteRT files: float weights in half precision, and full-integer int8.

Quantisation: Jacob et al. 2018, arXiv:1712.05877. Activations get their ranges from real faces.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import keras
import numpy as np

CALIBRATION_FACES = 512
"""Some hundreds of samples fix the activation ranges; more change nothing (LiteRT's guide to quantisation)."""


def to_litert(model: keras.Model, faces: np.ndarray | None = None) -> bytes:
    """The network as a LiteRT flatbuffer with the signature ``serving_default(face) -> {head: logits}``.

    Args:
        model: float32 network of a fixed input size.
        faces: ``(N, S, S) uint8`` to calibrate activation ranges: the result is int8 inside with float32 inputs and
            outputs. Without faces it is float32 with weights stored as float16.
    """
    import tensorflow as tf  # only here: the other backends train without it

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if faces is None:
        converter.target_spec.supported_types = [tf.float16]
    else:

        def samples() -> Iterator[list[np.ndarray]]:
            for face in faces[:CALIBRATION_FACES]:
                yield [face[None, ..., None].astype(np.float32)]

        converter.representative_dataset = samples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    with contextlib.redirect_stdout(io.StringIO()):  # hundreds of lines about every variable
        return converter.convert()
