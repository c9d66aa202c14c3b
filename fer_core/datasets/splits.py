"""Ways to divide and join data sets: the literature's random split, folds grouped by subject, unions.

A random split of CK+ has frames of one sequence on both sides and measures memory; it is here because published figures
are on it. Folds grouped by subject follow Lucey et al. 2010, who leave out one subject at a time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fer_core.datasets.dataset import FERPLUS_COLUMNS, FaceDataset, Split
from fer_core.errors import DatasetError


def random_split(dataset: FaceDataset, test_share: float = 0.3, seed: int = 0) -> FaceDataset:
    """The same rows in the same order, drawn into ``TRAINING`` and ``TEST`` with the classes in equal shares.

    Subjects are on both sides: use :func:`grouped_folds` for figures that mean anything for new people.

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
    """The data set as networks are trained on it: with its own splits, or where it has none with :func:`random_split`."""
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


def union(first: FaceDataset, second: FaceDataset) -> FaceDataset:
    """The rows of both, each in its own split, under a name such as ``FER2013 + ExpW``.

    Votes are kept where one of the two has them; the other's rows get no votes at all, which FER+ targets weigh 0 and
    FER+ labels leave out. Subjects are kept where both have them, told apart by the data set's name.

    Raises:
        DatasetError: the label sets or the images' sizes differ.
    """
    if first.label_set != second.label_set:
        raise DatasetError(
            f"{first.name} has the classes {first.label_set.title!r}, {second.name} {second.label_set.title!r}; "
            "expected one label set for a union, see as_label_set."
        )
    if first.images.shape[1:] != second.images.shape[1:]:
        sizes = [f"{dataset.images.shape[2]}x{dataset.images.shape[1]}" for dataset in (first, second)]
        raise DatasetError(
            f"{first.name} has images of {sizes[0]} pixels, {second.name} of {sizes[1]}; expected one size for a union."
        )
    both = (first, second)
    votes = subjects = None
    if first.votes is not None or second.votes is not None:
        votes = np.concatenate([_votes_or_none(dataset) for dataset in both])
    if first.subjects is not None and second.subjects is not None:
        names = [f"{first.name} {subject}" for subject in first.subjects]
        names += [f"{second.name} {subject}" for subject in second.subjects]
        subjects = np.array(names)
    return FaceDataset(
        f"{first.name} + {second.name}",
        np.concatenate([dataset.images for dataset in both]),
        np.concatenate([dataset.labels for dataset in both]),
        np.concatenate([dataset.splits for dataset in both]),
        first.label_set,
        votes,
        subjects,
    )


def _votes_or_none(dataset: FaceDataset) -> np.ndarray:
    return np.zeros((len(dataset), FERPLUS_COLUMNS), np.uint8) if dataset.votes is None else dataset.votes


def _test_where(chosen: np.ndarray) -> np.ndarray:
    return np.where(chosen, Split.TEST, Split.TRAINING)
