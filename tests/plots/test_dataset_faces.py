"""Pictures and charts of faces show what they are given."""

import base64

import cv2
import numpy as np
import pytest

from fer_core.curation.embedding_map import FaceMap
from fer_core.curation.statistics import MeanFaces, mean_faces
from fer_core.labels import FER2013, FER2013_FIVE, Emotion
from fer_core.plots.dataset_faces import (
    ENLARGED_SIDE,
    HOVER_SIDE,
    difference_pictures,
    distribution_figure,
    enlarged,
    face_map_chart,
    face_url,
    mean_pictures,
    spread_pictures,
    vote_bars,
)


def made_means(levels, spread=5.0) -> MeanFaces:
    means = np.broadcast_to(np.array(levels, np.float32)[:, None, None], (5, 48, 48))
    return MeanFaces(FER2013_FIVE, np.array([10, 10, 10, 10, 0]), means, np.full((5, 48, 48), spread, np.float32))


def test_means_are_grey_and_large(dataset):
    pictures = mean_pictures(mean_faces(dataset, FER2013))
    assert {picture.shape for picture in pictures} == {(ENLARGED_SIDE, ENLARGED_SIDE)}
    assert pictures[0].mean() == pytest.approx(mean_faces(dataset, FER2013).means[0].mean(), abs=1)


def test_what_sets_a_class_apart_is_vermilion_where_lighter_and_blue_where_darker():
    pictures, top = difference_pictures(made_means([100, 100, 140, 60, 0]))
    assert top == 40
    assert pictures[0].min() == 255  # like the mean of all
    red, _, blue = (pictures[2].reshape(-1, 3).mean(axis=0), None, pictures[3].reshape(-1, 3).mean(axis=0))
    assert red[0] > red[2] + 100
    assert blue[2] > blue[0] + 100
    assert pictures[4].min() == 255  # a class without faces says nothing


def test_spreads_of_all_classes_share_their_colours():
    faces = made_means([100] * 5)
    faces.spreads[1] = 60
    pictures, ends = spread_pictures(faces)
    assert ends == (5, 60)
    np.testing.assert_array_equal(pictures[0], pictures[2])
    assert pictures[1][0, 0, 0] > 200 > pictures[0][0, 0, 0]  # yellow, and dark blue


def test_a_face_of_any_size_is_enlarged_in_its_shape():
    assert enlarged(np.zeros((40, 20), np.uint8), 80).shape == (80, 40)


def test_a_ridge_per_chosen_class_with_a_line_at_its_median():
    counts = np.zeros((7, 10), int)
    counts[0, 2], counts[3, 5], counts[3, 6] = 50, 600, 500
    chosen = [Emotion.HAPPY, Emotion.ANGRY, Emotion.SAD]  # no face is sad
    figure = distribution_figure(counts, np.linspace(0, 100, 11), FER2013, chosen, "Brightness, grey levels")
    assert figure.layout.yaxis.ticktext == ("happy", "angry")
    medians = [trace.x[0] for trace in figure.data if trace.line.dash == "dot"]
    assert medians == [55, 25]
    assert [trace.customdata[5, 1] for trace in figure.data if trace.customdata is not None] == [600, 0]
    assert figure.layout.xaxis.range == (20, 70)
    assert figure.layout.xaxis.title.text == "Brightness, grey levels"


def test_without_a_face_there_is_an_empty_chart():
    assert not distribution_figure(np.zeros((7, 4), int), np.arange(5.0), FER2013, list(FER2013.emotions), "x").data


def test_votes_are_bars_and_answers_that_are_no_emotion_are_hatched():
    (bars,) = vote_bars(np.array([6, 0, 0, 1, 0, 0, 0, 0, 2, 1], np.uint8)).data
    assert dict(zip(bars.y, bars.x, strict=True))["unknown"] == 2
    assert bars.y[-1] == "not a face"
    assert [bool(shape) for shape in bars.marker.pattern.shape] == [False] * 8 + [True] * 2
    assert bars.text[1] == ""


def test_an_address_holds_the_face_itself(dataset):
    kind, content = face_url(dataset.images[0]).split(";base64,")
    assert kind == "data:image/webp"
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture.shape == (HOVER_SIDE, HOVER_SIDE)
    small = cv2.resize(picture, (48, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - dataset.images[0]).mean() < 12


@pytest.fixture
def face_map() -> FaceMap:
    labels = np.array([0, 3, 3, 6])
    places = np.arange(8, dtype=np.float32).reshape(4, 2)
    rows = np.array([4, 9, 10, 20])
    return FaceMap("Net", "d", "f", 256, rows, labels, FER2013, labels[::-1], FER2013, places, True, (0.6, 0.5))


def test_a_map_shows_the_chosen_labels_with_their_faces(face_map):
    table, spec = face_map_chart(face_map, [Emotion.HAPPY], ["a", "b", "c", "d"])
    assert table["row"].tolist() == [9, 10]
    assert table["image"].tolist() == ["b", "c"]
    assert table["answer"].tolist() == ["happy", "happy"]
    encoding = spec["encoding"]
    assert encoding["tooltip"][-1]["field"] == "image"
    scale = encoding["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True))["happy"] == Emotion.HAPPY.colour
    assert len(set(encoding["shape"]["scale"]["range"])) == 7


def test_without_pictures_a_pointer_brings_up_words(face_map):
    table, spec = face_map_chart(face_map, list(FER2013.emotions))
    assert len(table) == 4
    assert [field["field"] for field in spec["encoding"]["tooltip"]] == ["label", "answer", "row"]
