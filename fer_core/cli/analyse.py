"""The command ``analyse``: photos to a table, or a whole archive of photos and videos to a data set."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_analyse(commands: argparse._SubParsersAction) -> None:
    """Add ``analyse``."""
    parser = commands.add_parser("analyse", help="faces and their expressions in photos and videos")
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="image files or folders of them; with --out also videos, glob patterns, and lists of paths (.txt)",
    )
    parser.add_argument("--model", action="append", help="model name; repeat to compare (default: senet)")
    parser.add_argument("--answer", help="name of the models' answer (default: each card's first)")
    parser.add_argument("--detector", help="face detector (default: blazeface)")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table")
    parser.add_argument(
        "--out",
        type=Path,
        help="write a Parquet data set, partitioned by source, into this folder; a stopped run goes on where it was",
    )
    parser.add_argument("--workers", type=int, help="processes, for --out (default: one per processor core)")
    parser.add_argument(
        "--per-second", type=float, help="frames of a video to analyse in a second, for --out (default: every one)"
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask scheduler, tcp://HOST:PORT, whose workers do the work for --out; 'local' starts some here",
    )
    parser.set_defaults(run=_analyse)


def _analyse(options: argparse.Namespace) -> int:
    return _archive(options) if options.out else _photos(options)


def _photos(options: argparse.Namespace) -> int:
    from fer_core.analysis.photo_report import PhotoReport, format_reports, image_files
    from fer_core.analysis.pipeline import FrameAnalyser
    from fer_core.batch.sources import ArchiveError
    from fer_core.errors import FerError
    from fer_core.media.images import read_image
    from fer_core.media.suffixes import VIDEO_SUFFIXES
    from fer_core.store.store import DEFAULT_MODEL
    from fer_core.vision.detection.registry import DEFAULT_DETECTOR

    models = options.model or [DEFAULT_MODEL]
    analyser = FrameAnalyser.from_store(models, options.detector or DEFAULT_DETECTOR, options.answer)
    reports, failed = [], 0
    for path in image_files(options.paths):
        try:
            if path.suffix.lower() in VIDEO_SUFFIXES:
                raise ArchiveError(f"{path} is a video: name a folder for its results with --out DIR.")
            reports.append(PhotoReport(str(path), analyser.analyse(read_image(path))))
        except FerError as error:
            print(f"error: {error}", file=sys.stderr)
            failed += 1
    print(format_reports(reports, options.format))
    return 1 if failed else 0


def _archive(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from fer_core.batch.parts import ArchiveSettings
    from fer_core.batch.run import FAILURES_FILE, analyse_archive
    from fer_core.batch.sources import ArchiveError, find_sources
    from fer_core.batch.worker import FileResult, Outcome
    from fer_core.store.store import DEFAULT_MODEL
    from fer_core.vision.detection.registry import DEFAULT_DETECTOR

    for name, value in (("--workers", options.workers), ("--per-second", options.per_second)):
        if value is not None and value <= 0:
            raise ArchiveError(f"{name} is {value:g}; expected more than 0.")
    files = find_sources(options.paths)
    settings = ArchiveSettings(
        tuple(options.model or [DEFAULT_MODEL]),
        options.answer,
        options.detector or DEFAULT_DETECTOR,
        options.per_second,
    )
    with tqdm(total=len(files), unit="file", disable=None) as bar:

        def report(result: FileResult) -> None:
            bar.update()
            if result.note and result.outcome is not Outcome.FAILED:
                bar.write(f"{result.source}: {result.note}", file=sys.stderr)

        results = analyse_archive(files, options.out, settings, options.workers, report, options.scheduler)
    counts = {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) + f"; {options.out}")
    failures = [result for result in results if result.outcome is Outcome.FAILED]
    for result in failures:
        print(f"error: {result.source}: {result.note}", file=sys.stderr)
    if failures:
        print(f"{len(failures)} of {len(results)} files failed, see {options.out / FAILURES_FILE}", file=sys.stderr)
    return 1 if failures else 0
