from dataclasses import replace

import pytest

from fer_core.cli.main import main
from fer_core.datasets import Split
from fer_core.evaluation.leaderboard import NOTE, as_markdown, as_text, leaderboard
from fer_core.labels import CKPLUS, FER2013, FER2013_FIVE
from fer_core.store.predictions import Network
from fer_core.store.store import ModelStore
from tests.stored_models import made_up_predictions


def store_of(model) -> ModelStore:
    return ModelStore(model.folder.parent)


def test_a_row_says_what_the_card_says(made_up):
    model = made_up("one", parameters=2_345_678, architecture="cnn4")
    store_of(model).save_card(replace(model.card, costs={"milliseconds_per_face": {"int8": 1.234, "float": 5.0}}))
    (model.folder / "model.int8.tflite").write_bytes(bytes(2_500_000))
    row = leaderboard(store_of(model))[FER2013].iloc[1]
    metrics = model.card.figures["int8"]["fer2013"]
    test = metrics["test"]
    low, high = test["accuracy_interval"]
    recalls = {emotion: of_class["recall"] for emotion, of_class in test["per_class"].items()}
    lowest = min(recalls, key=recalls.get)
    assert row.to_dict() == {
        "model": "one",
        "network": "int8",
        "answer": "fer2013",
        "parameters (M)": "2.35",
        "int8 MB": "2.50",
        "ms/face": "1.23",
        "chosen on": "PublicTest",
        "reported on": "PrivateTest, 400 faces",
        "accuracy": f"{test['accuracy']:.1%} [{low * 100:.1f}, {high * 100:.1f}]",
        "without repeats": f"{metrics['test-without-repeats']['accuracy']:.1%}",
        "macro F1": f"{test['macro_f1']:.1%}",
        "lowest recall": f"{lowest} {recalls[lowest]:.1%}",
        "ECE": f"{test['expected_calibration_error_uncalibrated']:.1%} → {test['expected_calibration_error']:.1%}",
        "published": "published: 66%, on training faces 84% (test, flips only); "
        "published: 67% (test, more augmentation)",
    }


def test_the_served_network_and_the_mirrored_one_are_shown_and_the_others_on_demand(made_up):
    store = store_of(made_up("one"))
    assert list(leaderboard(store)[FER2013]["network"].unique()) == ["int8", "mean with mirror image"]
    everything = leaderboard(store, every_network=True)[FER2013]
    assert list(everything["network"].unique()) == ["int8", "float", "mean with mirror image"]


def test_a_model_without_int8_is_shown_by_its_float_network(made_up):
    data = made_up_predictions(networks=(Network.FLOAT, Network.MIRRORED))
    table = leaderboard(store_of(made_up("one", predictions=data)))[FER2013]
    assert list(table["network"].unique()) == ["float", "mean with mirror image"]
    assert set(table["int8 MB"]) == set(table["ms/face"]) == {"-"}


def test_models_are_ranked_by_accuracy_and_keep_their_rows_together(made_up):
    for name, skill in (("a-weak", 0.5), ("b-strong", 3.0), ("c-middling", 1.5)):
        model = made_up(name, predictions=made_up_predictions(skill=skill))
    table = leaderboard(store_of(model))[FER2013]
    assert list(dict.fromkeys(table["model"])) == ["b-strong", "c-middling", "a-weak"]
    assert list(table["model"]) == sorted(table["model"], key=["b-strong", "c-middling", "a-weak"].index)


def test_there_is_a_table_per_label_set_and_none_that_is_empty(made_up):
    made_up("seven")
    store = store_of(made_up("five", FER2013_FIVE, made_up_predictions(FER2013_FIVE), architecture="vggnet"))
    tables = leaderboard(store)
    assert list(tables) == [FER2013, FER2013_FIVE]
    assert set(tables[FER2013]["model"]) == {"seven"}
    assert set(tables[FER2013_FIVE]["published"]) == {
        "published: 73.8%, recall 72.734%, precision 74.38% (five classes, class weights, split not stated)"
    }


def test_a_model_judged_by_cross_validation_says_so(made_up):
    data = made_up_predictions(CKPLUS, splits=(Split.CROSS_VALIDATION, Split.TEST), networks=(Network.FLOAT,))
    del data.train_duplicates[Split.TEST]  # type: ignore[attr-defined]
    model = made_up("ck", CKPLUS, data, data={"split_titles": {"test": "random 30%"}})
    table = leaderboard(store_of(model))[CKPLUS]
    assert list(table["reported on"]) == ["random 30%, 400 faces", "ten folds by subject, 400 faces"]
    assert set(table["chosen on"]) == {"-"}
    assert list(table["without repeats"] == "-") == [True, False]


def test_markdown_has_a_heading_and_a_rectangular_table_per_label_set():
    text = as_markdown(leaderboard(ModelStore()))
    headings = [line for line in text.split("\n") if line.startswith("#")]
    assert headings[:2] == ["### FER2013, seven classes", "### FER2013, five classes (no disgust, no fear)"]
    rows = [line for line in text.split("\n") if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
    assert text.endswith(NOTE)


def test_an_empty_store_is_said_to_be_empty(tmp_path, capsys):
    assert as_text({}) == "The store holds no evaluated model."
    assert main(["leaderboard", "--store", str(tmp_path)]) == 0
    assert "no evaluated model" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["--markdown"], ["--all"]])
def test_the_command_prints_every_model(arguments, made_up, capsys):
    store = store_of(made_up("one"))
    assert main(["leaderboard", "--store", str(store.folder), *arguments]) == 0
    out = capsys.readouterr().out
    assert "FER2013, seven classes" in out
    assert ("float" in out) == (arguments == ["--all"])
    assert "temperature scaling" in out
