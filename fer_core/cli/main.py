"""Recognise facial expressions, and train, evaluate and compare the networks that do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from fer_core.cli.analyse import add_analyse
from fer_core.cli.datasets import add_summarise
from fer_core.cli.evaluate import (
    add_compare,
    add_cost,
    add_ensemble,
    add_evaluate,
    add_leaderboard,
    add_masked_faces,
    add_robustness,
    add_verify,
)
from fer_core.cli.train import add_train, add_train_mask_state, add_tune
from fer_core.errors import FerError, missing_packages_in_words


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, or 1 after an error in one sentence."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if arguments[:1] == ["benchmark"]:  # it parses its own options
            return _benchmark(arguments[1:])
        options = _parser().parse_args(arguments)
        with missing_packages_in_words():
            return options.run(options)
    except FerError as error:  # the one place that turns an error of a command into words
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever reads the output closed it, as head does
        return 0


def _parser() -> argparse.ArgumentParser:
    """The parser of every command; a command's heavy imports wait until it runs."""
    started_as_fer = Path(sys.argv[0]).stem == "fer"
    parser = argparse.ArgumentParser(prog="fer" if started_as_fer else "python -m fer_core", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        add_analyse,
        add_train,
        add_tune,
        add_train_mask_state,
        add_ensemble,
        add_evaluate,
        add_summarise,
        add_verify,
        add_leaderboard,
        add_robustness,
        add_masked_faces,
        add_compare,
        add_cost,
    ):
        add(commands)
    commands.add_parser("benchmark", help="measure speed, memory and the whole pipeline on known labels, in a clone")
    return parser


def _benchmark(arguments: list[str]) -> int:
    try:
        benchmarks = import_module("benchmarks.__main__")
    except ModuleNotFoundError as error:
        if error.name not in ("benchmarks", "benchmarks.__main__"):
            raise
        raise FerError("The benchmarks come with the repository alone: run this in a clone of it.") from None
    return benchmarks.main(arguments)
