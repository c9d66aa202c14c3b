"""The results of one file as a part of the data set: written whole or not at all, and found again by content.

A part is ``source=NAME/DIGEST-SETTINGS.parquet``: the digest is of the file's content, the other of all that its results
depend on. Whatever has its part is done.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fer_core import __version__
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.analysis.records import ATTRIBUTE_COLUMNS, FACE_COLUMNS, FRAME_COLUMN, Kind, kind_of
from fer_core.batch.sources import ArchiveError, SourceFile
from fer_core.store.store import DEFAULT_MODEL, MASK_AWARE_MODEL, ModelStore
from fer_core.vision.detection.registry import DEFAULT_DETECTOR
from fer_core.vision.mask_state import MASK_STATE_FILE, MASK_STATE_FOLDER

ROWS = 10_000
"""Of a row group."""

_ARROW = {Kind.TEXT: pa.string(), Kind.INTEGER: pa.int64(), Kind.NUMBER: pa.float64()}


@dataclass(frozen=True)
class ArchiveSettings:
    """All that results depend on, beside the files."""

    models: tuple[str, ...] = (DEFAULT_MODEL,)
    answer: str | None = None
    detector: str = DEFAULT_DETECTOR
    per_second: float | None = None
    """Frames of a film that are looked at in a second; every one if None."""

    def analyser(self) -> FrameAnalyser:
        """The analyser of these settings; raises :class:`fer_core.errors.ModelError` where it cannot be made."""
        return FrameAnalyser.from_store(self.models, self.detector, self.answer)

    def digest(self) -> str:
        """Eight hexadecimal digits of the settings, the version and the networks' files."""
        state = hashlib.blake2b(repr((__version__, sorted(asdict(self).items()))).encode(), digest_size=4)
        store = ModelStore()
        stand_in = {MASK_AWARE_MODEL} & {*store.served_names()}
        networks = [path for name in (*self.models, *stand_in) for path in store.load(name).litert_paths()]
        for path in (*networks, MASK_STATE_FOLDER / MASK_STATE_FILE):
            state.update(path.read_bytes())
        return state.hexdigest()


def _schema(analyser: FrameAnalyser) -> pa.Schema:
    """Columns of every part: those of a log but for the source, which is the folder's name."""
    label_sets = [classifier.rule.label_set for classifier in analyser.classifiers]
    emotions = dict.fromkeys(emotion for label_set in label_sets for emotion in label_set.emotions)
    names = ["time_ms", FRAME_COLUMN, *(name for name in FACE_COLUMNS if name not in ("source", "time_ms"))]
    columns = [*names, *(f"p_{emotion}" for emotion in emotions), *ATTRIBUTE_COLUMNS]
    return pa.schema([(name, _ARROW[kind]) for name in columns if (kind := kind_of(name))])


class Parts:
    """The data set that an archive's results go to.

    Args:
        folder: of the data set; made if it is not there.
        settings: of the analysis.

    Raises:
        ArchiveError: the folder cannot be made.
    """

    def __init__(self, folder: Path, settings: ArchiveSettings) -> None:
        self.folder = folder
        self._settings = settings.digest()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArchiveError(
                f"{folder} cannot hold the results ({error.strerror}): choose another folder."
            ) from error

    def place(self, file: SourceFile, digest: str) -> Path:
        """Where the part of a file with this content is, or will be."""
        return self.folder / file.folder / f"{digest}-{self._settings}.parquet"

    def take_over(self, file: SourceFile, digest: str) -> bool:
        """Whether the file's part is there, or that of another file of the same content, which then serves for both."""
        place = self.place(file, digest)
        if place.exists():
            return True
        twin = next(self.folder.glob(f"source=*/{place.name}"), None)
        if twin is None:
            return False
        place.parent.mkdir(exist_ok=True)
        unfinished = _unfinished(place)
        shutil.copyfile(twin, unfinished)
        self._finish(unfinished, place)
        return True

    def write(self, file: SourceFile, digest: str, tables: Iterable[pa.Table], analyser: FrameAnalyser) -> None:
        """Write a file's rows, the same bytes however they are divided; parts of what the file was before are dropped.

        Args:
            file: of the archive.
            digest: of its content.
            tables: its rows.
            analyser: that found them, whose models' emotions are the columns.

        Raises:
            ArchiveError: they cannot be written.
        """
        place, schema = self.place(file, digest), _schema(analyser)
        unfinished = _unfinished(place)
        try:
            place.parent.mkdir(exist_ok=True)
            with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
                for group in _evenly((_typed(table, schema) for table in tables), ROWS):
                    writer.write_table(group)
            self._finish(unfinished, place)
        except OSError as error:
            raise ArchiveError(f"The results of {file.source} could not be written ({error.strerror}).") from error

    def _finish(self, unfinished: Path, place: Path) -> None:
        unfinished.replace(place)
        for older in place.parent.glob("*.parquet"):
            if older != place:
                older.unlink(missing_ok=True)


def _unfinished(place: Path) -> Path:
    # The dot hides it from those who read the data set; a later run overwrites what a killed one has left.
    return place.with_name(f".{place.name}.part")


def _evenly(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of one length, the last one shorter."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        while sum(map(len, waiting)) >= rows:
            together = pa.concat_tables(waiting).combine_chunks()
            yield together.slice(0, rows)
            waiting = [together.slice(rows)]
    if sum(map(len, waiting)):
        yield pa.concat_tables(waiting).combine_chunks()


def _typed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
