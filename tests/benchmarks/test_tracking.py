"""The measure counts by hand-made cases; on clips of real faces ids stay with their people."""

from functools import cache

import numpy as np
import pytest

from benchmarks import tracking as tracking_benchmark
from benchmarks.tracking import (
    HIDING_SECONDS,
    PEOPLE,
    ClipFrame,
    Motion,
    follow,
    identity_score,
    make_clip,
    sample_faces,
    times_lost,
    tracking_table,
    video_table,
)
from fer_core.results import BoundingBox

LEFT, RIGHT = BoundingBox(0, 0, 50, 50), BoundingBox(200, 0, 50, 50)


@cache
def clip(motion: Motion, people: int) -> list[ClipFrame]:
    return list(make_clip(motion, people, sample_faces(), seconds=8))


@pytest.mark.parametrize(("motion", "most_switches"), [(Motion.PLAIN, 0), (Motion.CROSSING, 1)])
@pytest.mark.parametrize("people", PEOPLE)
def test_two_five_and_ten_people_keep_their_ids(motion, most_switches, people):
    truth = [clip_frame.truth for clip_frame in clip(motion, people)]
    assert times_lost(truth) >= people // 2, "people hide, or are hidden by others"
    score = identity_score(truth, follow(clip(motion, people)))
    assert score.switches <= most_switches
    assert score.id_f1 > (0.97 if motion == Motion.PLAIN else 0.9)


def test_people_hide_for_half_a_second_and_some_found_faces_are_missed():
    clip_frames = clip(Motion.PLAIN, 2)
    unseen = "".join(" " if 1 in clip_frame.truth else "-" for clip_frame in clip_frames).strip("-").split()
    assert [len(run) / 25 for run in unseen] == pytest.approx([HIDING_SECONDS] * len(unseen), abs=0.04)
    assert unseen
    in_sight, found = (
        sum(len(clip_frame.truth) for clip_frame in clip_frames),
        sum(len(clip_frame.boxes) for clip_frame in clip_frames),
    )
    assert 0.94 < found / in_sight < 1
    assert all(clip_frame.crops.shape == (len(clip_frame.boxes), 48, 48) for clip_frame in clip_frames)


def test_a_clip_is_made_again_from_its_seed():
    first, again, other = ([*make_clip(Motion.CROSSING, 2, sample_faces(), seed, 0.4)] for seed in (1, 1, 2))
    assert [clip_frame.boxes for clip_frame in first] == [clip_frame.boxes for clip_frame in again]
    np.testing.assert_array_equal(first[3].crops, again[3].crops)
    assert [clip_frame.boxes for clip_frame in first] != [clip_frame.boxes for clip_frame in other]


def test_ids_that_are_swapped_once_are_a_switch_of_each_person_and_halve_id_f1():
    truth = [{0: LEFT, 1: RIGHT}] * 4
    found = [{7: LEFT, 8: RIGHT}] * 2 + [{8: LEFT, 7: RIGHT}] * 2
    score = identity_score(truth, found)
    assert (score.switches, score.id_f1) == (2, 0.5)


def test_a_person_who_comes_back_under_another_id_is_a_switch_and_under_their_own_is_none():
    truth = [{0: LEFT}, {}, {0: LEFT}]
    assert identity_score(truth, [{1: LEFT}, {}, {2: LEFT}]).switches == 1
    assert identity_score(truth, [{1: LEFT}, {}, {1: LEFT}]).switches == 0


def test_whose_box_it_was_in_the_last_frame_keeps_it_though_another_lies_nearer():
    nearer, farther = BoundingBox(1, 0, 50, 50), BoundingBox(8, 0, 50, 50)
    assert identity_score([{0: LEFT}] * 2, [{1: farther}, {1: farther, 2: nearer}]).switches == 0


def test_missed_and_false_boxes_lower_id_f1_and_are_no_switches():
    score = identity_score([{0: LEFT}] * 4, [{1: LEFT}, {}, {1: LEFT, 2: RIGHT}, {1: RIGHT}])
    assert (score.switches, score.id_f1) == (0, pytest.approx(2 * 2 / (4 + 4)))
    assert identity_score([{}], [{}]).id_f1 == 1


def test_the_table_has_a_row_for_each_motion_and_number_of_people(monkeypatch):
    monkeypatch.setattr(tracking_benchmark, "PEOPLE", (2,))
    monkeypatch.setattr(tracking_benchmark, "SECONDS", 1.0)
    header, *rows = tracking_table().splitlines()
    assert "switches" in header
    assert [row.split()[:3] for row in rows] == [["plain", "2", "25"], ["crossing", "2", "25"]]


def test_a_film_of_one_face_is_one_long_track(tmp_path, photo):
    from fer_core.media.video_writer import write_video

    video = tmp_path / "film.mp4"
    write_video(video, [np.roll(photo, 3 * step, axis=1) for step in range(20)], fps=10)
    names, row = video_table(video).splitlines()
    assert names.split()[:3] == ["film", "frames", "tracks"]
    assert row.split()[:6] == ["film.mp4", "20", "1", "1.9", "0", "1"]
