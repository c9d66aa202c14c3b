"""FER2013's own csv (Goodfellow et al. 2013, arXiv:1307.0414) and FER+'s vote table (Barsoum et al. 2016).

Kaggle's file is 301 MB of text for 82 MB of pixels. It is parsed in blocks of whole lines with array operations on
the bytes themselves, so that neither the text nor a Python object per number is ever held whole.
"""

from __future__ import annotations

import csv
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from fer_core.datasets.dataset import DATASET_SIDE, FERPLUS_COLUMNS, FaceDataset, Split
from fer_core.datasets.readers.archives import bounded, open_zip
from fer_core.errors import DatasetError
from fer_core.labels import FER2013

CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
"""What the csv is called on Kaggle, in lower case."""
PIXELS = DATASET_SIDE * DATASET_SIDE
_BLOCK_BYTES = 1 << 20
"""Small enough for a processor's second-level cache, which makes the array operations fast."""
_MAX_LINE_BYTES = 16 * PIXELS
"""A row has at most 48*48 numbers of three digits with separators; a line far beyond that is not of this format."""

_SPLIT_OF_USAGE = {
    b"Training": Split.TRAINING,
    b"PublicTest": Split.VALIDATION,
    b"PrivateTest": Split.TEST,
}

_FERPLUS_HEADER = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
    *("unknown", "NF"),
)
_Rows = tuple[np.ndarray, np.ndarray, list[Split]]
"""Labels ``(R,) int64``, images ``(R, 48, 48) uint8`` and splits."""


def is_csv_source(path: Path) -> bool:
    """Whether the name looks like one of the csv's packings."""
    return path.name.lower().endswith((".csv", ".csv.gz", ".csv.xz", ".zip", ".tar.gz", ".tgz"))


def open_csv(file: IO[bytes], name: str, stack: ExitStack) -> IO[bytes]:
    """The csv inside a file as a byte stream: plain, ``.gz``, ``.xz``, ``.zip``, or the challenge's ``.tar.gz``.

    What unpacks is bounded (:func:`~fer_core.datasets.readers.archives.bounded`); no other member of an archive is.

    Args:
        file: open, at its start.
        name: of the file, which tells how it is packed.
        stack: closes what is opened here.

    Raises:
        DatasetError: the archive holds no csv of FER2013's name, or is refused.
    """
    packing = name.lower()
    if packing.endswith((".tar.gz", ".tgz")):
        whole = bounded(stack.enter_context(gzip.GzipFile(fileobj=file)), name)
        archive = stack.enter_context(tarfile.open(fileobj=whole, mode="r|"))  # noqa: SIM115
        for member in archive:
            if member.isfile() and member.name.lower().endswith(".csv"):
                stream = archive.extractfile(member)
                assert stream is not None, "a regular file has a stream"
                return stack.enter_context(stream)
        raise DatasetError(f"{name}: the archive holds no csv file, expected fer2013/fer2013.csv in it.")
    if packing.endswith(".zip"):
        packed = stack.enter_context(open_zip(file, name))
        members = [m for m in packed.namelist() if m.lower().endswith(".csv")]
        preferred = [m for m in members if Path(m).name.lower() in CSV_NAMES]
        if len(preferred or members) != 1:
            found = ", ".join(members)[:80] or "none"
            raise DatasetError(f"{name}: expected one csv called fer2013.csv in the archive, found {found}.")
        return bounded(stack.enter_context(packed.open((preferred or members)[0])), name)
    if packing.endswith(".gz"):
        return bounded(stack.enter_context(gzip.GzipFile(fileobj=file)), name)
    if packing.endswith(".xz"):
        return bounded(stack.enter_context(lzma.LZMAFile(file)), name)
    return bounded(file, name)


def _whole_line_blocks(stream: IO[bytes], name: str) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(_BLOCK_BYTES):
        block = rest + block
        end = block.rfind(b"\n") + 1
        if not end and len(block) > _MAX_LINE_BYTES:
            raise DatasetError(
                f"{name}: a line of over {_MAX_LINE_BYTES:,} characters, expected {PIXELS} numbers a row."
            )
        rest = block[end:]
        if block[:end].strip():
            yield block[:end]
    if rest.strip():
        yield rest + b"\n"


def _numbers_in(text: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """All runs of digits in ``(B,) uint8`` text that does not end in a digit.

    Returns:
        Values ``(K,) uint16``, end positions ``(K,) int64``, and whether every run has one to three digits.
    """
    digits = text - ord("0")  # wraps: everything that is no digit becomes 10 or more
    is_digit = digits < 10
    ends = np.flatnonzero(is_digit[:-1] > is_digit[1:])
    digits *= is_digit
    # Padding stands for the bytes before the first, so that no run needs to look for the border.
    digits, is_digit = np.pad(digits, (3, 0)), np.pad(is_digit, (3, 0))
    tens = is_digit[ends + 2]
    hundreds = tens & is_digit[ends + 1]
    values = digits[ends + 3].astype(np.uint16)
    values += digits[ends + 2] * np.uint16(10)
    values += digits[ends + 1] * hundreds * np.uint16(100)
    return values, ends, not (hundreds & is_digit[ends]).any()


def _parse_row(line: bytes, order: tuple[int, int, int], where: str) -> tuple[int, np.ndarray, Split]:
    """One row the slow way, with an exact message about what is wrong in it."""
    fields = [field.strip().strip(b'"').strip() for field in line.split(b",")]
    if len(fields) != 3:
        raise DatasetError(f"{where}: found {len(fields)} columns, expected 3 (emotion, pixels, Usage).")
    emotion, pixels, usage = (fields[i] for i in order)
    if not emotion.isdigit() or int(emotion) >= len(FER2013):
        raise DatasetError(f"{where}: found label {_shown(emotion)}, expected a number from 0 to {len(FER2013) - 1}.")
    if usage not in _SPLIT_OF_USAGE:
        expected = ", ".join(key.decode() for key in _SPLIT_OF_USAGE)
        raise DatasetError(f"{where}: found usage {_shown(usage)}, expected one of {expected}.")
    words = pixels.split()
    if len(words) != PIXELS:
        raise DatasetError(
            f"{where}: found {len(words)} pixel values, expected {PIXELS} ({DATASET_SIDE}x{DATASET_SIDE})."
        )
    for word in words:
        if not word.isdigit() or int(word) > 255:
            raise DatasetError(f"{where}: found pixel value {_shown(word)}, expected a number from 0 to 255.")
    return int(emotion), np.array([int(w) for w in words], np.uint8), _SPLIT_OF_USAGE[usage]


def _shown(field: bytes) -> str:
    text = field[:40].decode("utf-8", "replace")
    return f"{text!r}" + ("…" if len(field) > 40 else "")


def _column_order(header: bytes, name: str) -> tuple[int, int, int]:
    columns = [column.strip().strip(b'"').strip().lower() for column in header.split(b",")]
    try:
        return columns.index(b"emotion"), columns.index(b"pixels"), columns.index(b"usage")
    except ValueError:
        raise DatasetError(
            f"{name}, row 1: found the columns {_shown(header.strip())}, expected emotion, pixels, Usage."
        ) from None


def _parse_block(block: bytes, order: tuple[int, int, int], first_row: int, name: str) -> _Rows:
    """Whole lines as rows; ``first_row`` counts from 1."""
    lines = [line for line in block.split(b"\n") if line.strip()]
    rows = _parse_plain_block(block, lines, order)
    if rows is not None:
        return rows
    # Row by row, which raises with the place of the fault, or reads what the fast way is too strict for.
    parsed = [_parse_row(line, order, f"{name}, row {first_row + i}") for i, line in enumerate(lines)]
    labels, images, splits = zip(*parsed, strict=True)
    return np.array(labels, np.int64), np.stack(images).reshape(-1, DATASET_SIDE, DATASET_SIDE), list(splits)


def _parse_plain_block(block: bytes, lines: list[bytes], order: tuple[int, int, int]) -> _Rows | None:
    """A whole block by array operations.

    ``None`` unless it holds nothing but usages, numbers of at most three digits and separators, and every line has a label
    and its pixels.
    """
    usages = [_usage_in(line, order) for line in lines]
    if not all(usage in _SPLIT_OF_USAGE for usage in usages):
        return None
    letters = len(block.translate(None, b'0123456789 ,"\r\n'))
    if letters != sum(map(len, usages)) or block.count(b",") != 2 * len(lines):
        return None
    text = np.frombuffer(block, np.uint8)
    values, ends, short = _numbers_in(text)
    per_line = np.diff(np.searchsorted(ends, np.flatnonzero(text == ord("\n"))), prepend=0)
    if not short or (per_line[per_line > 0] != PIXELS + 1).any() or len(values) != len(lines) * (PIXELS + 1):
        return None
    numbers = values.reshape(len(lines), -1)
    labels, pixels = (numbers[:, 0], numbers[:, 1:]) if order[0] < order[1] else (numbers[:, -1], numbers[:, :-1])
    if labels.max() >= len(FER2013) or pixels.max() > 255:
        return None
    images = pixels.astype(np.uint8).reshape(-1, DATASET_SIDE, DATASET_SIDE)
    return labels.astype(np.int64), images, [_SPLIT_OF_USAGE[usage] for usage in usages]


def _usage_in(line: bytes, order: tuple[int, int, int]) -> bytes:
    usage = line.rsplit(b",", 1)[-1] if order[2] == 2 else line.split(b",", 2)[1 if order[2] == 1 else 0]
    return usage.strip().strip(b'"').strip()


def read_fer2013_csv(path: Path, progress: Callable[[float], None] = lambda _: None) -> FaceDataset:
    """FER2013 from Kaggle's csv in any of its packings.

    Args:
        path: ``fer2013.csv`` or ``icml_face_data.csv``, plain, ``.gz``, ``.xz``, ``.zip`` or the ``.tar.gz``.
        progress: called with the share of the file that is read, 0..1; what it raises ends the work.

    Raises:
        DatasetError: the file is damaged; the message names file, row, what was found and what was expected.
    """
    labels: list[np.ndarray] = []
    images: list[np.ndarray] = []
    splits: list[Split] = []
    row = 2
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            size = max(1, path.stat().st_size)
            stream = open_csv(file, path.name, stack)
            order = _column_order(stream.readline(_MAX_LINE_BYTES), path.name)
            for block in _whole_line_blocks(stream, path.name):
                block_labels, block_images, block_splits = _parse_block(block, order, row, path.name)
                labels.append(block_labels)
                images.append(block_images)
                splits += block_splits
                row += len(block_labels)
                progress(min(1.0, file.tell() / size))
        except (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, tarfile.TarError) as error:
            raise DatasetError(
                f"{path.name}: the file cannot be unpacked after row {row - 1} ({error}); expected a whole archive."
            ) from error
    if not labels:
        raise DatasetError(f"{path.name}: found a header and no rows, expected rows of emotion, pixels, Usage.")
    return FaceDataset("FER2013", np.concatenate(images), np.concatenate(labels), np.array(splits), FER2013)


def is_votes_file(path: Path) -> bool:
    """Whether a csv begins as FER+'s table of votes does."""
    with path.open("rb") as file:
        return b"image name" in file.readline(_MAX_LINE_BYTES).lower()


def read_ferplus_votes(path: Path, rows: int) -> np.ndarray:
    """FER+'s ``fer2013new.csv`` as ``(rows, 10) uint8`` votes, in the row order of FER2013's csv.

    Raises:
        DatasetError: a column is missing, a vote is no number, or the count of rows is not that of the images.
    """
    votes: list[list[int]] = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header = [column.strip() for column in next(reader, [])]
            if tuple(header[2:]) != _FERPLUS_HEADER:
                raise DatasetError(
                    f"{path.name}, row 1: found the columns {', '.join(header)[:80]!r}, expected Usage, Image name, "
                    f"{', '.join(_FERPLUS_HEADER)}."
                )
            for number, row in enumerate(reader, start=2):
                counts = row[2:]
                if len(counts) != FERPLUS_COLUMNS or not all(c.strip().isdigit() and int(c) < 256 for c in counts):
                    raise DatasetError(
                        f"{path.name}, row {number}: found votes {','.join(counts)[:60]!r}, "
                        f"expected {FERPLUS_COLUMNS} counts."
                    )
                votes.append([int(c) for c in counts])
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(
            f"{path.name}: it cannot be read as csv ({error}); expected FER+'s fer2013new.csv."
        ) from error
    if len(votes) != rows:
        raise DatasetError(
            f"{path.name}: found {len(votes):,} rows of votes, expected {rows:,}, one for each image in the same order."
        )
    return np.array(votes, np.uint8)
