"""The metrics and decision rules of a model card, computed from stored predictions alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fer_core.datasets.dataset import Split
from fer_core.evaluation.calibration import fit_decision_rules, fit_masked_rules
from fer_core.evaluation.metrics import classification_metrics
from fer_core.store.card import ModelCard
from fer_core.store.decision import DecisionRule
from fer_core.store.predictions import Predictions
from fer_core.store.store import ModelStore


def card_metrics(predictions: Predictions, answers: tuple[DecisionRule, ...]) -> dict[str, Any]:
    """All metrics of a card: ``[network][answer][split]`` as :func:`classification_metrics` gives them.

    Beside each split stands the same split without the images that also occur in training, as
    ``<split>-without-repeats``. A split is left out where the network was not run on it, or where no face of it has a
    label of the answer's set.
    """
    return {
        str(network): {
            rule.name: {
                name: metrics
                for split in predictions.splits()
                for name, metrics in _split_metrics(predictions, predictions.heads(network, split), rule, split).items()
            }
            for rule in answers
        }
        for network in predictions.networks()
    }


def _split_metrics(
    predictions: Predictions, heads: dict[str, np.ndarray], rule: DecisionRule, split: Split
) -> dict[str, Any]:
    labels = predictions.labels.get((split, rule.label_set.name))
    if labels is None or not rule.head_weights.keys() <= heads.keys():
        return {}
    probabilities, uncalibrated = rule.apply(heads), replace(rule, temperature=1.0).apply(heads)
    rows = {str(split): labels >= 0}
    if split in predictions.train_duplicates:
        rows[f"{split}-without-repeats"] = (labels >= 0) & ~predictions.train_duplicates[split]
    return {
        name: classification_metrics(probabilities[kept], labels[kept], rule.label_set, uncalibrated[kept])
        for name, kept in rows.items()
        if kept.any()
    }


def evaluated(card: ModelCard, predictions: Predictions) -> ModelCard:
    """The card with its answers chosen and its metrics computed anew by the current code.

    A model without labelled validation faces of its main head has nothing to choose by, and keeps its answers.
    """
    answers, masked_answers = card.answers, fit_masked_rules(predictions, card.label_sets)
    if (predictions.labels.get((Split.VALIDATION, card.heads[0]), np.empty(0)) >= 0).any():
        answers = fit_decision_rules(predictions, card.label_sets, predictions.served)
    return replace(card, answers=answers, masked_answers=masked_answers, figures=card_metrics(predictions, answers))


def evaluate_store(store: ModelStore, names: Sequence[str] = ()) -> Iterator[ModelCard]:
    """Evaluate stored models, all if none is named, and write their cards; gives each new card once it is written.

    Raises:
        ModelError: there is no such model, or its predictions cannot be read.
    """
    for model in [store.load(name) for name in names or store.names()]:
        card = evaluated(model.card, model.predictions())
        store.save_card(card)
        yield card
