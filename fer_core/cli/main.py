"""The command line: ``python -m fer_core COMMAND``. Heavy imports wait until their command is chosen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from fer_core.cli.analyse import add_analyse
from fer_core.cli.datasets import _add_summarise
from fer_core.cli.evaluate import (
    _add_compare,
    _add_cost,
    _add_ensemble,
    _add_evaluate,
    _add_leaderboard,
    _add_masked_faces,
    _add_robustness,
    _add_verify,
)
from fer_core.cli.train import _add_train, _add_train_mask_state, _add_tune
from fer_core.errors import FerError, missing_packages_in_words


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, or 1 after an error in words."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog="python -m fer_core", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for add in (
        add_analyse,
        _add_train,
        _add_tune,
        _add_train_mask_state,
        _add_ensemble,
        _add_evaluate,
        _add_summarise,
        _add_verify,
        _add_leaderboard,
        _add_robustness,
        _add_masked_faces,
        _add_compare,
        _add_cost,
        _add_benchmark,
    ):
        add(commands)
    try:
        if arguments[:1] == ["benchmark"]:  # its options are its own
            return _benchmark(arguments[1:])
        options = parser.parse_args(arguments)
        with missing_packages_in_words():
            return options.run(options)
    except FerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output has seen enough
        return 0


def _add_benchmark(commands: argparse._SubParsersAction) -> None:
    commands.add_parser("benchmark", help="measure speed, memory and the whole pipeline on known labels, in a clone")


def _benchmark(arguments: list[str]) -> int:
    try:
        benchmarks = import_module("benchmarks.__main__")
    except ModuleNotFoundError as error:
        if error.name not in ("benchmarks", "benchmarks.__main__"):
            raise
        raise FerError("The benchmarks come with the repository alone: run this in a clone of it.") from None
    return benchmarks.main(arguments)
