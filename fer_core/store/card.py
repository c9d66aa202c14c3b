"""The card of a stored model: on what it was trained, how, and what it answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from fer_core.datasets.dataset import Split
from fer_core.errors import ModelError
from fer_core.labels import FER2013, FER2013_FIVE, FERPLUS, LABEL_SETS, LabelSet
from fer_core.store.decision import DecisionRule
from fer_core.store.predictions import Network

_SHARE_TOLERANCE = 1e-6
"""By how much the sum of an ensemble's shares may miss one: they are decimals that went through JSON."""


@dataclass(frozen=True)
class ModelCard:
    """What a model is, how it came to be, and how well it does (Mitchell et al. 2019, arXiv:1810.03993)."""

    name: str
    title: str
    architecture: str
    summary: str
    reference: str
    input_size: int
    parameters: int
    heads: tuple[str, ...]
    answers: tuple[DecisionRule, ...]
    """The first is what the pages answer with by default."""
    data: Mapping[str, Any]
    recipe: Mapping[str, Any]
    seed: int
    best_epoch: int
    training_seconds: float
    hardware: str
    versions: Mapping[str, str]
    intended_use: str
    limits: tuple[str, ...]
    figures: Mapping[str, Any] = field(default_factory=dict)
    """``figures[network][answer][split]``, see :func:`fer_core.evaluation.cards.card_metrics`."""
    costs: Mapping[str, Any] = field(default_factory=dict)
    """What running it takes, see :func:`fer_core.evaluation.costs.measure_costs`; empty until it is measured."""
    masked_answers: tuple[DecisionRule, ...] = ()
    """For masked faces, by the names of ``answers``, fitted on masked validation faces: what is left of a face supports
    other classes, and less certainty. Empty for a network that was not trained on masked faces."""
    members: Mapping[str, float] = field(default_factory=dict)
    """Of an ensemble: the names of the stored networks it asks, and the share of each in the mean of their
    probabilities, summing to one; empty for a network."""

    def __post_init__(self) -> None:
        shares = self.members.values()
        if self.members and not (min(shares) > 0 and abs(sum(shares) - 1) < _SHARE_TOLERANCE):
            raise ValueError(f"expected members' shares above 0 that sum to one, got {dict(self.members)}")

    @property
    def default_rule(self) -> DecisionRule:
        """What the pages answer with unless asked otherwise."""
        return self.answers[0]

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """The label sets of the heads."""
        return tuple(LABEL_SETS[name] for name in self.heads)

    def decision_rule(self, name: str) -> DecisionRule:
        """The answer called ``name``; raises :class:`ModelError` if the model has none of that name."""
        for rule in self.answers:
            if rule.name == name:
                return rule
        known = ", ".join(rule.name for rule in self.answers)
        raise ModelError(f"{self.name} has no answer {name!r}; it has {known}.")

    def masked_rule(self, name: str) -> DecisionRule | None:
        """The answer called ``name`` as masked faces get it; ``None`` where the model has none apart."""
        return next((rule for rule in self.masked_answers if rule.name == name), None)

    def figure(self, network: Network, answer: str, split: Split, name: str) -> float:
        """One stored figure, e.g. ``card.figure(Network.INT8, "balanced", Split.TEST, "accuracy")``."""
        return self.figures[network][answer][split][name]

    def as_json(self) -> dict[str, Any]:
        """Plain data that :meth:`from_json` reads back."""
        rules = {"answers": self.answers, "masked_answers": self.masked_answers}
        data = {key: value for key, value in asdict(self).items() if key not in rules}
        return {**data, **{key: [rule.as_json() for rule in value] for key, value in rules.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelCard:
        """Read what :meth:`as_json` wrote."""
        fields = dict(data)
        for key in ("answers", "masked_answers"):
            fields[key] = tuple(DecisionRule.from_json(rule) for rule in fields.get(key, ()))
        fields["heads"], fields["limits"] = tuple(fields["heads"]), tuple(fields["limits"])
        return cls(**fields)


FER2013_TITLES = {Split.TRAINING: "Training", Split.VALIDATION: "PublicTest", Split.TEST: "PrivateTest"}
"""FER2013's own names, which FER+ shares, being votes on the same photos."""
OTHER_TITLES = {Split.CROSS_VALIDATION: "ten folds by subject"}


def split_title(card: ModelCard, label_set: LabelSet, split: Split) -> str:
    """The name of a split for people.

    ``card.data["split_titles"]`` goes first, e.g. ``{"test": "random 30%"}``, for protocols that only that card knows of.
    """
    given = card.data.get("split_titles", {})
    known = FER2013_TITLES if label_set in (FER2013, FER2013_FIVE, FERPLUS) else OTHER_TITLES
    return given.get(split, known.get(split, str(split)))


def reported_splits(metrics: Mapping[str, Any]) -> list[Split]:
    """The splits of one answer's figures that a table reports: those that neither trained nor chose."""
    return [split for split in Split if split in metrics and split not in (Split.TRAINING, Split.VALIDATION)]
