"""``train`` as a user runs it: from files to a model in a store that verifies."""

from dataclasses import replace

import cv2
import pytest

from fer_core.cli import main
from fer_core.emotions import FER2013
from fer_core.model_store import ModelStore
from fer_core.training import recipes
from tests.conftest import make_dataset


@pytest.fixture
def data(tmp_path):
    """A small data set as class folders."""
    dataset = make_dataset(per_class=4, with_votes=False)
    for number, (image, label, split) in enumerate(zip(dataset.images, dataset.labels, dataset.splits, strict=True)):
        folder = tmp_path / "data" / str(split) / str(FER2013.emotions[label])
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number}.png"), image)
    return tmp_path / "data"


@pytest.fixture
def short_recipe(monkeypatch):
    """The shipped recipe's settings on a run that takes seconds."""
    short = replace(recipes.RECIPES["cnn4"], epochs=2, batch_size=14, mixed_precision=False)
    monkeypatch.setitem(recipes.RECIPES, "cnn4", short)


@pytest.mark.usefixtures("short_recipe")
def test_a_network_is_trained_stored_and_verified(data, tmp_path, capsys):
    places = ["--data", str(data), "--runs", str(tmp_path / "runs"), "--store", str(tmp_path / "store")]
    assert main(["train", "cnn4", *places, "--seed", "3"]) == 0
    assert "training without the FER+ head" in capsys.readouterr().err
    card = ModelStore(tmp_path / "store").load("cnn4").card
    assert card.heads == ("fer2013",)
    assert [rule.name for rule in card.answers] == ["balanced", "fer2013"]
    assert card.data["faces"] == {"training": 28, "validation": 28, "test": 28}
    assert (card.seed, card.recipe["epochs"]) == (3, 2)
    assert card.training_seconds > 0
    assert "keras" in card.versions

    assert main(["verify", "--store", str(tmp_path / "store"), "--data", str(data)]) == 0
    assert "int8 network on test against stored predictions" in capsys.readouterr().out
    cv2.imwrite(str(next((data / "test" / "happy").iterdir())), make_dataset().images[0] // 2)
    assert main(["verify", "--store", str(tmp_path / "store"), "--data", str(data)]) == 1

    assert main(["train", "cnn4", *places]) == 1
    assert "holds a run already; go on with --resume" in capsys.readouterr().err


@pytest.mark.usefixtures("short_recipe")
def test_an_interrupted_run_says_how_to_go_on_and_can_be_packaged_as_it_is(data, tmp_path, capsys, monkeypatch):
    from fer_core.training.run import TrainingRun

    run_epoch = TrainingRun._run_epoch

    def interrupted(self, epoch, report):
        if epoch == 1:
            raise KeyboardInterrupt
        run_epoch(self, epoch, report)

    monkeypatch.setattr(TrainingRun, "_run_epoch", interrupted)
    places = ["--data", str(data), "--runs", str(tmp_path / "runs"), "--store", str(tmp_path / "store")]
    assert main(["train", "cnn4", *places]) == 130
    assert "Stopped after 1 of 2 epochs; the best weights (epoch 1) are kept" in capsys.readouterr().err
    assert main(["train", "cnn4", *places, "--finish"]) == 0
    assert ModelStore(tmp_path / "store").load("cnn4").card.best_epoch == 1
