from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.analysis.records import face_rows
from fer_core.analysis.stream import StreamMemory
from fer_core.errors import ModelError
from fer_core.vision.crops import aligned_rolls, crop_faces
from fer_core.vision.detection.registry import DETECTORS
from fer_core.vision.expression import ExpressionClassifier
from fer_core.vision.litert import LiteRTNetwork


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_astronaut_is_one_happy_face_whatever_the_detector(detector, photo):
    analysis = FrameAnalyser.from_store(["senet"], detector).analyse(photo)
    assert [str(face.scores[0].top) for face in analysis] == ["happy"]
    assert (analysis.width, analysis.height, analysis.detector) == (512, 512, detector)


def test_several_faces_get_the_answers_they_get_alone(photo):
    small = cv2.resize(photo, (256, 256), interpolation=cv2.INTER_AREA)
    pair = np.zeros((512, 1024, 3), np.uint8)
    pair[:, :512] = photo
    pair[128:384, 640:896] = small
    analyser = FrameAnalyser.from_store(["senet"])
    both = analyser.analyse(pair)
    assert len(both) == 2
    for face in both:
        crop = (face.crop_box.x, face.crop_box.y)
        alone = analyser.classifiers[0].classify(crop_faces(pair, [face.crop_box], 48))[0]
        np.testing.assert_allclose(alone.probabilities, face.scores[0].probabilities, atol=1e-5, err_msg=str(crop))


def test_a_rolled_head_is_answered_for_as_its_turned_crop_is(photo):
    turned = cv2.warpAffine(photo, cv2.getRotationMatrix2D((224, 115), -30, 1), (512, 512))
    analyser = FrameAnalyser.from_store(["senet"])
    (face,) = analyser.analyse(turned)
    (roll,) = aligned_rolls([face.detection])
    assert 20 < roll < 40
    upright, plain = analyser.classifiers[0].classify(crop_faces(turned, [face.crop_box] * 2, 48, [roll, 0.0]))
    np.testing.assert_allclose(face.scores[0].probabilities, upright.probabilities, atol=1e-5)
    assert np.abs(face.scores[0].probabilities - plain.probabilities).max() > 0.01


def test_every_model_answers_for_every_face_in_the_order_asked_for(photo):
    analysis = FrameAnalyser.from_store(["senet", "senet"]).analyse(photo)
    assert [scores.model for scores in analysis.faces[0].scores] == ["senet", "senet"]


def test_a_frame_without_a_face_has_an_empty_analysis():
    analysis = FrameAnalyser.from_store(["senet"]).analyse(np.full((480, 640, 3), 128, np.uint8))
    assert len(analysis) == 0
    assert set(analysis.milliseconds) == {"detect", "crop", "track", "mask", "classify", "look"}


def test_in_a_stream_people_keep_their_ids_and_answers_follow_smoothly(photo):
    pair = np.concatenate([photo, cv2.resize(photo, (400, 512))], axis=1)
    analyser, memory = FrameAnalyser.from_store(["senet"]), StreamMemory()
    first = analyser.analyse(pair, 0.0, memory)
    second = analyser.analyse(np.roll(pair, 5, axis=1), 0.04, memory)
    ids = {round(face.box.x, -1): face.track for face in first}
    assert sorted(ids.values()) == [1, 2]
    assert sorted(face.track for face in second) == [1, 2]
    for face in second:
        (before,) = [old for old in first if old.track == face.track]
        assert abs(face.box.x - before.box.x) < 20
    assert [face.track for face in analyser.analyse(pair)] == [None, None]
    # In the dark the network says something else; the answer of a stream does not jump to it.
    dark = (pair * 0.1).astype(np.uint8)
    dark[:, :512] = photo // 3
    alone = analyser.analyse(dark, 0.08).faces[0].scores[0]
    smoothed = analyser.analyse(dark, 0.08, memory).faces[0].scores[0]
    assert alone.probabilities.sum() == pytest.approx(smoothed.probabilities.sum())
    assert np.abs(alone.probabilities - smoothed.probabilities).max() > 1e-4


def test_what_was_seen_apart_on_other_threads_comes_to_the_same_analyses(photo):
    # A mask comes and goes, so that the state over time is another than that of single frames.
    masked = photo.copy()
    cv2.ellipse(masked, (222, 145), (52, 42), 0, 0, 360, (230, 230, 225), -1)
    frames = [photo] * 3 + [masked] * 9 + [photo] * 8
    analyser = FrameAnalyser.from_store(["senet"])
    assert {bool(analyser.analyse(frame).faces[0].covered) for frame in frames} == {False, True}
    one, other = StreamMemory(), StreamMemory()
    with ThreadPoolExecutor(2) as threads:
        inferences = list(
            threads.map(lambda pair: pair[0].infer(pair[1]), zip(analyser.copies(2) * 10, frames, strict=True))
        )
    for number, (frame, inference) in enumerate(zip(frames, inferences, strict=True)):
        plain = analyser.analyse(frame, number / 25, one)
        apart = analyser.analyse(frame, number / 25, other, inference=inference)
        assert [*face_rows("", [plain])] == [*face_rows("", [apart])]


def test_a_crowd_larger_than_one_batch_is_answered_in_order(shipped):
    faces = np.random.default_rng(0).integers(0, 256, (150, 48, 48)).astype(np.uint8)
    classifier = ExpressionClassifier(shipped)
    together = classifier.classify(faces)
    assert len(together) == 150
    for number in (0, 63, 64, 149):
        alone = classifier.classify(faces[number : number + 1])[0]
        np.testing.assert_allclose(together[number].probabilities, alone.probabilities, atol=1e-5)


def test_an_answer_by_name_has_its_own_label_set(shipped, photo):
    eight = FrameAnalyser.from_store(["senet"], decision_rule="ferplus").analyse(photo).faces[0].scores[0]
    assert eight.label_set.name == "ferplus"
    assert len(eight.probabilities) == 8
    with pytest.raises(ModelError, match="no answer 'nine'; it has balanced, fer2013, ferplus"):
        ExpressionClassifier(shipped, decision_rule="nine")


@pytest.mark.parametrize("content", [b"", b"TFL3" * 100, bytes(range(256)) * 50])
def test_bytes_that_are_no_network_are_refused_in_a_sentence(content):
    with pytest.raises(ModelError, match="no LiteRT model of this project"):
        LiteRTNetwork(content)
