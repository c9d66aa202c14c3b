"""The package in three functions; ``from fer_core import analyse_image, analyse_video, load_model`` is their address."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from fer_core.analysis.frame import FrameAnalysis
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.media.images import decode_image, read_image
from fer_core.store.store import DEFAULT_MODEL
from fer_core.video.analysis import analyse_video
from fer_core.vision.detection.registry import DEFAULT_DETECTOR

__all__ = ["analyse_image", "analyse_video", "load_model"]


def load_model(
    name: str | Sequence[str] = DEFAULT_MODEL,
    *,
    detector: str = DEFAULT_DETECTOR,
    decision_rule: str | None = None,
    answer: str | None = None,
) -> FrameAnalyser:
    """A stored network with all that it needs to look at pictures: face detector, mask state, landmarks.

    Args:
        name: of a stored model, or several that all answer.
        detector: finds the faces.
        decision_rule: name of one of the models' decision rules, as ``ferplus`` for FER+'s eight classes; each card's
            first if left out.
        answer: old name of ``decision_rule``.

    Raises:
        ModelError: there is no such model, detector or answer.

    Example:
        >>> from fer_core import load_model
        >>> load_model("senet", decision_rule="ferplus").classifiers[0].rule.title
        'FER+, eight classes'
    """
    return FrameAnalyser.from_store([name] if isinstance(name, str) else list(name), detector, decision_rule or answer)


def analyse_image(image: str | os.PathLike[str] | bytes | np.ndarray, model: FrameAnalyser) -> FrameAnalysis:
    """Every face of a picture with its expression.

    Args:
        image: a path, the content of a file, or ``(H, W, 3) uint8`` BGR.
        model: of :func:`load_model`.

    Returns:
        The faces, largest first.

    Raises:
        ImageError: the file is no picture or is out of bounds.
        ValueError: the array has another shape or type.

    Example:
        >>> from fer_core import ARTIFACTS, analyse_image, load_model
        >>> (face,) = analyse_image(ARTIFACTS / "samples" / "astronaut.jpg", load_model())
        >>> face.scores[0].verdict().words, str(face.mask.state)
        ('happy', 'bare')
    """
    if isinstance(image, np.ndarray):
        return model.analyse(image)
    return model.analyse(decode_image(image, "The picture") if isinstance(image, bytes) else read_image(image))
