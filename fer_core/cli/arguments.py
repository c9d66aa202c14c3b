"""Options that several commands share, and commands whose code is imported when they run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fer_core.datasets import FaceDataset
    from fer_core.store.store import ModelStore


def add_data(parser: argparse.ArgumentParser, help_text: str = "as for train", required: bool = True) -> None:
    """Add ``--data`` and ``--votes``, which :func:`read_data` reads."""
    parser.add_argument("--data", required=required, type=Path, help=help_text)
    parser.add_argument("--votes", type=Path, help="FER+'s fer2013new.csv (default: the one beside the csv)")


def add_store(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Add ``--store``, which :func:`open_store` opens; the purpose completes 'the store ...'."""
    parser.add_argument("--store", type=Path, help=f"the store {purpose} (default: artifacts/models)")


def add_names(parser: argparse.ArgumentParser) -> None:
    """Add the names of stored models; none stands for all."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="models (default: all of the store)")


def add_markdown(parser: argparse.ArgumentParser) -> None:
    """Add ``--markdown``."""
    parser.add_argument("--markdown", action="store_true", help="print the tables in Markdown")


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add ``--seed``, 0 by default."""
    parser.add_argument("--seed", type=int, default=0, help="of every random choice (default: 0)")


def read_data(options: argparse.Namespace) -> FaceDataset:
    """The data set of ``--data`` with ``--votes``; raises :class:`fer_core.errors.DatasetError` as its reader does."""
    from fer_core.datasets import read_dataset

    return read_dataset(options.data, options.votes)


def open_store(options: argparse.Namespace) -> ModelStore:
    """The store of ``--store``."""
    from fer_core.store.store import ModelStore

    return ModelStore(options.store)


def lazily(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """A command that imports its module when it runs, and hands the parsed options to the module's function."""

    def run(options: argparse.Namespace) -> int:
        return getattr(import_module(module), function)(options)

    return run
