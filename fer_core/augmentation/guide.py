"""The effect of every transformation, its unit, and the strength from which on the label may no longer fit the face.

A transformation changes the picture and not the expression; if a strong one may change the expression as well, the guide
says so in a sentence. These strengths follow from the places of eyes and mouth in FER2013's framing, or are this project's
own judgement, as each entry says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fer_core.augmentation.masks.placement import FER2013_MASK_ANCHORS
from fer_core.augmentation.policy import AugmentationPolicy, limit

OFF = "off"
"""A strength of 0, in words."""


class Group(StrEnum):
    """Groups of transformations."""

    GEOMETRY = "Geometry"
    LIGHT = "Light"
    QUALITY = "Quality"
    COVER = "Cover"
    MIXING = "Mixing"


class Unit(StrEnum):
    """Units of strengths."""

    DEGREES = "degrees"
    OF_SIDE = "% of the side"
    OF_SIZE = "% of the size"
    OF_RANGE = "% of the full range"
    RELATIVE = "% of its own"
    PROBABILITY = "% of the faces"
    LEVELS = "grey levels"
    PIXELS = "pixels"
    ALPHA = "alpha"
    """Parameter of the beta distribution of a batch's share."""

    @property
    def is_share(self) -> bool:
        """Whether strengths are shares in [0, 1], shown in per cent."""
        return self.value.startswith("%")


@dataclass(frozen=True)
class Transformation:
    """One way of changing faces."""

    name: str
    """Name of its strength, see :attr:`AugmentationPolicy.strengths`."""
    title: str
    group: Group
    unit: Unit
    most: float
    """The largest strength worth trying, at most what a file may ask for."""
    step: float
    does: str
    label_safe_up_to: float | None = None
    """Strength above which the label may no longer fit; ``None`` if it always fits."""
    label_warning: str = ""
    """Why, in a sentence."""

    def __post_init__(self) -> None:
        if not 0 < self.most <= limit(self.name):
            raise ValueError(f"{self.name}: expected a largest strength up to {limit(self.name)}, got {self.most}")

    def in_words(self, strength: float) -> str:
        """A strength with its unit: ``15 degrees``, ``10% of the side``, ``alpha 0.2``, ``off``."""
        if not strength:
            return OFF
        if self.unit == Unit.ALPHA:
            return f"{self.unit} {strength:.3g}"
        number = f"{100 * strength:.3g}" if self.unit.is_share else f"{strength:.3g} "
        return number + str(self.unit)


_MOUTH, _EYES, _LEFT_EYE = (
    FER2013_MASK_ANCHORS.mouth[1],
    FER2013_MASK_ANCHORS.left_eye[1],
    FER2013_MASK_ANCHORS.left_eye[0],
)

MAX_LEAN = 45.0
"""Degrees that a neck bends to either side (American Academy of Orthopaedic Surgeons 1965, "Joint Motion")."""

TRANSFORMATIONS = (
    Transformation(
        "rotation",
        "Rotation",
        Group.GEOMETRY,
        Unit.DEGREES,
        180,
        1,
        "Turns the face by up to this angle to either side.",
        MAX_LEAN,
        f"A head leans by {MAX_LEAN:g}° at most, and towards 180° a smile turns into a frown.",
    ),
    Transformation(
        "shear",
        "Shear",
        Group.GEOMETRY,
        Unit.DEGREES,
        60,
        1,
        "Slants the upright lines by up to this angle to either side.",
        30,
        "A face slanted so far has a crooked mouth and brows that nobody made (our judgement: from 30°).",
    ),
    Transformation(
        "zoom",
        "Zoom",
        Group.GEOMETRY,
        Unit.OF_SIZE,
        0.9,
        0.01,
        "Makes the face up to this much larger or smaller.",
        0.5,
        "A face of half its size has 24 pixels left of 48, and a larger one soon loses its chin and lips (our judgement: "
        "from 50%).",
    ),
    Transformation(
        "shift",
        "Shift, both ways",
        Group.GEOMETRY,
        Unit.OF_SIDE,
        0.5,
        0.01,
        "Moves the face by up to this much across and, drawn apart, up or down.",
        1 - _MOUTH,
        f"Moved down by more than {1 - _MOUTH:.0%}, the mouth leaves the picture.",
    ),
    Transformation(
        "width_shift",
        "Width shift",
        Group.GEOMETRY,
        Unit.OF_SIDE,
        0.5,
        0.01,
        "Moves the face by up to this much to the left or right, on top of the shift both ways.",
        _LEFT_EYE,
        f"Moved to a side by more than {_LEFT_EYE:.0%}, an eye leaves the picture.",
    ),
    Transformation(
        "height_shift",
        "Height shift",
        Group.GEOMETRY,
        Unit.OF_SIDE,
        0.5,
        0.01,
        "Moves the face by up to this much up or down, on top of the shift both ways.",
        1 - _MOUTH,
        f"Moved down by more than {1 - _MOUTH:.0%}, the mouth leaves the picture.",
    ),
    Transformation(
        "crop",
        "Crop",
        Group.GEOMETRY,
        Unit.OF_SIDE,
        0.9,
        0.01,
        "Cuts up to this much of the side away, anywhere, and enlarges what is left.",
        1 - _MOUTH,
        f"From {1 - _MOUTH:.0%} on the mouth may be cut away, from {_EYES:.0%} on the eyes.",
    ),
    Transformation(
        "flip",
        "Horizontal flip",
        Group.GEOMETRY,
        Unit.PROBABILITY,
        1,
        0.05,
        "Mirrors so many of the faces; expressions are the same in a mirror.",
    ),
    Transformation(
        "vertical_flip",
        "Vertical flip",
        Group.GEOMETRY,
        Unit.PROBABILITY,
        1,
        0.05,
        "Stands so many of the faces on their heads.",
        0,
        "Upside down, the corners of a smiling mouth point downwards, and no camera sees people so.",
    ),
    Transformation(
        "brightness",
        "Brightness",
        Group.LIGHT,
        Unit.OF_RANGE,
        1,
        0.01,
        "Adds or takes away up to this share of the 255 grey levels.",
        0.5,
        "Above 50%, more than half of all grey levels can become plain black or white.",
    ),
    Transformation(
        "contrast",
        "Contrast",
        Group.LIGHT,
        Unit.RELATIVE,
        1,
        0.01,
        "Stretches or flattens the differences from the mean grey by up to this share.",
        0.8,
        "Above 80%, some faces become so flat that nobody could name their expression (our judgement).",
    ),
    Transformation(
        "colour",
        "Colour",
        Group.LIGHT,
        Unit.RELATIVE,
        0.9,
        0.05,
        "Changes how bright red, green and blue become in grey, each by up to this share; grey faces stay as they are.",
    ),
    Transformation(
        "noise",
        "Noise",
        Group.QUALITY,
        Unit.LEVELS,
        100,
        1,
        "Adds Gaussian noise of a standard deviation of up to this.",
        50,
        "Noise above 50 grey levels is as strong as the lights and darks of nearly half of FER2013's faces.",
    ),
    Transformation(
        "blur",
        "Blur",
        Group.QUALITY,
        Unit.PIXELS,
        8,
        0.1,
        "Blurs by a Gaussian of a standard deviation of up to this.",
        3,
        "In a face of 48 pixels a blur of 3 takes lips and brows away (our judgement).",
    ),
    Transformation(
        "coarse",
        "Coarse pixels",
        Group.QUALITY,
        Unit.OF_SIDE,
        0.9,
        0.01,
        "Keeps fewer pixels, up to this share of each side being lost, and enlarges them again.",
        2 / 3,
        "Above 67%, fewer than 16 pixels a side are left of 48 (our judgement).",
    ),
    Transformation(
        "erasing",
        "Random erasing",
        Group.COVER,
        Unit.PROBABILITY,
        1,
        0.05,
        "Lays a plain rectangle over 2 to 20% of so many of the faces (Zhong et al. 2017, arXiv:1708.04896).",
        0.5,
        "In more than half of the faces something is hidden, now and then the very mouth or eyes that the label stands on.",
    ),
    Transformation(
        "mask",
        "Masks and scarves",
        Group.COVER,
        Unit.PROBABILITY,
        1,
        0.05,
        "Draws a mask or scarf onto so many of the faces, in the styles kept for training.",
        0,
        "A mask hides the mouth, and the label was given to a face whose mouth was seen: the network learns to guess from "
        "the eyes.",
    ),
    Transformation(
        "mixup",
        "MixUp",
        Group.MIXING,
        Unit.ALPHA,
        2,
        0.05,
        "Blends every face of a batch with another, by one share from Beta(alpha, alpha): a small alpha leaves most faces "
        "nearly as they are (Zhang et al. 2018, arXiv:1710.09412).",
        0,
        "Each picture shows two people, so that neither label is right alone; training mixes the labels by the same share.",
    ),
    Transformation(
        "cutmix",
        "CutMix",
        Group.MIXING,
        Unit.ALPHA,
        2,
        0.05,
        "Pastes a rectangle of another face of the batch into every face, of a share of the area from Beta(alpha, alpha) "
        "(Yun et al. 2019, arXiv:1905.04899). With MixUp, every batch draws one of both.",
        0,
        "Each picture shows two people; training mixes the labels by area, whichever of mouth and eyes was pasted.",
    ),
)
"""In the order of the page."""

ALWAYS = {
    "Greyscale": "Networks here see grey faces: 0.299 red, 0.587 green and 0.114 blue (ITU-R BT.601).",
    "Rescale": "Networks here take grey levels from 0 to 255 and scale them to -1 to 1 in their first layer.",
}
"""Changes of every face in every recipe, without a strength to set."""


def label_warnings(policy: AugmentationPolicy) -> dict[str, str]:
    """A sentence on why labels may no longer fit, by the title of each transformation that is that strong."""
    strengths = policy.strengths
    for name in ("width_shift", "height_shift"):
        if strengths[name]:
            strengths[name] += strengths["shift"]
    return {
        t.title: t.label_warning
        for t in TRANSFORMATIONS
        if t.label_safe_up_to is not None and strengths[t.name] > t.label_safe_up_to
    }
