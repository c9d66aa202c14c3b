"""Training settings as data: what a run does is read off its recipe alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from fer_core.datasets.augmentation import Augmentation
from fer_core.emotions import FER2013, FERPLUS, LABEL_SETS, LabelSet
from fer_core.errors import ModelError


@dataclass(frozen=True)
class Recipe:
    """Every choice of a training run."""

    architecture: str
    epochs: int
    batch_size: int = 128
    heads: tuple[str, ...] = (FER2013.name, FERPLUS.name)
    """Label sets with a head of their own on the shared features; the first is the main one."""
    head_weights: tuple[float, ...] = (1.0, 1.0)
    label_smoothing: float = 0.1
    """Of the heads with one label a face; a head trained on votes has soft labels already."""
    class_weight_power: float = 0.0
    """Faces weigh (1 / class share) to this power: 0 is plain, 1 balances the classes, 0.5 is between
    (Mahajan et al. 2018, arXiv:1805.00932, sec. 2.2)."""
    peak_learning_rate: float = 0.1
    warm_up: float = 0.15
    """Share of the steps over which the rate rises to its peak; it then falls along a cosine to zero
    (one-cycle, Smith & Topin 2017, arXiv:1708.07120)."""
    momentum: float = 0.9
    weight_decay: float = 5e-3
    """Decoupled (Loshchilov & Hutter 2019, arXiv:1711.05101): the share of a kernel lost per step at rate 1."""
    average_momentum: float = 0.998
    """Of the moving average of the weights, which is what is evaluated and kept."""
    mixed_precision: bool = True
    sizes: tuple[tuple[float, int], ...] = ((0.0, 48),)
    """Progressive resizing (Tan & Le 2021, arXiv:2104.00298, sec. 4): from a share of the epochs on, the side of
    the training images in pixels. Small images cost less, and come first."""
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """The heads as label sets."""
        return tuple(LABEL_SETS[name] for name in self.heads)

    def size_at(self, epoch: int) -> int:
        """Side of the training images in an epoch, counted from 0."""
        return max((start, size) for start, size in self.sizes if epoch >= start * self.epochs - 1e-9)[1]

    def learning_rate_at(self, progress: float) -> float:
        """Learning rate at a share of all steps in [0, 1]."""
        floor = self.peak_learning_rate / 25
        if progress < self.warm_up:
            return floor + (self.peak_learning_rate - floor) * progress / self.warm_up
        rest = (progress - self.warm_up) / (1 - self.warm_up)
        return self.peak_learning_rate * (1 + math.cos(math.pi * min(rest, 1.0))) / 2


STRONG_AUGMENTATION = Augmentation(
    rotation=15, zoom=0.15, shift=0.1, flip=0.5, brightness=0.15, contrast=0.3, erasing=0.3
)

RECIPES: dict[str, Recipe] = {
    # Two cores: about an hour and a half. Faces grow from 32 to 48 pixels as the rate falls.
    "senet": Recipe(
        architecture="senet",
        epochs=42,
        class_weight_power=0.5,
        sizes=((0.0, 32), (0.4, 40), (0.7, 48)),
        augmentation=STRONG_AUGMENTATION,
    ),
    "cnn4": Recipe(
        architecture="cnn4",
        epochs=40,
        peak_learning_rate=0.05,
        augmentation=STRONG_AUGMENTATION,
    ),
}


def get_recipe(name: str) -> Recipe:
    """The recipe called ``name``; raises :class:`ModelError` if there is none."""
    if name not in RECIPES:
        raise ModelError(f"There is no recipe {name!r}; known are {', '.join(sorted(RECIPES))}.")
    return RECIPES[name]
