"""What others report of the architectures in the comparison: their numbers, under their protocols, not reproduced here.

Protocols differ, and some do not say how the epoch was chosen or on which faces they report; so a figure here stands
beside this project's in a column of its own and is never ranked with them.
"""

from __future__ import annotations

from dataclasses import dataclass

from fer_core.labels import CKPLUS, FER2013, FER2013_FIVE, FERPLUS, LabelSet


@dataclass(frozen=True)
class PublishedResult:
    """One published result of an architecture as its authors report it; shares in [0, 1]."""

    architecture: str
    label_set: LabelSet
    protocol: str
    """On which faces, trained how, as far as the authors say."""
    accuracy: float | None = None
    """On held-out faces; ``None`` where they give none."""
    training_accuracy: float | None = None
    """On the faces it was trained on, which says nothing about others."""
    macro_precision: float | None = None
    macro_recall: float | None = None
    macro_f1: float | None = None

    def __str__(self) -> str:
        shares = (
            ("", self.accuracy),
            ("F1 ", self.macro_f1),
            ("recall ", self.macro_recall),
            ("precision ", self.macro_precision),
            ("on training faces ", self.training_accuracy),
        )
        figures = ", ".join(f"{label}{_percent(share)}" for label, share in shares if share is not None)
        return f"published: {figures} ({self.protocol})"


_FIVE = "five classes, class weights, split not stated"
_SCRATCH = "from scratch, {} epochs, classes and split not stated"

PUBLISHED = (
    PublishedResult("cnn4", FER2013, "test, flips only", accuracy=0.66, training_accuracy=0.84),
    PublishedResult("cnn4", FER2013, "test, more augmentation", accuracy=0.67),
    PublishedResult("vggnet", FER2013_FIVE, _FIVE, accuracy=0.738, macro_recall=0.72734, macro_precision=0.7438),
    PublishedResult("resnet", FER2013_FIVE, _FIVE, accuracy=0.6861, macro_recall=0.66094, macro_precision=0.66726),
    PublishedResult("senet", FER2013_FIVE, _FIVE, accuracy=0.7589, macro_recall=0.7322, macro_precision=0.7537),
    PublishedResult("mobilenet_v2", FER2013, "224x224, epoch 25, no test figure", training_accuracy=0.9505),
    PublishedResult("vgg16", FER2013, _SCRATCH.format(7), accuracy=0.70, macro_f1=0.632),
    PublishedResult("resnet152v2", FER2013, _SCRATCH.format(6), accuracy=0.65, macro_f1=0.6616),
    PublishedResult(
        "resnet152v2",
        FER2013,
        "fine-tuned from ImageNet, first layers frozen, classes and split not stated",
        accuracy=0.48,
        macro_f1=0.31,
    ),
    PublishedResult("resnet50", CKPLUS, "128x128, random split, 293 test images", accuracy=0.976),
    PublishedResult("resnet50", FERPLUS, "128x128, split not stated", accuracy=0.628),
)


def published_for(architecture: str, label_set: LabelSet) -> tuple[PublishedResult, ...]:
    """What the authors of an architecture report in a label set; empty if nothing."""
    return tuple(f for f in PUBLISHED if (f.architecture, f.label_set) == (architecture, label_set))


def _percent(share: float) -> str:
    return f"{share * 100:.6g}%"
