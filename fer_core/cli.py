"""The command line: ``python -m fer_core COMMAND``. Heavy imports wait until their command is chosen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fer_core.analyse_command import add_analyse
from fer_core.benchmark_command import add_benchmark
from fer_core.errors import DatasetError, FerError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, or 1 after an error in words."""
    parser = argparse.ArgumentParser(prog="python -m fer_core", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for add in (
        add_analyse,
        _add_train,
        _add_tune,
        _add_train_mask_state,
        _add_train_geometry,
        _add_ensemble,
        _add_evaluate,
        _add_summarise,
        _add_verify,
        _add_leaderboard,
        _add_robustness,
        _add_masked_faces,
        _add_compare,
        _add_cost,
        add_benchmark,
    ):
        add(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except FerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output has seen enough
        return 0


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
    from fer_core.training.command import train

    return train(options)


def _add_ensemble(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("ensemble", help="put stored networks together, with weights fitted on validation")
    parser.add_argument("name", metavar="NAME", help="the ensemble's name in the store")
    parser.add_argument("members", nargs="+", metavar="MEMBER", help="two or more stored networks")
    parser.add_argument("--store", type=Path, help="the store of members and ensemble (default: artifacts/models)")
    parser.set_defaults(run=_ensemble)


def _ensemble(options: argparse.Namespace) -> int:
    from fer_core.evaluation.ensembles import build_ensemble
    from fer_core.model_store import ModelStore

    card = build_ensemble(ModelStore(options.store), options.name, options.members).card
    for member in options.members:
        share = card.members.get(member)
        print(f"{card.name}, {member}: " + (f"{share:.3g}" if share else "left out, the others do as well without it"))
    for rule in card.answers:
        print(f"{card.name}, {rule.name}: {rule.composition}")
    return 0


def _add_train_mask_state(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("train-mask-state", help="train the network that tells masked faces from bare ones")
    parser.add_argument("--data", required=True, type=Path, help="FER2013, whose faces are bare")
    parser.add_argument("--masks", required=True, type=Path, help="folder with with_mask/ and without_mask/ photos")
    parser.add_argument("--out", type=Path, help="where it goes (default: artifacts/mask_state)")
    parser.add_argument("--epochs", type=int, help="train for another number of epochs")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_train_mask_state)


def _train_mask_state(options: argparse.Namespace) -> int:
    from fer_core.training.mask_state_command import train_and_print

    return train_and_print(options)


def _add_train_geometry(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "train-geometry", help="measure what distances and angles of landmarks add to a network's answers"
    )
    parser.add_argument("--data", type=Path, help="FER2013, to learn from (default: the stored predictions)")
    parser.add_argument("--model", default="senet", help="to fuse with (default: senet)")
    parser.add_argument("--out", type=Path, help="where predictions and card are (default: artifacts/geometry)")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_train_geometry)


def _train_geometry(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from fer_core.datasets import read_dataset
    from fer_core.evaluation import geometry
    from fer_core.model_store import ModelStore

    folder, model = options.out or geometry.GEOMETRY_FOLDER, ModelStore().load(options.model)
    if options.data:
        dataset = read_dataset(options.data)
        with tqdm(total=len(dataset), desc="landmarks") as bar:
            learnt = geometry.learn_geometry(dataset, options.seed, bar.update)
        geometry.save_geometry(folder, learnt, geometry.judge_geometry(learnt, model), options.model)
    print(geometry.geometry_table(geometry.judge_geometry(geometry.load_geometry(folder), model), options.model))
    return 0


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


def _add_summarise(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("summarise", help="what the data set page shows where the data is not at hand")
    parser.add_argument("--data", required=True, type=Path, help="as for train")
    parser.add_argument("--votes", type=Path, help="FER+'s fer2013new.csv (default: the one beside the csv)")
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

    from fer_core.datasets import read_dataset
    from fer_core.datasets.audit import write_exclusions
    from fer_core.datasets.cleaning import DUPLICATES, cleaned_index, findings
    from fer_core.datasets.summary import DEFAULT_SUMMARIES, save_summary, summarise

    dataset = read_dataset(options.data, options.votes)
    with tqdm(total=100, unit="%", desc=dataset.name) as bar:
        summary = summarise(dataset, lambda share: bar.update(100 * share - bar.n))
    place = save_summary(summary, options.out or DEFAULT_SUMMARIES)
    groups = summary.duplicates.groups
    print(f"{dataset.name}: {len(dataset):,} faces, written to {place}")
    if options.map:
        from fer_core.evaluation.feature_space import MAP_FILE, map_faces
        from fer_core.model_store import ModelStore

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


def _add_verify(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("verify", help="recompute every figure of every card; exit 1 on any difference")
    parser.add_argument("--store", type=Path, help="the store to verify (default: artifacts/models)")
    parser.add_argument("--data", type=Path, help="FER2013: also run every stored network on the splits again")
    parser.add_argument("--votes", type=Path, help="FER+'s fer2013new.csv (default: the one beside the csv)")
    parser.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    from itertools import chain

    from fer_core.evaluation.verification import verify_mask_state, verify_store
    from fer_core.model_store import ModelStore
    from fer_core.vision.mask_state import MASK_STATE_FOLDER

    dataset = None
    if options.data:
        from fer_core.datasets import read_dataset

        dataset = read_dataset(options.data, options.votes)
    differences = 0
    of_masks = () if options.store else verify_mask_state(MASK_STATE_FOLDER, dataset)
    for finding in chain(verify_store(ModelStore(options.store), dataset), of_masks):
        print(finding)
        differences += not finding.equal
    print(f"{differences} differences" if differences else "all equal")
    return 1 if differences else 0


def _add_leaderboard(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("leaderboard", help="the figures of every stored model, a table per label set")
    parser.add_argument("--store", type=Path, help="the store to read (default: artifacts/models)")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--all", action="store_true", help="every network, also those that no one is answered by")
    parser.set_defaults(run=_leaderboard)


def _leaderboard(options: argparse.Namespace) -> int:
    from fer_core.evaluation.leaderboard import as_markdown, as_text, leaderboard
    from fer_core.model_store import ModelStore

    tables = leaderboard(ModelStore(options.store), every_network=options.all)
    print(as_markdown(tables) if options.markdown else as_text(tables))
    return 0


def _add_robustness(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("robustness", help="what masks, blur, noise, darkness... cost: measure and print")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models (default: all of the store)")
    parser.add_argument("--data", type=Path, help="FER2013, to measure on; without it what is stored is printed")
    parser.add_argument("--votes", type=Path, help="FER+'s fer2013new.csv (default: the one beside the csv)")
    parser.add_argument("--store", type=Path, help="the store to write to (default: artifacts/models)")
    parser.add_argument("--markdown", action="store_true")
    parser.set_defaults(run=_robustness)


def _robustness(options: argparse.Namespace) -> int:
    from fer_core.evaluation.robustness_table import as_markdown, as_text, robustness_table
    from fer_core.model_store import ModelStore

    store = ModelStore(options.store)
    if options.data:
        from fer_core.datasets import read_dataset
        from fer_core.evaluation.robustness_table import measure_with_bar

        measure_with_bar(store, options.names, read_dataset(options.data, options.votes))
    table = robustness_table(store, options.names)
    print(as_markdown(table) if options.markdown else as_text(table))
    return 0


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("evaluate", help="choose answers and compute figures anew from stored predictions")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models (default: all of the store)")
    parser.add_argument("--store", type=Path, help="the store to write to (default: artifacts/models)")
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from fer_core.evaluation.cards import evaluate_store
    from fer_core.model_store import ModelStore

    for card in evaluate_store(ModelStore(options.store), options.names):
        for rule in card.answers:
            print(f"{card.name}, {rule.name}: {rule.composition}")
    return 0


def _add_masked_faces(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "masked-faces", help="one network for bare and masked faces, or one for each: which is right more often"
    )
    parser.add_argument("--data", required=True, type=Path, help="FER2013, whose test faces the mask state is read of")
    parser.add_argument("--bare-model", default="senet", help="learnt from bare faces (default: senet)")
    parser.add_argument("--store", type=Path, help="the store of models (default: artifacts/models)")
    parser.set_defaults(run=_masked_faces)


def _masked_faces(options: argparse.Namespace) -> int:
    from fer_core.datasets import read_dataset
    from fer_core.evaluation.mask_ways import masked_ways
    from fer_core.model_store import ModelStore
    from fer_core.vision.mask_state import MaskStateNetwork

    dataset, masks = read_dataset(options.data), MaskStateNetwork.shipped()
    print(masked_ways(ModelStore(options.store), dataset, options.bare_model, masks).to_string(index=False))
    return 0


def _add_compare(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("compare", help="two stored models face by face: is one better beyond chance?")
    parser.add_argument("first", metavar="A")
    parser.add_argument("second", metavar="B")
    parser.add_argument("--answer", help="name of the answer of both (default: the first that share their classes)")
    parser.add_argument("--split", default="test", choices=("validation", "test", "cross-validation"))
    parser.add_argument("--network", choices=("int8", "float", "mirrored"), help="default: each model's served one")
    parser.add_argument("--store", type=Path, help="the store to read (default: artifacts/models)")
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    from fer_core.datasets.face_dataset import Split
    from fer_core.evaluation.comparison import compare
    from fer_core.model_store import ModelStore, Network

    store = ModelStore(options.store)
    network = Network(options.network) if options.network else None
    print(compare(store.load(options.first), store.load(options.second), Split(options.split), options.answer, network))
    return 0


def _add_cost(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("cost", help="measure time, memory and sizes on this machine; best on an idle one")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models (default: all of the store)")
    parser.add_argument("--store", type=Path, help="the store to write to (default: artifacts/models)")
    parser.set_defaults(run=_cost)


def _cost(options: argparse.Namespace) -> int:
    import json

    from fer_core.evaluation.costs import measure_store
    from fer_core.model_store import ModelStore

    for card in measure_store(ModelStore(options.store), options.names):
        print(f"{card.name}: {json.dumps(card.costs)}")
    return 0
