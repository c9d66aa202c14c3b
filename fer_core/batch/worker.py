"""What one process does with one file of an archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.batch.parts import ArchiveSettings, Parts
from fer_core.batch.sources import SourceFile, content_digest
from fer_core.errors import FerError
from fer_core.logs.session_log import SessionLog
from fer_core.media.images import read_image
from fer_core.video.analysis import analyse_video


class Outcome(StrEnum):
    """What became of a file."""

    DONE = "analysed"
    SKIPPED = "done before"
    FAILED = "failed"


@dataclass(frozen=True)
class FileResult:
    """One file of an archive after its turn."""

    source: str
    outcome: Outcome
    note: str = ""
    """Why it failed, or what is to be known of its results: a sentence."""


def failed(file: SourceFile, error: BaseException) -> FileResult:
    """A file that could not be analysed: in the words of an error of this project, else with what was raised."""
    told = str(error) if isinstance(error, FerError) else f"{file.source} could not be analysed: {error!r}."
    return FileResult(file.source, Outcome.FAILED, told)


class FileWorker:
    """Analyses files one after the other.

    Args:
        folder: of the data set.
        settings: of the analysis.
        threads: for a film, see :func:`fer_core.video.analysis.analyse_video`.
    """

    def __init__(self, folder: Path, settings: ArchiveSettings, threads: int) -> None:
        self._parts, self._settings, self._threads = Parts(folder, settings), settings, threads
        self._analyser: FrameAnalyser | None = None

    def work(self, file: SourceFile, missing: str | None = None) -> FileResult:
        """Write the part of one file, unless it is there; never raises for what the file holds.

        Args:
            file: of the archive.
            missing: the digest of its content, where it is known and known to have no part.
        """
        try:
            digest = missing or content_digest(file.path)
            if not missing and self._parts.take_over(file, digest):
                return FileResult(file.source, Outcome.SKIPPED)
            self._analyser = self._analyser or self._settings.analyser()
            log, notes = self._log(file, self._analyser)
            self._parts.write(file, digest, log.parts(), self._analyser)
            return FileResult(file.source, Outcome.DONE, " ".join(notes))
        except Exception as error:  # a flaw that one file brings to light must not stop the others
            return failed(file, error)

    def _log(self, file: SourceFile, analyser: FrameAnalyser) -> tuple[SessionLog, Sequence[str]]:
        if file.is_video:
            found = analyse_video(file.path, analyser, per_second=self._settings.per_second, threads=self._threads)
            return found.log, found.notes
        log = SessionLog(file.source, bounded=False)
        log.add(analyser.analyse(read_image(file.path)), 0)
        return log, ()
