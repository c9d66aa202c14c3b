import numpy as np
import pytest

from fer_core.datasets import FaceDataset, Split
from fer_core.errors import DatasetError, ModelError
from fer_core.evaluation.leaderboard import cost_row, cost_table, leaderboard, leaderboard_table
from fer_core.evaluation.scored import compare_scored, images_behind, reported, rules_in, score_split
from fer_core.evaluation.significance import compare
from fer_core.labels import CKPLUS, FER2013, FERPLUS
from fer_core.store.predictions import Network


def test_answers_give_the_figures_of_the_card(mixed_store):
    for name in ("strong", "pair", "plus", "ck"):
        model = mixed_store.load(name)
        rule = model.card.default_rule
        for split, (network, metrics) in reported(model, rule).items():
            scored = score_split(model, rule, split)
            assert scored.network == network
            assert scored.correct.mean() == pytest.approx(metrics[split]["accuracy"])
            assert len(scored.rows) == metrics[split]["faces"]
            confusion = np.zeros((len(rule.label_set),) * 2, int)
            np.add.at(confusion, (scored.labels, scored.answers), 1)
            assert confusion.tolist() == metrics[split]["confusion"]


def test_folds_are_reported_of_the_float_network_and_a_missing_split_is_refused(mixed_store):
    ck, strong = mixed_store.load("ck"), mixed_store.load("strong")
    assert {split: found[0] for split, found in reported(ck, ck.card.default_rule).items()} == {
        Split.TEST: Network.INT8,
        Split.CROSS_VALIDATION: Network.FLOAT,
    }
    with pytest.raises(ModelError, match="no stored predictions"):
        score_split(strong, strong.card.default_rule, Split.CROSS_VALIDATION)


def test_two_models_at_hand_compare_as_from_the_store(mixed_store):
    a, b = (mixed_store.load(name) for name in ("strong", "weak"))
    scored = [score_split(model, model.card.decision_rule("balanced"), Split.TEST) for model in (a, b)]
    assert compare_scored(scored[0], scored[1], ("strong", "weak")) == compare(a, b, answer="balanced")
    other = score_split(mixed_store.load("plus"), mixed_store.load("plus").card.default_rule, Split.TEST)
    with pytest.raises(ModelError, match="different faces"):
        compare_scored(scored[0], other, ("strong", "plus"))


def test_a_cell_holds_its_faces_worst_first(mixed_store):
    model = mixed_store.load("strong")
    scored = score_split(model, model.card.default_rule, Split.TEST)
    places = scored.cell(0, 3)
    assert len(places) == ((scored.labels == 0) & (scored.answers == 3)).sum()
    assert (np.diff(scored.probabilities[places, 0]) >= 0).all()


def test_images_are_those_of_the_faces_or_refused(mixed_store):
    model = mixed_store.load("strong")
    scored = score_split(model, model.card.default_rule, Split.TEST)
    labels = model.predictions().labels[Split.TEST, "fer2013"].astype(np.int64)
    images = np.arange(len(labels) + 1, dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
    splits = np.array([Split.TRAINING] + [Split.TEST] * len(labels))
    dataset = FaceDataset("FER2013", images, np.r_[0, labels], splits, FER2013)
    assert np.array_equal(images_behind(scored, 0, dataset), images[1:])
    with pytest.raises(DatasetError, match="does not hold the faces"):
        images_behind(scored, 0, FaceDataset("FER2013", images, np.r_[0, labels[::-1]], splits, FER2013))


def test_images_of_the_random_split_and_of_the_folds_are_found(made_up):
    from fer_core.datasets.splits import random_split
    from fer_core.store.predictions import Predictions

    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(7), 20)
    images = rng.integers(0, 256, (140, 48, 48)).astype(np.uint8)
    training = np.full(140, Split.TRAINING)
    dataset = FaceDataset("CK+", images, labels, training, CKPLUS, subjects=np.repeat(np.arange(20), 7).astype(str))
    test = random_split(dataset, seed=5).split(Split.TEST)
    uniform = {
        s: np.full((n, 7), 1 / 7, np.float32) for s, n in ((Split.TEST, len(test)), (Split.CROSS_VALIDATION, 140))
    }
    predictions = Predictions(
        {(Network.FLOAT, split, "ckplus"): p for split, p in uniform.items()},
        {(Split.TEST, "ckplus"): test.labels, (Split.CROSS_VALIDATION, "ckplus"): labels},
        {},
    )
    model = made_up("ck", CKPLUS, predictions, seed=5)
    rule = rules_in(model, CKPLUS)[0]
    assert np.array_equal(images_behind(score_split(model, rule, Split.TEST), 5, dataset), test.images)
    assert np.array_equal(images_behind(score_split(model, rule, Split.CROSS_VALIDATION), 5, dataset), images)


def test_the_table_has_the_best_first_then_published_figures(mixed_store):
    models = mixed_store.all()
    titles = {model.name: model.name for model in models}
    table = leaderboard_table(models, FER2013, titles)
    measured = table[table["source"] == "measured here"]
    assert measured["accuracy"].is_monotonic_decreasing
    assert "bare" not in set(measured["model"])
    assert table.index[table["source"] != "measured here"].min() == len(measured)
    assert table["macro F1 95%"].iloc[0].endswith("%")
    ck = leaderboard_table(models, CKPLUS, titles)
    assert set(ck["reported on"]) >= {"random 30%", "10 folds by subject"}
    plus = leaderboard_table(models, FERPLUS, titles)
    assert plus["model"].tolist() == ["plus", "plus", "◇ resnet50"]  # two answers, one published figure


def test_the_table_says_what_the_command_line_says(mixed_store):
    models = mixed_store.all()
    titles = {model.name: model.name for model in models}
    served = ("int8", "float")
    for label_set, text in leaderboard(mixed_store).items():
        table = leaderboard_table(models, label_set, titles)
        rows = {
            (row["model"], row["answer"], f"{row['reported on']}, {row['faces']:.0f} faces"): row
            for row in table[table["source"] == "measured here"].to_dict("records")
        }
        shown = text[text["network"].isin(served)]
        assert len(shown)
        for row in shown.to_dict("records"):
            mine = rows[row["model"], row["answer"], row["reported on"]]
            assert row["accuracy"].startswith(f"{mine['accuracy']:.1%} [")
            assert row["accuracy"].split("[")[1].strip("]").replace(", ", "–") + "%" == mine["accuracy 95%"]
            assert row["macro F1"] == f"{mine['macro F1']:.1%}"
            assert row["lowest recall"] == f"{mine['of']} {mine['lowest recall']:.1%}"
            assert row["ECE"] == f"{mine['ECE before']:.1%} → {mine['ECE']:.1%}"


def test_costs_that_were_not_measured_are_empty(mixed_store, shipped):
    row = cost_row(mixed_store.load("strong"))
    assert np.isnan(row["ms/face"])
    assert row["parameters (M)"] == shipped.card.parameters / 1e6
    assert row["int8 MB"] == pytest.approx(shipped.file_bytes["model.int8.tflite"] / 1e6)
    assert cost_row(mixed_store.load("pair"))["int8 MB"] == pytest.approx(2 * row["int8 MB"])
    assert cost_table([shipped], {"senet": "SE"})["model"].tolist() == ["SE"]
