import numpy as np
import pytest

from fer_core.emotions import FER2013
from fer_core.observations import (
    BoundingBox,
    ExpressionScores,
    FaceDetection,
    FaceObservation,
    FrameAnalysis,
    face_rows,
)


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


def test_a_row_holds_place_answer_and_every_probability():
    box = BoundingBox(10.4, 20.6, 30, 40)
    face = FaceObservation(FaceDetection(box, 0.9), box, (scores(0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1),))
    rows = list(face_rows("a.jpg", [FrameAnalysis(1.2345, 640, 480, "haar", (face, face))]))
    assert [row["face"] for row in rows] == [1, 2]
    assert rows[0]["time_ms"] == 1234
    assert (rows[0]["box_x"], rows[0]["box_y"]) == (10, 21)
    assert (rows[0]["emotion"], rows[0]["runner_up"]) == ("happy", "angry")
    assert sum(value for key, value in rows[0].items() if key.startswith("p_")) == pytest.approx(1)
