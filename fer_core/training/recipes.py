"""Training settings as data: a recipe says everything that a run does.

For each family there is one strong common recipe, sized for two cores, and the authors' own settings if they published
them. :func:`full_schedule` stretches any recipe for a GPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from fer_core.augmentation.policy import AugmentationPolicy
from fer_core.augmentation.transforms import Augmentation
from fer_core.errors import ModelError
from fer_core.labels import CKPLUS, FER2013, FER2013_FIVE, FERPLUS, LABEL_SETS, LabelSet


class Schedule(StrEnum):
    """How the learning rate moves over a run."""

    ONE_CYCLE = "one-cycle"
    """Up to its peak, then down a cosine to zero (Smith & Topin 2017, arXiv:1708.07120)."""
    PLATEAU = "plateau"
    """Halved whenever the validation loss has not fallen for three epochs."""
    CONSTANT = "constant"


class CheckpointMetric(StrEnum):
    """Which epoch's weights are kept, by its score on the validation split."""

    ACCURACY = "accuracy"
    """The best mean accuracy of the heads."""
    LOSS = "loss"
    """The lowest loss of the main head."""


@dataclass(frozen=True)
class Recipe:
    """All settings of a training run."""

    architecture: str
    epochs: int
    batch_size: int = 128
    heads: tuple[str, ...] = (FER2013.name, FERPLUS.name)
    """Label sets with a head of their own on the shared features; the first is the main one."""
    head_weights: tuple[float, ...] = (1.0, 1.0)
    label_smoothing: float = 0.1
    """For heads with one label a face; a head trained on votes has soft labels already."""
    class_weight_power: float = 0.0
    """Faces weigh (1 / class share) to this power: 0 is plain, 1 balances the classes, 0.5 is between
    (Mahajan et al. 2018, arXiv:1805.00932, sec. 2.2)."""
    optimizer: str = "sgd"
    """``sgd`` (Nesterov momentum) or ``adam`` (Kingma & Ba 2015, arXiv:1412.6980), both with decoupled weight decay."""
    schedule: Schedule = Schedule.ONE_CYCLE
    peak_learning_rate: float = 0.1
    warm_up: float = 0.15
    """Share of the steps over which the rate of one cycle rises to its peak."""
    momentum: float = 0.9
    weight_decay: float = 5e-3
    """Decoupled (Loshchilov & Hutter 2019, arXiv:1711.05101): the share of a kernel lost per step at rate 1."""
    average_momentum: float = 0.998
    """Per step, of the moving average of the weights, which is evaluated and kept; 0 keeps the weights themselves."""
    mixed_precision: bool = True
    """bfloat16 where it is exact enough; faster on processors with bfloat16 arithmetic."""
    sizes: tuple[tuple[float, int], ...] = ((0.0, 48),)
    """Progressive resizing (Tan & Le 2021, arXiv:2104.00298, sec. 4): from a share of the epochs on, the side of
    the training images in pixels. Small images cost less, and come first."""
    working_size: int | None = None
    """Side that the network enlarges its input to; the architecture's own if ``None``."""
    mixup: float = 0.0
    """Alpha of MixUp (Zhang et al. 2018, arXiv:1710.09412); 0 switches it off."""
    cutmix: float = 0.0
    """Alpha of CutMix (Yun et al. 2019, arXiv:1905.04899); with both, every batch draws one of them."""
    frozen: float = 0.0
    """Share of the backbone's layers, counted from the input, that are not trained."""
    kept: CheckpointMetric = CheckpointMetric.ACCURACY
    weights: str | None = None
    """Initial weights: ``None`` for random ones, ``"imagenet"``, a file, a finished run or a stored model."""
    teachers: tuple[str, ...] = ()
    """Stored models whose mean probabilities the network learns (distillation, Hinton et al. 2015, arXiv:1503.02531)."""
    teacher_share: float = 0.0
    """Weight of the teachers' probabilities against the labels, in [0, 1]."""
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """The heads as label sets."""
        return tuple(LABEL_SETS[name] for name in self.heads)

    @property
    def policy(self) -> AugmentationPolicy:
        """Everything that happens to the faces."""
        return AugmentationPolicy(self.augmentation, self.mixup, self.cutmix)

    def with_heads(self, heads: tuple[str, ...]) -> Recipe:
        """The same recipe for other heads, each of the weight it had, or 1."""
        weights = dict(zip(self.heads, self.head_weights, strict=True))
        return replace(self, heads=heads, head_weights=tuple(weights.get(head, 1.0) for head in heads))

    def size_at(self, epoch: int) -> int:
        """Side of the training images in an epoch, counted from 0."""
        return max((start, size) for start, size in self.sizes if epoch >= start * self.epochs - 1e-9)[1]

    def learning_rate_at(self, progress: float, validation_losses: tuple[float, ...] = ()) -> float:
        """Learning rate at a share of all steps in [0, 1], after epochs with these losses of the main head."""
        if self.schedule == Schedule.CONSTANT:
            return self.peak_learning_rate
        if self.schedule == Schedule.PLATEAU:
            return self.peak_learning_rate * 0.5 ** _plateaus(validation_losses)
        floor = self.peak_learning_rate / 25
        if progress < self.warm_up:
            return floor + (self.peak_learning_rate - floor) * progress / self.warm_up
        rest = (progress - self.warm_up) / (1 - self.warm_up)
        return self.peak_learning_rate * (1 + math.cos(math.pi * min(rest, 1.0))) / 2


PLATEAU_PATIENCE = 3
"""Epochs without a lower validation loss after which the plateau schedule halves the rate."""


def _plateaus(losses: tuple[float, ...]) -> int:
    best, waited, count = math.inf, 0, 0
    for loss in losses:
        if loss < best:
            best, waited = loss, 0
            continue
        waited += 1
        if waited == PLATEAU_PATIENCE:
            count, waited = count + 1, 0
    return count


STRONG_AUGMENTATION = Augmentation(
    rotation=15, zoom=0.15, shift=0.1, flip=0.5, brightness=0.15, contrast=0.3, erasing=0.3
)
LIGHT_AUGMENTATION = Augmentation(rotation=10, zoom=0.1, shift=0.08, flip=0.5, contrast=0.2)
AUTHORS_AUGMENTATION = Augmentation(rotation=10, shear=10, zoom=0.1, shift=0.1, flip=0.5)
"""Rotation, shear, zoom, width and height shift at the strengths usual with Keras' own generator."""

PROGRESSIVE = ((0.0, 32), (0.4, 40), (0.7, 48))

# Faces grow from 32 to 48 pixels as the rate falls.
_RESIDUAL = Recipe(
    architecture="senet",
    epochs=42,
    class_weight_power=0.5,
    sizes=PROGRESSIVE,
    augmentation=STRONG_AUGMENTATION,
)
# The large networks of Keras, for as many epochs as their authors needed.
_LARGE = Recipe(
    architecture="vgg16",
    epochs=7,
    batch_size=64,
    optimizer="adam",
    peak_learning_rate=1e-3,
    weight_decay=1e-2,
    average_momentum=0.99,
    teachers=("senet",),
    teacher_share=0.5,
    augmentation=LIGHT_AUGMENTATION,
)

COMMON: dict[str, Recipe] = {
    "senet": _RESIDUAL,
    "senet-wide": replace(_RESIDUAL, architecture="senet_wide"),
    "resnet": replace(_RESIDUAL, architecture="resnet", epochs=20),
    "vggnet": replace(_RESIDUAL, architecture="vggnet", epochs=16, teachers=("senet",), teacher_share=0.5),
    # With four dropouts it needs no strong augmentation; with it, it learns too little in two hours.
    "cnn4": Recipe(
        architecture="cnn4",
        epochs=24,
        peak_learning_rate=0.05,
        teachers=("senet",),
        teacher_share=0.5,
        augmentation=LIGHT_AUGMENTATION,
    ),
    "mobilenet_v2": replace(_LARGE, architecture="mobilenet_v2", epochs=25),
    "vgg16": replace(_LARGE, peak_learning_rate=3e-4),
    "resnet152v2": replace(_LARGE, architecture="resnet152v2", epochs=6),
    "resnet50": replace(_LARGE, architecture="resnet50", epochs=4),
    "tiny": replace(_RESIDUAL, architecture="tiny", epochs=60, teachers=("senet",), teacher_share=0.7),
    # Half of the faces wear a mask, and the labels are mixed with the teacher's answer for the unmasked face.
    "senet-masks": replace(
        _RESIDUAL,
        epochs=7,
        peak_learning_rate=0.05,
        sizes=((0.0, 40), (0.4, 48)),
        weights="senet",
        teachers=("senet",),
        teacher_share=0.5,
        augmentation=replace(STRONG_AUGMENTATION, erasing=0.0, mask=0.5),
    ),
    "senet-ckplus": Recipe(
        architecture="senet",
        epochs=10,
        batch_size=32,
        heads=(CKPLUS.name,),
        head_weights=(1.0,),
        peak_learning_rate=0.02,
        average_momentum=0.98,
        weights="senet",
        augmentation=LIGHT_AUGMENTATION,
    ),
}
COMMON["resnet50-ckplus"] = replace(
    COMMON["senet-ckplus"],
    architecture="resnet50",
    epochs=20,
    optimizer="adam",
    peak_learning_rate=3e-4,
    weight_decay=1e-2,
    weights="resnet50",
)
# On five classes: no disgust, no fear.
for _name in ("senet", "resnet", "vggnet"):
    COMMON[f"{_name}-five"] = replace(
        COMMON[_name].with_heads((FER2013_FIVE.name, FERPLUS.name)),
        epochs=12,
        peak_learning_rate=0.03,
        sizes=((0.0, 48),),
        weights=_name,
        teachers=("ensemble",),
        teacher_share=0.5,
    )

_AUTHORS_FIVE = Recipe(
    architecture="senet",
    epochs=50,
    heads=(FER2013_FIVE.name,),
    head_weights=(1.0,),
    label_smoothing=0.0,
    class_weight_power=1.0,
    optimizer="adam",
    schedule=Schedule.CONSTANT,
    peak_learning_rate=1e-3,
    weight_decay=0.0,
    average_momentum=0.0,
    mixed_precision=False,
    augmentation=AUTHORS_AUGMENTATION,
)
_AUTHORS_LARGE = replace(
    _AUTHORS_FIVE.with_heads((FER2013.name,)),
    architecture="vgg16",
    epochs=7,
    batch_size=256,
    class_weight_power=0.0,
    peak_learning_rate=1e-4,
    kept=CheckpointMetric.LOSS,
    augmentation=replace(AUTHORS_AUGMENTATION, rotation=0.0),
)
AUTHORS: dict[str, Recipe] = {
    "cnn4": replace(
        _AUTHORS_LARGE,
        architecture="cnn4",
        epochs=48,
        batch_size=64,
        schedule=Schedule.PLATEAU,
        peak_learning_rate=5e-4,
        kept=CheckpointMetric.ACCURACY,
        augmentation=Augmentation(flip=0.5),
    ),
    "vggnet": replace(_AUTHORS_FIVE, architecture="vggnet"),
    "resnet": replace(_AUTHORS_FIVE, architecture="resnet"),
    "senet": _AUTHORS_FIVE,
    "mobilenet_v2": replace(
        _AUTHORS_LARGE,
        architecture="mobilenet_v2",
        epochs=25,
        batch_size=32,
        peak_learning_rate=1e-3,
        kept=CheckpointMetric.ACCURACY,
        weights="imagenet",
        augmentation=Augmentation(),
    ),
    "vgg16": _AUTHORS_LARGE,
    "resnet152v2": replace(_AUTHORS_LARGE, architecture="resnet152v2", epochs=6),
    "resnet152v2-tuned": replace(_AUTHORS_LARGE, architecture="resnet152v2", epochs=6, weights="imagenet", frozen=0.9),
    "resnet50": replace(
        _AUTHORS_LARGE.with_heads((FERPLUS.name,)),
        architecture="resnet50",
        epochs=4,
        batch_size=16,
        optimizer="sgd",
        peak_learning_rate=0.01,
        kept=CheckpointMetric.ACCURACY,
        augmentation=Augmentation(),
    ),
}

FULL_EPOCHS = 250
FULL_BATCH = 256
_BY_THE_WIDE = {"teachers": ("senet-wide",), "teacher_share": 0.5}
_UNMIXED = {"mixup": 0.0, "cutmix": 0.0}
FULL_CHANGES: dict[str, dict[str, Any]] = {
    "senet": _BY_THE_WIDE,
    "vggnet": {**_BY_THE_WIDE, "cutmix": 0.0},
    "resnet": {**_BY_THE_WIDE, "cutmix": 0.0},
    "tiny": _UNMIXED,
    "cnn4": {**_BY_THE_WIDE, **_UNMIXED},
    **{key: {**_BY_THE_WIDE, "cutmix": 0.0} for key in ("mobilenet_v2", "vgg16", "resnet50", "resnet152v2")},
    **dict.fromkeys(("senet-masks", "senet-ckplus", "resnet50-ckplus"), _UNMIXED),
}
"""Further changes of the full schedule: teachers that only a GPU can train, and no mixing for networks that start from
weights or have few."""


def full_schedule(recipe: Recipe, full_size: int | None = None, **changes: Any) -> Recipe:
    """The same recipe for a GPU: 250 epochs at the final size in larger batches, MixUp and CutMix.

    The rate of plain gradient descent grows with the batch (Goyal et al. 2017, arXiv:1706.02677, sec. 2.1); weights
    decay more slowly, so that as much of them is lost over the longer run.

    Args:
        recipe: a common one or the authors'.
        full_size: side that the network enlarges its input to; as in ``recipe`` if left out.
        changes: further fields, such as those of :data:`FULL_CHANGES`.
    """
    batch = max(recipe.batch_size, FULL_BATCH)
    full = replace(
        recipe,
        epochs=FULL_EPOCHS,
        batch_size=batch,
        peak_learning_rate=recipe.peak_learning_rate * (batch / recipe.batch_size if recipe.optimizer == "sgd" else 1),
        weight_decay=recipe.weight_decay * 0.4,
        sizes=((0.0, recipe.sizes[-1][1]),),
        working_size=full_size or recipe.working_size,
        mixup=0.2,
        cutmix=1.0,
        average_momentum=max(recipe.average_momentum, 0.998),
    )
    return replace(full, **changes)


def get_recipe(name: str, authors: bool = False) -> Recipe:
    """The common recipe called ``name``, or its authors' own; raises :class:`ModelError` if there is none."""
    recipes = AUTHORS if authors else COMMON
    if name not in recipes:
        kind = "authors' recipe" if authors else "recipe"
        raise ModelError(f"There is no {kind} {name!r}; known are {', '.join(sorted(recipes))}.")
    return recipes[name]


def get_full_recipe(name: str, authors: bool = False, full_size: int | None = None) -> Recipe:
    """The recipe of ``train NAME --full``, see :func:`full_schedule`; raises :class:`ModelError` as :func:`get_recipe`."""
    return full_schedule(get_recipe(name, authors), full_size, **({} if authors else FULL_CHANGES.get(name, {})))


def presets() -> dict[str, Recipe]:
    """Every recipe by its arguments of ``train``: ``senet``, ``senet --authors``, ``senet --full`` and so on."""
    named: dict[str, Recipe] = {}
    for name in dict.fromkeys((*COMMON, *AUTHORS)):
        if name in COMMON:
            named[name] = COMMON[name]
        if name in AUTHORS:
            named[f"{name} --authors"] = AUTHORS[name]
        if name in COMMON:
            named[f"{name} --full"] = get_full_recipe(name)
    return named


def authors_using(transformation: str) -> tuple[str, ...]:
    """Names of the authors' recipes that use a transformation, see :attr:`AugmentationPolicy.strengths`."""
    return tuple(name for name, recipe in AUTHORS.items() if recipe.policy.strengths[transformation])
