"""The search itself is Optuna's; here a run is replaced by one whose score is known from its settings."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import optuna
import pytest

from fer_core.augmentation.transforms import Augmentation
from fer_core.cli.main import main
from fer_core.training import tuning
from fer_core.training.recipes import COMMON

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


class Run:
    """Scores best at a learning rate of 0.1, and gets there over its epochs."""

    made: ClassVar[list] = []

    def __init__(self, recipe, dataset, folder, seed):
        self.recipe, self.history = recipe, []
        self.made.append(self)

    def fit(self, every_epoch):
        score = 1 - abs(np.log10(self.recipe.peak_learning_rate / 0.1))
        for epoch in range(self.recipe.epochs):
            self.history.append({"epoch": epoch + 1, "validation_score": score * (epoch + 1) / self.recipe.epochs})
            every_epoch(self.history[-1])


@pytest.fixture(autouse=True)
def runs(monkeypatch):
    monkeypatch.setattr(tuning, "TrainingRun", Run)
    monkeypatch.setattr(tuning, "read_dataset", lambda path, votes: None)
    Run.made = []


def search(tmp_path, *more):
    return main(["tune", "senet", "--data", "x", "--runs", str(tmp_path), "--epochs", "4", *more])


def test_the_search_finds_the_rate_stops_the_hopeless_and_goes_on_from_its_database(tmp_path, capsys):
    assert search(tmp_path, "--trials", "12") == 0
    assert "best of 12 trials" in capsys.readouterr().out
    assert search(tmp_path, "--trials", "8") == 0
    printed = capsys.readouterr()
    assert "best of 20 trials" in printed.out
    study = optuna.load_study(study_name="senet", storage=f"sqlite:///{tmp_path / 'tune-senet' / 'study.db'}")
    assert 0.06 < study.best_params["peak_learning_rate"] < 0.16
    states = [trial.state for trial in study.trials]
    assert optuna.trial.TrialState.PRUNED in states[4:]
    assert optuna.trial.TrialState.PRUNED not in states[:4]
    assert any(len(run.history) < 4 for run in Run.made)
    page = (tmp_path / "tune-senet" / "study.html").read_text()
    assert "peak_learning_rate" in page
    assert page.count("plotly-graph-div") == 3


def test_samplers_differ_and_are_seeded(tmp_path):
    drawn: dict = {}
    for name in ("tpe", "random", "random"):
        study = optuna.create_study(sampler=tuning.sampler(name, seed=3))
        drawn[name, len(drawn)] = tuning.sampled_recipe(COMMON["senet"], study.ask())
    recipes = list(drawn.values())
    assert recipes[1] == recipes[2]
    assert type(tuning.sampler("tpe", 0)) is not type(tuning.sampler("random", 0))


def test_a_drawn_recipe_keeps_what_is_not_searched():
    recipe = tuning.sampled_recipe(COMMON["senet"], optuna.create_study().ask())
    same = replace(
        recipe,
        **{
            name: getattr(COMMON["senet"], name)
            for name in (
                "peak_learning_rate",
                "weight_decay",
                "label_smoothing",
                "class_weight_power",
                "mixup",
                "augmentation",
            )
        },
    )
    assert same == COMMON["senet"]


def test_augmentation_is_scaled_but_for_mirroring():
    strong = tuning.scaled(Augmentation(rotation=10, flip=0.5, erasing=0.8, contrast=0.2), 1.5)
    assert strong == Augmentation(rotation=15, flip=0.5, erasing=1.0, contrast=0.3)
    assert tuning.scaled(Augmentation(mask=0.3), 1.5).mask == 0.3


def test_without_optuna_a_sentence_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    assert search(tmp_path) == 1
    assert "pip install 'optuna>=4.5,<5'" in capsys.readouterr().err
