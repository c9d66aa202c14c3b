"""Alerts for carers: a state that has lasted raises one alert, until it is over.

Against chatter it has what alarms of plants have (ANSI/ISA-18.2): on-delay, off-delay and deadband. Each sample is
taken to hold until the next, so that 20 seconds are 20 seconds at any frame rate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto

import numpy as np

from fer_core.errors import FerError
from fer_core.labels import Emotion, LabelSet
from fer_core.results import ExpressionScores

LOWER = 0.75
"""Of the threshold: a probability under it is needed for an alert to end."""
ALERT_MAX_GAP = 1.5
"""Seconds for which a state may be interrupted, a face lost or frames fail to come before counting starts anew."""
ENDS_AFTER = 3.0
"""Seconds for which a state must be gone for its alert to end."""
MAX_UNSURE_SECONDS = 10.0
"""Seconds of unsure answers after which counting starts anew, or the alert ends."""
MAX_ALERTS_KEPT = 1000
"""Alerts that are kept."""
_ROUNDING = 1e-6  # seconds by which a sum of steps may miss


class AlertError(FerError):
    """A rule that cannot be kept or can never fire."""


class AlertSignal(StrEnum):
    """The state that a rule waits for."""

    EMOTIONS = "emotions"
    EYES_CLOSED = "eyes closed"
    NO_FACE = "no face"


class _Evidence(Enum):
    """Evidence of one frame for a rule and a person."""

    OVER = auto()
    BETWEEN = auto()  # too little to begin, too much to end
    UNDER = auto()
    UNSURE = auto()


@dataclass(frozen=True)
class AlertRule:
    """A state and the time for which it must last.

    Raises:
        AlertError: no time, a threshold that is no probability above 0, or emotions missing or out of place.
    """

    signal: AlertSignal
    seconds: float
    """For which it must have lasted."""
    emotions: tuple[Emotion, ...] = ()
    """Their probabilities are summed; empty for the other signals."""
    threshold: float = 0.6
    """Of that sum, in (0, 1]."""

    def __post_init__(self) -> None:
        if not 0 < self.seconds < np.inf:
            raise AlertError(f"An alert after {self.seconds:g} s is not possible, give a time above 0.")
        if not 0 < self.threshold <= 1:
            raise AlertError(f"A threshold of {self.threshold:.0%} is not possible, choose one above 0 and up to 100%.")
        if (self.signal is AlertSignal.EMOTIONS) is not bool(self.emotions):
            raise AlertError(
                "An alert on emotions names none, choose at least one."
                if self.signal is AlertSignal.EMOTIONS
                else f"An alert on {self.signal} names emotions, leave them out."
            )

    @property
    def title(self) -> str:
        """``sad, fear or angry over 60% for 20 s``, ``no face for 60 s``."""
        if self.signal is not AlertSignal.EMOTIONS:
            return f"{self.signal} for {self.seconds:g} s"
        *first, last = self.emotions
        names = f"{', '.join(first)} or {last}" if first else str(last)
        return f"{names} over {100 * self.threshold:g}% for {self.seconds:g} s"

    def check(self, label_set: LabelSet) -> None:
        """Whether a model of this label set could ever fire the rule.

        Raises:
            AlertError: the label set has none of the rule's emotions.
        """
        if self.emotions and not set(self.emotions) & set(label_set.emotions):
            raise AlertError(
                f"The rule waits for {' or '.join(self.emotions)}, but the model only knows "
                f"{', '.join(label_set.emotions)}: choose among these or another model."
            )

    def _evidence(
        self, people: Mapping[int, ExpressionScores], eyes_closed: Collection[int]
    ) -> dict[int | None, _Evidence]:
        if self.signal is AlertSignal.NO_FACE:
            return {None: _Evidence.UNDER if people else _Evidence.OVER}
        if self.signal is AlertSignal.EYES_CLOSED:
            return dict.fromkeys(eyes_closed, _Evidence.OVER)
        return {track: self._of_scores(scores) for track, scores in people.items()}

    def _of_scores(self, scores: ExpressionScores) -> _Evidence:
        if not scores.verdict().emotions:
            return _Evidence.UNSURE
        probability = sum(p for emotion, p in scores.ranked() if emotion in self.emotions)
        if probability >= self.threshold:
            return _Evidence.OVER
        return _Evidence.BETWEEN if probability >= LOWER * self.threshold else _Evidence.UNDER


DEFAULT_RULES = (
    AlertRule(AlertSignal.EMOTIONS, 20.0, (Emotion.SAD, Emotion.FEAR, Emotion.ANGRY)),
    AlertRule(AlertSignal.NO_FACE, 60.0),
)


@dataclass(frozen=True)
class Alert:
    """One episode in which a rule was met."""

    timestamp: float
    """When the rule was met, in seconds of the stream: its state had then lasted long enough."""
    rule: AlertRule
    track: int | None
    """Id of the person; None of a rule on missing faces."""
    ended: float | None = None
    """Time at which the state ended; None while it lasts."""


@dataclass
class _Episode:
    """A state of one person under one rule, with an alert or not yet."""

    evidence: _Evidence = _Evidence.OVER
    held: float = 0.0
    gone: float = 0.0
    unsure: float = 0.0
    left: float | None = None
    """Time since which the state is interrupted."""
    alert: int | None = None
    """Number of the alert, once it was raised."""

    def spend(self, start: float, step: float) -> bool:
        """Count a step with the last evidence; whether the episode goes on."""
        alerted = self.alert is not None
        if self.evidence is _Evidence.OVER or (self.evidence is _Evidence.BETWEEN and alerted):
            self.held += step
            self.gone = self.unsure = 0.0
            self.left = None
            return True
        if self.left is None:
            self.left = start
        if self.evidence is _Evidence.UNSURE:
            self.unsure += step
        else:
            self.gone += step
        longest = ENDS_AFTER if alerted else ALERT_MAX_GAP
        return self.gone < longest - _ROUNDING and self.unsure < MAX_UNSURE_SECONDS - _ROUNDING


class AlertWatch:
    """Fires every rule once per episode and person; not for two threads at once.

    Only frames in which the rule is met add to its time. An unsure answer pauses the count: it adds nothing, and neither
    fires nor ends an alert, but after :data:`MAX_UNSURE_SECONDS` of them counting starts anew. An episode ends when its
    state has been gone for :data:`ENDS_AFTER`: the probability fell under :data:`LOWER` of the threshold, or the person
    left. Memory is bounded by the people in view and :data:`MAX_ALERTS_KEPT`.

    Args:
        rules: that are watched; see :meth:`AlertRule.check` for whether a model can meet them.
    """

    def __init__(self, rules: Iterable[AlertRule] = DEFAULT_RULES) -> None:
        self.rules = tuple(rules)
        self._episodes: dict[tuple[int, int | None], _Episode] = {}
        self._last: float | None = None
        self._raised = 0
        self._log: dict[int, Alert] = {}

    @property
    def log(self) -> tuple[Alert, ...]:
        """The last alerts, :data:`MAX_ALERTS_KEPT` at most, in the order in which they fired."""
        return tuple(self._log.values())

    def update(
        self, timestamp: float, people: Mapping[int, ExpressionScores], eyes_closed: Collection[int] = ()
    ) -> list[Alert]:
        """Take one frame.

        Args:
            timestamp: seconds from the start of the stream. One that lies before the last begins a new stream: every
                episode ends, the log stays.
            people: by track, everyone who is seen.
            eyes_closed: tracks with closed eyes, without blinks.

        Returns:
            The alerts that fire with this frame.
        """
        last = timestamp if self._last is None else self._last
        step, self._last = timestamp - last, timestamp
        for key, episode in list(self._episodes.items()):
            if step > ALERT_MAX_GAP:
                episode.evidence = _Evidence.UNDER
            if step < 0 or not episode.spend(last, step):
                self._end(key, last if episode.left is None else episode.left)
        return [
            alert
            for number, rule in enumerate(self.rules)
            for alert in self._follow(number, rule._evidence(people, eyes_closed), timestamp)
        ]

    def _follow(self, number: int, seen: Mapping[int | None, _Evidence], timestamp: float) -> Iterable[Alert]:
        rule = self.rules[number]
        for track, evidence in seen.items():
            if evidence is _Evidence.OVER:
                self._episodes.setdefault((number, track), _Episode())
        for (of, track), episode in self._episodes.items():
            if of != number:
                continue
            episode.evidence = seen.get(track, _Evidence.UNDER)
            due = episode.alert is None and episode.held >= rule.seconds - _ROUNDING
            if due and episode.evidence is _Evidence.OVER:
                episode.alert = self._raised
                yield self._raise(Alert(timestamp, rule, track))

    def _raise(self, alert: Alert) -> Alert:
        self._log[self._raised] = alert
        self._log.pop(self._raised - MAX_ALERTS_KEPT, None)
        self._raised += 1
        return alert

    def _end(self, key: tuple[int, int | None], when: float) -> None:
        number = self._episodes.pop(key).alert
        if number in self._log:
            self._log[number] = replace(self._log[number], ended=when)
