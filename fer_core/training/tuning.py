"""``python -m fer_core tune``: a search over a recipe's settings, judged on the validation split alone.

Optuna samples (at random, or by a tree-structured Parzen estimator, Bergstra et al. 2011), stops hopeless trials early
(the median rule) and keeps the study in an SQL database, so that several machines can work on one and a search that was
stopped goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer_core.augmentation.transforms import TRANSFORM_LIMITS, Augmentation
from fer_core.datasets import FaceDataset, read_dataset
from fer_core.errors import ModelError
from fer_core.training.loop import TrainingRun
from fer_core.training.recipes import Recipe, get_recipe

if TYPE_CHECKING:
    import optuna

STARTUP_TRIALS, STARTUP_EPOCHS = 4, 2
"""Trials that are run to their end before any other is stopped early, and epochs that every trial is given."""


def tune(options: argparse.Namespace) -> int:
    """Run trials, print the best settings and write the plots."""
    try:
        import optuna
    except ImportError:
        raise ModelError("Tuning needs Optuna: pip install 'optuna>=4.5,<5'.") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder: Path = options.runs / f"tune-{options.name}"
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=options.name,
        storage=options.storage or f"sqlite:///{folder / 'study.db'}",
        direction="maximize",
        load_if_exists=True,
        sampler=sampler(options.sampler, options.seed),
        pruner=optuna.pruners.MedianPruner(STARTUP_TRIALS, STARTUP_EPOCHS),
    )
    base = replace(get_recipe(options.name), epochs=options.epochs)
    objective = make_objective(base, read_dataset(options.data, options.votes), folder, options.seed)
    study.optimize(objective, n_trials=options.trials, callbacks=[_report])
    done = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    if not done:
        raise ModelError("No trial came to its end; give --trials a larger number.")
    print(f"best of {len(study.trials)} trials, mean validation accuracy of the heads {study.best_value:.4f}:")
    for setting, value in study.best_params.items():
        print(f"  {setting} = {value:.4g}")
    print(f"plots: {write_plots(study, folder / 'study.html')}")
    return 0


def sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    """Optuna's sampler: ``tpe`` or ``random``."""
    import optuna

    if name == "random":
        return optuna.samplers.RandomSampler(seed)
    return optuna.samplers.TPESampler(seed=seed)


def make_objective(
    base: Recipe, dataset: FaceDataset, folder: Path, seed: int
) -> Callable[[optuna.trial.Trial], float]:
    """What a trial does: one run by a sampled recipe, reported after every epoch and stopped where it is hopeless.

    Args:
        base: the recipe to vary.
        dataset: all splits.
        folder: each trial gets a folder of its own in it.
        seed: of every run, so that trials differ by their settings alone.

    Returns:
        A function from an Optuna trial to the best mean validation accuracy of the heads.
    """

    def objective(trial: optuna.trial.Trial) -> float:
        import optuna

        run = TrainingRun(sampled_recipe(base, trial), dataset, folder / f"trial-{trial.number}", seed)

        def every_epoch(row: dict[str, float]) -> None:
            trial.report(row["validation_score"], int(row["epoch"]))
            if trial.should_prune():
                raise optuna.TrialPruned

        run.fit(every_epoch=every_epoch)
        return float(max(row["validation_score"] for row in run.history))

    return objective


def sampled_recipe(base: Recipe, trial: optuna.trial.Trial) -> Recipe:
    """A recipe with its most telling settings sampled around those of ``base``."""
    rate, decay = base.peak_learning_rate, base.weight_decay or 1e-4
    strength = trial.suggest_float("augmentation", 0.0, 1.5)
    return replace(
        base,
        peak_learning_rate=trial.suggest_float("peak_learning_rate", rate / 10, rate * 5, log=True),
        weight_decay=trial.suggest_float("weight_decay", decay / 10, decay * 10, log=True),
        label_smoothing=trial.suggest_float("label_smoothing", 0.0, 0.2),
        class_weight_power=trial.suggest_float("class_weight_power", 0.0, 1.0),
        mixup=trial.suggest_float("mixup", 0.0, 0.4),
        augmentation=scaled(base.augmentation, strength),
    )


def scaled(augmentation: Augmentation, strength: float) -> Augmentation:
    """Every strength times ``strength``, within its limits; mirroring and masks, which are no strengths, as they are."""
    names = [f.name for f in fields(augmentation) if f.name not in ("flip", "vertical_flip", "mask")]
    values = {name: float(np.round(getattr(augmentation, name) * strength, 4)) for name in names}
    return replace(
        augmentation, **{name: min(value, TRANSFORM_LIMITS.get(name, 1.0)) for name, value in values.items()}
    )


def write_plots(study: optuna.study.Study, path: Path) -> Path:
    """One page with how the search went, which settings mattered and how they hang together."""
    from optuna import visualization

    figures = [visualization.plot_optimization_history(study), visualization.plot_slice(study)]
    if len({trial.value for trial in study.trials if trial.value is not None}) > 1:
        figures.insert(1, visualization.plot_param_importances(study))
    parts = [figure.to_html(full_html=False, include_plotlyjs=number == 0) for number, figure in enumerate(figures)]
    path.write_text(f"<!doctype html><meta charset=utf-8><title>{study.study_name}</title>" + "".join(parts))
    return path


def _report(study: optuna.study.Study, trial: optuna.trial.FrozenTrial) -> None:
    value = "stopped early" if trial.value is None else f"{trial.value:.4f}"
    print(f"trial {trial.number}: {value}", file=sys.stderr)
