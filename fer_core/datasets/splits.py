"""Ways to divide a data set: the random split of the literature, and folds grouped by subject.

A random split of CK+ has frames of one sequence on both sides and measures memory; it is here because published figures
are on it. Folds grouped by subject follow Lucey et al. 2010, who leave out one subject at a time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fer_core.datasets.dataset import FaceDataset, Split
from fer_core.errors import DatasetError


def random_split(dataset: FaceDataset, test_share: float = 0.3, seed: int = 0) -> FaceDataset:
    """The same rows in the same order, drawn into ``TRAINING`` and ``TEST`` with the classes in equal shares.

    Subjects are on both sides: use :func:`grouped_folds` for metrics that hold for new people.

    Args:
        dataset: any data set.
        test_share: share of the rows that become ``TEST``, above 0 and below 1; rounded up to whole rows.
        seed: of the draw.

    Raises:
        DatasetError: a class has a single row, or there are fewer test rows than classes.
    """
    from sklearn.model_selection import train_test_split  # takes a second to load

    rows = np.arange(len(dataset))
    try:
        _, test = train_test_split(rows, test_size=test_share, random_state=seed, stratify=dataset.labels)
    except ValueError as error:
        raise DatasetError(
            f"{dataset.name}: found {len(dataset)} rows, expected enough of every class for both sides of a random "
            f"split with {test_share:.0%} test rows ({error})."
        ) from error
    return replace(dataset, splits=_test_where(np.isin(rows, test)))


def is_undivided(dataset: FaceDataset) -> bool:
    """Whether a data set has no splits of its own, as CK+ and folders of classes."""
    return bool((dataset.splits == Split.TRAINING).all())


def divided(dataset: FaceDataset, seed: int) -> FaceDataset:
    """The data set with its own splits, or, if it has none, divided by :func:`random_split`."""
    return random_split(dataset, seed=seed) if is_undivided(dataset) else dataset


def grouped_folds(dataset: FaceDataset, folds: int = 10, seed: int = 0) -> np.ndarray:
    """The fold of each row, so that no subject is in two folds and classes are as even over the folds as that allows.

    Args:
        dataset: a data set with subjects.
        folds: how many, at least 2.
        seed: of the order in which subjects are dealt out.

    Returns:
        ``(N,) int64`` in ``[0, folds)``.

    Raises:
        DatasetError: the data set does not say who is on a photo, or has fewer subjects than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # takes a second to load

    if dataset.subjects is None:
        raise DatasetError(
            f"{dataset.name} does not say who is on which photo; folds by subject need a set such as CK+."
        )
    present = len(np.unique(dataset.subjects))
    if present < folds:
        raise DatasetError(f"{dataset.name}: found {present} subjects, expected at least {folds} for {folds} folds.")
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    fold_of = np.empty(len(dataset), np.int64)
    for fold, (_, test) in enumerate(splitter.split(np.zeros(len(dataset)), dataset.labels, dataset.subjects)):
        fold_of[test] = fold
    return fold_of


def fold_split(dataset: FaceDataset, fold_of: np.ndarray, fold: int) -> FaceDataset:
    """The same rows with one fold as ``TEST`` and all others as ``TRAINING``.

    Args:
        dataset: any data set.
        fold_of: ``(N,)`` fold of each row, see :func:`grouped_folds`.
        fold: the one to test on.

    Raises:
        ValueError: ``fold_of`` is of another length, or nobody is in the fold.
    """
    if len(fold_of) != len(dataset) or not (fold_of == fold).any():
        raise ValueError(
            f"fold {fold} of {len(fold_of)} rows does not fit {len(dataset)} rows with that fold among them"
        )
    return replace(dataset, splits=_test_where(fold_of == fold))


def _test_where(chosen: np.ndarray) -> np.ndarray:
    return np.where(chosen, Split.TEST, Split.TRAINING)
