"""The overlay shows the answer, stays inside the frame and costs next to nothing."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fer_core.analysis import overlay
from fer_core.analysis.frame import AttributeLevel, FaceObservation, FrameAnalysis
from fer_core.analysis.overlay import STANDARD_LAYERS, Layer, draw_analysis
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.labels import FER2013, Emotion
from fer_core.results import BoundingBox, ExpressionScores, FaceDetection, MaskReading
from fer_core.vision.gaze import Gaze

WITH_BARS = STANDARD_LAYERS | {Layer.BARS}


def scores(top: Emotion = Emotion.HAPPY, confidence: float = 0.93) -> ExpressionScores:
    probabilities = np.full(len(FER2013), (1 - confidence) / (len(FER2013) - 1), np.float32)
    probabilities[FER2013.index(top)] = confidence
    return ExpressionScores("net", FER2013, probabilities)


def face(x: float, y: float, side: float, *answers: ExpressionScores) -> FaceObservation:
    box = BoundingBox(x, y, side, side)
    return FaceObservation(FaceDetection(box, 0.9), box, answers)


def analysis(frame: np.ndarray, *faces: FaceObservation) -> FrameAnalysis:
    return FrameAnalysis(0.0, frame.shape[1], frame.shape[0], "blazeface", faces)


def bgr(emotion: Emotion) -> np.ndarray:
    return np.array([int(emotion.colour[i : i + 2], 16) for i in (5, 3, 1)], np.uint8)


def pixels_of(picture: np.ndarray, emotion: Emotion) -> int:
    return int((picture == bgr(emotion)).all(axis=2).sum())


@pytest.fixture
def grey() -> np.ndarray:
    return np.full((480, 640, 3), 128, np.uint8)


def test_the_frame_itself_is_left_as_it_is(grey: np.ndarray) -> None:
    before = grey.copy()
    annotated = draw_analysis(grey, analysis(grey, face(200, 150, 150, scores())))
    assert annotated is not grey
    assert annotated.shape == grey.shape
    assert annotated.dtype == np.uint8
    assert (grey == before).all()
    assert (annotated != before).any()


def test_a_frame_without_faces_is_returned_unchanged(grey: np.ndarray) -> None:
    assert (draw_analysis(grey, analysis(grey)) == grey).all()


@pytest.mark.parametrize("emotion", FER2013.emotions)
def test_the_label_has_the_colour_of_the_top_emotion(grey: np.ndarray, emotion: Emotion) -> None:
    annotated = draw_analysis(grey, analysis(grey, face(200, 150, 150, scores(emotion))))
    others = {other: pixels_of(annotated, other) for other in FER2013.emotions if other is not emotion}
    assert pixels_of(annotated, emotion) > 1000
    assert not any(others.values())


def test_an_unsure_answer_has_no_emotions_colour_and_a_mask_takes_more_of_the_label(grey: np.ndarray) -> None:
    unsure = draw_analysis(grey, analysis(grey, face(200, 150, 150, scores(confidence=0.3))))
    assert all(pixels_of(unsure, emotion) < 50 for emotion in FER2013.emotions if emotion is not Emotion.NEUTRAL)
    sure = face(200, 150, 150, scores())
    masked = replace(sure, mask=MaskReading(np.array([0.1, 0.8, 0.1], np.float32)))
    unmasked = replace(sure, mask=MaskReading(np.array([0.9, 0.1, 0.0], np.float32)))
    plain, without, wider = (draw_analysis(grey, analysis(grey, each)) for each in (sure, unmasked, masked))
    assert (plain == without).all()
    assert pixels_of(wider, Emotion.HAPPY) > pixels_of(plain, Emotion.HAPPY) + 500


def test_bars_are_as_long_as_the_probabilities(grey: np.ndarray) -> None:
    def bar(confidence: float) -> int:
        seen = analysis(grey, face(200, 150, 150, scores(confidence=confidence)))
        with_bars, without = draw_analysis(grey, seen, WITH_BARS), draw_analysis(grey, seen)
        return pixels_of(with_bars, Emotion.HAPPY) - pixels_of(without, Emotion.HAPPY)

    assert bar(0.9) == pytest.approx(2 * bar(0.45), rel=0.1)


def test_of_several_models_the_first_is_drawn(grey: np.ndarray) -> None:
    annotated = draw_analysis(grey, analysis(grey, face(200, 150, 150, scores(), scores(Emotion.SAD))))
    assert pixels_of(annotated, Emotion.HAPPY)
    assert not pixels_of(annotated, Emotion.SAD)


def test_a_face_that_no_model_was_asked_about_gets_its_box(grey: np.ndarray) -> None:
    assert (draw_analysis(grey, analysis(grey, face(200, 150, 150))) != grey).any()


@pytest.mark.parametrize("shape", [(480, 640), (1080, 1920), (2160, 3840), (640, 360), (90, 120), (8, 8), (1, 1)])
@pytest.mark.parametrize("corner", [(0.3, 0.3), (-0.2, -0.2), (0.8, 0.8), (0.0, 0.9), (1.5, 1.5)])
def test_boxes_anywhere_in_frames_of_any_size_are_drawn(shape: tuple[int, int], corner: tuple[float, float]) -> None:
    frame = np.full((*shape, 3), 200, np.uint8)
    height, width = shape
    one = face(corner[0] * width, corner[1] * height, 0.4 * height, scores())
    other = face(0.1 * width, 0.1 * height, 0.2 * height, scores(Emotion.SAD))
    assert draw_analysis(frame, analysis(frame, one, other), WITH_BARS).shape == frame.shape


def test_the_label_is_whole_wherever_the_face_is(grey: np.ndarray) -> None:
    def label_pixels(x: float, y: float) -> int:
        # The label alone: the box is drawn in the same colour, so faces of the same size are compared.
        return pixels_of(draw_analysis(grey, analysis(grey, face(x, y, 80, scores()))), Emotion.HAPPY)

    inside = label_pixels(280, 200)
    for x, y in ((0, 200), (559, 200), (280, 0), (280, 399), (0, 0), (559, 399)):
        assert label_pixels(x, y) > 0.75 * inside


def test_bars_of_one_face_do_not_hide_another(grey: np.ndarray) -> None:
    faces = [face(220, 160, 200, scores()), face(440, 180, 120, scores(Emotion.SAD))]
    annotated = draw_analysis(grey, analysis(grey, *faces), WITH_BARS)
    inside_second = annotated[185:295, 445:555]
    assert (inside_second == 128).all()


def test_sizes_follow_the_frame() -> None:
    def share(height: int) -> float:
        frame = np.full((height, height * 4 // 3, 3), 128, np.uint8)
        annotated = draw_analysis(
            frame, analysis(frame, face(height * 0.4, height * 0.3, height * 0.3, scores())), WITH_BARS
        )
        return float((annotated != frame).any(axis=2).mean())

    assert share(1440) == pytest.approx(share(480), rel=0.15)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_the_answer_is_legible_on_any_background(level: int) -> None:
    frame = np.full((480, 640, 3), level, np.uint8)
    annotated = draw_analysis(frame, analysis(frame, face(200, 150, 150, scores())))
    label = cv2.cvtColor(annotated[125:145, 200:310], cv2.COLOR_BGR2GRAY)
    assert int(label.max()) - int(label.min()) > 100


def test_one_face_takes_few_calls_of_opencv(grey: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = analysis(grey, face(200, 150, 150, scores()))
    draw_analysis(grey, seen, WITH_BARS)
    calls: list[str] = []

    class Counted:
        def __getattr__(self, name: str) -> object:
            of_cv2 = getattr(cv2, name)
            return (
                (lambda *given, **named: calls.append(name) or of_cv2(*given, **named)) if callable(of_cv2) else of_cv2
            )

    monkeypatch.setattr(overlay, "cv2", Counted())
    draw_analysis(grey, seen, WITH_BARS)
    # A panel's ground, box, label, and for each emotion a name and two bars: about 0.2 ms where a call takes microseconds.
    assert 0 < len(calls) <= 8 + 3 * len(FER2013)


def test_every_layer_is_drawn_when_it_is_asked_for_and_only_then(photo: np.ndarray) -> None:
    analyser = FrameAnalyser.from_store(["senet"])
    seen = analyser.analyse(photo, attribute_level=AttributeLevel.LANDMARKS)
    assert (draw_analysis(photo, seen, ()) == photo).all()
    several = replace(seen, faces=seen.faces * 2)
    drawn = {layer: draw_analysis(photo, several, {layer}) for layer in Layer}
    for layer, picture in drawn.items():
        assert (picture != photo).any(), layer
    x, y = seen.faces[0].attributes.landmarks.points[1, :2].round().astype(int)
    assert (drawn[Layer.LANDMARKS][y, x] != photo[y, x]).any()


def test_gaze_to_the_right_is_an_arrow_to_the_right(photo: np.ndarray) -> None:
    seen = FrameAnalyser.from_store(["senet"]).analyse(photo, attribute_level=AttributeLevel.LANDMARKS)
    (face,) = seen.faces

    def columns(yaw: float) -> np.ndarray:
        attributes = replace(face.attributes, gaze=Gaze(yaw, 0.0))
        picture = draw_analysis(photo, replace(seen, faces=(replace(face, attributes=attributes),)), {Layer.GAZE})
        return np.flatnonzero((picture != photo).any(axis=(0, 2)))

    assert columns(40).max() > columns(-40).max() + 20
    assert columns(-40).min() < columns(40).min() - 20
