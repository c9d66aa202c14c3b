import json
import shutil

import numpy as np
import pytest

from fer_core.cli import main
from fer_core.evaluation.verification import Finding, largest_difference
from fer_core.model_store import ModelStore


@pytest.fixture
def store(shipped, tmp_path) -> ModelStore:
    """A copy of the shipped store that a test may damage."""
    shutil.copytree(shipped.folder, tmp_path / shipped.name)
    return ModelStore(tmp_path)


def change_json(path, change) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_the_shipped_store_verifies(capsys):
    assert main(["verify"]) == 0
    assert "all equal" in capsys.readouterr().out


def test_a_figure_that_was_typed_in_is_found(store, capsys):
    def better(card):
        card["figures"]["int8"]["balanced"]["test"]["accuracy"] += 0.001

    change_json(store.folder / "senet" / "card.json", better)
    assert main(["verify", "--store", str(store.folder)]) == 1
    assert "DIFFERS senet: figures of the card" in capsys.readouterr().out


def test_a_changed_answer_is_found(store, capsys):
    def shift(card):
        card["answers"][0]["class_bias"][1] += 1.0

    change_json(store.folder / "senet" / "card.json", shift)
    assert main(["verify", "--store", str(store.folder)]) == 1


def test_networks_that_were_swapped_are_found(store, capsys):
    import keras

    from fer_core.emotions import FER2013, FERPLUS
    from fer_core.models import get_architecture
    from fer_core.models.normalisation import with_plain_layers

    keras.utils.set_random_seed(0)
    with_plain_layers(get_architecture("senet").build((FER2013, FERPLUS))).save(store.folder / "senet" / "model.keras")
    assert main(["verify", "--store", str(store.folder)]) == 1
    assert "DIFFERS senet: int8 LiteRT file against Keras file" in capsys.readouterr().out


def test_a_missing_file_is_an_error_in_words(store, capsys):
    (store.folder / "senet" / "predictions.npz").unlink()
    assert main(["verify", "--store", str(store.folder)]) == 1
    assert "error: senet: predictions.npz is missing" in capsys.readouterr().err


def test_values_that_are_no_numbers_are_never_equal():
    assert largest_difference(np.array([1.0, np.nan]), np.array([1.0, np.nan])) == float("inf")
    assert largest_difference({"a": 1.0}, {"b": 1.0}) == float("inf")
    assert largest_difference({"a": [1.0, 2.5]}, {"a": [1.0, 2.0]}) == 0.5
    assert not Finding("m", "w", float("nan"), 1.0).equal
