"""Looks are followed per person, in turns, and moved along between turns."""

import cv2
import numpy as np
import pytest

from fer_core.analysis.frame import AttributeLevel
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.analysis.scheduling import Interval, Scheduler
from fer_core.analysis.stream import StreamMemory


@pytest.fixture(scope="module")
def analyser() -> FrameAnalyser:
    return FrameAnalyser.from_store(["senet"])


def test_without_being_asked_nobody_looks(analyser, photo):
    assert [face.attributes for face in analyser.analyse(photo)] == [None]


def test_of_a_photo_pose_and_gaze_are_told_and_nothing_that_takes_time(analyser, photo):
    (face,) = analyser.analyse(photo, attribute_level=AttributeLevel.ATTENTION)
    assert abs(face.attributes.pose.yaw) < 15
    assert face.attributes.gaze is not None
    assert face.attributes.openness > 0.5
    assert (face.attributes.perclos, face.attributes.attention) == (None, None)


def test_in_a_stream_attention_is_followed_where_it_is_asked_for(analyser, photo):
    memory = StreamMemory()
    states = [
        analyser.analyse(photo, frame / 10, memory, AttributeLevel.ATTENTION).faces[0].attributes.attention
        for frame in range(8)
    ]
    assert str(states[-1]) == "attending"
    assert analyser.analyse(photo, 0.9, memory, AttributeLevel.LANDMARKS).faces[0].attributes.attention is None


def test_landmarks_move_with_the_face_while_others_have_their_turn(analyser, photo):
    wide = np.zeros((1024, 1536, 3), np.uint8)
    memory = StreamMemory(scheduled=True)
    for frame in range(12):
        picture = wide.copy()
        for column in range(3):
            for row in range(2):
                left = 512 * column + (4 * frame if column < 2 else 0)
                picture[512 * row : 512 * row + 512, left : left + 512] = photo
        analysis = analyser.analyse(picture, frame / 25, memory, AttributeLevel.LANDMARKS)
    assert len(analysis) == 6
    read = {
        face.box: face.attributes.landmarks.points
        for face in analyser.analyse(picture, attribute_level=AttributeLevel.LANDMARKS)
    }
    for face in analysis:
        away = np.linalg.norm(face.attributes.landmarks.points[:, :2] - read[face.box][:, :2], axis=1)
        assert np.median(away) < 0.08 * face.box.width


def test_a_turn_comes_at_least_as_often_as_promised_and_not_more_often():
    scheduler = Scheduler(Interval(shortest=0.1, longest=0.3, per_frame=1))
    tracks = [1, 2, 3, 4]
    seen: dict[int, list[float]] = {track: [] for track in tracks}
    for frame in range(90):
        taken = scheduler.due(tracks, frame / 30)
        for track, mine in zip(tracks, taken, strict=True):
            if mine:
                seen[track].append(frame / 30)
    for times in seen.values():
        assert 0.1 - 1e-6 <= np.diff(times).min() <= np.diff(times).max() <= 0.3 + 1e-6


@pytest.mark.parametrize("rate", [1, 5])
def test_in_a_slow_stream_everyone_has_their_turn_in_every_frame(rate):
    scheduler = Scheduler(Interval(shortest=1 / 16, longest=0.2, per_frame=1))
    assert all(all(scheduler.due([1, 2, 3], frame / rate)) for frame in range(20))


def test_a_clock_that_goes_back_keeps_nobody_waiting():
    scheduler = Scheduler(Interval(shortest=1 / 16, longest=0.2, per_frame=1))
    scheduler.due([1, 2], 100.0)
    assert scheduler.due([1, 2], 3.0) == [True, True]


def test_near_people_are_followed_by_a_quick_look_and_newcomers_are_found_by_the_next_wide_one(analyser, photo):
    calls = []

    class Spy:
        def __init__(self, detector, name):
            self.detector, self.name = detector, name
            self.framing = detector.framing

        def detect(self, frame):
            calls.append(self.name)
            return self.detector.detect(frame)

    spied = FrameAnalyser(Spy(analyser.detector, "wide"), analyser.classifiers, near=Spy(analyser._near, "near"))
    alone = photo[:400, 60:460].copy()
    joined = alone.copy()
    joined[300:400, 300:400] = cv2.resize(photo[20:250, 110:340], (100, 100), interpolation=cv2.INTER_AREA)
    memory = StreamMemory(scheduled=True)
    found = [len(spied.analyse(alone if frame < 12 else joined, frame / 25, memory)) for frame in range(24)]
    assert found[:12] == [1] * 12
    assert calls[:8] == ["wide"] + ["near"] * 7
    assert found[-1] == 2, "someone far away is found within a third of a second"
    calls.clear()
    for frame in range(24, 30):
        spied.analyse(joined, frame / 25, memory)
    assert calls == ["wide"] * 6, "while someone is far away every frame is looked at as a whole"
    calls.clear()
    for frame in range(5):
        spied.analyse(alone, frame / 25, StreamMemory())
    assert calls == ["wide"] * 5, "only streams are looked at thriftily"


def test_a_near_face_that_turns_its_back_is_looked_for_in_the_whole_frame(analyser, photo):
    memory = StreamMemory(scheduled=True)
    assert len(analyser.analyse(photo, 0.0, memory)) == 1
    assert len(analyser.analyse(np.zeros_like(photo), 0.04, memory)) == 0
    assert len(analyser.analyse(photo, 0.08, memory)) == 1
