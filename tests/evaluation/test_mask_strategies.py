"""One network or two for masked and bare faces: the mask state decides who answers, mistakes included."""

from dataclasses import replace

import numpy as np
import pytest

from fer_core.datasets import FaceDataset, Split
from fer_core.errors import ModelError
from fer_core.evaluation.mask_strategies import SHOWN, compare_mask_strategies, verdict_shares
from fer_core.evaluation.robustness.conditions import CONDITIONS
from fer_core.labels import FER2013
from fer_core.store.predictions import RobustnessPredictions
from fer_core.store.store import ModelStore

MASKED = ("masks", "surgical", "cloth")


class EveryOther:
    """Calls every other face masked, whatever it sees."""

    def predict(self, faces: np.ndarray) -> np.ndarray:
        covered = np.arange(len(faces)) % 2
        return np.stack([1 - covered, covered, 0 * covered], axis=1).astype(np.float32)


def answers(labels: np.ndarray, right: float) -> np.ndarray:
    """Sure answers, of which the first share is right and the others are off by one."""
    said = np.where(np.arange(len(labels)) < right * len(labels), labels, (labels + 1) % 7)
    return np.full((len(labels), 7), 0.01) + 0.93 * np.eye(7)[said]


@pytest.fixture
def store(made_up, tmp_path) -> ModelStore:
    """``unmasked`` is right about every bare face and no masked one, ``aware`` about every masked face and no bare one."""
    for name in ("bare", "aware"):
        model = made_up(name)
        labels = model.predictions().labels[Split.TEST, "fer2013"].astype(np.int64)
        said = {
            (c.name, "fer2013"): answers(labels, float((c.name in MASKED) == (name == "aware"))).astype(np.float32)
            for c in CONDITIONS.values()
        }
        settings = {c.name: c.setting for c in CONDITIONS.values()}
        ModelStore(tmp_path).save_robustness(name, RobustnessPredictions("int8", settings, said))
    store = ModelStore(tmp_path)
    card = store.load("aware").card
    store.save_card(replace(card, masked_answers=card.answers))
    return store


@pytest.fixture
def data(store) -> FaceDataset:
    labels = store.load("bare").predictions().labels[Split.TEST, "fer2013"].astype(np.int64)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 48, 48)).astype(np.uint8)
    return FaceDataset("noise", images, labels, np.full(len(labels), Split.TEST), FER2013)


def test_each_way_answers_as_the_mask_state_says_even_where_that_is_wrong(store, data):
    table = compare_mask_strategies(store, data, "bare", EveryOther(), "aware")
    assert len(table) == 3 * len(SHOWN)
    accuracy = {
        (way, title): text.split("%")[0]
        for way, title, text in zip(table["way"], table["faces"], table["accuracy"], strict=True)
    }
    alone, two, one = dict.fromkeys(table["way"])
    assert (accuracy[alone, "Bare"], accuracy[alone, "Any mask"]) == ("100.0", "0.0")
    assert (accuracy[two, "Bare"], accuracy[two, "Any mask"]) == ("50.0", "50.0"), "half of the masks are misread"
    assert (accuracy[one, "Bare"], accuracy[one, "Any mask"]) == ("0.0", "100.0")
    assert list(table["share of bare"][:2]) == ["", "0%"]


def test_a_model_without_answers_for_masked_faces_is_refused_in_a_sentence(store, data):
    with pytest.raises(ModelError, match="bare has no answer 'balanced' for masked faces; train it with masks"):
        compare_mask_strategies(store, data, "bare", EveryOther(), "bare")
    (store.folder / "aware" / "robustness.npz").unlink()
    with pytest.raises(ModelError, match="aware was not measured under masks; run"):
        compare_mask_strategies(store, data, "bare", EveryOther(), "aware")


def test_verdicts_are_counted_as_they_are_given():
    probabilities = np.array(
        [
            [0.6, 0.2, 0.2, 0, 0, 0, 0],
            [0.6, 0.2, 0.2, 0, 0, 0, 0],
            [0.4, 0.4, 0.1, 0.1, 0, 0, 0],
            [0.3, 0.2, 0.2, 0.1, 0.1, 0.1, 0],
        ]
    )
    shares = verdict_shares(probabilities, np.array([0, 1, 1, 0]))
    assert (shares.one, shares.one_right, shares.two, shares.two_right, shares.unsure) == (0.5, 0.5, 0.25, 1.0, 0.25)
