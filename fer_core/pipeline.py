"""The one door from a frame to its analysis; live pages, uploads, films, the command line and benchmarks use it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache

import numpy as np
from threadpoolctl import threadpool_limits

from fer_core.model_store import ModelStore, Network
from fer_core.observations import FaceObservation, FrameAnalysis
from fer_core.vision.detectors import DEFAULT_DETECTOR, FaceDetector, create_detector
from fer_core.vision.expression import ExpressionClassifier
from fer_core.vision.face_crops import crop_faces


@cache
def _keep_small_products_on_one_thread() -> None:
    """Cutting faces out is a product of small matrices, which OpenBLAS splits over all cores.

    While video codecs hold those cores its threads wait for each other: measured beside other work on two cores, the
    90th percentile of a crop fell from 170 to 0.3 ms. The limit is the process's, hence set once.
    """
    threadpool_limits(1, user_api="blas")


class FrameAnalyser:
    """Detects the faces of a frame, cuts them out as FER2013 frames a face, and asks every model about them.

    Args:
        detector: finds the faces.
        classifiers: the models to ask; each face gets one answer per model, in this order.

    Example:
        >>> from skimage.data import astronaut
        >>> analyser = FrameAnalyser.from_store(["senet"])
        >>> analysis = analyser.analyse(astronaut()[..., ::-1])
        >>> [str(face.scores[0].top) for face in analysis]
        ['happy']
    """

    def __init__(self, detector: FaceDetector, classifiers: Sequence[ExpressionClassifier]) -> None:
        _keep_small_products_on_one_thread()
        self.detector = detector
        self.classifiers = tuple(classifiers)

    @classmethod
    def from_store(
        cls,
        models: Sequence[str],
        detector: str = DEFAULT_DETECTOR,
        answer: str | None = None,
        network: Network = Network.INT8,
        store: ModelStore | None = None,
        threads: int = 1,
    ) -> FrameAnalyser:
        """An analyser of stored models by name; raises :class:`fer_core.errors.ModelError` if one is missing."""
        store = store or ModelStore()
        classifiers = [ExpressionClassifier(store.load(name), answer, network, threads) for name in models]
        return cls(create_detector(detector, threads), classifiers)

    def analyse(self, frame: np.ndarray, timestamp: float = 0.0) -> FrameAnalysis:
        """Everything about one frame.

        Args:
            frame: ``(H, W, 3) uint8`` BGR.
            timestamp: seconds from the start of the stream.

        Returns:
            The faces, largest first, with every model's answer.
        """
        started = time.perf_counter()
        detections = self.detector.detect(frame)
        detected = time.perf_counter()
        boxes = [self.detector.framing.crop_box(detection.box) for detection in detections]
        crops = {size: crop_faces(frame, boxes, size) for size in {c.input_size for c in self.classifiers}}
        cropped = time.perf_counter()
        answers = [classifier.classify(crops[classifier.input_size]) for classifier in self.classifiers]
        classified = time.perf_counter()
        faces = tuple(
            FaceObservation(detection, box, tuple(scores))
            for detection, box, *scores in zip(detections, boxes, *answers, strict=True)
        )
        return FrameAnalysis(
            timestamp=timestamp,
            width=frame.shape[1],
            height=frame.shape[0],
            detector=self.detector.name,
            faces=faces,
            milliseconds={
                "detect": (detected - started) * 1e3,
                "crop": (cropped - detected) * 1e3,
                "classify": (classified - cropped) * 1e3,
            },
        )
