"""Labels that stored networks doubt: on which faces, and under which row numbers."""

import numpy as np
import pytest

from fer_core.curation.label_errors import covers, suspects_by_network
from fer_core.curation.summary import load_summary, shipped_summaries
from fer_core.datasets import Split
from fer_core.evaluation.scored import ScoredSplit
from fer_core.labels import FER2013


@pytest.fixture
def scored(dataset) -> ScoredSplit:
    """A network that is sure and right of every validation face but the third."""
    labels = dataset.split(Split.VALIDATION).labels
    probabilities = np.full((len(labels), len(FER2013)), 0.02)
    probabilities[np.arange(len(labels)), labels] = 0.88
    wrong = (labels[2] + 1) % len(FER2013)
    probabilities[2] = 0.01
    probabilities[2, wrong] = 0.94
    rule = type("Rule", (), {"label_set": FER2013})()
    rows = np.arange(len(labels))
    return ScoredSplit(
        "made-up", rule, "int8", Split.VALIDATION, "PublicTest", rows, labels, probabilities, probabilities
    )


def test_the_doubted_label_is_named_with_its_row_of_the_data_set(scored, dataset):
    found = suspects_by_network(scored, dataset)
    first_of_split = int(np.flatnonzero(dataset.splits == Split.VALIDATION)[0])
    assert found["row"].tolist() == [first_of_split + 2]
    assert found.loc[0, "label"] == str(FER2013.emotions[scored.labels[2]])
    assert found.loc[0, "likely"] == str(FER2013.emotions[scored.answers[2]])
    assert found.loc[0, "split"] == "validation"


def test_without_the_data_set_rows_are_counted_within_the_split(scored):
    assert suspects_by_network(scored)["row"].tolist() == [2]


def test_stored_answers_are_matched_to_a_data_set_by_its_classes(scored, shipped):
    from fer_core.evaluation.scored import score_split

    summary = load_summary(next(place for place in shipped_summaries() if place.name == "fer2013"))
    assert covers(score_split(shipped, shipped.card.default_rule, Split.TEST), summary)
    assert not covers(scored, summary)
