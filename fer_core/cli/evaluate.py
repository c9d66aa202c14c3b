"""Commands that evaluate stored models: verify, leaderboard, compare, cost, robustness and the like."""

from __future__ import annotations

import argparse

from fer_core.cli.arguments import add_data, add_markdown, add_names, add_store, open_store, read_data


def add_ensemble(commands: argparse._SubParsersAction) -> None:
    """Add ``ensemble``."""
    parser = commands.add_parser("ensemble", help="put stored networks together, with weights fitted on validation")
    parser.add_argument("name", metavar="NAME", help="the ensemble's name in the store")
    parser.add_argument("members", nargs="+", metavar="MEMBER", help="two or more stored networks")
    add_store(parser, "of members and ensemble")
    parser.set_defaults(run=_ensemble)


def _ensemble(options: argparse.Namespace) -> int:
    from fer_core.evaluation.ensembles import build_ensemble

    card = build_ensemble(open_store(options), options.name, options.members).card
    for member in options.members:
        share = card.members.get(member)
        print(f"{card.name}, {member}: " + (f"{share:.3g}" if share else "left out, the others do as well without it"))
    for rule in card.answers:
        print(f"{card.name}, {rule.name}: {rule.composition}")
    return 0


def add_verify(commands: argparse._SubParsersAction) -> None:
    """Add ``verify``."""
    parser = commands.add_parser("verify", help="recompute every metric of every card; exit 1 on any difference")
    add_store(parser, "to verify")
    add_data(parser, "FER2013: also run every stored network on the splits again", required=False)
    parser.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    from itertools import chain

    from fer_core.evaluation.verification import verify_mask_state, verify_store
    from fer_core.vision.mask_state import MASK_STATE_FOLDER

    dataset = read_data(options) if options.data else None
    differences = 0
    of_mask_state = () if options.store else verify_mask_state(MASK_STATE_FOLDER, dataset)
    for value in chain(verify_store(open_store(options), dataset), of_mask_state):
        print(value)
        differences += not value.equal
    print(f"{differences} differences" if differences else "all equal")
    return 1 if differences else 0


def add_leaderboard(commands: argparse._SubParsersAction) -> None:
    """Add ``leaderboard``."""
    parser = commands.add_parser("leaderboard", help="the metrics of every stored model, a table per label set")
    add_store(parser, "to read")
    add_markdown(parser)
    parser.add_argument("--all", action="store_true", help="every network, also those that do not answer by default")
    parser.set_defaults(run=_leaderboard)


def _leaderboard(options: argparse.Namespace) -> int:
    from fer_core.evaluation.leaderboard import as_markdown, as_text, leaderboard

    tables = leaderboard(open_store(options), every_network=options.all)
    print(as_markdown(tables) if options.markdown else as_text(tables))
    return 0


def add_robustness(commands: argparse._SubParsersAction) -> None:
    """Add ``robustness``."""
    parser = commands.add_parser("robustness", help="accuracy under masks, blur, noise, darkness...: measure and print")
    add_names(parser)
    add_data(parser, "FER2013, to measure on; without it what is stored is printed", required=False)
    add_store(parser, "to write to")
    add_markdown(parser)
    parser.set_defaults(run=_robustness)


def _robustness(options: argparse.Namespace) -> int:
    from fer_core.evaluation.robustness.table import as_markdown, as_text, measure_with_bar, robustness_table

    store = open_store(options)
    if options.data:
        measure_with_bar(store, options.names, read_data(options))
    table = robustness_table(store, options.names)
    print(as_markdown(table) if options.markdown else as_text(table))
    return 0


def add_evaluate(commands: argparse._SubParsersAction) -> None:
    """Add ``evaluate``."""
    parser = commands.add_parser(
        "evaluate", help="choose decision rules and compute metrics anew from stored predictions"
    )
    add_names(parser)
    add_store(parser, "to write to")
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from fer_core.evaluation.cards import evaluate_store

    for card in evaluate_store(open_store(options), options.names):
        for rule in card.answers:
            print(f"{card.name}, {rule.name}: {rule.composition}")
    return 0


def add_masked_faces(commands: argparse._SubParsersAction) -> None:
    """Add ``masked-faces``."""
    parser = commands.add_parser(
        "masked-faces", help="one network for unmasked and masked faces, or one for each: which is right more often"
    )
    add_data(parser, "FER2013, whose test faces the mask state is read of")
    parser.add_argument(
        "--unmasked-model",
        "--bare-model",
        default="senet",
        metavar="NAME",
        help="a network trained on unmasked faces (default: senet)",
    )
    add_store(parser, "of models")
    parser.set_defaults(run=_masked_faces)


def _masked_faces(options: argparse.Namespace) -> int:
    from fer_core.evaluation.mask_strategies import compare_mask_strategies
    from fer_core.vision.mask_state import MaskStateNetwork

    dataset, masks = read_data(options), MaskStateNetwork.shipped()
    print(compare_mask_strategies(open_store(options), dataset, options.unmasked_model, masks).to_string(index=False))
    return 0


def add_compare(commands: argparse._SubParsersAction) -> None:
    """Add ``compare``."""
    parser = commands.add_parser("compare", help="two stored models face by face: is one better beyond chance?")
    parser.add_argument("first", metavar="A")
    parser.add_argument("second", metavar="B")
    parser.add_argument("--answer", help="name of the answer of both (default: the first that share their classes)")
    parser.add_argument("--split", default="test", choices=("validation", "test", "cross-validation"))
    parser.add_argument("--network", choices=("int8", "float", "mirrored"), help="default: each model's served one")
    add_store(parser, "to read")
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    from fer_core.datasets.dataset import Split
    from fer_core.evaluation.significance import compare
    from fer_core.store.predictions import Network

    store = open_store(options)
    network = Network(options.network) if options.network else None
    print(compare(store.load(options.first), store.load(options.second), Split(options.split), options.answer, network))
    return 0


def add_cost(commands: argparse._SubParsersAction) -> None:
    """Add ``cost``."""
    parser = commands.add_parser("cost", help="measure time, memory and sizes on this machine; best on an idle one")
    add_names(parser)
    add_store(parser, "to write to")
    parser.set_defaults(run=_cost)


def _cost(options: argparse.Namespace) -> int:
    import json

    from fer_core.evaluation.costs import measure_store

    for card in measure_store(open_store(options), options.names):
        print(f"{card.name}: {json.dumps(card.costs)}")
    return 0
