from dataclasses import replace

import pytest

from fer_core.datasets import Split
from fer_core.labels import CKPLUS, FER2013, FER2013_FIVE, FERPLUS
from fer_core.store.card import reported_splits, split_title


@pytest.mark.parametrize("label_set", [FER2013, FER2013_FIVE, FERPLUS])
def test_fer2013_splits_have_the_names_of_the_data_set(label_set, shipped):
    titles = [split_title(shipped.card, label_set, split) for split in (Split.VALIDATION, Split.TEST)]
    assert titles == ["PublicTest", "PrivateTest"]


def test_other_data_sets_say_what_a_split_is_or_the_card_does(shipped):
    assert split_title(shipped.card, CKPLUS, Split.CROSS_VALIDATION) == "ten folds by subject"
    assert split_title(shipped.card, CKPLUS, Split.TEST) == "test"
    card = replace(shipped.card, data={"split_titles": {"test": "random 30%"}})
    assert split_title(card, CKPLUS, Split.TEST) == "random 30%"


def test_neither_training_nor_the_choice_is_reported():
    metrics = dict.fromkeys(["test", "test-without-repeats", "training", "validation", "cross-validation"])
    assert reported_splits(metrics) == [Split.TEST, Split.CROSS_VALIDATION]
