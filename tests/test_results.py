import numpy as np
import pytest

from fer_core.analysis.frame import FaceObservation, FrameAnalysis
from fer_core.analysis.records import face_rows
from fer_core.labels import FER2013
from fer_core.results import BoundingBox, ExpressionScores, FaceDetection, MaskReading, MaskState


def test_overlap_of_boxes_is_intersection_over_union():
    box = BoundingBox(0, 0, 10, 10)
    assert box.intersection_over_union(BoundingBox(5, 0, 10, 10)) == pytest.approx(50 / 150)
    assert box.intersection_over_union(box) == 1
    assert box.intersection_over_union(BoundingBox(10, 0, 10, 10)) == 0


def scores(*probabilities: float) -> ExpressionScores:
    return ExpressionScores("net", FER2013, np.array(probabilities, np.float32))


def test_scores_rank_emotions_by_probability():
    answer = scores(0.05, 0.1, 0.05, 0.5, 0.2, 0.05, 0.05)
    assert answer.top == "happy"
    assert answer.confidence == pytest.approx(0.5)
    assert [str(e) for e, _ in answer.ranked()[:3]] == ["happy", "sad", "disgust"]


@pytest.mark.parametrize(
    ("probabilities", "words", "probability"),
    [
        ((0.0, 0.0, 0.0, 0.5, 0.2, 0.0, 0.3), "happy", 0.5),
        ((0.1, 0.0, 0.0, 0.0, 0.49, 0.0, 0.41), "sad or neutral", 0.9),
        ((0.37, 0.34, 0.05, 0.05, 0.1, 0.05, 0.04), "angry or disgust", 0.71),
        ((0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.2), "unsure", 0.2),
        ((0.35, 0.34, 0.31, 0.0, 0.0, 0.0, 0.0), "unsure", 0.35),
    ],
)
def test_the_verdict_is_one_emotion_two_or_none_by_how_sure_it_is(probabilities, words, probability):
    verdict = scores(*probabilities).verdict()
    assert (verdict.words, verdict.probability) == (words, pytest.approx(probability))


def test_a_stricter_threshold_makes_verdicts_coarser():
    answer = scores(0.0, 0.0, 0.0, 0.6, 0.25, 0.0, 0.15)
    assert answer.verdict().words == "happy"
    assert answer.verdict(sure=0.7).words == "happy or sad"
    assert answer.verdict(sure=0.7, sure_of_two=0.9).words == "unsure"


@pytest.mark.parametrize(
    ("probabilities", "state", "covered", "confidence"),
    [
        ((0.9, 0.05, 0.05), MaskState.UNMASKED, 0.1, 0.9),
        ((0.45, 0.2, 0.35), MaskState.NOSE_OUT, 0.55, 0.55),  # bare is the likeliest of three, yet the mouth is covered
        ((0.1, 0.8, 0.1), MaskState.MASKED, 0.9, 0.9),
    ],
)
def test_a_mask_is_read_first_as_there_or_not_and_then_by_how_it_is_worn(probabilities, state, covered, confidence):
    reading = MaskReading(np.array(probabilities, np.float32))
    assert reading.state == state
    assert (reading.covered, reading.confidence) == (pytest.approx(covered), pytest.approx(confidence))


def test_rows_say_whether_a_mask_was_seen_and_are_empty_where_nobody_looked():
    box = BoundingBox(0, 0, 30, 40)
    answers = (scores(0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1),)
    reading = MaskReading(np.array([0.1, 0.2, 0.7], np.float32))
    faces = [FaceObservation(FaceDetection(box, 0.9), box, answers, mask) for mask in (reading, None)]
    masked, unread = face_rows("a.jpg", [FrameAnalysis(0, 640, 480, "haar", tuple(faces))])
    assert (masked["mask"], masked["mask_probability"]) == ("mask under the nose", 0.9)
    assert (unread["mask"], unread["mask_probability"]) == (None, None)
    assert [face.covered for face in faces] == [True, False]
    assert masked["verdict"] == "unsure"


def test_a_row_holds_place_answer_and_every_probability():
    box = BoundingBox(10.4, 20.6, 30, 40)
    face = FaceObservation(FaceDetection(box, 0.9), box, (scores(0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1),))
    rows = list(face_rows("a.jpg", [FrameAnalysis(1.2345, 640, 480, "haar", (face, face))]))
    assert [row["face"] for row in rows] == [1, 2]
    assert rows[0]["time_ms"] == 1234
    assert (rows[0]["box_x"], rows[0]["box_y"]) == (10, 21)
    assert (rows[0]["emotion"], rows[0]["runner_up"]) == ("happy", "angry")
    assert sum(value for key, value in rows[0].items() if key.startswith("p_")) == pytest.approx(1)
