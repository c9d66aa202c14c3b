"""What is wrong with a data set: labels that others contradict, the same face twice, pictures without a face.

Nothing is corrected here. An audit names rows and reasons; whoever trains decides which to leave out
(:func:`write_exclusions`, ``train --exclude``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fer_core.datasets.dataset import NO_LABEL, FaceDataset, Split
from fer_core.errors import DatasetError
from fer_core.labels import FERPLUS, LabelSet

NEAR_DUPLICATE = 0.985
"""Correlation of two faces' grey levels from which on they count as near duplicates."""
_THUMBNAIL = 8
"""Side to which faces are reduced to find candidates, whose full images are then compared."""
_CANDIDATE = 0.97
_BLOCK = 2048
FLAT = 3.0
"""Standard deviation in grey levels under which an image shows nothing."""
CUT_SHARE = 0.25
"""Share of rows or columns at the rim that are of one grey level from which on a face counts as cut."""


class Reason(StrEnum):
    """Why a row is listed."""

    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near duplicate"
    CONTRADICTED = "annotators say otherwise"
    SUSPECT = "likely label error"
    NO_MAJORITY = "annotators disagree"
    NO_FACE = "no face"
    FLAT = "nothing to see"
    CUT = "cut off"


@dataclass(frozen=True)
class Duplicates:
    """Rows that show the same picture."""

    groups: pd.DataFrame
    """A row per image: ``group, row, split, label, kind, correlation``, by group; kind is ``exact`` where another
    member has the very same pixels, else ``near``; correlation with the group's first row."""

    @property
    def across_splits(self) -> int:
        """Different images, to the pixel, that occur in more than one split."""
        exact = self.groups[self.groups["kind"] == "exact"]
        return int((exact.groupby("picture")["split"].nunique() > 1).sum())

    @property
    def conflicting(self) -> pd.DataFrame:
        """The rows of groups of the very same pixels that carry more than one label."""
        exact = self.groups[self.groups["kind"] == "exact"]
        return exact[exact.groupby("picture")["label"].transform("nunique") > 1]


def find_duplicates(dataset: FaceDataset, progress: Callable[[float], None] = lambda _: None) -> Duplicates:
    """Exact and near duplicates within and across splits.

    Exact ones have the same pixels. Near ones correlate by :data:`NEAR_DUPLICATE` or more, so that another brightness or
    compression does not hide them; a face and its neighbour are joined into one group, and with the neighbour's
    neighbours, so that two members of a large group may correlate less.

    Args:
        dataset: ``N`` faces; time grows with N squared, half a minute for 36,000. Pictures of nothing
            (:func:`unusable`) are left out.
        progress: called with the share that is done, 0..1.
    """
    shown = np.flatnonzero(~_is_flat(dataset.images))
    if not len(shown):
        return Duplicates(pd.DataFrame(columns=["group", "picture", "row", "split", "label", "kind", "correlation"]))
    keys = [hashlib.blake2b(dataset.images[row].tobytes()).hexdigest() for row in shown]
    _, first, picture = np.unique(keys, return_index=True, return_inverse=True)
    ends = np.array(list(_near_pairs(dataset.images[shown[first]], progress)), np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(first), len(first)))
    _, component = connected_components(graph, directed=False)
    group = component[picture]
    copies = np.bincount(picture)[picture]
    places = np.flatnonzero(np.bincount(group)[group] > 1)
    places = places[np.lexsort((places, group[places]))]
    picture, copies, group, listed = picture[places], copies[places], group[places], shown[places]
    numbers = pd.factorize(group)[0]
    leads = listed[np.unique(numbers, return_index=True)[1]][numbers]
    frame = pd.DataFrame(
        {
            "group": numbers,
            "picture": picture,
            "row": listed,
            "split": dataset.splits[listed].astype(str),
            "label": _names(dataset, listed),
            "kind": np.where(copies > 1, "exact", "near"),
            "correlation": _correlations(dataset.images, leads, listed),
        }
    )
    return Duplicates(frame)


def _near_pairs(images: np.ndarray, progress: Callable[[float], None]) -> Iterator[tuple[int, int]]:
    """Pairs ``i < j`` of different pictures that correlate by :data:`NEAR_DUPLICATE`."""
    side = (_THUMBNAIL, _THUMBNAIL)
    small = _standardised(np.stack([cv2.resize(image, side, interpolation=cv2.INTER_AREA) for image in images]))
    for start in range(0, len(images), _BLOCK):
        likeness = small[start : start + _BLOCK] @ small[start:].T
        rows, columns = np.divmod(np.flatnonzero(likeness >= _CANDIDATE), likeness.shape[1])
        apart = columns > rows
        one, other = rows[apart] + start, columns[apart] + start
        alike = _correlations(images, one, other) >= NEAR_DUPLICATE
        yield from zip(one[alike].tolist(), other[alike].tolist(), strict=True)
        progress(1 - max(0.0, 1 - (start + _BLOCK) / len(images)) ** 2)


def _standardised(images: np.ndarray) -> np.ndarray:
    """``(N, H, W)`` as ``(N, H * W) float32`` of mean 0 and length 1; a flat image is all 0 and like no other."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    return flat / np.where(lengths > 0, lengths, 1)


def _correlations(images: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson's correlation of the pixels of pairs of images: ``(P,) float32``; 1 for the same pixels."""
    result = np.empty(len(one), np.float32)
    for start in range(0, len(one), _BLOCK):
        part = slice(start, start + _BLOCK)
        a, b = images[one[part]], images[other[part]]
        same = (a == b).all(axis=(1, 2))
        result[part] = np.where(same, 1, (_standardised(a) * _standardised(b)).sum(axis=1))
    return result


def _names(dataset: FaceDataset, rows: np.ndarray) -> list[str]:
    emotions = dataset.label_set.names
    return [emotions[label] if label >= 0 else "" for label in dataset.labels[rows]]


def agreement_matrix(dataset: FaceDataset) -> pd.DataFrame:
    """How often the annotators of FER+ share the data set's own label.

    Returns:
        Counts; a row per emotion of the own label set, a column per FER+ majority emotion and ``no majority``.

    Raises:
        DatasetError: the data set has no votes.
    """
    majority = dataset.as_label_set(FERPLUS).labels
    columns = [*FERPLUS.names, "no majority"]
    majority = np.where(majority == NO_LABEL, len(FERPLUS), majority)
    known = dataset.labels >= 0
    counts = np.zeros((len(dataset.label_set), len(columns)), np.int64)
    np.add.at(counts, (dataset.labels[known], majority[known]), 1)
    return pd.DataFrame(counts, index=list(dataset.label_set.names), columns=columns)


def agreement(dataset: FaceDataset) -> float:
    """Share of the rows whose label is the emotion that most of FER+'s annotators name.

    Of all labelled rows for which any annotator names an emotion; a tie counts for the emotion that FER+ lists first.

    Raises:
        DatasetError: the data set has no votes.
    """
    votes, own = dataset.need_votes()[:, : len(FERPLUS)], _in_ferplus(dataset)
    known = (own != NO_LABEL) & (votes.sum(axis=1) > 0)
    return float((votes.argmax(axis=1) == own)[known].mean())


def _in_ferplus(dataset: FaceDataset) -> np.ndarray:
    return np.append(dataset.label_set.indices_in(FERPLUS), NO_LABEL)[dataset.labels]


def vote_entropy(votes: np.ndarray) -> np.ndarray:
    """How divided the annotators are: Shannon's entropy in bits of ``(N, 10)`` votes, ``(N,) float64``.

    0 where all say the same, and NaN where nobody voted.
    """
    totals = votes.sum(axis=1, keepdims=True, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = votes / totals
        terms = np.where(shares > 0, shares * np.log2(shares), 0.0)
    return np.where(totals[:, 0] > 0, -terms.sum(axis=1), np.nan)


def suspect_labels(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Rows whose label is likely wrong, by confident learning (Northcutt et al. 2021, arXiv:1911.00068, sec. 3).

    Args:
        labels: ``(N,) int`` class indices, all of them 0 or more.
        probabilities: ``(N, C)`` of a network that did not learn from these labels.

    Returns:
        ``(M,) int64`` rows, the least likely labels first.
    """
    from cleanlab.filter import find_label_issues  # takes a second to load

    return find_label_issues(
        labels, probabilities.astype(np.float64), return_indices_ranked_by="self_confidence", n_jobs=1
    )


def suspects(labels: np.ndarray, probabilities: np.ndarray, label_set: LabelSet, rows: np.ndarray) -> pd.DataFrame:
    """The rows that :func:`suspect_labels` finds, with what is likelier.

    Args:
        labels: ``(N,) int`` class indices, all of them 0 or more.
        probabilities: ``(N, C)``, see :func:`suspect_labels`.
        label_set: of both.
        rows: ``(N,) int`` numbers to list them by.

    Returns:
        ``row, label, reason, likely, probability``, the least likely labels first; probability is that of the label.
    """
    found = suspect_labels(labels, probabilities)
    found = found[np.lexsort((rows[found], probabilities[found, labels[found]]))]
    emotions = np.array(label_set.names)
    return pd.DataFrame(
        {
            "row": rows[found].astype(np.int64),
            "label": emotions[labels[found]],
            "reason": str(Reason.SUSPECT),
            "likely": emotions[probabilities[found].argmax(axis=1)],
            "probability": probabilities[found, labels[found]].round(4),
        }
    )


VOTE_PRIOR = 0.5
"""Votes that each class has before anybody voted: ten annotators rule nothing out (Jeffreys' prior)."""


def suspects_by_votes(dataset: FaceDataset) -> pd.DataFrame:
    """Likely label errors where FER+'s annotators are the other opinion: they never saw the data set's own labels.

    Their shares of votes take the place of a network's probabilities in :func:`suspect_labels`. Votes for an emotion
    that the own label set lacks, ``unknown`` and ``NF`` say nothing about its classes.

    Returns:
        As :func:`suspects`, with ``split``.

    Raises:
        DatasetError: the data set has no votes.
    """
    columns = dataset.label_set.indices_in(FERPLUS)
    if (columns < 0).any():
        raise DatasetError(f"FER+'s annotators could not name every class of {dataset.label_set.title}.")
    votes = dataset.need_votes()[:, columns]
    rows = np.flatnonzero((dataset.labels >= 0) & (votes.sum(axis=1) > 0))
    shares = votes[rows] + VOTE_PRIOR
    shares /= shares.sum(axis=1, keepdims=True)
    found = suspects(dataset.labels[rows], shares, dataset.label_set, rows)
    found.insert(1, "split", dataset.splits[found["row"]].astype(str))
    return found


def unusable(dataset: FaceDataset) -> pd.DataFrame:
    """Rows that show no face, nothing at all, or a face that runs into a rim of one grey level.

    Returns:
        ``row, split, label, reason``. ``no face`` is what most of FER+'s annotators say, or a row that FER+ dropped.
    """
    images = dataset.images
    flat = _is_flat(images)
    found = {Reason.FLAT: flat, Reason.CUT: ~flat & (_rim(images) >= CUT_SHARE)}
    if dataset.votes is not None:
        votes = dataset.votes.astype(np.int64)
        found[Reason.NO_FACE] = votes[:, -1] * 2 >= votes.sum(axis=1)
    frames = [_listed(dataset, np.flatnonzero(rows), reason) for reason, rows in found.items()]
    return pd.concat(frames, ignore_index=True).sort_values("row", ignore_index=True)


def _is_flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).std(axis=1, dtype=np.float32) < FLAT


def _rim(images: np.ndarray) -> np.ndarray:
    """Largest share of rows or columns of one grey level that an image has at one of its four sides: ``(N,)``."""
    shares = []
    for axis in (1, 2):
        same = images.max(axis=axis) == images.min(axis=axis)  # (N, lines)
        for side in (same, same[:, ::-1]):
            shares.append(np.cumprod(side, axis=1).sum(axis=1) / side.shape[1])
    return np.max(shares, axis=0)


def contradicted(dataset: FaceDataset) -> pd.DataFrame:
    """Rows whose FER+ majority is another emotion than the label, or that have no majority.

    Returns:
        ``row, split, label, reason, majority``.
    """
    majority = dataset.as_label_set(FERPLUS).labels
    other = np.flatnonzero((majority != NO_LABEL) & (majority != _in_ferplus(dataset)))
    none = np.flatnonzero(majority == NO_LABEL)
    names = [*FERPLUS.names, ""]
    frame = pd.concat(
        [_listed(dataset, other, Reason.CONTRADICTED), _listed(dataset, none, Reason.NO_MAJORITY)], ignore_index=True
    )
    return frame.assign(majority=[names[m] for m in majority[frame["row"]]]).sort_values("row", ignore_index=True)


def _listed(dataset: FaceDataset, rows: np.ndarray, reason: Reason) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": rows.astype(np.int64),
            "split": dataset.splits[rows].astype(str),
            "label": _names(dataset, rows),
            "reason": str(reason),
        }
    )


def redundant_rows(duplicates: Duplicates) -> pd.DataFrame:
    """The training rows that a cleaned data set does without, as :func:`write_exclusions` takes them.

    Of exact duplicates in training the first stays, unless the same picture is in another split (it would be known
    there) or carries several labels (which of them is right is anyone's guess): then all go.
    """
    exact = duplicates.groups[duplicates.groups["kind"] == "exact"]
    by_picture = exact.groupby("picture")
    leaks = by_picture["split"].transform(lambda splits: (splits != Split.TRAINING).any())
    torn = by_picture["label"].transform("nunique") > 1
    training = exact["split"] == Split.TRAINING
    later = exact[training].duplicated("picture").reindex(exact.index, fill_value=False)
    rows = exact.loc[training & (leaks | torn | later), "row"]
    return pd.DataFrame({"row": np.sort(rows), "reason": str(Reason.DUPLICATE)})


def write_exclusions(path: Path, listed: pd.DataFrame) -> None:
    """A csv ``row,reason`` of rows to leave out of training, counted from 0 in the order of the source."""
    listed[["row", "reason"]].drop_duplicates("row").sort_values("row").to_csv(path, index=False)


def read_exclusions(path: Path, rows: int) -> np.ndarray:
    """The rows that a file written by :func:`write_exclusions` names: ``(N,) bool``.

    Args:
        path: csv with a column ``row``.
        rows: of the data set.

    Raises:
        DatasetError: there is no such file, no such column, or a row that the data set does not have.
    """
    try:
        listed = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read as csv ({error}); expected a column 'row'.") from error
    if "row" not in listed:
        found = ", ".join(map(str, listed.columns))[:80]
        raise DatasetError(f"{path.name}: found the columns {found}, expected a column 'row', counted from 0.")
    numbers = pd.to_numeric(listed["row"], errors="coerce")
    wrong = np.flatnonzero(~((numbers >= 0) & (numbers < rows) & (numbers % 1 == 0)))
    if len(wrong):
        raise DatasetError(
            f"{path.name}, line {wrong[0] + 2}: found row {listed['row'].iloc[wrong[0]]}, expected 0 to {rows - 1:,}."
        )
    excluded = np.zeros(rows, bool)
    excluded[numbers.astype(np.int64)] = True
    return excluded


def without(dataset: FaceDataset, excluded: np.ndarray) -> FaceDataset:
    """The data set without the excluded rows of its training split; what judges a network is never thinned out."""
    return dataset.take(~(excluded & (dataset.splits == Split.TRAINING)))
