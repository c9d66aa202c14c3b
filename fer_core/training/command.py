"""``python -m fer_core train``: progress for whoever waits, and a run that can be stopped and taken up again."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from tqdm import tqdm

from fer_core.datasets import read_dataset
from fer_core.errors import ModelError
from fer_core.model_store import ModelStore
from fer_core.training.packaging import package
from fer_core.training.recipes import get_recipe
from fer_core.training.run import Progress, TrainingRun


def train(options: argparse.Namespace) -> int:
    """Train, or go on training, and write the model into the store; 130 after Ctrl-C, as shells expect."""
    recipe = get_recipe(options.name)
    if options.epochs:
        recipe = replace(recipe, epochs=options.epochs)
    dataset = read_dataset(options.data, options.votes)
    if dataset.votes is None:
        kept = [i for i, head in enumerate(recipe.heads) if head != "ferplus"]
        if not kept:
            raise ModelError(f"The recipe {options.name!r} needs FER+ votes; name fer2013new.csv with --votes.")
        print("No FER+ votes found: training without the FER+ head.", file=sys.stderr)
        recipe = replace(
            recipe,
            heads=tuple(recipe.heads[i] for i in kept),
            head_weights=tuple(recipe.head_weights[i] for i in kept),
        )
    run = TrainingRun(recipe, dataset, options.runs / options.name, options.seed)
    if options.resume or options.finish:
        run.resume()
    elif (run.folder / "state.json").exists():
        raise ModelError(f"{run.folder} holds a run already; go on with --resume, or remove the folder to start anew.")
    try:
        if not options.finish:
            _fit(run)
    except KeyboardInterrupt:
        done = len(run.history)
        kept_weights = f"the best weights (epoch {run.best_epoch + 1}) are kept" if done else "no epoch was complete"
        print(
            f"\nStopped after {done} of {recipe.epochs} epochs; {kept_weights} in {run.folder}. "
            "Go on with --resume, or package what there is with --finish.",
            file=sys.stderr,
        )
        return 130
    if not run.history:
        raise ModelError(f"{run.folder}: no epoch is complete yet, so there is nothing to package.")
    print("Exporting and evaluating…", file=sys.stderr)
    stored = package(run, dataset, ModelStore(options.store), options.name)
    figures = stored.card.figures
    for network, answers in figures.items():
        for answer, splits in answers.items():
            validation, test = splits["validation"], splits["test"]
            print(
                f"{network:9} {answer:9} validation {validation['accuracy']:.4f} (macro F1 {validation['macro_f1']:.4f})"
                f"  test {test['accuracy']:.4f} (macro F1 {test['macro_f1']:.4f})"
            )
    return 0


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

        def report(progress: Progress) -> None:
            bar.set_description(f"epoch {progress.epoch + 1}/{run.recipe.epochs}", refresh=False)
            bar.set_postfix(loss=f"{progress.loss:.3f}", refresh=False)
            bar.update()

        def every_epoch(row: dict[str, float]) -> None:
            accuracies = "  ".join(
                f"{head} {row[f'training_accuracy_{head}']:.3f} / {row[f'validation_accuracy_{head}']:.3f}"
                for head in run.recipe.heads
            )
            bar.write(f"epoch {row['epoch']:3}  loss {row['loss']:.3f}  training / validation accuracy: {accuracies}")

        run.fit(report, every_epoch)
