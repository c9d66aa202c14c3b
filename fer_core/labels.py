"""Emotions, the label sets of the public data sets, and how one set is seen through another.

Orders are those of the data sets: FER2013 (Goodfellow et al. 2013), FER+ (Barsoum et al. 2016, without its two
columns that are no emotions), CK+ (Lucey et al. 2010, in the alphabetical order of its folders).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Emotion(StrEnum):
    """A facial expression class, named as FER2013 names it."""

    ANGRY = "angry"
    DISGUST = "disgust"
    FEAR = "fear"
    HAPPY = "happy"
    SAD = "sad"
    SURPRISE = "surprise"
    NEUTRAL = "neutral"
    CONTEMPT = "contempt"

    @property
    def colour(self) -> str:
        """Hex colour used for this emotion in every chart and overlay."""
        return _COLOURS[self]


# Okabe & Ito (2008), distinguishable with the common colour vision deficiencies; the grey stands for 'no expression'.
_COLOURS = {
    Emotion.ANGRY: "#D55E00",
    Emotion.DISGUST: "#009E73",
    Emotion.FEAR: "#CC79A7",
    Emotion.HAPPY: "#E69F00",
    Emotion.SAD: "#0072B2",
    Emotion.SURPRISE: "#56B4E9",
    Emotion.NEUTRAL: "#8A8F98",
    Emotion.CONTEMPT: "#7B4FA3",
}

_SYNONYMS = {
    "anger": Emotion.ANGRY,
    "disgusted": Emotion.DISGUST,
    "fearful": Emotion.FEAR,
    "afraid": Emotion.FEAR,
    "happiness": Emotion.HAPPY,
    "joy": Emotion.HAPPY,
    "sadness": Emotion.SAD,
    "surprised": Emotion.SURPRISE,
    "calm": Emotion.NEUTRAL,
}


def parse_emotion(word: str) -> Emotion:
    """The emotion a folder name or column heading means (``Happiness`` -> ``Emotion.HAPPY``).

    Raises:
        ValueError: the word names no known emotion.
    """
    key = word.strip().lower()
    if key in _SYNONYMS:
        return _SYNONYMS[key]
    return Emotion(key)


@dataclass(frozen=True)
class LabelSet:
    """An ordered set of emotions that a network's outputs or a data set's labels refer to."""

    name: str
    title: str
    emotions: tuple[Emotion, ...]

    def __len__(self) -> int:
        return len(self.emotions)

    @property
    def names(self) -> tuple[str, ...]:
        """The emotions as plain strings."""
        return tuple(str(emotion) for emotion in self.emotions)

    def index(self, emotion: Emotion) -> int:
        """Position of an emotion in this set; raises ``ValueError`` if the set lacks it."""
        return self.emotions.index(emotion)

    def indices_in(self, other: LabelSet) -> np.ndarray:
        """Column of each of this set's emotions in another set: ``(len(self),) int64``, -1 where it lacks one."""
        return np.array([other.emotions.index(e) if e in other.emotions else -1 for e in self.emotions])


FER2013 = LabelSet(
    "fer2013",
    "FER2013, seven classes",
    (
        Emotion.ANGRY,
        Emotion.DISGUST,
        Emotion.FEAR,
        Emotion.HAPPY,
        Emotion.SAD,
        Emotion.SURPRISE,
        Emotion.NEUTRAL,
    ),
)
FER2013_FIVE = LabelSet(
    "fer2013-five",
    "FER2013, five classes (no disgust, no fear)",
    (Emotion.ANGRY, Emotion.HAPPY, Emotion.SAD, Emotion.SURPRISE, Emotion.NEUTRAL),
)
FERPLUS = LabelSet(
    "ferplus",
    "FER+, eight classes",
    (
        Emotion.NEUTRAL,
        Emotion.HAPPY,
        Emotion.SURPRISE,
        Emotion.SAD,
        Emotion.ANGRY,
        Emotion.DISGUST,
        Emotion.FEAR,
        Emotion.CONTEMPT,
    ),
)
CKPLUS = LabelSet(
    "ckplus",
    "CK+, seven classes",
    (
        Emotion.ANGRY,
        Emotion.CONTEMPT,
        Emotion.DISGUST,
        Emotion.FEAR,
        Emotion.HAPPY,
        Emotion.SAD,
        Emotion.SURPRISE,
    ),
)

LABEL_SETS = {label_set.name: label_set for label_set in (FER2013, FER2013_FIVE, FERPLUS, CKPLUS)}


def restrict(probabilities: np.ndarray, source: LabelSet, target: LabelSet) -> np.ndarray:
    """Probabilities over ``source`` conditioned on the answer being in ``target``.

    Args:
        probabilities: ``(..., len(source))``, each row summing to one.
        source: the set the columns refer to.
        target: the set wanted, a subset of ``source``.

    Returns:
        ``(..., len(target))``, each row summing to one.

    Raises:
        ValueError: ``target`` holds an emotion that ``source`` lacks.
    """
    columns = target.indices_in(source)
    if (columns < 0).any():
        missing = [str(e) for e, c in zip(target.emotions, columns, strict=True) if c < 0]
        raise ValueError(f"{source.name} has no {', '.join(missing)}, so it cannot answer for {target.name}")
    kept = probabilities[..., columns]
    return kept / np.maximum(kept.sum(axis=-1, keepdims=True), np.finfo(kept.dtype).tiny)
