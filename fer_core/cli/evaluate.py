"""Commands that judge stored networks: verify, leaderboard, compare, cost, robustness and the like."""

from __future__ import annotations

import argparse
from pathlib import Path


def _add_ensemble(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("ensemble", help="put stored networks together, with weights fitted on validation")
    parser.add_argument("name", metavar="NAME", help="the ensemble's name in the store")
    parser.add_argument("members", nargs="+", metavar="MEMBER", help="two or more stored networks")
    parser.add_argument("--store", type=Path, help="the store of members and ensemble (default: artifacts/models)")
    parser.set_defaults(run=_ensemble)


def _ensemble(options: argparse.Namespace) -> int:
    from fer_core.evaluation.ensembles import build_ensemble
    from fer_core.store.store import ModelStore

    card = build_ensemble(ModelStore(options.store), options.name, options.members).card
    for member in options.members:
        share = card.members.get(member)
        print(f"{card.name}, {member}: " + (f"{share:.3g}" if share else "left out, the others do as well without it"))
    for rule in card.answers:
        print(f"{card.name}, {rule.name}: {rule.composition}")
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
    from fer_core.store.store import ModelStore
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
    from fer_core.store.store import ModelStore

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
    from fer_core.evaluation.robustness.table import as_markdown, as_text, robustness_table
    from fer_core.store.store import ModelStore

    store = ModelStore(options.store)
    if options.data:
        from fer_core.datasets import read_dataset
        from fer_core.evaluation.robustness.table import measure_with_bar

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
    from fer_core.store.store import ModelStore

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
    from fer_core.evaluation.mask_strategies import compare_mask_strategies
    from fer_core.store.store import ModelStore
    from fer_core.vision.mask_state import MaskStateNetwork

    dataset, masks = read_dataset(options.data), MaskStateNetwork.shipped()
    print(compare_mask_strategies(ModelStore(options.store), dataset, options.bare_model, masks).to_string(index=False))
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
    from fer_core.datasets.dataset import Split
    from fer_core.evaluation.significance import compare
    from fer_core.store.predictions import Network
    from fer_core.store.store import ModelStore

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
    from fer_core.store.store import ModelStore

    for card in measure_store(ModelStore(options.store), options.names):
        print(f"{card.name}: {json.dumps(card.costs)}")
    return 0
