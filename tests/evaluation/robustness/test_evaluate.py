"""Conditions are what they say, figures are computed from stored predictions, and the store stays whole."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, recall_score

from fer_core.cli.main import main
from fer_core.datasets import FaceDataset, Split
from fer_core.errors import DatasetError, FerError, ModelError
from fer_core.evaluation.robustness import conditions
from fer_core.evaluation.robustness import evaluate as robustness
from fer_core.evaluation.robustness import table as robustness_table
from fer_core.evaluation.robustness.conditions import CONDITIONS, UNMASKED
from fer_core.evaluation.robustness.evaluate import (
    faces_of,
    measure_robustness,
    measured_rules,
    robustness_metrics,
    served_predictor,
)
from fer_core.evaluation.verification import verify_model
from fer_core.labels import FER2013
from fer_core.store.predictions import Network, RobustnessPredictions
from fer_core.store.store import ModelStore

FACES = np.random.default_rng(0).integers(0, 256, (6, 48, 48)).astype(np.uint8)


@pytest.fixture(autouse=True)
def small_banks(monkeypatch):
    """Two masks of a kind are enough."""
    from fer_core.augmentation.masks.bank import MaskBank

    conditions._bank.cache_clear()
    monkeypatch.setattr(conditions, "MaskBank", lambda *args, **options: MaskBank(*args, layers=2, **options))  # type: ignore[misc]
    yield
    conditions._bank.cache_clear()


def smooth(count: int = 6) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=(count, 48, 48))
    return np.stack([np.clip(128 + 400 * cv2.GaussianBlur(face, (0, 0), 3), 0, 255).astype(np.uint8) for face in noise])


def test_the_table_of_conditions():
    assert list(CONDITIONS) == [
        "bare", "masks", "surgical", "cloth", "sunglasses", "small", "smallest", "blur", "noise", "darkness", "rotation",
    ]  # fmt: skip
    said = {name: condition.setting for name, condition in CONDITIONS.items()}
    assert "one in five under the nose" in said["masks"]
    assert [name for name, condition in CONDITIONS.items() if condition.masked] == ["masks", "surgical", "cloth"]
    assert "24x24 pixels" in said["small"]
    assert "16x16 pixels" in said["smallest"]
    assert "deviation 1.5 of 48 pixels" in said["blur"]
    assert "deviation 20 of 255" in said["noise"]
    assert "0.25 of the light" in said["darkness"]
    assert "30 degrees" in said["rotation"]


@pytest.mark.parametrize("name", list(CONDITIONS))
def test_every_condition_is_the_same_each_time_and_changes_all_faces_but_bare_ones(name):
    before = FACES.copy()
    one, two = (CONDITIONS[name].apply(FACES) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(FACES, before)
    assert (one.shape, one.dtype) == (FACES.shape, np.uint8)
    assert (one != FACES).any(axis=(1, 2)).all() == (name != UNMASKED)


@pytest.mark.parametrize(("name", "covered", "free"), [("surgical", 37, 17), ("cloth", 37, 17), ("sunglasses", 18, 37)])
def test_what_is_worn_covers_its_part_of_the_face(name, covered, free):
    changed = CONDITIONS[name].apply(FACES) != FACES
    assert changed[:, covered, 14:20].all(axis=1).mean() > 0.8
    assert changed[:, free, 22:26].mean() < 0.2  # no more than the shadow of an edge


def test_faces_lose_what_smaller_ones_cannot_hold():
    for name, side in (("small", 24), ("smallest", 16)):
        changed = CONDITIONS[name].apply(FACES)
        step = 48 // side
        blocks = FACES.reshape(6, side, step, side, step).mean(axis=(2, 4))
        again = np.stack([cv2.resize(np.rint(b).astype(np.uint8), (48, 48)) for b in blocks])
        assert np.abs(changed.astype(int) - again).max() <= 1


def test_blur_noise_darkness_and_rotation_have_the_strength_they_name():
    point = np.zeros((1, 48, 48), np.uint8)
    point[0, 24, 24] = 255
    spread = CONDITIONS["blur"].apply(point)[0].astype(float)
    assert np.sqrt((spread.sum(axis=0) * (np.arange(48) - 24) ** 2).sum() / spread.sum()) == pytest.approx(1.5, abs=0.1)
    grey = np.full((4, 48, 48), 128, np.uint8)
    assert CONDITIONS["noise"].apply(grey).std() == pytest.approx(20, abs=0.5)
    assert set(CONDITIONS["darkness"].apply(np.full((1, 48, 48), 200, np.uint8)).ravel()) == {50}
    faces = smooth(12)
    turned = CONDITIONS["rotation"].apply(faces)
    ways = []
    for face, after in zip(faces, turned, strict=True):
        errors = {}
        for angle in (-30, 30):
            back = cv2.warpAffine(after, cv2.getRotationMatrix2D((23.5, 23.5), -angle, 1), (48, 48))
            errors[angle] = np.abs(back.astype(int) - face)[12:36, 12:36].mean()
        ways.append(min(errors, key=errors.get))
        assert min(errors.values()) < 3
    assert set(ways) == {-30, 30}


class Patterns:
    """A network that answers by the brightness of a face, the darker the later the class."""

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        level = faces.mean(axis=(1, 2)) / 255 * 6
        logits = -((level[:, None] - np.arange(7)) ** 2)
        return {"fer2013": (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)}


@pytest.fixture
def model(made_up, monkeypatch):
    """A stored model of made-up predictions that :class:`Patterns` answers for."""
    monkeypatch.setattr(robustness, "served_predictor", lambda model: ("int8", Patterns()))
    return made_up("one")


@pytest.fixture
def data(model) -> FaceDataset:
    """The faces that the model's predictions are of."""
    labels = model.predictions().labels[Split.TEST, "fer2013"].astype(np.int64)
    levels = labels / 6 * 255 + np.random.default_rng(0).normal(0, 25, len(labels))
    images = np.clip(levels[:, None, None] + np.zeros((48, 48)), 0, 255).astype(np.uint8)
    return FaceDataset("levels", images, labels, np.full(len(labels), Split.TEST), FER2013)


def test_masked_faces_get_the_answer_that_the_model_gives_masked_faces(model, data):
    list(robustness.measure_store(store_of(model), ["one"], data))
    rule = model.card.decision_rule("fer2013")
    always_happy = replace(rule, class_bias=tuple(99.0 * (emotion == "happy") for emotion in FER2013.emotions))
    apart = replace(model, card=replace(model.card, masked_answers=(always_happy,)))
    happy = (data.labels == FER2013.index("happy")).mean()
    for plain, of in zip(robustness_metrics(model, rule), robustness_metrics(apart, rule), strict=True):
        assert of.accuracy == pytest.approx(happy if of.condition.masked else plain.accuracy)


def store_of(model) -> ModelStore:
    return ModelStore(model.folder.parent)


def test_figures_are_scikit_learns_on_what_the_network_said(model, data):
    list(robustness.measure_store(store_of(model), ["one"], data))
    found = robustness_metrics(model, model.card.decision_rule("fer2013"))
    assert [of.condition.name for of in found] == list(CONDITIONS)
    stored = model.robustness()
    answers = {name: stored.heads(name)["fer2013"].argmax(axis=1) for name in CONDITIONS}
    unmasked = recall_score(data.labels, answers[UNMASKED], average=None)
    for of in found:
        said = answers[of.condition.name]
        assert of.accuracy == accuracy_score(data.labels, said)
        now = Patterns()(of.condition.apply(data.images))["fer2013"]
        assert stored.heads(of.condition.name)["fer2013"] == pytest.approx(now, abs=0.02)  # rounded
        assert of.interval[0] < of.accuracy < of.interval[1]
        assert of.share == pytest.approx(of.accuracy / found[0].accuracy)
        recall = recall_score(data.labels, said, average=None)
        assert list(of.recall_lost) == list(FER2013.names)
        assert list(of.recall_lost.values()) == pytest.approx(list(unmasked - recall))
    assert found[0].accuracy > 0.6
    assert found[0].share == 1
    assert next(of for of in found if of.condition.name == "darkness").share < 0.5


def test_nothing_is_made_up_where_nothing_was_measured(model, data, made_up):
    rule = model.card.default_rule
    assert robustness_metrics(model, rule) == []
    store = store_of(model)
    list(robustness.measure_store(store, ["one"], data))
    measured = model.robustness()
    settings = {**measured.settings, "noise": "Gaussian, standard deviation 5"}
    store.save_robustness("one", replace(measured, settings=settings))
    assert "noise" not in [of.condition.name for of in robustness_metrics(model, rule)]
    short = {key: p[:10] for key, p in measured.probabilities.items()}
    store.save_robustness("one", replace(measured, probabilities=short))
    with pytest.raises(ModelError, match="other faces than its predictions"):
        robustness_metrics(model, rule)
    (model.folder / "robustness.npz").write_bytes(b"no zip")
    with pytest.raises(ModelError, match=r"robustness\.npz cannot be read"):
        robustness_metrics(model, rule)
    made_up("one")  # trained anew: what was measured belongs to other weights
    assert model.robustness() is None
    assert model.robustness_stamp == 0


def test_what_is_stored_comes_back_within_two_per_cent_of_itself(model):
    p = np.random.default_rng(0).dirichlet(np.ones(7), 50).astype(np.float32)
    store_of(model).save_robustness(
        "one", RobustnessPredictions("int8", {"bare": "unchanged"}, {("bare", "fer2013"): p})
    )
    back = model.robustness()
    assert (back.network, dict(back.settings)) == ("int8", {"bare": "unchanged"})
    assert back.heads("bare")["fer2013"] == pytest.approx(p, rel=0.035, abs=0.0005)
    assert back.heads("bare")["fer2013"].sum(axis=1) == pytest.approx(np.ones(50), abs=1e-6)
    assert model.robustness_stamp > 0


def test_other_faces_than_those_reported_on_are_refused(model, data):
    np.testing.assert_array_equal(faces_of(model, data), data.images)
    for other in (replace(data, labels=(data.labels + 1) % 7), data.take(np.zeros(len(data), bool))):
        with pytest.raises(DatasetError, match="does not hold the test faces that one is reported on"):
            faces_of(model, other)


def test_the_default_answer_and_all_of_seven_classes_are_measured(shipped):
    assert [rule.name for rule in measured_rules(shipped)] == ["balanced", "fer2013"]


def test_the_served_network_answers_int8_first_and_an_ensemble_by_its_members(shipped, mixed_store):
    name, predict = served_predictor(shipped)
    assert name == "int8"
    from fer_core.vision.expression import load_network

    expected = load_network(shipped).predict(FACES)
    assert predict(FACES)["fer2013"] == pytest.approx(expected["fer2013"])
    name, predict = served_predictor(mixed_store.load("pair"))
    assert name == "int8"
    assert predict(FACES)["fer2013"] == pytest.approx(expected["fer2013"], abs=1e-6)  # members of one network
    (mixed_store.folder / "weak" / "model.int8.tflite").unlink()
    (mixed_store.folder / "weak" / "model.keras").symlink_to(shipped.keras_path)
    name, predict = served_predictor(mixed_store.load("pair"))
    assert set(name.split(" and ")) == {"int8", "keras"}
    assert predict(FACES)["fer2013"].sum(axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    (mixed_store.folder / "weak" / "model.keras").unlink()
    with pytest.raises(ModelError, match="weak has no weights here"):
        served_predictor(mixed_store.load("weak"))


def test_without_litert_files_the_keras_file_answers(made_up, shipped):
    import keras

    from fer_core.models.prediction import predict_probabilities

    model = made_up("one")
    (model.folder / "model.keras").symlink_to(shipped.keras_path)
    name, predict = served_predictor(model)
    assert name == "keras"
    expected = predict_probabilities(keras.saving.load_model(shipped.keras_path, compile=False), FACES[:2])
    assert predict(FACES[:2])["fer2013"] == pytest.approx(expected["fer2013"], abs=0.01)


@pytest.fixture
def command(model, data, monkeypatch):
    """``command(*arguments)`` runs the command on the model's store and data."""
    monkeypatch.setattr("fer_core.datasets.read_dataset", lambda path, votes: data)

    def run(*arguments: str) -> int:
        return main(["robustness", *arguments, "--store", str(model.folder.parent)])

    return run


def test_the_command_measures_prints_and_prints_again_without_data(command, model, capsys):
    assert command() == 0
    assert "robustness NAME --data PATH" in capsys.readouterr().out
    assert command("--data", "x", "--markdown") == 0
    printed = capsys.readouterr().out
    assert "| faces | one, balanced | one, fer2013 |" in printed
    for line, of in zip(printed.splitlines()[2:], robustness_metrics(model, model.card.default_rule), strict=False):
        assert line.startswith(f"| {of.condition.title} | {of.accuracy:.1%} [")
        assert (f"({of.share:.0%})" in line) == (of.condition.name != UNMASKED)
    assert robustness_table.NOTE in printed
    assert command("one", "--markdown") == 0
    assert capsys.readouterr().out == printed
    assert command("--data", "x") == 0
    assert "Surgical mask" in capsys.readouterr().out
    assert command("two", "--data", "x") == 1
    assert "no model 'two'" in capsys.readouterr().err


def test_an_interruption_keeps_what_was_there_and_leaves_no_half_file(command, model, monkeypatch, capsys):
    assert command("--data", "x") == 0
    before = (model.folder / "robustness.npz").read_bytes()

    def stopped(faces: np.ndarray) -> dict[str, np.ndarray]:
        raise KeyboardInterrupt

    monkeypatch.setattr(robustness, "served_predictor", lambda model: ("int8", stopped))
    assert command("--data", "x") == 1
    assert "Stopped; models measured anew and kept: none." in capsys.readouterr().err
    monkeypatch.setattr("fer_core.storage.os.replace", lambda *paths: stopped(np.empty(0)))
    with pytest.raises(KeyboardInterrupt):
        store_of(model).save_robustness("one", model.robustness())
    assert (model.folder / "robustness.npz").read_bytes() == before
    assert not [path for path in model.folder.iterdir() if path.suffix == ".part"]


def test_an_interruption_is_an_error_in_words(model, data, monkeypatch):
    monkeypatch.setattr(robustness, "measure_robustness", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(FerError, match="Stopped"):
        robustness_table.measure_with_bar(store_of(model), [], data)


def test_progress_counts_every_face_under_every_condition(model, data):
    told: list = []
    measure_robustness(model, data.images[:300], told.append)
    assert told == [256, 44] * len(CONDITIONS)


def test_models_of_other_data_are_passed_over_unless_they_are_named(mixed_store):
    names = [model.name for model in robustness.models_to_measure(mixed_store, [])]
    assert {"strong", "weak", "pair"} <= set(names)
    assert not {"ck", "plus", "five"} & set(names)
    assert [model.name for model in robustness.models_to_measure(mixed_store, ["ck"])] == ["ck"]


def findings(model, dataset=None) -> dict[str, bool]:
    return {f.what: f.equal for f in verify_model(model, dataset) if f.what.startswith("robustness")}


def test_verify_finds_other_settings_other_bare_answers_and_another_network(model, data, monkeypatch):
    from fer_core.evaluation import verification

    assert findings(model) == {}
    monkeypatch.setattr(verification, "served_predictor", lambda model: ("int8", Patterns()))
    store = store_of(model)
    list(robustness.measure_store(store, ["one"], data))
    unmasked = "robustness: bare faces against stored predictions"
    assert findings(model) == {
        "robustness: conditions that are not today's": True,
        unmasked: False,
    }  # made-up predictions
    on_data = findings(model, data)
    assert len(on_data) == len(CONDITIONS) + 2
    assert [what for what, equal in on_data.items() if not equal] == [unmasked]
    measured = model.robustness()
    stored = model.predictions().heads(Network.INT8, Split.TEST)["fer2013"]
    same = {**measured.probabilities, (UNMASKED, "fer2013"): stored}
    store.save_robustness("one", replace(measured, probabilities=same))
    assert findings(model)[unmasked]
    monkeypatch.setattr(verification, "served_predictor", lambda model: ("int8", lambda f: Patterns()(255 - f)))
    assert not findings(model, data)["robustness: int8 network under 'noise' against stored predictions"]
    store.save_robustness("one", replace(measured, settings={**measured.settings, "blur": "more"}))
    assert not findings(model)["robustness: conditions that are not today's"]


def test_the_shipped_file_is_small_and_of_todays_conditions(shipped):
    path = shipped.folder / "robustness.npz"
    assert path.stat().st_size < 600_000
    with np.load(path) as arrays:
        about = json.loads(str(arrays["about"]))
    assert about["network"] == "int8"
    assert about["settings"] == {name: condition.setting for name, condition in CONDITIONS.items()}
    for rule in measured_rules(shipped):
        unmasked, *others = robustness_metrics(shipped, rule)
        stored = shipped.card.figure(Network.INT8, rule.name, Split.TEST, "accuracy")
        assert unmasked.accuracy == pytest.approx(stored, abs=0.003)
        assert all(of.accuracy < unmasked.accuracy for of in others)
