"""``python -m fer_core train``: progress for whoever waits, and a run that can be stopped and taken up again."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from fer_core.augmentation.policy import AugmentationPolicy
from fer_core.curation.audit import read_exclusions, without
from fer_core.datasets import FaceDataset, Split, read_dataset
from fer_core.datasets.splits import divided, fold_split, grouped_folds, is_undivided
from fer_core.errors import DatasetError, ModelError
from fer_core.evaluation.hardware import lacks_bfloat16
from fer_core.labels import FERPLUS
from fer_core.models import get_architecture
from fer_core.models.prediction import predict_probabilities
from fer_core.store.card import ModelCard
from fer_core.store.decision import with_mirror
from fer_core.store.predictions import Network, Predictions
from fer_core.store.store import ModelStore
from fer_core.training.distillation import distil
from fer_core.training.loop import TrainingProgress, TrainingRun, accelerator
from fer_core.training.packaging import exports_to_litert, package, write_network
from fer_core.training.recipes import Recipe, get_full_recipe, get_recipe

FOLDS = 10

RANDOM_SPLIT_NOTES = {
    "split_titles": {str(Split.TEST): "random 30%"},
    "reported_on": "a random 30%, since the data set has no splits of its own and does not say who is on which photo: other "
    "photos of the same people may be in training",
}

CKPLUS_NOTES = {
    "split_titles": {str(Split.TEST): "random 30%", str(Split.CROSS_VALIDATION): f"{FOLDS} folds by subject"},
    "reported_on": f"a random 30% (the literature's split: other frames of the same people are in training) and {FOLDS} "
    "folds grouped by subject (each face answered by a network that never saw the person); the stored network is that "
    "of the random split",
}


def train(options: argparse.Namespace) -> int:
    """Train, or go on training, and write the model into the store; 130 after Ctrl-C, as shells expect."""
    store = ModelStore(options.store)
    recipe = _recipe(options)
    dataset = read_dataset(options.data, options.votes)
    recipe = _fitted_to(dataset, recipe, options.name)
    weights = _start_weights(recipe.weights, options.runs, store)
    by_subject = is_undivided(dataset) and dataset.subjects is not None
    whole, notes = _divided(dataset, options, by_subject)
    run = _open_run(options, recipe, whole, store, weights)
    held_out = None
    try:
        if not options.finish:
            _fit(run)
        if by_subject:
            held_out = _cross_validate(recipe, dataset, run.folder, options.seed, weights)
    except KeyboardInterrupt:
        _say_where_it_stopped(run)
        return 130
    if not run.history:
        raise ModelError(f"{run.folder}: no epoch is complete yet, so there is nothing to package.")
    if keras.backend.backend() != "tensorflow" and exports_to_litert(run.model):
        write_network(run)
        print(
            f"Trained with {keras.backend.backend()}; the network is in {run.folder}. The export to LiteRT needs "
            "TensorFlow: run the same command with KERAS_BACKEND=tensorflow and --finish.",
            file=sys.stderr,
        )
        return 0
    print("Exporting and evaluating…", file=sys.stderr)
    _print_metrics(package(run, whole, store, options.name, held_out, notes).card)
    return 0


def _divided(dataset: FaceDataset, options: argparse.Namespace, by_subject: bool) -> tuple[FaceDataset, dict[str, Any]]:
    """The data set with the splits that the network is trained on, and what its card notes about them."""
    notes: dict[str, Any] = dict(CKPLUS_NOTES if by_subject else RANDOM_SPLIT_NOTES if is_undivided(dataset) else {})
    whole = divided(dataset, options.seed)
    if options.exclude:
        whole, notes["excluded"] = _thinned_out(whole, options.exclude, by_subject)
    return whole, notes


def _open_run(
    options: argparse.Namespace, recipe: Recipe, whole: FaceDataset, store: ModelStore, weights: str | None
) -> TrainingRun:
    """A new run, or the one in the folder, ready to train (or to be packaged, with ``--finish``)."""
    folder = options.runs / options.name
    distilled = None
    if recipe.teachers and not options.finish:
        distilled = distil(store, recipe, whole.split(Split.TRAINING), folder, options.runs)
    run = _kind_of_run(recipe)(recipe, whole, folder, options.seed, weights, distilled)
    if options.finish:
        run.recall()
        return run
    if options.resume:
        run.resume()
    elif (folder / "state.json").exists():
        raise ModelError(f"{folder} holds a run already; go on with --resume, or remove the folder to start anew.")
    if recipe.mixed_precision and lacks_bfloat16():
        print("This processor has no bfloat16 arithmetic: without a GPU add --precision float32.", file=sys.stderr)
    return run


def _say_where_it_stopped(run: TrainingRun) -> None:
    done = len(run.history)
    kept_weights = f"the best weights (epoch {run.best_epoch + 1}) are kept" if done else "no epoch was complete"
    print(
        f"\nStopped after {done} of {run.recipe.epochs} epochs; {kept_weights} in {run.folder}. "
        "Go on with --resume, or package what there is with --finish.",
        file=sys.stderr,
    )


def _print_metrics(card: ModelCard) -> None:
    for network, answers in card.figures.items():
        for answer, splits in answers.items():
            for split, metrics in splits.items():
                print(
                    f"{network:9} {answer:12} {split:28} accuracy {metrics['accuracy']:.4f}, "
                    f"macro F1 {metrics['macro_f1']:.4f}"
                )


def _thinned_out(dataset: FaceDataset, path: Path, by_subject: bool) -> tuple[FaceDataset, str]:
    if by_subject:
        raise DatasetError(
            f"--exclude thins out a training split; {dataset.name} has none of its own, each face is tested in a fold."
        )
    kept = without(dataset, read_exclusions(path, len(dataset)))
    if not (kept.splits == Split.TRAINING).any():
        raise DatasetError(f"{path.name} names every row of {dataset.name}'s training split; no training face is left.")
    return kept, f"{len(dataset) - len(kept):,} training rows left out that {path.name} names"


def _recipe(options: argparse.Namespace) -> Recipe:
    name = options.recipe or options.name
    recipe = get_recipe(name, options.authors)
    if options.full:
        recipe = get_full_recipe(name, options.authors, get_architecture(recipe.architecture).config.full_size)
    chosen: dict[str, Any] = {
        "epochs": options.epochs,
        "weights": options.weights,
        "working_size": options.size,
        "mixed_precision": None if options.precision is None else options.precision == "bfloat16",
        "teachers": () if options.untaught else None,
    }
    if options.augment:
        policy = AugmentationPolicy.from_toml(options.augment, recipe.policy)
        chosen |= {"augmentation": policy.augmentation, "mixup": policy.mixup, "cutmix": policy.cutmix}
    return replace(recipe, **{key: value for key, value in chosen.items() if value is not None})


def _fitted_to(dataset: FaceDataset, recipe: Recipe, name: str) -> Recipe:
    """The recipe without the heads that the data set has no labels for."""
    answerable = tuple(
        head.name
        for head in recipe.label_sets
        if (dataset.votes is not None if head == FERPLUS else (head.indices_in(dataset.label_set) >= 0).all())
    )
    if not answerable:
        missing = " with FER+ votes (name fer2013new.csv with --votes)" if recipe.heads == (FERPLUS.name,) else ""
        raise ModelError(
            f"The recipe {name!r} learns {', '.join(recipe.heads)}{missing}; {dataset.name} is labelled in "
            f"{dataset.label_set.name}."
        )
    if answerable == recipe.heads:
        return recipe
    if FERPLUS.name in recipe.heads and FERPLUS.name not in answerable:
        print("No FER+ votes found: training without the FER+ head.", file=sys.stderr)
    return recipe.with_heads(answerable)


def _start_weights(weights: str | None, runs: Path, store: ModelStore) -> str | None:
    """The file that a recipe's ``weights`` mean: a path, a finished run, or a stored model by name."""
    if weights is None or weights == "imagenet" or Path(weights).is_file():
        return weights
    finished = runs / weights / "model.keras"
    if finished.is_file():
        return str(finished)
    source = store.or_shipped(weights)
    if weights in source.names() and source.load(weights).has_keras:
        return str(source.load(weights).keras_path)
    raise ModelError(
        f"There are no weights {weights!r} to start from: expected 'imagenet', a file, a finished run in {runs}/ or a "
        "stored model with a Keras file. Train it first, or name others with --weights."
    )


def _kind_of_run(recipe: Recipe) -> type[TrainingRun]:
    if keras.backend.backend() != "jax" or accelerator() is None or recipe.augmentation.degrades:
        return TrainingRun
    from fer_core.training.loop_jax import AcceleratedRun  # JAX is no requirement

    return AcceleratedRun


def _cross_validate(recipe: Recipe, dataset: FaceDataset, folder: Path, seed: int, weights: str | None) -> Predictions:
    """Every face answered by the network of the fold that did not train on its subject."""
    fold_of = grouped_folds(dataset, FOLDS, seed)
    answers: dict[tuple[Network, str], np.ndarray] = {
        (network, head.name): np.zeros((len(dataset), len(head)), np.float32)
        for head in recipe.label_sets
        for network in (Network.FLOAT, Network.MIRRORED)
    }
    for fold in range(FOLDS):
        run = _kind_of_run(recipe)(recipe, fold_split(dataset, fold_of, fold), folder / f"fold-{fold}", seed, weights)
        if (run.folder / "state.json").exists():
            run.resume()
        _fit(run)
        rows = fold_of == fold
        said = with_mirror(partial(predict_probabilities, run.best_model()), dataset.images[rows])
        for network, heads in zip((Network.FLOAT, Network.MIRRORED), said, strict=True):
            for head, probabilities in heads.items():
                answers[network, head][rows] = probabilities
    split = Split.CROSS_VALIDATION
    return Predictions(
        {(network, split, head): probabilities for (network, head), probabilities in answers.items()},
        {(split, head.name): dataset.as_label_set(head).labels.astype(np.int8) for head in recipe.label_sets},
        {split: np.zeros(len(dataset), bool)},
    )


def _fit(run: TrainingRun) -> None:
    first = len(run.history)
    # With a log file instead of a screen, a line a minute is enough.
    quiet = not sys.stderr.isatty()
    with tqdm(
        total=run.recipe.epochs * run.steps_per_epoch,
        initial=first * run.steps_per_epoch,
        unit="step",
        mininterval=60 if quiet else 0.5,
        dynamic_ncols=True,
    ) as bar:

        def report(progress: TrainingProgress) -> None:
            bar.set_description(f"epoch {progress.epoch + 1}/{run.recipe.epochs}", refresh=False)
            bar.set_postfix(loss=f"{progress.loss:.3f}", refresh=False)
            bar.update()

        def every_epoch(row: dict[str, float]) -> None:
            accuracies = "  ".join(
                f"{head} {row[f'training_accuracy_{head}']:.3f} / {row.get(f'validation_accuracy_{head}', np.nan):.3f}"
                for head in run.recipe.heads
            )
            bar.write(f"epoch {row['epoch']:3}  loss {row['loss']:.3f}  training / validation accuracy: {accuracies}")

        run.fit(report, every_epoch)
