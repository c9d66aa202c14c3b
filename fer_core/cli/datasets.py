"""Commands about data sets."""

from __future__ import annotations

import argparse
from pathlib import Path

from fer_core.cli.arguments import add_data, read_data
from fer_core.errors import DatasetError


def add_summarise(commands: argparse._SubParsersAction) -> None:
    """Add ``summarise``."""
    parser = commands.add_parser("summarise", help="what the data set page shows where the data itself is not present")
    add_data(parser)
    parser.add_argument("--out", type=Path, help="where to write it (default: artifacts/datasets)")
    parser.add_argument("--exclude-file", type=Path, help="also write a cleaned index for train --exclude")
    parser.add_argument(
        "--exclude-for",
        action="append",
        metavar="FINDING",
        help="what the index leaves out; repeat (default: duplicates)",
    )
    parser.add_argument("--map", metavar="NAME", help="also map faces by the features of this stored network")
    parser.set_defaults(run=_summarise)


def _summarise(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from fer_core.curation.audit import write_exclusions
    from fer_core.curation.exclusions import DUPLICATES, cleaned_index, findings
    from fer_core.curation.summary import DEFAULT_SUMMARIES, save_summary, summarise

    dataset = read_data(options)
    with tqdm(total=100, unit="%", desc=dataset.name) as bar:
        summary = summarise(dataset, lambda share: bar.update(100 * share - bar.n))
    place = save_summary(summary, options.out or DEFAULT_SUMMARIES)
    groups = summary.duplicates.groups
    print(f"{dataset.name}: {len(dataset):,} faces, written to {place}")
    if options.map:
        from fer_core.curation.embedding_map import MAP_FILE, map_faces
        from fer_core.store.store import ModelStore

        face_map = map_faces(ModelStore().load(options.map), dataset, summary.fingerprint)
        face_map.save(place / MAP_FILE)
        print(f"{len(face_map.rows):,} of them on the map of {face_map.network}")
    if summary.agreement is not None:
        print(f"labels that most annotators of FER+ share: {summary.agreement:.1%}")
    print(
        f"duplicates: {len(groups):,} rows in {groups['group'].nunique():,} groups; "
        f"{summary.duplicates.across_splits:,} pictures in more than one split; "
        f"{len(summary.duplicates.conflicting):,} rows under conflicting labels"
    )
    if options.exclude_file:
        known = {finding.name: finding for finding in findings(summary)}
        wanted = options.exclude_for or [DUPLICATES]
        if unknown := sorted(set(wanted) - set(known)):
            raise DatasetError(f"{dataset.name} has no finding {unknown[0]!r}; expected any of {', '.join(known)}.")
        index = cleaned_index(known[name] for name in wanted)
        write_exclusions(options.exclude_file, index)
        print(f"{len(index):,} training rows to leave out, written to {options.exclude_file}")
    return 0
