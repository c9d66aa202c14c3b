"""Smoothing means the same at every frame rate, follows changes and keeps noise out."""

from collections.abc import Callable

import numpy as np
import pytest

from fer_core.analysis.smoothing import TIME_CONSTANT_SECONDS, Smoother

HAPPY, SAD = np.array([0.9, 0.1, 0.0]), np.array([0.0, 0.1, 0.9])


def smoothed(signal: Callable[[float], np.ndarray], rate: float, seconds: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """Times and the smoothed samples of a signal at so many frames a second."""
    smoother, times = Smoother(), np.arange(round(seconds * rate)) / rate
    return times, np.stack([smoother.update(signal(time), time) for time in times])


def step_at(moment: float) -> Callable[[float], np.ndarray]:
    return lambda time: HAPPY if time < moment - 1e-9 else SAD


def swinging(time: float) -> np.ndarray:
    happy = 0.5 + 0.4 * np.sin(2 * np.pi * time / 2.5)
    return np.array([happy, 1 - happy])


@pytest.mark.parametrize(
    ("signal", "height"), [(step_at(2.0), 0.9), (step_at(2.04), 0.9), (step_at(2.09), 0.9), (swinging, 0.8)]
)
def test_the_same_signal_gives_the_same_curve_at_10_and_30_frames_a_second(signal: Callable, height: float) -> None:
    (_, slow), (_, fast) = smoothed(signal, 10), smoothed(signal, 30)
    assert np.abs(slow - fast[::3]).max() <= 0.05 * height


def test_uneven_frames_give_the_same_curve() -> None:
    times, even = smoothed(swinging, 30)
    kept = np.sort(np.random.default_rng(0).choice(len(times), 90, replace=False))
    kept[0] = 0
    smoother = Smoother()
    uneven = [smoother.update(swinging(time), time) for time in times[kept]]
    assert np.abs(uneven - even[kept]).max() <= 0.05


@pytest.mark.parametrize("rate", [8, 10, 15, 25, 30, 60])
def test_the_label_follows_a_step_within_half_a_second_wherever_it_falls_between_frames(rate: float) -> None:
    for moment in 2.0 + np.linspace(0, 1, 9) / rate:
        times, values = smoothed(step_at(moment), rate)
        followed = times[values.argmax(axis=1) == 2][0] - moment
        assert 0.2 < followed <= 0.5


def test_the_average_is_the_exponential_one() -> None:
    times, values = smoothed(step_at(2.0), 1000, seconds=4.0)
    after = times > 2.0
    expected = 0.9 * np.exp(-(times[after] - 2.0) / TIME_CONSTANT_SECONDS)
    assert values[after, 0] == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("rate", [10, 30])
def test_noise_that_alternates_between_frames_does_not_flip_the_label(rate: float) -> None:
    _, values = smoothed(lambda time: HAPPY if round(time * rate) % 2 else np.array([0.15, 0.1, 0.75]), rate)
    settled = values[2 * rate :]
    assert (settled.argmax(axis=1) == 0).all()
    assert np.ptp(settled[:, 0]) < 0.02


def test_random_noise_does_not_flip_the_label() -> None:
    rng = np.random.default_rng(0)
    _, values = smoothed(lambda time: rng.dirichlet([3, 1, 1]), 30, seconds=60)
    assert (values[30:].argmax(axis=1) == 0).all()


def test_probabilities_stay_probabilities_in_their_type() -> None:
    smoother, rng = Smoother(), np.random.default_rng(0)
    for time in np.cumsum(rng.exponential(0.1, 200)):
        value = smoother.update(rng.dirichlet(np.ones(7)).astype(np.float32), time)
        assert value.dtype == np.float32
        assert value.min() >= 0
        assert value.sum() == pytest.approx(1, abs=1e-6)


def test_a_time_constant_of_zero_leaves_every_vector_as_it_is() -> None:
    smoother = Smoother(0)
    assert smoother.update(HAPPY, 0.0).tolist() == HAPPY.tolist()
    assert smoother.update(SAD, 0.0).tolist() == SAD.tolist()
    assert smoother.update(HAPPY, 0.1).tolist() == HAPPY.tolist()


def test_the_strength_may_change_while_frames_come() -> None:
    smoother = Smoother(0)
    smoother.update(HAPPY, 0.0)
    smoother.time_constant = 1.0
    assert smoother.update(SAD, 0.1)[0] > 0.8
    smoother.time_constant = 0.0
    assert smoother.update(SAD, 0.2)[0] == 0


@pytest.mark.parametrize("timestamp", [10.0, -0.1, float("nan"), float("inf")])
def test_after_a_gap_or_on_another_clock_the_average_starts_anew(timestamp: float) -> None:
    smoother = Smoother()
    smoother.update(HAPPY, 0.0)
    assert smoother.update(SAD, timestamp).tolist() == SAD.tolist()


def test_a_gap_shorter_than_three_time_constants_is_bridged() -> None:
    for gap, anew in ((2.9, False), (3.1, True)):
        smoother = Smoother(0.5)
        smoother.update(HAPPY, 0.0)
        assert (smoother.update(SAD, gap * 0.5).tolist() == SAD.tolist()) is anew


def test_two_samples_of_one_moment_move_nothing() -> None:
    smoother = Smoother()
    smoother.update(HAPPY, 1.0)
    assert smoother.update(SAD, 1.0).tolist() == HAPPY.tolist()


def test_a_vector_of_another_length_starts_anew() -> None:
    smoother = Smoother()
    smoother.update(HAPPY, 0.0)
    assert smoother.update(np.array([0.5, 0.5]), 0.1).tolist() == [0.5, 0.5]


def test_what_the_caller_does_to_vectors_changes_no_average() -> None:
    smoother, sample = Smoother(), HAPPY.copy()
    smoother.update(sample, 0.0)[:] = 0
    sample[:] = 0
    assert smoother.update(HAPPY, 0.1).tolist() == pytest.approx(HAPPY.tolist())
