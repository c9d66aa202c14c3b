"""Ensembles: stored networks asked together, each with a share that was fitted on the validation split.

Networks that err in different places are right more often together (Hansen & Salamon 1990, sec. II). Their
probabilities are averaged with weights, a linear opinion pool (Stone 1961, sec. 2), head by head; the weights are those
under which the true labels of the validation split are most likely. The test split plays no part in it.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from fer_core.datasets.dataset import Split
from fer_core.errors import ModelError
from fer_core.evaluation.cards import evaluated
from fer_core.evaluation.metrics import SMALLEST_PROBABILITY
from fer_core.labels import LABEL_SETS
from fer_core.store.card import ModelCard
from fer_core.store.predictions import Network, Predictions
from fer_core.store.store import ModelStore, StoredModel
from fer_core.vision.expression import pool_heads

ARCHITECTURE = "ensemble"
REFERENCE = (
    "Hansen & Salamon 1990, IEEE TPAMI 12(10), pp. 993-1001; Stone 1961, Annals of Mathematical Statistics 32(4), "
    "pp. 1339-1342"
)
SMALLEST_SHARE = 0.01
"""A member with less is left out: it costs as much as any other and says next to nothing."""
SHARE_DIGITS = 3
_GRADIENT_TOLERANCE = 1e-7
"""In nats per face: far below what a thousandth of a share moves."""
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def fit_weights(probabilities: Sequence[np.ndarray], labels: np.ndarray) -> np.ndarray:
    """The weights of the mean of several networks' probabilities under which the labels are most likely.

    The negative log-likelihood of the mean is convex in the weights; they are searched as the softmax of free scores,
    all equal at first, so the same probabilities give the same weights.

    Args:
        probabilities: per member ``(N, C)``, rows summing to one.
        labels: ``(N,)`` class indices; rows with a negative label are left out.

    Returns:
        ``(members,) float64`` of :data:`SHARE_DIGITS` decimals, summing to one; 0 for a member whose weight is under
        :data:`SMALLEST_SHARE`.

    Raises:
        ValueError: no row has a label.
    """
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        raise ValueError(f"expected at least one labelled row, got none of {len(labels)}")
    of_truth = np.stack([p[rows, labels[rows]] for p in probabilities]).astype(np.float64)

    def negative_log_likelihood(scores: np.ndarray) -> tuple[float, np.ndarray]:
        weights = softmax(scores, axis=-1)
        pooled = np.maximum(weights @ of_truth, SMALLEST_PROBABILITY)
        gradient = weights * (1 - (of_truth / pooled).mean(axis=1))
        return float(-np.log(pooled).mean()), gradient

    options = {"gtol": _GRADIENT_TOLERANCE, "ftol": 0.0}
    best = minimize(negative_log_likelihood, np.zeros(len(of_truth)), jac=True, method="L-BFGS-B", options=options)
    weights = softmax(best.x, axis=-1)
    weights[weights < SMALLEST_SHARE] = 0
    weights = np.round(weights / weights.sum(), SHARE_DIGITS)
    largest = weights.argmax()
    weights[largest] = round(weights[largest] + 1 - weights.sum(), SHARE_DIGITS)  # what rounding took from the sum
    return weights


def build_ensemble(store: ModelStore, name: str, members: Sequence[str]) -> StoredModel:
    """Write the ensemble ``name`` of stored networks into the store.

    Shares are fitted on the main head, which is the first of :data:`fer_core.labels.LABEL_SETS` that any member has,
    by the network that is served: int8 where every member was predicted with it. Members under
    :data:`SMALLEST_SHARE` are left out. Where it was predicted, each kind of network of the ensemble is made of the
    members' networks of that kind.

    Args:
        store: where the members are, and where the ensemble goes; one of that name is replaced.
        name: of the ensemble, a plain folder name.
        members: names of two or more stored networks.

    Raises:
        ModelError: a member is missing, an ensemble itself, or does not fit the others; the name is a network's; or a
            single member is as good as any mean of them.
    """
    models = _members(store, name, members)
    predictions = {model.name: model.predictions() for model in models}
    labels, _ = _shared_labels(predictions)
    head = next(head for head in LABEL_SETS if any(head in model.card.heads for model in models))
    truth = labels.get((Split.VALIDATION, head), np.empty(0, np.int8))
    if not (truth >= 0).any():
        raise ModelError(
            f"{', '.join(members)} share no validation faces with labels in {LABEL_SETS[head].title}, on which the weights "
            "of an ensemble are fitted."
        )
    network = Network.INT8 if Network.INT8 in _shared_networks(predictions) else Network.FLOAT
    key = (network, Split.VALIDATION, head)
    for model in models:
        if key not in predictions[model.name].probabilities:
            raise ModelError(
                f"{model.name} has no {network} predictions on {Split.VALIDATION} in {LABEL_SETS[head].title}, on which the "
                "weights of this ensemble are fitted; leave it out."
            )
    weights = fit_weights([predictions[model.name].probabilities[key] for model in models], truth.astype(np.int64))
    shares = {model.name: float(weight) for model, weight in zip(models, weights, strict=True) if weight}
    if len(shares) < 2:
        raise ModelError(
            f"On the validation split no mean of {', '.join(members)} is better than {next(iter(shares))} alone, so there "
            "is nothing to put together."
        )
    pooled = pool_predictions({member: predictions[member] for member in shares}, shares)
    card = _card(name, [model.card for model in models], shares, _heads(pooled), network)
    return store.save(evaluated(card, pooled), None, None, None, pooled)


def pool_predictions(predictions: Mapping[str, Predictions], shares: Mapping[str, float]) -> Predictions:
    """The predictions of an ensemble, from those of its members.

    Args:
        predictions: of each member by name.
        shares: of each member by name, above 0.

    Returns:
        Of the splits that all members share. A network, split and head is there if all members that have the head have
        predictions of it by that network on that split.

    Raises:
        ModelError: the members were evaluated on different faces or labels, or share no network.
    """
    labels, train_duplicates = _shared_labels(predictions)
    networks, splits = _shared_networks(predictions), {split for split, _ in labels}
    keys = dict.fromkeys(key for of_member in predictions.values() for key in of_member.probabilities)
    probabilities = {}
    for network, split, head in keys:
        able = {name: p for name, p in predictions.items() if head in _heads(p)}
        of_able = [p.heads(network, split) for p in able.values()]
        if network in networks and split in splits and all(head in heads for heads in of_able):
            shares_of_able = [shares[name] for name in able]
            probabilities[network, split, head] = pool_heads([{head: h[head]} for h in of_able], shares_of_able)[head]
    return Predictions(probabilities, labels, train_duplicates)


def pooled_predictions(ensemble: StoredModel) -> Predictions:
    """The predictions of a stored ensemble, made anew from its members' stored ones; raises as those read."""
    return pool_predictions(
        {member.name: member.predictions() for member, _ in ensemble.members()}, ensemble.card.members
    )


def _members(store: ModelStore, name: str, members: Sequence[str]) -> list[StoredModel]:
    """The members, once it is sure that they can be members and that the name is free."""
    if not _PLAIN_NAME.fullmatch(name):
        raise ModelError(f"{name!r} cannot be a model's name; expected letters, digits, dots, dashes and underscores.")
    if name in store.names() and not store.load(name).card.members:
        raise ModelError(f"{name} is a network of the store, which an ensemble would replace; choose another name.")
    if len(set(members)) < 2 or len(set(members)) != len(members):
        raise ModelError(f"An ensemble needs two or more different members, got {', '.join(members) or 'none'}.")
    models = [store.load(member) for member in members]
    for model in models:
        if model.card.members:
            raise ModelError(
                f"{model.name} is an ensemble itself; expected networks, such as its members "
                f"{', '.join(model.card.members)}."
            )
    if len({model.card.input_size for model in models}) > 1:
        sizes = ", ".join(f"{model.name} {model.card.input_size}" for model in models)
        raise ModelError(f"The members take faces of different sizes in pixels ({sizes}); expected one size.")
    return models


def _shared_networks(predictions: Mapping[str, Predictions]) -> set[Network]:
    """The kinds of network that predictions of every member are stored of; at least one that can be served."""
    shared = set.intersection(*(set(p.networks()) for p in predictions.values()))
    if not shared & {Network.INT8, Network.FLOAT}:
        raise ModelError(
            f"{', '.join(predictions)} have no kind of network in common that predictions are stored of; expected int8 or "
            "float ones."
        )
    return shared


def _shared_labels(
    predictions: Mapping[str, Predictions],
) -> tuple[dict[tuple[Split, str], np.ndarray], dict[Split, np.ndarray]]:
    """Labels and repeats of the splits that all have, which must be the same wherever two have them."""
    shared = set.intersection(*(set(p.splits()) for p in predictions.values()))
    labels: dict[tuple[Split, str], np.ndarray] = {}
    train_duplicates: dict[Split, np.ndarray] = {}
    faces: dict[Split, int] = {}
    for name, of_member in predictions.items():
        for (split, label_set), own in of_member.labels.items():
            if split in shared:
                same = np.array_equal(labels.setdefault((split, label_set), own), own)
                if not same or faces.setdefault(split, len(own)) != len(own):
                    raise _different_faces(predictions, name, split)
        for split, own in of_member.train_duplicates.items():
            if split in shared and not np.array_equal(train_duplicates.setdefault(split, own), own):
                raise _different_faces(predictions, name, split)
    return labels, train_duplicates


def _different_faces(predictions: Mapping[str, Predictions], name: str, split: Split) -> ModelError:
    return ModelError(
        f"{name} was evaluated on other faces or labels of {split} than {next(iter(predictions))}; the members of an "
        "ensemble need one protocol."
    )


def _heads(predictions: Predictions) -> tuple[str, ...]:
    """The heads that predictions are stored of, FER2013 first."""
    stored = {head for _, _, head in predictions.probabilities}
    return tuple(head for head in LABEL_SETS if head in stored)


def _card(
    name: str, asked: Sequence[ModelCard], shares: Mapping[str, float], heads: tuple[str, ...], network: Network
) -> ModelCard:
    """The card without answers and metrics, which :func:`evaluated` adds."""
    members = [card for card in asked if card.name in shares]
    first = members[0]
    parts = " + ".join(f"{share:.3g} {member}" for member, share in sorted(shares.items(), key=lambda item: -item[1]))
    chosen_on = first.data.get("chosen_on", str(Split.VALIDATION))
    return ModelCard(
        name=name,
        title=f"Ensemble of {len(members)} networks",
        architecture=ARCHITECTURE,
        summary=f"Several networks asked together, their probabilities averaged: {parts}.",
        reference=REFERENCE,
        input_size=first.input_size,
        parameters=sum(card.parameters for card in members),
        heads=heads,
        answers=(),
        data={
            **first.data,
            "dataset": " and ".join(dict.fromkeys(card.data.get("dataset", "unknown") for card in members)),
            "chosen_on": f"{chosen_on}, weights of the members ({parts})",
        },
        recipe={
            "members": [card.name for card in asked],
            "weights_fitted_to": f"{network} predictions, {heads[0]} head",
        },
        seed=0,
        best_epoch=0,
        training_seconds=round(sum(card.training_seconds for card in members), 1),
        hardware="; ".join(dict.fromkeys(card.hardware for card in members)),
        versions={
            "python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in ("numpy", "scipy")},
        },
        intended_use=first.intended_use,
        limits=tuple(dict.fromkeys(limit for card in members for limit in card.limits)),
        members=dict(shares),
    )
