"""The detectors to choose from, by name.

A new detector is one class with the attributes of :class:`fer_core.vision.detection.base.FaceDetector` and one line in
``DETECTORS``, or in ``COMPARED_DETECTORS`` if it is only measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from fer_core.errors import ModelError
from fer_core.results import BoundingBox, FaceDetection
from fer_core.vision.detection.base import FaceDetector
from fer_core.vision.detection.blazeface import BLAZEFACE_VARIANTS, BlazeFaceDetector
from fer_core.vision.detection.haar import HaarDetector
from fer_core.vision.detection.mtcnn import MtcnnDetector
from fer_core.vision.framing import FaceFraming


class FallbackDetector:
    """One detector, and a second one for the frames in which the first finds nothing.

    A frame with a face takes no longer than with the first detector alone. The default combines BlazeFace's back-camera
    network, which finds the most faces, with the full-range network, which has the fewest false boxes; ``benchmark
    masked-scenes`` compares both and the pair.

    Args:
        name: of the pair.
        title: of the pair, for people.
        first: runs on every frame.
        second: runs where the first found nothing; its boxes are reframed as the first would draw them.
    """

    def __init__(self, name: str, title: str, first: FaceDetector, second: FaceDetector) -> None:
        self.name, self.title, self.framing = name, title, first.framing
        self._first, self._second = first, ReframedDetector(second, first.framing)

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        """See :meth:`FaceDetector.detect`; scores are those of the detector that found the faces."""
        return self._first.detect(frame) or self._second.detect(frame)


class ReframedDetector:
    """A detector with its boxes reframed as another's, so that the two are interchangeable.

    Args:
        detector: finds the faces.
        framing: of the other detector.
    """

    def __init__(self, detector: FaceDetector, framing: FaceFraming) -> None:
        self.name, self.title, self.framing = detector.name, detector.title, framing
        self._detector = detector

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        """See :meth:`FaceDetector.detect`."""
        return [
            replace(found, box=_box_in(self.framing, self._detector.framing.crop_box(found.box)))
            for found in self._detector.detect(frame)
        ]


def _box_in(framing: FaceFraming, crop: BoundingBox) -> BoundingBox:
    """The box that a detector of this framing draws around the face in a square framed as in FER2013."""
    return BoundingBox(
        crop.x + framing.left * crop.width,
        crop.y + framing.top * crop.height,
        (framing.right - framing.left) * crop.width,
        (framing.bottom - framing.top) * crop.height,
    )


@dataclass(frozen=True)
class RegisteredDetector:
    """A detector that can be asked for by name; nothing is loaded before ``create`` is called."""

    title: str
    create: Callable[[int], FaceDetector]
    """Makes the detector that runs on the given number of threads."""


DEFAULT_DETECTOR = "blazeface"
_DEFAULT_TITLE = "BlazeFace 256, then full range"


def _default_detector(num_threads: int) -> FaceDetector:
    first, second = (BlazeFaceDetector(variant, num_threads) for variant in ("back", "full"))
    return FallbackDetector(DEFAULT_DETECTOR, _DEFAULT_TITLE, first, second)


def near_detector(like: FaceDetector, num_threads: int = 1) -> FaceDetector:
    """A detector of near faces, five times as fast as the default, with boxes framed like another detector's.

    Args:
        like: the detector that it replaces.
        num_threads: CPU threads.
    """
    return ReframedDetector(BlazeFaceDetector("front", num_threads), like.framing)


def _blazeface(variant: str) -> RegisteredDetector:
    return RegisteredDetector(BLAZEFACE_VARIANTS[variant].title, partial(BlazeFaceDetector, variant))


DETECTORS: dict[str, RegisteredDetector] = {
    DEFAULT_DETECTOR: RegisteredDetector(_DEFAULT_TITLE, _default_detector),
    "blazeface-front": _blazeface("front"),
    # OpenCV sets its threads for the whole process, so the cascade has none of its own.
    HaarDetector.name: RegisteredDetector(HaarDetector.title, lambda num_threads: HaarDetector()),
}
"""What the pages offer."""
COMPARED_DETECTORS: dict[str, RegisteredDetector] = {
    "blazeface-back": _blazeface("back"),
    "blazeface-full": _blazeface("full"),
    MtcnnDetector.name: RegisteredDetector(MtcnnDetector.title, lambda num_threads: MtcnnDetector()),
}
"""What is measured beside them and can be asked for by name."""


def create_detector(name: str = DEFAULT_DETECTOR, num_threads: int = 1) -> FaceDetector:
    """A detector by its name.

    Args:
        name: key of ``DETECTORS`` or ``COMPARED_DETECTORS``.
        num_threads: CPU threads, where the detector has threads of its own.

    Raises:
        ModelError: no detector has this name, or its model files are missing.
    """
    known = DETECTORS | COMPARED_DETECTORS
    if name not in known:
        raise ModelError(f"There is no face detector {name!r}: choose one of {', '.join(known)}.")
    return known[name].create(num_threads)
