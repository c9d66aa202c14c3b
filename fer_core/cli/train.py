"""Commands that train and tune networks."""

from __future__ import annotations

import argparse
from pathlib import Path

from fer_core.cli.arguments import add_data, add_seed, add_store, lazily


def add_train(commands: argparse._SubParsersAction) -> None:
    """Add ``train``."""
    parser = commands.add_parser("train", help="train a network by its recipe and put it into the store")
    parser.add_argument("name", help="recipe, and the model's name in the store")
    add_data(parser, "FER2013, CK+, ExpW, a folder or zip of class folders, or an npz of Explore Datasets")
    parser.add_argument("--recipe", help="train by this recipe under another name (default: the name's own)")
    parser.add_argument("--authors", action="store_true", help="the settings that the architecture's authors published")
    parser.add_argument("--full", action="store_true", help="the schedule for a GPU: 250 epochs, MixUp, full size")
    parser.add_argument("--weights", help="start from 'imagenet', a file, a finished run or a stored model")
    parser.add_argument("--size", type=int, help="side in pixels that the network enlarges faces to")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="default: the recipe's")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where checkpoints go (default: runs/)")
    add_store(parser, "to write to")
    add_seed(parser)
    parser.add_argument("--epochs", type=int, help="number of epochs (default: the recipe's)")
    parser.add_argument(
        "--augment", type=Path, help="TOML file of an augmentation, as the augmentation lab writes it, for the recipe's"
    )
    parser.add_argument("--exclude", type=Path, help="csv with a column 'row': training rows to leave out")
    parser.add_argument(
        "--untaught", action="store_true", help="train on the labels alone, without the recipe's teachers"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--finish", action="store_true", help="package the best weights of an unfinished run as it is")
    parser.set_defaults(run=lazily("fer_core.training.train", "train"))


def add_train_mask_state(commands: argparse._SubParsersAction) -> None:
    """Add ``train-mask-state``."""
    parser = commands.add_parser(
        "train-mask-state", help="train the network that tells masked faces from unmasked ones"
    )
    parser.add_argument("--data", required=True, type=Path, help="FER2013, whose faces are unmasked")
    parser.add_argument("--masks", required=True, type=Path, help="folder with with_mask/ and without_mask/ photos")
    parser.add_argument("--out", type=Path, help="where it goes (default: artifacts/mask_state)")
    parser.add_argument("--epochs", type=int, help="number of epochs")
    add_seed(parser)
    parser.set_defaults(run=lazily("fer_core.training.mask_state", "train_and_print"))


def add_tune(commands: argparse._SubParsersAction) -> None:
    """Add ``tune``."""
    parser = commands.add_parser("tune", help="search for a recipe's settings on the validation split (needs optuna)")
    parser.add_argument("name", help="the recipe to vary")
    add_data(parser)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where trials and plots go (default: runs/)")
    parser.add_argument("--storage", help="SQL database of the study, shared by machines (default: SQLite in --runs)")
    parser.add_argument("--sampler", choices=("tpe", "random"), default="tpe")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=6, help="epochs of a trial")
    add_seed(parser)
    parser.set_defaults(run=lazily("fer_core.training.tuning", "tune"))
