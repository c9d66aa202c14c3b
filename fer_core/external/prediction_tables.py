"""Predictions from people as a csv file: one row per face, one column of probabilities per class.

A column ``row`` names the face: its place in the split, counted from 0 as everywhere in this project, or the row of
FER2013's csv, whose Training comes first, then PublicTest, then PrivateTest. The other columns are named by emotion, in
any order, with or without ``p_`` before it.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence

import numpy as np

from fer_core.datasets.dataset import Split
from fer_core.errors import ModelError
from fer_core.labels import LABEL_SETS, Emotion, LabelSet, parse_emotion
from fer_core.store.card import FER2013_TITLES

MAX_TABLE_BYTES = 20 * 2**20
"""Three times all 35,887 faces of FER2013 with eight columns of twenty digits."""
MAX_ROWS = 40_000
MAX_COLUMNS = 32
ROW_COLUMNS = ("row", "image", "index", "id", "")
"""Names of the column that tells faces apart; the empty one is the index that pandas writes."""
FIRST_ROWS = {Split.VALIDATION: 28_709, Split.TEST: 32_298}
"""Of FER2013's csv, the heading left out and counted from 0."""
FER2013_SPLIT = 3_589
"""Faces of PublicTest, and of PrivateTest."""
SUM_TOLERANCE = 0.02
"""By how much probabilities rounded to two digits may miss one in sum."""


def read_predictions(
    content: bytes, name: str, label_set: LabelSet, labels: Mapping[Split, np.ndarray], split: Split
) -> dict[Split, np.ndarray]:
    """Probabilities from a csv file.

    Args:
        content: the file's bytes.
        name: the file's name, for messages.
        label_set: the classes that columns are expected for.
        labels: by split, ``(N,)``: the class of each face, negative where the protocol leaves it out.
        split: the one that rows count in, where they are not rows of FER2013's csv.

    Returns:
        By split, ``(N, len(label_set)) float32`` whose rows sum to one; one split where rows count in it, and of rows of
        FER2013's csv those of its two held-out splits that are whole. Faces without a label that the file leaves out are
        given equal probabilities, which no metric counts.

    Raises:
        ModelError: something is missing, stands twice or is no probability; the message says where.
    """
    header, lines = _rows_of(_decoded(content, name), name)
    row_column, columns = _columns(header, label_set, name)
    ids = np.array([_row_id(cells[row_column], line, name) for line, cells in lines], np.int64)
    values = np.array([[_number(cells[c], line, header[c], name) for c in columns] for line, cells in lines])
    _check_probabilities(values, [line for line, _ in lines], name)
    _check_unique(ids, name)
    values /= values.sum(axis=1, keepdims=True)
    return {
        found: _whole(ids - first, values, labels[found], name)
        for found, first in _splits_of(ids, labels, split, name).items()
    }


def _decoded(content: bytes, name: str) -> str:
    if not content.strip():
        raise ModelError(f"{name} is empty: expected a heading and one row per face.")
    if len(content) > MAX_TABLE_BYTES:
        raise ModelError(
            f"{name} is larger than the {MAX_TABLE_BYTES // 2**20} MB allowed for predictions: write fewer digits and only "
            "the faces of one split."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"{name} is no text in UTF-8: expected a csv file of predictions.") from error
    if "\0" in text:
        raise ModelError(f"{name} is no text: expected a csv file of predictions.")
    return text


def _rows_of(text: str, name: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The heading, and every other row with the line it stands on."""
    heading = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text), delimiter=";" if heading.count(";") > heading.count(",") else ",")
    rows: list[tuple[int, list[str]]] = []
    try:
        header = [cell.strip().lower() for cell in next(reader)]
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise ModelError(
                    f"{name}, line {reader.line_num}: found {len(cells)} cells, expected {len(header)} as in the heading."
                )
            rows.append((reader.line_num, cells))
            if len(rows) > MAX_ROWS:
                raise ModelError(f"{name} has more than {MAX_ROWS:,} rows, expected one for each face of a split.")
    except csv.Error as error:
        raise ModelError(f"{name} is no csv file that can be read ({error}).") from error
    if not rows:
        raise ModelError(f"{name} has a heading and no rows: expected one row per face.")
    return header, rows


def _columns(header: Sequence[str], label_set: LabelSet, name: str) -> tuple[int, list[int]]:
    """The place of the column of rows, and of each class of the label set."""
    expected = f"row, {', '.join(label_set.emotions)}"
    if len(header) > MAX_COLUMNS:
        raise ModelError(f"{name} has {len(header)} columns, expected {len(label_set) + 1}: {expected}.")
    row_columns = [place for place, title in enumerate(header) if title in ROW_COLUMNS]
    if len(row_columns) != 1:
        found = "none" if not row_columns else f"{len(row_columns)}"
        raise ModelError(
            f"{name}: found {found} column of image rows, expected one called row; the columns are {expected}."
        )
    places: dict[Emotion, int] = {}
    for place, title in enumerate(header):
        if place == row_columns[0]:
            continue
        try:
            emotion = parse_emotion(title.removeprefix("p_"))
        except ValueError:
            raise ModelError(
                f"{name}: the column {title[:40]!r} names no known emotion; expected the columns {expected}."
            ) from None
        if emotion in places:
            raise ModelError(f"{name}: two columns name {emotion}; expected the columns {expected}.")
        places[emotion] = place
    if set(places) != set(label_set.emotions):
        raise ModelError(_other_classes(set(places), label_set, name))
    return row_columns[0], [places[emotion] for emotion in label_set.emotions]


def _other_classes(found: set[Emotion], label_set: LabelSet, name: str) -> str:
    others = [other.title for other in LABEL_SETS.values() if set(other.emotions) == found]
    if others:
        return f"{name} has the classes of {others[0]}, but {label_set.title} is chosen above; choose that one first."
    missing = [str(emotion) for emotion in label_set.emotions if emotion not in found]
    more = [str(emotion) for emotion in found if emotion not in label_set.emotions]
    parts = [f"misses the columns {', '.join(missing)}"] if missing else []
    parts += [f"has {', '.join(sorted(more))}, which {label_set.title} lacks"] if more else []
    return f"{name} {' and '.join(parts)}; expected the columns row, {', '.join(label_set.emotions)}."


def _row_id(cell: str, line: int, name: str) -> int:
    word = cell.strip()
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise ModelError(f"{name}, line {line}: found the row {word[:20]!r}, expected a whole number from 0.")
    return int(word)


def _number(cell: str, line: int, column: str, name: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ModelError(
            f"{name}, line {line}, column {column}: found {cell.strip()[:20]!r}, expected a probability from 0 to 1."
        )
    return value


def _check_probabilities(values: np.ndarray, lines: Sequence[int], name: str) -> None:
    sums = values.sum(axis=1)
    negative, off = (values < 0).any(axis=1), np.abs(sums - 1) > SUM_TOLERANCE
    if negative.any():
        place = int(negative.argmax())
        hint = "logits, so apply softmax first" if off[negative].any() else "no probabilities"
        raise ModelError(
            f"{name}, line {lines[place]}: found {values[place].min():.4g}, which is negative: these look like {hint}."
        )
    if off.any():
        place = int(off.argmax())
        hint = "per cent, so divide by 100" if abs(sums[place] - 100) < 100 * SUM_TOLERANCE else "logits or scores"
        raise ModelError(
            f"{name}, line {lines[place]}: the numbers sum to {sums[place]:.4g}, expected probabilities that sum to 1; "
            f"these look like {hint}."
        )


def _check_unique(ids: np.ndarray, name: str) -> None:
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        twice = values[counts > 1]
        raise ModelError(f"{name}: row {twice[0]} stands {counts.max()} times; expected every face once.")


def _splits_of(ids: np.ndarray, labels: Mapping[Split, np.ndarray], split: Split, name: str) -> dict[Split, int]:
    """The splits that rows are of, each with the row it begins at."""
    size = len(labels[split])
    if ids.max() < size:
        return {split: 0}
    if ids.max() == size and ids.min() == 1:
        raise ModelError(f"{name}: rows count from 1 to {size}, expected 0 to {size - 1}; subtract one from each.")
    firsts = {s: first for s, first in FIRST_ROWS.items() if s in labels and len(labels[s]) == FER2013_SPLIT}
    if not firsts:
        raise ModelError(f"{name}: found row {ids.max()}, expected 0 to {size - 1}, the faces of the split.")
    last = max(firsts.values()) + FER2013_SPLIT - 1
    if ids.max() > last:
        raise ModelError(f"{name}: found row {ids.max()}, expected 0 to {size - 1} or rows of FER2013's csv to {last}.")
    found = {s: first for s, first in firsts.items() if ((ids >= first) & (ids < first + FER2013_SPLIT)).any()}
    if not found:
        raise ModelError(
            f"{name}: rows {ids.min()} to {ids.max()} of FER2013's csv are of Training, expected "
            f"{' or '.join(f'{FER2013_TITLES[s]} (from {first})' for s, first in firsts.items())}."
        )
    return found


def _whole(places: np.ndarray, values: np.ndarray, labels: np.ndarray, name: str) -> np.ndarray:
    """The rows of one split in its order; all that have a label must be there."""
    here = (places >= 0) & (places < len(labels))
    probabilities = np.full((len(labels), values.shape[1]), 1 / values.shape[1], np.float32)
    probabilities[places[here]] = values[here]
    present = np.zeros(len(labels), bool)
    present[places[here]] = True
    missing = np.flatnonzero(~present & (labels >= 0))
    if len(missing):
        raise ModelError(
            f"{name} misses {len(missing):,} of the {int((labels >= 0).sum()):,} faces of the split, the first of them row "
            f"{missing[0]} counted in the split; expected every face once."
        )
    return probabilities
