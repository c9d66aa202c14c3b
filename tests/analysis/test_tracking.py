"""Ids stay with people through misses and short absences at any frame rate, and nothing is kept of those who left."""

import numpy as np
import pytest

from fer_core.analysis.tracking import MAX_UNSEEN_SECONDS, FaceTracker
from fer_core.results import BoundingBox

SIDE = 60.0


def face(x: float, y: float = 100.0, side: float = SIDE) -> BoundingBox:
    return BoundingBox(x, y, side, side)


def walk(time: float) -> BoundingBox:
    """Someone who walks one and a half widths a second to the right."""
    return face(100 + 1.5 * SIDE * time)


@pytest.fixture
def tracker() -> FaceTracker:
    return FaceTracker()


def test_ids_go_with_places_whatever_the_order_of_the_boxes(tracker):
    assert tracker.update([face(0), face(300), face(600)], 0.0) == [1, 2, 3]
    assert tracker.update([face(602), face(1), face(299)], 0.04) == [3, 1, 2]
    assert tracker.alive == (1, 2, 3)


@pytest.mark.parametrize("rate", [10, 30])
def test_people_who_move_keep_their_ids_at_10_and_at_30_frames_a_second(tracker, rate):
    rng = np.random.default_rng(0)
    for step in range(6 * rate):
        now = step / rate
        swings = [(4 * np.sin(2 * np.pi * now / period), place) for period, place in ((5, 300), (7, 900))]
        boxes = [face(x * SIDE * 0.4 + place + rng.normal(0, 2), 100 + rng.normal(0, 2)) for x, place in swings]
        ids = tracker.update(boxes, now)
        assert ids == [1, 2]


def test_a_detector_that_misses_half_of_the_frames_ends_no_track(tracker):
    for step in range(100):
        found = [walk(step / 25)] if step % 2 == 0 else []
        assert tracker.update(found, step / 25) == [1] * len(found)


@pytest.mark.parametrize("rate", [10, 30])
def test_who_walks_on_behind_something_for_half_a_second_is_the_same_person(tracker, rate):
    for step in range(2 * rate):
        now = step / rate
        found = [] if 1.0 <= now < 1.5 else [walk(now)]
        assert tracker.update(found, now) == [1] * len(found)


def test_a_track_ends_when_unseen_for_longer_than_allowed_and_says_so_once():
    tracker = FaceTracker(max_unseen=0.5)
    tracker.update([face(0)], 0.0)
    tracker.update([], 0.25)
    tracker.update([], 0.5)
    assert (tracker.alive, tracker.ended) == ((1,), ())
    tracker.update([], 0.6)
    assert (tracker.alive, tracker.ended) == ((), (1,))
    assert tracker.update([face(0)], 0.7) == [2]
    assert tracker.ended == ()


def test_one_missed_frame_ends_no_track_however_far_apart_frames_are():
    tracker = FaceTracker(max_unseen=0.5)
    tracker.update([face(0)], 0.0)
    tracker.update([], 1.0)
    assert tracker.update([face(2)], 2.0) == [1]


def test_a_head_that_is_jerked_aside_by_half_its_width_keeps_its_id(tracker):
    for step in range(25):
        tracker.update([face(100)], step / 25)
    assert tracker.update([face(100 + SIDE / 2)], 1.0) == [1]


def test_a_face_far_from_every_forecast_is_someone_new(tracker):
    for step in range(10):
        tracker.update([face(100)], step / 25)
    assert tracker.update([face(100 + 8 * SIDE)], 0.4) == [2]
    assert tracker.update([face(100), face(100, 100, 4 * SIDE)], 0.44) == [1, 3], "size is part of a place"


@pytest.mark.parametrize(
    ("timestamp", "ids"),
    [
        (9.6, [1]),  # frames out of order
        (10.0, [1]),  # the same moment twice
        (9.4, [2]),  # the clock of another clip
        (12.9, [1]),
        (13.1, [2]),  # a seek, or a cut
        (float("nan"), [2]),
    ],
)
def test_a_clock_that_jumps_begins_a_new_clip_and_one_that_stumbles_does_not(tracker, timestamp, ids):
    for step in range(11):
        tracker.update([face(100)], 9.0 + step / 10)
    assert tracker.update([face(101)], timestamp) == ids
    assert tracker.ended == (() if ids == [1] else (1,))


def test_after_a_timestamp_that_is_no_number_the_stream_goes_on(tracker):
    tracker.update([face(100)], float("nan"))
    (first,) = tracker.update([face(100)], 5.0)
    assert tracker.update([face(102)], 5.04) == [first]


def test_nothing_grows_with_the_stream(tracker):
    ids, most = [0], 0
    for step, x in enumerate(np.random.default_rng(0).uniform(0, 100_000, 10_000)):  # each stays for one frame
        ids = tracker.update([face(x)], step / 5)
        most = max(most, len(tracker.alive))
    assert ids[0] > 9_000
    assert most <= MAX_UNSEEN_SECONDS * 5 + 2


def looks(*seeds: int) -> np.ndarray:
    """Crops of people, each of whom looks the same again."""
    blocks = [np.random.default_rng(seed).integers(0, 256, (6, 6)) for seed in seeds]
    return np.kron(blocks, np.ones((8, 8))).astype(np.uint8)


def meet(turn_back: bool, with_crops: bool) -> list[int]:
    """Ids of two who walk towards each other behind a pillar, where they pass or turn back within half a second."""
    tracker, ids = FaceTracker(), []
    for step in range(101):
        away = (50 - step) / 25 * SIDE
        away = abs(away) if turn_back else away
        if abs(away) <= SIDE / 4:
            tracker.update([], step / 25)
        else:
            people = [face(300 - away), face(300 + away, 104)]
            ids = tracker.update(people, step / 25, looks(1, 2) if with_crops else None)
    return ids


def test_crops_tell_whether_two_passed_or_turned_back_where_they_met():
    assert meet(turn_back=False, with_crops=True) == meet(turn_back=True, with_crops=True) == [1, 2]
    assert meet(turn_back=False, with_crops=False) == [1, 2]
    assert meet(turn_back=True, with_crops=False) == [2, 1], "by motion alone they would have passed"


def test_two_who_swap_places_unseen_are_told_apart_by_their_crops_alone(tracker):
    blind = FaceTracker()
    for step in range(25):
        tracker.update([face(100), face(220)], step / 25, looks(1, 2))
        blind.update([face(100), face(220)], step / 25)
    for step in range(25, 45):
        tracker.update([], step / 25)
        blind.update([], step / 25)
    assert tracker.update([face(100), face(220)], 1.8, looks(2, 1)) == [2, 1]
    assert blind.update([face(100), face(220)], 1.8) == [1, 2]


def test_looks_are_told_apart_in_brighter_and_in_darker_light(tracker):
    dark = (looks(2, 1) // 3 + 20).astype(np.uint8)
    for step in range(25):
        tracker.update([face(100), face(220)], step / 25, looks(1, 2))
    for step in range(25, 45):
        tracker.update([], step / 25)
    assert tracker.update([face(100), face(220)], 1.8, dark) == [2, 1]


@pytest.mark.parametrize(
    "edges", [(0, 0, 0, 50), (0, 0, 50, -1), (0, 0, np.nan, 50), (np.nan, 0, 50, 50), (0, np.inf, 50, 50)]
)
def test_a_box_that_is_nowhere_or_without_area_is_refused_and_the_stream_goes_on(tracker, edges):
    (known,) = tracker.update([face(100)], 0.0)
    with pytest.raises(ValueError, match="positive width and height"):
        tracker.update([BoundingBox(*edges)], 0.04)
    assert tracker.update([face(100)], 0.08) == [known]


@pytest.mark.parametrize(
    ("shape", "words"), [((2, 48, 48), "one crop for each of 1 boxes, got 2"), ((1, 48, 40), "square grey crops")]
)
def test_crops_that_do_not_fit_the_boxes_are_refused_and_no_id_is_lost(tracker, shape, words):
    with pytest.raises(ValueError, match=words):
        tracker.update([face(0)], 0.0, np.zeros(shape, np.uint8))
    assert tracker.update([face(0)], 0.0) == [1]
