"""From a frame to its analysis: pages, command line, archives and benchmarks all go through :class:`FrameAnalyser`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from fer_core.analysis.attributes import FaceAttributesReader
from fer_core.analysis.frame import AttributeLevel, FaceAttributes, FaceObservation, FrameAnalysis, FrameInference
from fer_core.analysis.stream import Person, StreamMemory
from fer_core.results import BoundingBox, ExpressionScores, FaceDetection, MaskReading, MaskState
from fer_core.store.store import MASK_AWARE_MODEL, ModelStore
from fer_core.vision.crops import aligned_rolls, crop_faces
from fer_core.vision.detection.base import FaceDetector
from fer_core.vision.detection.near_faces import NearFaceGate
from fer_core.vision.detection.registry import DEFAULT_DETECTOR, create_detector, near_detector
from fer_core.vision.expression import ExpressionClassifier
from fer_core.vision.landmarks import roll_of_eyes
from fer_core.vision.mask_state import INPUT_SIZE as MASK_INPUT_SIZE
from fer_core.vision.mask_state import MaskStateNetwork


@cache
def _keep_small_work_on_one_thread() -> None:
    """Cropping is a product of small matrices, which OpenBLAS would split over all cores.

    While video codecs use those cores its threads wait for each other: measured beside other work on two cores, the
    90th percentile of a crop fell from 170 to 0.3 ms. OpenCV's threads cost a live frame 1 to 2 ms of processor time.
    The limits apply to the process and are set once.
    """
    threadpool_limits(1, user_api="blas")
    cv2.setNumThreads(1)


class FrameAnalyser:
    """Detects the faces of a frame, crops them as FER2013 frames a face, and classifies them with every model.

    Args:
        detector: finds the faces.
        classifiers: the models; each face gets one answer per model, in this order.
        masks: reads the mask state; without it every face counts as unmasked.
        stand_ins: for each classifier the model that answers for masked faces in its place, or ``None`` if it does so
            itself. A model that stands in for several answers once.
        attributes_reader: reads landmarks, head pose and gaze if they are asked for.
        near: a fast detector of near faces with the same framing as the detector, for streams.

    Example:
        >>> from skimage.data import astronaut
        >>> analyser = FrameAnalyser.from_store(["senet"])
        >>> analysis = analyser.analyse(astronaut()[..., ::-1])
        >>> [str(face.scores[0].top) for face in analysis]
        ['happy']
    """

    def __init__(
        self,
        detector: FaceDetector,
        classifiers: Sequence[ExpressionClassifier],
        masks: MaskStateNetwork | None = None,
        stand_ins: Sequence[ExpressionClassifier | None] = (),
        attributes_reader: FaceAttributesReader | None = None,
        near: FaceDetector | None = None,
    ) -> None:
        _keep_small_work_on_one_thread()
        self.detector = detector
        self.classifiers = tuple(classifiers)
        self._masks = masks
        self._stand_ins = tuple(stand_ins) or (None,) * len(self.classifiers)
        self._attributes_reader = attributes_reader
        self._near = near
        self._again: Callable[[], FrameAnalyser] | None = None
        self._copies: list[FrameAnalyser] = []

    @classmethod
    def from_store(
        cls,
        models: Sequence[str],
        detector: str = DEFAULT_DETECTOR,
        decision_rule: str | None = None,
        store: ModelStore | None = None,
        threads: int = 1,
    ) -> FrameAnalyser:
        """An analyser of stored models that reads masks and attributes as well.

        Args:
            models: their names.
            detector: name of the face detector.
            decision_rule: name of one of the cards' decision rules; each card's default if left out.
            store: of the models; the one that ships if left out.
            threads: CPU threads of each network.

        For masked faces, a model that was not trained on such faces is replaced by :data:`MASK_AWARE_MODEL`, if that has an
        answer in the same classes.

        Raises:
            ModelError: a model, or the network that reads masks, is missing.
        """
        store = store or ModelStore()
        classifiers = [ExpressionClassifier(store.load(name), decision_rule, threads) for name in models]
        stand_ins = _stand_ins(classifiers, store, threads)
        masks, attributes_reader = MaskStateNetwork.shipped(threads), FaceAttributesReader(threads)
        finder = create_detector(detector, threads)
        near = near_detector(finder, threads) if detector == DEFAULT_DETECTOR else None
        analyser = cls(finder, classifiers, masks, stand_ins, attributes_reader, near)
        analyser._again = partial(cls.from_store, models, detector, decision_rule, store, threads)
        return analyser

    def analyse(
        self,
        frame: np.ndarray,
        timestamp: float = 0.0,
        memory: StreamMemory | None = None,
        attribute_level: AttributeLevel = AttributeLevel.NONE,
        inference: FrameInference | None = None,
    ) -> FrameAnalysis:
        """Analyse one frame, step by step: detect, crop, track, read masks, classify, read attributes.

        Args:
            frame: ``(H, W, 3) uint8`` BGR.
            timestamp: seconds from the start of the stream.
            memory: of the stream that the frame belongs to; with it people have ids, and their scores are smoothed.
            attribute_level: what to read beside the expression; attention needs a memory.
            inference: of this frame by :meth:`infer`, if it ran before; the analysis is the same.

        Returns:
            The faces, largest first, with every model's answer.
        """
        watch, stream = _Stopwatch(), memory or StreamMemory()
        detections = inference.detections if inference else self.find(frame, timestamp, stream.near)
        watch.lap("detect")
        crops = inference.crops if inference else self._crops(frame, detections)
        watch.lap("crop")
        tracks = stream.identify(detections, timestamp, crops[MASK_INPUT_SIZE] if memory else None)
        people = [stream.person(track) for track in tracks]
        due = np.flatnonzero(stream.due_for_classification(tracks, timestamp)).tolist()
        watch.lap("track")
        for row, reading in self._read_masks(crops, due, inference).items():
            people[row].update_mask(reading, timestamp)
        watch.lap("mask")
        # Which model answers depends on the mask state over time, which may differ from what this frame shows.
        masks = {row: people[row].mask for row in due}
        for row, scores in self._read_scores(crops, masks, inference).items():
            people[row].update_scores(scores, timestamp, stream.smoothing)
        watch.lap("classify")
        boxes = self._boxes(detections)
        attributes: list[FaceAttributes | None] = [None] * len(tracks)
        if attribute_level is not AttributeLevel.NONE and self._attributes_reader and tracks:
            read = self._read_attributes(frame, detections, people, *stream.due_for_attributes(tracks, timestamp))
            with_attention = bool(memory) and attribute_level is AttributeLevel.ATTENTION
            attributes = [
                person.attributes.update(read.get(row), boxes[row], timestamp, with_attention)
                for row, person in enumerate(people)
            ]
        watch.lap("look")
        faces = [
            FaceObservation(detection, box, person.scores, person.mask, track if memory else None, seen)
            for detection, box, person, track, seen in zip(detections, boxes, people, tracks, attributes, strict=True)
        ]
        height, width = frame.shape[:2]
        return FrameAnalysis(timestamp, width, height, self.detector.name, tuple(faces), watch.milliseconds)

    def infer(self, frame: np.ndarray, detections: Sequence[FaceDetection] | None = None) -> FrameInference:
        """The part of :meth:`analyse` that runs the networks, which takes nearly all of its time.

        Args:
            frame: ``(H, W, 3) uint8`` BGR.
            detections: of this frame, if it was searched before.
        """
        detections = self.find(frame) if detections is None else detections
        crops = self._crops(frame, detections)
        read = self._masks.read(crops[MASK_INPUT_SIZE]) if self._masks else [None] * len(detections)
        return FrameInference(detections, crops, read, self._classify(crops, read))

    def copies(self, count: int) -> list[FrameAnalyser]:
        """This analyser and copies with networks of their own, since threads that share an analyser wait for its networks.

        Copies are kept. An analyser that did not come from a store has none.
        """
        while self._again and len(self._copies) < count - 1:
            self._copies.append(self._again())
        return [self, *self._copies[: count - 1]]

    def _boxes(self, detections: Sequence[FaceDetection]) -> list[BoundingBox]:
        return [self.detector.framing.crop_box(detection.box) for detection in detections]

    def _crops(self, frame: np.ndarray, detections: Sequence[FaceDetection]) -> dict[int, np.ndarray]:
        """Every face ``(faces, S, S) uint8`` at each side S that a network takes."""
        sizes = {c.input_size for c in (*self.classifiers, *filter(None, self._stand_ins))} | {MASK_INPUT_SIZE}
        boxes, rolls = self._boxes(detections), aligned_rolls(detections)
        return {size: crop_faces(frame, boxes, size, rolls) for size in sizes}

    def find(self, frame: np.ndarray, timestamp: float = 0.0, near: NearFaceGate | None = None) -> list[FaceDetection]:
        """Every face of a frame.

        Args:
            frame: ``(H, W, 3) uint8`` BGR.
            timestamp: seconds from the start of the stream.
            near: of the stream; while everyone is near, only the fast detector of near faces runs.
        """
        if near is None or self._near is None:
            return self.detector.detect(frame)
        if expected := near.required_faces(frame, timestamp):
            found = self._near.detect(frame)
            if len(found) == expected:
                return near.record_near_detection(found)
        detections = self.detector.detect(frame)
        if near.record_full_detection(frame, detections, timestamp):
            near.compare(self._near.detect(frame))
        return detections

    def _read_masks(
        self, crops: Mapping[int, np.ndarray], rows: Sequence[int], inference: FrameInference | None
    ) -> dict[int, MaskReading]:
        """By row the mask readings of these faces in this frame; empty without a network that reads masks."""
        if self._masks is None:
            return {}
        read = (
            inference.readings
            if inference
            else dict(zip(rows, self._masks.read(crops[MASK_INPUT_SIZE][rows]), strict=True))
        )
        return {row: reading for row in rows if (reading := read[row]) is not None}

    def _read_scores(
        self,
        crops: Mapping[int, np.ndarray],
        masks: Mapping[int, MaskReading | None],
        inference: FrameInference | None,
    ) -> dict[int, Sequence[ExpressionScores]]:
        """By row the scores of faces in this frame, from the models that answer for their mask states.

        An inference has them already where its own mask reading leads to the same models.
        """
        scores: dict[int, Sequence[ExpressionScores]] = {}
        if inference:
            known = [row for row in masks if _covered(masks[row]) == _covered(inference.readings[row])]
            scores = {row: inference.scores[row] for row in known}
        missing = [row for row in masks if row not in scores]
        classified = self._classify({size: of[missing] for size, of in crops.items()}, [masks[row] for row in missing])
        return scores | dict(zip(missing, classified, strict=True))

    def _read_attributes(
        self,
        frame: np.ndarray,
        detections: Sequence[FaceDetection],
        people: Sequence[Person],
        due: Sequence[bool],
        with_eyes: Sequence[bool],
    ) -> dict[int, FaceAttributes | None]:
        """By row what the landmarks of the due faces say in this frame."""
        assert self._attributes_reader is not None
        rows = np.flatnonzero(due).tolist()
        rolls = []
        for row in rows:
            roll, points = people[row].attributes.roll, detections[row].key_points
            rolls.append(roll_of_eyes(*points[:2]) if roll is None and points is not None else roll)
        boxes = self._boxes([detections[row] for row in rows])
        read = self._attributes_reader.read(frame, boxes, rolls, [with_eyes[row] for row in rows])
        return dict(zip(rows, read, strict=True))

    def _classify(
        self, crops: Mapping[int, np.ndarray], readings: Sequence[MaskReading | None]
    ) -> list[list[ExpressionScores]]:
        """The scores of every face, from the models that answer for its mask state."""
        covered = np.array([_covered(reading) for reading in readings], bool)
        asked: dict[ExpressionClassifier, np.ndarray] = {}
        for classifier, stand_in in zip(self.classifiers, self._stand_ins, strict=True):
            asked[classifier] = np.ones(len(covered), bool) if stand_in is None else ~covered
        for stand_in in filter(None, self._stand_ins):
            asked.setdefault(stand_in, covered)
        scores: list[list[ExpressionScores]] = [[] for _ in readings]
        for classifier, rows in asked.items():
            if not rows.any():
                continue
            answers = classifier.classify(crops[classifier.input_size][rows], covered[rows])
            for row, answer in zip(np.flatnonzero(rows), answers, strict=True):
                scores[row].append(answer)
        return scores


def _covered(reading: MaskReading | None) -> bool:
    return reading is not None and reading.state != MaskState.UNMASKED


def _stand_ins(
    classifiers: Sequence[ExpressionClassifier], store: ModelStore, threads: int
) -> list[ExpressionClassifier | None]:
    """For each classifier that was not trained on masked faces, one that was and answers in the same classes."""
    if MASK_AWARE_MODEL not in store.served_names():
        return [None] * len(classifiers)
    model = store.load(MASK_AWARE_MODEL)
    by_rule = {c.rule.name: c for c in classifiers if c.mask_aware}

    def stand_in(classifier: ExpressionClassifier) -> ExpressionClassifier | None:
        rule = model.card.masked_rule(classifier.rule.name)
        if classifier.mask_aware or rule is None or rule.label_set != classifier.rule.label_set:
            return None
        if rule.name not in by_rule:
            by_rule[rule.name] = ExpressionClassifier(model, rule.name, threads)
        return by_rule[rule.name]

    return [stand_in(classifier) for classifier in classifiers]


class _Stopwatch:
    """Milliseconds of each step since the one before."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        """The step has ended now."""
        now = time.perf_counter()
        self.milliseconds[step], self._last = (now - self._last) * 1e3, now
