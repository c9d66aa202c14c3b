import numpy as np
import pytest

from fer_core.labels import CKPLUS, FER2013, FER2013_FIVE, FERPLUS, Emotion, parse_emotion, restrict


def test_label_sets_have_the_order_of_their_data_sets():
    assert list(FER2013.names) == ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    assert list(FERPLUS.names) == [
        "neutral",
        "happy",
        "surprise",
        "sad",
        "angry",
        "disgust",
        "fear",
        "contempt",
    ]
    assert Emotion.DISGUST not in FER2013_FIVE.emotions
    assert Emotion.FEAR not in FER2013_FIVE.emotions
    assert Emotion.NEUTRAL not in CKPLUS.emotions


@pytest.mark.parametrize(
    ("word", "emotion"), [("Happiness", "happy"), (" anger ", "angry"), ("NEUTRAL", "neutral"), ("sadness", "sad")]
)
def test_a_folder_name_is_understood_in_any_case_and_as_a_noun(word, emotion):
    assert parse_emotion(word) == emotion


def test_an_unknown_word_is_no_emotion():
    with pytest.raises(ValueError, match="joyful"):
        parse_emotion("joyful")


def test_restricting_to_a_subset_gives_conditional_probabilities():
    eight = np.array([[0.1, 0.4, 0.05, 0.05, 0.1, 0.1, 0.1, 0.1]])
    seven = restrict(eight, FERPLUS, FER2013)
    assert seven.sum() == pytest.approx(1)
    assert seven[0, FER2013.index(Emotion.HAPPY)] == pytest.approx(0.4 / 0.9)
    assert seven[0, FER2013.index(Emotion.NEUTRAL)] == pytest.approx(0.1 / 0.9)


def test_restricting_to_a_class_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no neutral"):
        restrict(np.full((1, 7), 1 / 7), CKPLUS, FER2013)


def test_colours_are_all_different():
    assert len({e.colour for e in Emotion}) == len(Emotion)
