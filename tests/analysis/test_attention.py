"""Attention follows head, eyes and lids at any frame rate, lets glances and blinks pass, and learns a person's own pitch."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from fer_core.analysis.attention import NOTICE, Attention, AttentionInterval, AttentionWatch
from fer_core.vision.gaze import Gaze
from fer_core.vision.head_pose import HeadPose

NEUTRAL = -6.0
AttributeLevel = tuple[HeadPose | None, Gaze | None, float | None]


def head(yaw: float = 0.0, down: float = 0.0, at: tuple[float, float, float] = (0.0, 0.0, 60.0)) -> HeadPose:
    return HeadPose(yaw, NEUTRAL - down, 0.0, np.eye(3), np.array(at))


def frames(watch: AttentionWatch, start: float, seconds: float, *look: object, rate: float = 10) -> list[Attention]:
    times = start + np.arange(round(seconds * rate)) / rate
    return [watch.update(float(time), *look) for time in times]


def watching(act: Callable[[float], AttributeLevel], seconds: float, rate: float) -> AttentionWatch:
    watch = AttentionWatch()
    for frame in range(round(seconds * rate)):
        watch.update(frame / rate, *act(frame / rate))
    return watch


@pytest.mark.parametrize(
    ("pose", "state"),
    [
        (head(yaw=20.9), Attention.ATTENDING),
        (head(yaw=21.1), Attention.RIGHT),
        (head(yaw=-20.9), Attention.ATTENDING),
        (head(yaw=-21.1), Attention.LEFT),
        (head(down=17.4), Attention.ATTENDING),
        (head(down=17.6), Attention.DOWN),
        (head(down=-17.4), Attention.ATTENDING),
        (head(down=-17.6), Attention.UP),
        (head(yaw=25, down=40), Attention.DOWN),
        (head(yaw=40, down=20), Attention.RIGHT),
    ],
)
def test_a_head_alone_is_away_from_30_degrees_of_gaze_aside_or_25_up_or_down(pose: HeadPose, state: Attention) -> None:
    assert AttentionWatch().update(0.0, pose) is state


@pytest.mark.parametrize(
    ("pose", "gaze", "state"),
    [
        (head(), Gaze(59, 0), Attention.ATTENDING),
        (head(), Gaze(61, 0), Attention.RIGHT),
        (head(yaw=25), Gaze(0, 0), Attention.ATTENDING),
        (head(down=15), Gaze(0, -30), Attention.DOWN),
        (head(down=15), Gaze(0, 0), Attention.ATTENDING),
    ],
)
def test_head_and_eyes_count_half_each(pose: HeadPose, gaze: Gaze, state: Attention) -> None:
    assert AttentionWatch().update(0.0, pose, gaze) is state


def test_angles_count_from_the_line_to_the_camera_wherever_in_the_frame_someone_is() -> None:
    edge = (36.0, 0.0, 60.0)
    towards = head(at=edge).towards_camera()[0]
    assert AttentionWatch().update(0.0, head(towards, at=edge), Gaze(towards, 0)) is Attention.ATTENDING
    assert AttentionWatch().update(0.0, head(0, at=edge), Gaze(0, 0)) is Attention.RIGHT
    above = (0.0, -36.0, 60.0)
    towards = head(at=above).towards_camera()[1]
    facing = head(down=-towards, at=above)
    assert AttentionWatch().update(0.0, facing, Gaze(0, towards)) is Attention.ATTENDING
    assert AttentionWatch().update(0.0, head(0, at=above), Gaze(0, 0)) is Attention.UP
    assert frames(AttentionWatch(), 0, 3, facing, None, 0.1)[-1] is Attention.EYES_CLOSED


@pytest.mark.parametrize(
    ("away", "inside", "back", "state"),
    [
        (head(yaw=30), head(yaw=16), head(yaw=15), Attention.RIGHT),
        (head(yaw=-30), head(yaw=-16), head(yaw=-15), Attention.LEFT),
        (head(down=30), head(down=13), head(down=12), Attention.DOWN),
        (head(down=-30), head(down=-13), head(down=-12), Attention.UP),
    ],
)
def test_who_looks_away_is_back_only_within_smaller_angles(
    away: HeadPose, inside: HeadPose, back: HeadPose, state: Attention
) -> None:
    watch = AttentionWatch()
    frames(watch, 0, 3, away)
    assert frames(watch, 3, 3, inside)[-1] is state
    assert frames(watch, 6, 3, back)[-1] is Attention.ATTENDING
    assert frames(watch, 9, 3, inside)[-1] is Attention.ATTENDING


@pytest.mark.parametrize("rate", [10, 30])
@pytest.mark.parametrize("yaw", [30, 50, 80])
def test_a_glance_passes_and_a_look_of_a_second_is_told(rate: float, yaw: float) -> None:
    for seconds, told in ((0.6, False), (1.0, True)):
        watch = AttentionWatch()
        frames(watch, 0, 2, head(), rate=rate)
        during = frames(watch, 2, seconds, head(yaw), rate=rate)
        after = frames(watch, 2 + seconds, 3, head(), rate=rate)
        assert (Attention.RIGHT in during + after) is told
        assert after[-1] is Attention.ATTENDING


@pytest.mark.parametrize("rate", [10, 30])
def test_eyes_that_jitter_from_frame_to_frame_hide_no_look_aside(rate: float) -> None:
    watch = AttentionWatch()
    states = [watch.update(i / rate, head(28), Gaze(50 if i % 2 else 0, 0)) for i in range(3 * round(rate))]
    assert states[-1] is Attention.RIGHT
    states = [watch.update(3 + i / rate, head(0), Gaze(55 if i % 2 else -55, 0)) for i in range(3 * round(rate))]
    assert states[-1] is Attention.ATTENDING


@pytest.mark.parametrize("rate", [5, 10, 30])
def test_blinks_never_count_as_closed_eyes_and_sleep_does_after_a_second(rate: float) -> None:
    for seconds, told in ((0.2, False), (0.8, False), (1.3, True)):
        watch = AttentionWatch()
        frames(watch, 0, 2, head(), None, 1.0, rate=rate)
        during = frames(watch, 2, seconds, head(), None, 0.1, rate=rate)
        after = frames(watch, 2 + seconds, 2, head(), None, 1.0, rate=rate)
        assert (Attention.EYES_CLOSED in during + after) is told
        assert after[-1] is Attention.ATTENDING


def test_eyes_close_under_a_fifth_and_open_above_a_third() -> None:
    watch = AttentionWatch()
    assert frames(watch, 0, 3, head(), None, 0.25)[-1] is Attention.ATTENDING
    assert frames(watch, 3, 3, head(), None, 0.15)[-1] is Attention.EYES_CLOSED
    assert frames(watch, 6, 3, head(), None, 0.30)[-1] is Attention.EYES_CLOSED
    assert frames(watch, 9, 0.3, head(), None, 0.9)[-1] is Attention.EYES_CLOSED
    assert frames(watch, 9.3, 3, head(), None, 0.1)[-1] is Attention.EYES_CLOSED
    assert frames(watch, 12.3, 3, head(), None, 0.40)[-1] is Attention.ATTENDING


def test_lids_of_a_head_bent_far_down_do_not_count_unless_they_closed_before() -> None:
    assert frames(AttentionWatch(), 0, 3, head(down=40), None, 0.1)[-1] is Attention.DOWN
    assert frames(AttentionWatch(), 0, 3, head(down=25), None, 0.1)[-1] is Attention.EYES_CLOSED
    nodding = AttentionWatch()
    frames(nodding, 0, 3, head(), None, 0.1)
    assert frames(nodding, 3, 3, head(down=40), None, 0.1)[-1] is Attention.EYES_CLOSED


def test_who_is_not_seen_for_two_seconds_is_absent_whether_frames_come_or_not() -> None:
    watch = AttentionWatch()
    assert watch.state_at(0) is Attention.ABSENT
    frames(watch, 0, 1.1, head())
    assert watch.state_at(2.9) is Attention.ATTENDING
    assert watch.state_at(3.1) is Attention.ABSENT
    assert watch.update(2.9, None) is Attention.ATTENDING
    assert watch.update(3.1, None) is Attention.ABSENT
    frames(watch, 5, 1.1, head(50))
    assert [(interval.start, interval.end, interval.state) for interval in watch.intervals(9.0)] == [
        (0, 1, Attention.ATTENDING),
        (1, 5, Attention.ABSENT),
        (5, 6, Attention.RIGHT),
        (6, 9, Attention.ABSENT),
    ]


def test_a_gap_without_frames_is_an_absence_too() -> None:
    watch = AttentionWatch()
    watch.update(0.0, head())
    watch.update(1.9, head())
    watch.update(4.0, head())
    assert [interval.state for interval in watch.intervals(4.5)] == [
        Attention.ATTENDING,
        Attention.ABSENT,
        Attention.ATTENDING,
    ]


def zero_at(pitch: float) -> HeadPose:
    return HeadPose(0.0, pitch, 0.0, np.eye(3), np.array([0.0, 0.0, 60.0]))


@pytest.mark.parametrize("own", [-15.0, NEUTRAL, 3.0])
def test_after_three_minutes_looks_count_from_the_persons_own_pitch(own: float) -> None:
    watch = AttentionWatch()
    frames(watch, 0, 180, zero_at(own), Gaze(0, own - NEUTRAL))
    assert frames(watch, 180, 2, zero_at(own - 14), Gaze(0, own - NEUTRAL - 14))[-1] is Attention.ATTENDING
    assert frames(watch, 182, 2, zero_at(own - 23), Gaze(0, own - NEUTRAL - 23))[-1] is Attention.DOWN


def test_a_persons_own_pitch_is_learnt_slowly() -> None:
    watch = AttentionWatch()
    frames(watch, 0, 10, zero_at(NEUTRAL + 9))
    assert watch.update(10, zero_at(NEUTRAL - 16)) is Attention.ATTENDING
    assert frames(watch, 10.1, 2, zero_at(NEUTRAL - 15))[-1] is Attention.ATTENDING


def test_looking_down_for_long_is_not_learnt() -> None:
    phone = AttentionWatch()
    assert set(frames(phone, 0, 600, head(down=30), Gaze(0, -35), rate=5)) == {Attention.DOWN}
    paper = AttentionWatch()
    frames(paper, 0, 600, head(down=12), rate=5)
    assert frames(paper, 600, 2, head(down=28))[-1] is Attention.DOWN
    assert frames(paper, 602, 2, head(down=0))[-1] is Attention.ATTENDING
    asleep = AttentionWatch()
    frames(asleep, 0, 600, head(down=10), None, 0.0, rate=5)
    assert frames(asleep, 600, 2, head(down=20), None, 1.0)[-1] is Attention.DOWN


def office(time: float) -> AttributeLevel:
    """Forty seconds with everything in them, glances and blinks included."""
    moment = time % 40
    openness = 0.05 if 30 <= moment < 33 or moment % 4 < 0.15 else 1.0
    gaze = None if openness < 0.2 else Gaze(0, 0)
    if 5 <= moment < 9:
        return head(35), gaze and Gaze(45, 0), openness
    if 14 <= moment < 14.45 or 22 <= moment < 22.4:
        return head(-40), gaze and Gaze(-40, 0), openness
    if 16 <= moment < 20:
        return head(down=30), gaze and Gaze(0, -30), openness
    if 25 <= moment < 29:
        return None, None, None
    return head(), gaze, openness


def test_the_same_behaviour_gives_the_same_spells_at_10_and_30_frames_a_second() -> None:
    slow, fast = (watching(office, 60, rate).intervals(60) for rate in (10, 30))
    assert [interval.state for interval in slow] == [interval.state for interval in fast]
    assert [interval.state for interval in slow][:7] == [
        Attention.ATTENDING,
        Attention.RIGHT,
        Attention.ATTENDING,
        Attention.DOWN,
        Attention.ATTENDING,
        Attention.ABSENT,
        Attention.ATTENDING,
    ]
    assert [interval.start for interval in slow] == pytest.approx([interval.start for interval in fast], abs=0.2)


@pytest.mark.parametrize("rate", [10, 30])
def test_noisy_gaze_makes_no_one_look_away(rate: float) -> None:
    rng = np.random.default_rng(0)

    def reading(time: float) -> AttributeLevel:
        # Half within 5 degrees of yaw and 3 of pitch, which is 0.67 standard deviations; the text goes up and down.
        gaze = Gaze(float(rng.normal(10 * np.sin(time), 7.4)), float(rng.normal(-8, 4.4)))
        return head(float(rng.normal(3 * np.sin(time), 2)), float(rng.normal(4, 2))), gaze, 1.0

    assert [interval.state for interval in watching(reading, 60, rate).intervals(60)] == [Attention.ATTENDING]


def test_spells_follow_each_other_without_gaps_and_shares_are_their_lengths() -> None:
    watch = watching(office, 300, 10)
    intervals = watch.intervals(300)
    assert (intervals[0].start, intervals[-1].end) == (240, 300)
    assert all(one.end == other.start and one.state != other.state for one, other in pairwise(intervals))
    shares = watch.shares(300)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[Attention.DOWN] == pytest.approx(8 / 60, abs=0.01)
    assert watch.shares(300, 10)[Attention.ATTENDING] == pytest.approx(0.6, abs=0.03)


def test_totals_count_the_whole_stream_while_memory_stays_small() -> None:
    watch = watching(office, 400, 10)
    totals = watch.totals(400)
    assert sum(totals.values()) == pytest.approx(400)
    assert totals[Attention.DOWN] == pytest.approx(10 * 4, abs=2)
    assert totals[Attention.EYES_CLOSED] == pytest.approx(10 * 3, abs=2)
    assert totals[Attention.ABSENT] == pytest.approx(10 * 4, abs=2)
    assert len(watch._intervals) < 30


def test_nothing_is_told_before_the_first_frame() -> None:
    watch = AttentionWatch()
    assert watch.intervals(5) == []
    assert set(watch.shares(5).values()) == set(watch.totals(5).values()) == {0.0}


def test_a_clock_that_goes_backwards_starts_anew() -> None:
    watch = AttentionWatch()
    frames(watch, 100, 60, zero_at(NEUTRAL + 9))
    assert watch.update(0.0, head(40)) is Attention.RIGHT
    assert watch.intervals(1.0) == [AttentionInterval(0.0, 1.0, Attention.RIGHT)]
    assert watch.totals(1.0)[Attention.ATTENDING] == 0
    assert AttentionWatch().update(0.0, head(down=17)) is watch.update(-1.0, head(down=17)) is Attention.ATTENDING


def test_the_notice_names_the_law_and_says_it_is_a_guess() -> None:
    for words in ("(EU) 2024/1689", "Article 5(1)(f)", "Article 50(3)", "medical or safety", "guess"):
        assert words in NOTICE
