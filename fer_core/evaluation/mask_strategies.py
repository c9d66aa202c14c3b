"""Two strategies for masked and unmasked faces, side by side: one network for both, or one for each.

In both the mask state decides which answer a face gets, and its mistakes are part of the metrics. Everything is computed
from the networks' predictions on PrivateTest, unmasked and under masks in styles that no training draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.errors import ModelError
from fer_core.evaluation.metrics import accuracy_interval, expected_calibration_error, percent_with_interval
from fer_core.evaluation.robustness.conditions import CONDITIONS, MASKS_OF_ALL_KINDS, UNMASKED
from fer_core.evaluation.robustness.evaluate import faces_of, robustness_metrics
from fer_core.labels import FER2013
from fer_core.results import SURE, SURE_OF_TWO
from fer_core.store.store import MASK_AWARE_MODEL, ModelStore, StoredModel
from fer_core.vision.mask_state import MaskStateNetwork

SHOWN = (UNMASKED, MASKS_OF_ALL_KINDS, "surgical", "cloth")


@dataclass(frozen=True)
class VerdictShares:
    """How often one emotion, two or none are named, and how often rightly; shares in [0, 1]."""

    one: float
    one_right: float
    two: float
    two_right: float
    unsure: float


def verdict_shares(probabilities: np.ndarray, labels: np.ndarray) -> VerdictShares:
    """The shares of each outcome of :meth:`fer_core.results.ExpressionScores.verdict` over many faces.

    Args:
        probabilities: ``(N, C)``.
        labels: ``(N,)`` class indices.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    p, q = (np.take_along_axis(probabilities, order[:, [rank]], axis=1)[:, 0] for rank in (0, 1))
    one = p >= SURE
    two = ~one & (p + q >= SURE_OF_TWO)
    first, second = (order[:, rank] == labels for rank in (0, 1))
    return VerdictShares(
        float(one.mean()),
        float(first[one].mean()) if one.any() else np.nan,
        float(two.mean()),
        float((first | second)[two].mean()) if two.any() else np.nan,
        float(1 - one.mean() - two.mean()),
    )


def compare_mask_strategies(
    store: ModelStore,
    dataset: FaceDataset,
    unmasked_model: str,
    masks: MaskStateNetwork,
    masked_model: str = MASK_AWARE_MODEL,
) -> pd.DataFrame:
    """One row per way and condition, cells as texts for people.

    Args:
        store: the models.
        dataset: FER2013, whose test faces the mask state is read of.
        unmasked_model: trained on unmasked faces; it answers alone, and for unmasked faces where there are two networks.
        masks: reads the mask state.
        masked_model: trained on masked faces as well.

    Raises:
        ModelError: a model is not in the store, has no answer for masked faces, or was not measured under masks.
        DatasetError: the data set does not hold the test faces.
    """
    unmasked, aware = store.load(unmasked_model), store.load(masked_model)
    rule = unmasked.card.default_rule
    masked_rule = aware.card.masked_rule(rule.name)
    if masked_rule is None:
        raise ModelError(f"{aware.name} has no answer {rule.name!r} for masked faces; train it with masks.")
    faces, labels = faces_of(unmasked, dataset), dataset.split(Split.TEST).as_label_set(FER2013).labels
    covered = {name: masks.predict(CONDITIONS[name].apply(faces))[:, 0] < 0.5 for name in SHOWN}
    predicted = {model.name: _heads(model) for model in (unmasked, aware)}
    ways = (
        (f"{unmasked.name} alone", unmasked, False),
        (f"two networks, {unmasked.name} and {aware.name}", unmasked, True),
        (f"one network, {aware.name}", aware, True),
    )
    rows = []
    for way, of_unmasked, reads_masks in ways:
        accuracy_unmasked = None
        for name in SHOWN:
            probabilities = of_unmasked.card.decision_rule(rule.name).apply(predicted[of_unmasked.name][name])
            if reads_masks:
                rows_read = covered[name]
                of_masked = {head: p[rows_read] for head, p in predicted[aware.name][name].items()}
                probabilities[rows_read] = masked_rule.apply(of_masked)
            accuracy = float((probabilities.argmax(axis=1) == labels).mean())
            accuracy_unmasked = accuracy if accuracy_unmasked is None else accuracy_unmasked
            rows.append(_row(way, name, probabilities, labels, accuracy / max(accuracy_unmasked, 1 / len(labels))))
    return pd.DataFrame(rows)


def _heads(model: StoredModel) -> dict[str, dict[str, np.ndarray]]:
    """A model's probabilities per head under every condition that is shown."""
    measured = {of.condition.name for of in robustness_metrics(model, model.card.default_rule)}
    robustness = model.robustness()
    if robustness is None or not measured >= set(SHOWN):
        raise ModelError(
            f"{model.name} was not measured under masks; run `python -m fer_core robustness {model.name}`."
        )
    return {name: robustness.heads(name) for name in SHOWN}


def _row(way: str, condition: str, probabilities: np.ndarray, labels: np.ndarray, share: float) -> dict[str, str]:
    right = probabilities.argmax(axis=1) == labels
    verdicts = verdict_shares(probabilities, labels)
    return {
        "way": way,
        "faces": CONDITIONS[condition].title,
        "accuracy": percent_with_interval(right.mean(), accuracy_interval(right)),
        "share of bare": "" if condition == UNMASKED else f"{share:.0%}",
        "ECE": f"{expected_calibration_error(probabilities, labels):.1%}",
        "one emotion (right)": f"{verdicts.one:.0%} ({verdicts.one_right:.0%})",
        "two (right)": f"{verdicts.two:.0%} ({verdicts.two_right:.0%})",
        "unsure": f"{verdicts.unsure:.0%}",
    }
