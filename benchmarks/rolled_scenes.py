"""The accuracy on rolled heads with plain crops and with crops turned by the roll of the eyes.

Faces of FER2013 are enlarged and pasted onto grey scenes at known rolls, in addition to their own roll; the area beyond a
face's corners is grey in both crops.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks.synthetic_scenes import FOUND_OVERLAP, FRAME_SIZE, SCENE_GREY
from fer_core.datasets import Split, read_dataset
from fer_core.evaluation.significance import mcnemar
from fer_core.results import BoundingBox
from fer_core.store.store import ModelStore
from fer_core.vision.crops import ALIGNED_FROM, aligned_rolls, crop_faces
from fer_core.vision.detection.registry import create_detector
from fer_core.vision.expression import ExpressionClassifier

ROLLS = 0, 15, -15, 30, -30
"""Degrees clockwise."""
PASTED_PIXELS = 144
MARGIN = 60
"""Pixels between the upright square and the border, so that its turned corners stay in the scene."""


def rolled_scene(face: np.ndarray, place: BoundingBox, roll: float, scene_size: tuple[int, int]) -> np.ndarray:
    """A plain grey scene with one face enlarged into it and turned about its middle.

    Args:
        face: ``(48, 48) uint8`` grey.
        place: the square that the face would fill upright, in whole pixels.
        roll: degrees clockwise.
        scene_size: width and height of the scene in pixels.

    Returns:
        ``(height, width, 3) uint8`` BGR.
    """
    side = int(place.width)
    turn = np.asarray(cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), -roll, 1), np.float64)
    turn[:, 2] += place.x, place.y
    large = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
    return cv2.cvtColor(cv2.warpAffine(large, turn, scene_size, borderValue=SCENE_GREY), cv2.COLOR_GRAY2BGR)


def rolled_scenes(data: Path, model: str, faces: int = 1000, split: Split = Split.TEST, seed: int = 0) -> str:
    """A table of accuracies by roll; a face that is not found counts as an error.

    Args:
        data: FER2013.
        model: a stored model that answers in the data set's classes.
        faces: number of faces, sampled at random; all if there are fewer.
        split: to take the faces from.
        seed: of the sample and of the places.

    Raises:
        DatasetError: the data can't be read.
        ModelError: there is no such model.
    """
    rng = np.random.default_rng(seed)
    dataset = read_dataset(data).split(split)
    dataset = dataset.take(np.sort(rng.permutation(len(dataset))[:faces]))
    classifier, detector = ExpressionClassifier(ModelStore().load(model)), create_detector()
    places = rng.integers(MARGIN, np.subtract(FRAME_SIZE, PASTED_PIXELS + MARGIN), (len(dataset), 2), endpoint=True)
    rows = []
    for roll in ROLLS:
        plain = np.zeros((len(dataset), classifier.input_size, classifier.input_size), np.uint8)
        aligned, found = plain.copy(), np.zeros(len(dataset), bool)
        for i, (face, (x, y)) in enumerate(zip(dataset.images, places.tolist(), strict=True)):
            truth = BoundingBox(x, y, PASTED_PIXELS, PASTED_PIXELS)
            frame = rolled_scene(face, truth, roll, FRAME_SIZE)
            for detection in detector.detect(frame):
                box = detector.framing.crop_box(detection.box)
                if box.intersection_over_union(truth) >= FOUND_OVERLAP:
                    found[i] = True
                    plain[i] = crop_faces(frame, [box], classifier.input_size)[0]
                    aligned[i] = crop_faces(frame, [box], classifier.input_size, aligned_rolls([detection]))[0]
                    break
        right = [found & (_answers(classifier, crops) == dataset.labels) for crops in (plain, aligned)]
        test = mcnemar(*right)
        rows.append(
            {
                "roll": roll,
                "found": f"{found.mean():.1%}",
                "plain crops": f"{right[0].mean():.1%}",
                "turned crops": f"{right[1].mean():.1%}",
                "only plain right": test.only_a,
                "only turned right": test.only_b,
                "p": f"{test.p_value:.2g}",
            }
        )
    return (
        f"{model}, {len(dataset)} faces of {split}, {PASTED_PIXELS} px, crops turned where the eyes are rolled by more than "
        f"{ALIGNED_FROM:g} degrees\n{pd.DataFrame(rows).to_string(index=False)}"
    )


def _answers(classifier: ExpressionClassifier, crops: np.ndarray) -> np.ndarray:
    return np.array([classifier.rule.label_set.index(scores.top) for scores in classifier.classify(crops)])
