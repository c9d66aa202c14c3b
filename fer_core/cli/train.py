"""Commands that train and tune networks."""

from __future__ import annotations

import argparse
from pathlib import Path


def _add_train(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("train", help="train a network by its recipe and put it into the store")
    parser.add_argument("name", help="recipe, and the model's name in the store")
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        help="FER2013, CK+, ExpW, a folder or zip of class folders, or an npz of Explore Datasets",
    )
    parser.add_argument("--votes", type=Path, help="FER+'s fer2013new.csv (default: the one beside the csv)")
    parser.add_argument("--recipe", help="train by this recipe under another name (default: the name's own)")
    parser.add_argument("--authors", action="store_true", help="the settings that the architecture's users published")
    parser.add_argument("--full", action="store_true", help="the schedule for a GPU: 250 epochs, MixUp, full size")
    parser.add_argument("--weights", help="start from 'imagenet', a file, a finished run or a stored model")
    parser.add_argument("--size", type=int, help="side in pixels that the network enlarges faces to")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="default: the recipe's")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where checkpoints go (default: runs/)")
    parser.add_argument("--store", type=Path, help="the store to write to (default: artifacts/models)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="train for another number of epochs than the recipe's")
    parser.add_argument(
        "--augment", type=Path, help="TOML of an augmentation, in place of the recipe's; the augmentation lab writes it"
    )
    parser.add_argument("--exclude", type=Path, help="csv with a column 'row': training rows to leave out")
    parser.add_argument(
        "--untaught", action="store_true", help="learn from the labels alone, without the recipe's teachers"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--finish", action="store_true", help="package the best weights of an unfinished run as it is")
    parser.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> int:
    from fer_core.training.train import train

    return train(options)


def _add_train_mask_state(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("train-mask-state", help="train the network that tells masked faces from bare ones")
    parser.add_argument("--data", required=True, type=Path, help="FER2013, whose faces are bare")
    parser.add_argument("--masks", required=True, type=Path, help="folder with with_mask/ and without_mask/ photos")
    parser.add_argument("--out", type=Path, help="where it goes (default: artifacts/mask_state)")
    parser.add_argument("--epochs", type=int, help="train for another number of epochs")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_train_mask_state)


def _train_mask_state(options: argparse.Namespace) -> int:
    from fer_core.training.mask_state import train_and_print

    return train_and_print(options)


def _add_tune(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("tune", help="search for a recipe's settings on the validation split (needs optuna)")
    parser.add_argument("name", help="the recipe to vary")
    parser.add_argument("--data", required=True, type=Path, help="as for train")
    parser.add_argument("--votes", type=Path, help="FER+'s fer2013new.csv (default: the one beside the csv)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where trials and plots go (default: runs/)")
    parser.add_argument("--storage", help="SQL database of the study, shared by machines (default: SQLite in --runs)")
    parser.add_argument("--sampler", choices=("tpe", "random"), default="tpe")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=6, help="epochs of a trial")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_tune)


def _tune(options: argparse.Namespace) -> int:
    from fer_core.training.tuning import tune

    return tune(options)
