"""Faces are found by every filter, in the order asked for, page by page, and travel as one picture."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fer_core.curation.browse import (
    SHEET_COLUMNS,
    FaceFilter,
    FaceOrder,
    Pages,
    agreement_of,
    cell_side,
    facts_of,
    find_rows,
    same_picture,
    sheet,
)
from fer_core.curation.summary import summarise
from fer_core.datasets.dataset import NO_LABEL, Split
from fer_core.errors import DatasetError
from fer_core.labels import FER2013, FER2013_FIVE, FERPLUS


def test_without_a_filter_every_row_is_found_in_its_order(dataset):
    assert find_rows(dataset, FaceFilter(FER2013)).tolist() == list(range(len(dataset)))


def test_classes_and_splits_are_both_asked_for(dataset):
    rows = find_rows(dataset, FaceFilter(FER2013, (0, 3), (Split.TEST, Split.VALIDATION)))
    assert set(dataset.labels[rows]) == {0, 3}
    assert set(dataset.splits[rows]) == {"test", "validation"}
    assert len(rows) == 2 * 2 * 8


def test_rows_that_a_label_set_has_no_class_for_can_be_asked_for(dataset):
    rows = find_rows(dataset, FaceFilter(FER2013_FIVE, (NO_LABEL,)))
    assert {str(FER2013.emotions[label]) for label in dataset.labels[rows]} == {"disgust", "fear"}


def test_classes_of_ferplus_need_votes(dataset):
    assert len(find_rows(dataset, FaceFilter(FERPLUS, (0,)))) == 24
    with pytest.raises(DatasetError, match="without FER"):
        find_rows(replace(dataset, votes=None), FaceFilter(FERPLUS, (0,)))


@pytest.mark.parametrize(("low", "high", "found"), [(0.8, 1.0, 166), (0.9, 1.0, 1), (0.0, 0.7, 1), (0.0, 1.0, 168)])
def test_agreement_is_a_range_with_both_ends_that_leaves_out_faces_nobody_voted_on(dataset, low, high, found):
    dataset.votes[0] = [0, 10, 0, 0, 0, 0, 0, 0, 0, 0]
    dataset.votes[1] = [0, 7, 3, 0, 0, 0, 0, 0, 0, 0]
    dataset.votes[2] = 0
    if low == 0.8:
        found = len(dataset) - 2  # all but the two that are less agreed on, or not voted on
    assert len(find_rows(dataset, FaceFilter(FER2013, agreement=(low, high)))) == found


def test_an_answer_that_is_no_emotion_counts_in_the_agreement():
    votes = np.array([[1, 2, 0, 0, 0, 0, 0, 0, 3, 4], [0] * 10], np.uint8)
    assert agreement_of(votes)[0] == pytest.approx(0.4)
    assert np.isnan(agreement_of(votes)[1])


def test_losses_filter_and_order_and_leave_out_what_is_not_known(dataset):
    losses = np.full(len(dataset), np.nan)
    losses[[5, 9, 40]] = [0.5, 3.0, 1.0]
    assert find_rows(dataset, FaceFilter(FER2013, loss=(0.5, 1.0)), losses).tolist() == [5, 40]
    assert find_rows(dataset, FaceFilter(FER2013, order=FaceOrder.LOSS), losses).tolist() == [9, 40, 5]
    assert find_rows(dataset, FaceFilter(FER2013, loss=(0.9, math.inf), order=FaceOrder.LOSS), losses).tolist() == [
        9,
        40,
    ]
    assert not len(find_rows(dataset, FaceFilter(FER2013, order=FaceOrder.LOSS)))
    assert len(find_rows(dataset, FaceFilter(FER2013), losses)) == len(dataset)


def test_the_most_disputed_face_comes_first_and_those_without_votes_last(dataset):
    dataset.votes[7] = 1
    dataset.votes[8] = 0
    rows = find_rows(dataset, FaceFilter(FER2013, order=FaceOrder.DISPUTED))
    assert (rows[0], rows[-1]) == (7, 8)


def test_pages_hold_every_row_once_and_end_with_the_last():
    pages = Pages(np.arange(100, 350), 120)
    assert pages.count == 3
    assert np.concatenate([pages.page(number) for number in (1, 2, 3)]).tolist() == list(range(100, 350))
    assert pages.page(9).tolist() == pages.page(3).tolist()
    assert Pages(np.empty(0, np.int64), 120).count == 1


@pytest.mark.parametrize("side", [48, 50])
def test_a_sheet_keeps_faces_apart(side):
    levels = np.tile([0, 255], 15).astype(np.uint8)
    images = np.broadcast_to(levels[:, None, None], (30, side, side))
    picture = cv2.imdecode(np.frombuffer(sheet(images), np.uint8), cv2.IMREAD_UNCHANGED)
    cell = cell_side(side)
    assert picture.shape == (2 * cell, SHEET_COLUMNS * cell)
    for face, level in enumerate(levels):
        top, left = face // SHEET_COLUMNS * cell, face % SHEET_COLUMNS * cell
        assert np.abs(picture[top : top + side, left : left + side].astype(int) - level).max() <= 2


def test_facts_name_the_label_in_every_view_and_what_the_audit_found(dataset):
    dataset.images[60] = dataset.images[1]
    dataset.images[5] = 0
    summary = summarise(dataset)
    facts = "; ".join(facts_of(dataset, summary, 1))
    assert "FER2013, seven classes: **disgust**" in facts
    assert "five classes (no disgust, no fear): **another class**" in facts
    assert "80% gave the most common answer; entropy of their votes 0.72 bits" in facts
    assert "The same picture: row 60 (validation, sad)" in facts
    assert same_picture(summary, 60).tolist() == [1]
    assert "Audit: nothing to learn from" in facts_of(dataset, summary, 5)
    assert not any(fact.startswith("Audit") for fact in facts_of(dataset, summary, 3))
