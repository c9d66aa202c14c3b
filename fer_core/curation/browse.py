"""Finding faces in a data set: filters and an order, pages of what is left, one picture of a page, facts of a face."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from fer_core.curation.audit import vote_entropy
from fer_core.curation.exclusions import DUPLICATES, findings
from fer_core.curation.summary import DatasetSummary
from fer_core.datasets.dataset import NO_LABEL, FaceDataset
from fer_core.labels import FERPLUS, LabelSet

SHEET_COLUMNS = 20
"""Faces in a row of a sheet; how many stand side by side on a screen is up to that screen."""
SHEET_QUALITY = 90
"""Of the JPEG, in per cent."""
_COPIES_NAMED = 5
"""Of a picture that is there more often."""
_BLOCK = 8
"""Pixels of a JPEG's blocks; a face that fills whole ones takes nothing from its neighbours."""


class FaceOrder(StrEnum):
    """Which faces come first."""

    ROW = "as in the file"
    LOSS = "largest loss first"
    DISPUTED = "most disputed first"


@dataclass(frozen=True)
class FaceFilter:
    """Which faces to find. A range that is not wide open leaves out the faces whose value is not known."""

    label_set: LabelSet
    """What classes are meant in."""
    classes: tuple[int, ...] = ()
    """Indices into the label set, :data:`NO_LABEL` for the rows that it has no class for; none asks for every row."""
    splits: tuple[str, ...] = ()
    """None asks for all."""
    agreement: tuple[float, float] = (0.0, 1.0)
    """Least and largest share of the annotators in the answer that most of them gave, see :func:`agreement_of`."""
    loss: tuple[float, float] = (0.0, math.inf)
    """Least and largest, in nats."""
    order: FaceOrder = FaceOrder.ROW

    @property
    def needs_losses(self) -> bool:
        """Whether faces without a known loss are left out."""
        return self.loss != (0.0, math.inf) or self.order == FaceOrder.LOSS


def agreement_of(votes: np.ndarray) -> np.ndarray:
    """Share of the votes for the answer that has most of them; ``unknown`` and ``NF`` are answers too.

    Args:
        votes: ``(N, 10)`` of FER+.

    Returns:
        ``(N,) float64`` in 0..1, NaN where nobody voted.
    """
    totals = votes.sum(axis=1, dtype=np.int64)
    return np.where(totals > 0, votes.max(axis=1) / np.maximum(totals, 1), np.nan)


def find_rows(dataset: FaceDataset, wanted: FaceFilter, losses: np.ndarray | None = None) -> np.ndarray:
    """The rows that pass every filter, in the order asked for: ``(M,) int64``.

    Args:
        dataset: any.
        wanted: the filters.
        losses: ``(N,)`` per row, NaN where it is not known; without them a filter or an order by loss finds nothing.

    Raises:
        DatasetError: classes of FER+ are asked for and the data set has no votes.
    """
    found = np.ones(len(dataset), bool)
    if wanted.classes:
        found &= np.isin(dataset.as_label_set(wanted.label_set).labels, wanted.classes)
    if wanted.splits:
        found &= np.isin(dataset.splits, wanted.splits)
    unknown = np.full(len(dataset), np.nan)
    if wanted.agreement != (0.0, 1.0):
        found &= _within(unknown if dataset.votes is None else agreement_of(dataset.votes), wanted.agreement)
    losses = unknown if losses is None else losses
    if wanted.needs_losses:
        found &= _within(losses, wanted.loss)
    rows = np.flatnonzero(found)
    if wanted.order == FaceOrder.ROW:
        return rows
    if wanted.order == FaceOrder.LOSS:
        sizes = losses[rows]
    else:
        sizes = unknown[rows] if dataset.votes is None else vote_entropy(dataset.votes[rows])
    return rows[np.argsort(-sizes, kind="stable")]  # NaN comes last


def _within(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    rounding = 1e-9  # 0.7 of ten votes is not quite the 0.7 of a slider
    return (values >= limits[0] - rounding) & (values <= limits[1] + rounding)  # False for NaN


@dataclass(frozen=True)
class Pages:
    """Rows in pages of a size, counted from 1."""

    rows: np.ndarray
    """``(M,) int64``."""
    size: int

    @property
    def count(self) -> int:
        """At least one, which is empty where nothing was found."""
        return max(1, math.ceil(len(self.rows) / self.size))

    def page(self, number: int) -> np.ndarray:
        """The rows of a page; those of the last one where there is none of that number."""
        first = (min(number, self.count) - 1) * self.size
        return self.rows[first : first + self.size]


def sheet(images: np.ndarray) -> bytes:
    """Faces side by side in rows of :data:`SHEET_COLUMNS`, as one grey JPEG file.

    A picture a face would cost a request each; one of a hundred faces takes a millisecond.

    Args:
        images: ``(N, H, W) uint8``, N at least 1.

    Returns:
        A JPEG in which face ``n`` starts at column ``(n % SHEET_COLUMNS)`` and row ``(n // SHEET_COLUMNS)`` of cells
        that measure :func:`cell_side` of H and W.
    """
    height, width = images.shape[1:]
    missing = -len(images) % SHEET_COLUMNS
    padding = ((0, missing), (0, cell_side(height) - height), (0, cell_side(width) - width))
    cells = np.pad(images, padding, mode="edge")
    rows = cells.reshape(-1, SHEET_COLUMNS, *cells.shape[1:]).swapaxes(1, 2)
    picture = rows.reshape(-1, SHEET_COLUMNS * cells.shape[2])
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, SHEET_QUALITY])[1].tobytes()


def cell_side(pixels: int) -> int:
    """Pixels of a sheet's cell for so many of a face: whole blocks of a JPEG."""
    return math.ceil(pixels / _BLOCK) * _BLOCK


def label_name(label_set: LabelSet, label: int) -> str:
    """The emotion of a label for people."""
    if label != NO_LABEL:
        return str(label_set.emotions[label])
    return "no majority" if label_set == FERPLUS else "another class"


def facts_of(dataset: FaceDataset, summary: DatasetSummary, row: int) -> list[str]:
    """What a data set and its audit say about one face, a sentence or two words each.

    Args:
        dataset: any.
        summary: of the same data set.
        row: counted from 0.
    """
    facts = []
    for name in summary.counts:
        view = dataset.take(np.array([row])).as_label_set(summary.means[name].label_set)
        facts.append(f"{view.label_set.title}: **{label_name(view.label_set, int(view.labels[0]))}**")
    if dataset.votes is not None and dataset.votes[row].any():
        share, entropy = (float(f(dataset.votes[row : row + 1])[0]) for f in (agreement_of, vote_entropy))
        facts.append(f"Annotators: {share:.0%} gave the most common answer; entropy of their votes {entropy:.2g} bits")
    if dataset.subjects is not None:
        facts.append(f"Subject: {dataset.subjects[row]}")
    facts += [
        f"Audit: {f.title.lower()}" for f in findings(summary) if f.name != DUPLICATES and (f.rows["row"] == row).any()
    ]
    return facts + _copies(summary, row)


def same_picture(summary: DatasetSummary, row: int) -> np.ndarray:
    """The other rows that show the very same pixels: ``(M,) int64``."""
    groups = summary.duplicates.groups
    pictures = groups.loc[groups["row"] == row, "picture"]
    return groups.loc[groups["picture"].isin(pictures) & (groups["row"] != row), "row"].to_numpy(np.int64)


def _copies(summary: DatasetSummary, row: int) -> list[str]:
    groups = summary.duplicates.groups
    others = groups[groups["group"].isin(groups.loc[groups["row"] == row, "group"]) & (groups["row"] != row)]
    same = others["row"].isin(same_picture(summary, row))
    facts = []
    for kind, listed in (("The same picture", others[same]), ("Nearly the same picture", others[~same])):
        if len(listed):
            named = [f"{other.row} ({other.split}, {other.label})" for other in listed.itertuples()][:_COPIES_NAMED]
            more = f" and {len(listed) - len(named)} more" if len(listed) > len(named) else ""
            facts.append(f"{kind}: row {', '.join(named)}{more}")
    return facts
