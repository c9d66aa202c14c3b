"""The figures of a model card, computed from stored predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fer_core.answers import AnswerRule
from fer_core.evaluation.metrics import classification_figures
from fer_core.model_store import Predictions


def card_figures(predictions: Predictions, answers: tuple[AnswerRule, ...]) -> dict[str, Any]:
    """All figures of a card: ``[network][answer][split]`` as :func:`classification_figures` gives them.

    Beside each split stands the same split without the images that also occur in training, as
    ``<split>-without-repeats``.
    """
    figures: dict[str, Any] = {}
    for network in predictions.networks():
        of_network = figures.setdefault(str(network), {})
        for rule in answers:
            of_rule = of_network.setdefault(rule.name, {})
            for split in predictions.splits():
                probabilities = rule.apply(predictions.heads(network, split))
                labels = predictions.labels[split, rule.label_set.name].astype(np.int64)
                unique = ~predictions.repeats[split]
                of_rule[str(split)] = classification_figures(probabilities, labels, rule.label_set)
                of_rule[f"{split}-without-repeats"] = classification_figures(
                    probabilities[unique], labels[unique], rule.label_set
                )
    return figures
