import json
import shutil
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from fer_core.cli.main import main
from fer_core.datasets import Split
from fer_core.errors import ModelError
from fer_core.evaluation.calibration import fit_decision_rules
from fer_core.evaluation.cards import card_metrics, evaluated
from fer_core.evaluation.ensembles import build_ensemble, fit_weights, pool_predictions
from fer_core.evaluation.leaderboard import leaderboard
from fer_core.evaluation.verification import largest_difference, verify_model
from fer_core.labels import CKPLUS, FER2013, FER2013_FIVE, FERPLUS
from fer_core.store.predictions import Network, Predictions
from fer_core.store.store import ModelStore, StoredModel
from tests.stored_models import FACES, made_up_predictions


def one_hot_members(*counts: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Members that each swear by a class of their own, and faces of each class: the best weights are the shares."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return [np.tile(row, (len(labels), 1)) for row in np.eye(len(counts))], labels


@pytest.mark.parametrize(
    ("counts", "weights"),
    [
        ((250, 750), (0.25, 0.75)),
        ((1234, 8766), (0.123, 0.877)),
        ((400, 400, 400), (0.334, 0.333, 0.333)),
        ((102, 9898), (0.01, 0.99)),
        ((98, 9902), (0.0, 1.0)),
        ((9, 400, 591), (0.0, 0.404, 0.596)),
    ],
    ids=["quarter", "three digits", "thirds", "one percent", "under one percent", "what is left is scaled"],
)
def test_weights_are_the_shares_of_the_faces_that_each_member_is_right_about(counts, weights):
    fitted = fit_weights(*one_hot_members(*counts))
    np.testing.assert_allclose(fitted, weights, atol=1e-9)
    assert abs(fitted.sum() - 1) < 1e-12


@pytest.mark.parametrize("mixture", [(0.3, 0.7), (0.15, 0.25, 0.6)])
def test_a_known_mixture_is_recovered(mixture):
    rng = np.random.default_rng(0)
    members = [softmax(rng.normal(size=(40_000, 7)) * 2, axis=-1) for _ in mixture]
    pooled = sum(share * member for share, member in zip(mixture, members, strict=True))
    labels = (pooled.cumsum(axis=1) > rng.random((len(pooled), 1))).argmax(axis=1)
    np.testing.assert_allclose(fit_weights(members, labels), mixture, atol=0.015)


def test_the_weights_are_those_that_expectation_maximisation_finds():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 7, 500)
    members = [softmax(rng.normal(size=(500, 7)) * 3 + skill * np.eye(7)[labels], axis=-1) for skill in (4.0, 4.5, 5.0)]
    of_truth = np.stack([member[np.arange(500), labels] for member in members])
    weights = np.full(3, 1 / 3)
    for _ in range(5000):
        shares = weights[:, None] * of_truth
        weights = (shares / shares.sum(axis=0)).mean(axis=1)
    assert weights.min() > 0.02
    np.testing.assert_allclose(fit_weights(members, labels), weights, atol=0.001)


def test_a_member_that_is_noise_gets_nothing_and_faces_without_a_label_do_not_count():
    good, noise = (made_up_predictions(skill=skill, seed=seed) for skill, seed in ((2.0, 0), (0.0, 1)))
    key = (Network.INT8, Split.VALIDATION, "fer2013")
    labels = good.labels[key[1:]].astype(np.int64)
    members = [good.probabilities[key], noise.probabilities[key]]
    np.testing.assert_array_equal(fit_weights(members, labels), (1, 0))
    half = np.where(np.arange(FACES) < FACES // 2, labels, -1)
    again = fit_weights([member[: FACES // 2] for member in members], labels[: FACES // 2])
    np.testing.assert_array_equal(fit_weights(members, half), again)
    with pytest.raises(ValueError, match="at least one labelled row, got none of 400"):
        fit_weights(members, np.full(FACES, -1))


@pytest.fixture
def store(made_up) -> ModelStore:
    """Two networks that err in different places, and one that knows nothing."""
    for seed, (name, skill) in enumerate((("one", 1.5), ("two", 2.0), ("noise", 0.0))):
        model = made_up(
            name,
            predictions=made_up_predictions(skill=skill, seed=seed),
            parameters=10**seed,
            training_seconds=10.0 * 2**seed,
            hardware="a" if name == "one" else "b",
        )
    return ModelStore(model.folder.parent)


def test_an_ensemble_is_an_entry_of_the_store_without_weights_of_its_own(store):
    ensemble = build_ensemble(store, "both", ["one", "two", "noise"])
    assert sorted(path.name for path in ensemble.folder.iterdir()) == ["card.json", "predictions.npz"]
    card = store.load("both").card
    assert card.architecture == "ensemble"
    assert list(card.members) == ["one", "two"]
    assert sum(card.members.values()) == pytest.approx(1)
    assert 0.5 < card.members["two"] < 1
    assert (card.parameters, card.training_seconds, card.input_size) == (1 + 10, 10.0 + 20.0, 48)
    assert (card.heads, card.hardware) == (("fer2013",), "a; b")
    assert card.data["chosen_on"].startswith("validation (PublicTest): epoch, fusion of heads")
    assert f"weights of the members ({card.members['two']:.3g} two + " in card.data["chosen_on"]
    assert card.recipe["members"] == ["one", "two", "noise"]
    assert card.limits == store.load("one").card.limits
    assert "Hansen & Salamon 1990" in card.reference
    with pytest.raises(ModelError, match=r"history\.csv is missing"):
        ensemble.history()


def test_its_predictions_are_the_weighted_means_of_its_members_in_every_kind_of_network(store):
    ensemble = build_ensemble(store, "both", ["one", "two"])
    predictions, one, two = (store.load(name).predictions() for name in ("both", "one", "two"))
    assert predictions.probabilities.keys() == one.probabilities.keys()
    share = ensemble.card.members["one"]
    for key, pooled in predictions.probabilities.items():
        mean = share * one.probabilities[key] + (1 - share) * two.probabilities[key]
        np.testing.assert_allclose(pooled, mean, atol=1e-6)
    assert largest_difference(predictions.labels, one.labels) == 0
    assert largest_difference(predictions.train_duplicates, one.train_duplicates) == 0


def test_its_weights_answers_and_figures_are_those_of_its_served_network(store):
    card = build_ensemble(store, "both", ["one", "two"]).card
    one, two, predictions = (store.load(name).predictions() for name in ("one", "two", "both"))
    key = (Network.INT8, Split.VALIDATION, "fer2013")
    truth = one.labels[key[1:]].astype(np.int64)
    weights = fit_weights([one.probabilities[key], two.probabilities[key]], truth)
    assert list(card.members.values()) == weights.tolist()
    assert card.answers == fit_decision_rules(predictions, (FER2013,), Network.INT8)
    assert largest_difference(card_metrics(predictions, card.answers), card.figures) < 1e-6
    assert card.figure(Network.INT8, "fer2013", Split.TEST, "accuracy") > max(
        store.load(name).card.figure(Network.INT8, "fer2013", Split.TEST, "accuracy") for name in ("one", "two")
    )
    assert evaluated(card, predictions).answers == card.answers


def with_heads(model: StoredModel, predictions: Predictions, heads: tuple[str, ...]) -> StoredModel:
    """The model saved again with other heads."""
    store = ModelStore(model.folder.parent)
    return store.save(
        evaluated(replace(model.card, heads=heads, costs={}), predictions), None, None, model.history(), predictions
    )


def test_a_member_without_a_head_takes_no_part_in_it(store):
    plain, plus = store.load("two"), made_up_predictions(FERPLUS, seed=5)
    own = plain.predictions()
    both = Predictions({**plus.probabilities, **own.probabilities}, {**plus.labels, **own.labels}, own.train_duplicates)
    with_heads(plain, both, ("fer2013", "ferplus"))
    ensemble = build_ensemble(store, "both", ["one", "two"])
    assert ensemble.card.heads == ("fer2013", "ferplus")
    assert [rule.name for rule in ensemble.card.answers] == ["balanced", "fer2013", "ferplus", "fer2013-five"]
    predictions = ensemble.predictions()
    key = (Network.INT8, Split.TEST, "ferplus")
    np.testing.assert_allclose(predictions.probabilities[key], both.probabilities[key], atol=1e-6)
    assert (Split.TEST, "ferplus") in predictions.labels


def test_kinds_of_network_and_splits_that_a_member_lacks_are_left_out(store):
    model = store.load("two")
    own = model.predictions()
    extra = made_up_predictions(splits=(Split.CROSS_VALIDATION,))
    kept = {key: p for key, p in own.probabilities.items() if key[0] != Network.INT8} | dict(extra.probabilities)
    kept = {key: p for key, p in kept.items() if key[0] != Network.INT8}
    with_heads(model, Predictions(kept, {**own.labels, **extra.labels}, own.train_duplicates), ("fer2013",))
    predictions = build_ensemble(store, "both", ["one", "two"]).predictions()
    assert predictions.networks() == [Network.FLOAT, Network.MIRRORED]
    assert predictions.splits() == [Split.TEST, Split.VALIDATION]
    assert predictions.served == Network.FLOAT


def test_a_head_that_one_member_was_not_run_with_on_a_split_is_not_answered_by_the_other_alone():
    one, two = made_up_predictions(seed=0), made_up_predictions(seed=1)
    del two.probabilities[Network.INT8, Split.TEST, "fer2013"]  # type: ignore[attr-defined]
    pooled = pool_predictions({"one": one, "two": two}, {"one": 0.5, "two": 0.5})
    assert (Network.INT8, Split.TEST, "fer2013") not in pooled.probabilities
    assert (Network.INT8, Split.VALIDATION, "fer2013") in pooled.probabilities


@pytest.mark.parametrize(
    ("name", "members", "message"),
    [
        ("both", ["one", "absent"], "no model 'absent' in the store"),
        ("both", ["one"], "two or more different members, got one"),
        ("both", ["one", "one", "two"], "two or more different members, got one, one, two"),
        ("one", ["one", "two"], "one is a network of the store, which an ensemble would replace"),
        ("../both", ["one", "two"], r"'../both' cannot be a model's name"),
        ("both", ["two", "noise"], "no mean of two, noise is better than two alone"),
        ("both", ["one", "older"], "older is an ensemble itself; expected networks, such as its members one, two"),
        ("both", ["one", "large"], r"faces of different sizes in pixels \(one 48, large 64\)"),
        ("both", ["one", "five"], "five has no int8 predictions on validation in FER2013, seven classes"),
        ("both", ["ck", "ck2"], "ck, ck2 share no validation faces with labels in CK.*, seven classes"),
        ("both", ["one", "relabelled"], "relabelled was evaluated on other faces or labels of test than one"),
        ("both", ["one", "fewer"], "fewer was evaluated on other faces or labels of validation than one"),
        ("both", ["one", "fewer-five"], "fewer-five was evaluated on other faces or labels of validation than one"),
        ("both", ["one", "unrepeated"], "unrepeated was evaluated on other faces or labels of test than one"),
        ("both", ["one", "mirrored"], "one, mirrored have no kind of network in common"),
    ],
)
def test_what_cannot_be_an_ensemble_is_refused_in_a_sentence(name, members, message, store, made_up):
    for member in set(members) - set(store.names()):
        unfit(member, store, made_up)
    before = store.load("one").card.as_json()
    with pytest.raises(ModelError, match=message):
        build_ensemble(store, name, members)
    assert store.load("one").card.as_json() == before
    assert "both" not in store.names()


def first_rows(predictions: Predictions, rows: int = 300) -> Predictions:
    """Without repeats, so that it is the labels that differ."""
    probabilities, labels = (
        {k: v[:rows] for k, v in of.items()} for of in (predictions.probabilities, predictions.labels)
    )
    return Predictions(probabilities, labels, {})


def unfit(name: str, store: ModelStore, made_up: Callable[..., StoredModel]) -> None:
    """Puts a model into the store that cannot be a member beside the others, for the reason that its name says."""
    predictions = made_up_predictions(seed=4)
    match name:
        case "older":
            build_ensemble(store, name, ["one", "two"])
        case "large":
            made_up(name, input_size=64)
        case "five":
            made_up(name, FER2013_FIVE)
        case "ck" | "ck2":
            made_up(name, CKPLUS, made_up_predictions(CKPLUS, splits=(Split.TEST,)))
        case "relabelled":
            predictions.labels[Split.TEST, "fer2013"][0] ^= 1
            made_up(name, predictions=predictions)
        case "unrepeated":
            predictions.train_duplicates[Split.TEST][0] ^= True
            made_up(name, predictions=predictions)
        case "fewer":
            made_up(name, predictions=first_rows(predictions))
        case "fewer-five":
            made_up(name, FER2013_FIVE, first_rows(made_up_predictions(FER2013_FIVE)))
        case "mirrored":
            model = made_up(name)
            kept = {key: p for key, p in predictions.probabilities.items() if key[0] == Network.MIRRORED}
            only = Predictions(kept, predictions.labels, predictions.train_duplicates)
            store.save(model.card, None, None, model.history(), only)


def test_an_ensemble_can_be_built_again(store):
    first = build_ensemble(store, "both", ["one", "two", "noise"]).card
    assert build_ensemble(store, "both", ["one", "two", "noise"]).card.as_json() == first.as_json()


def test_the_command_says_what_each_member_counts(store, capsys):
    assert main(["ensemble", "both", "one", "two", "noise", "--store", str(store.folder)]) == 0
    members = store.load("both").card.members
    assert capsys.readouterr().out.split("\n")[:4] == [
        f"both, one: {members['one']:.3g}",
        f"both, two: {members['two']:.3g}",
        "both, noise: left out, the others do as well without it",
        f"both, balanced: {store.load('both').card.answers[0].composition}",
    ]
    assert main(["ensemble", "both", "one", "three", "--store", str(store.folder)]) == 1
    assert capsys.readouterr().err.startswith("error: There is no model 'three'")


def test_an_ensemble_is_verified_against_its_members(store, capsys, dataset):
    ensemble = build_ensemble(store, "both", ["one", "two"])
    expected = [
        "figures of the card against stored predictions",
        "stored predictions against its members' by their weights",
        "labels and repeats against its members'",
    ]
    for data in (None, dataset):
        findings = list(verify_model(ensemble, data))
        assert [finding.what for finding in findings] == expected
        assert all(finding.equal for finding in findings)
    assert main(["verify", "--store", str(store.folder)]) == 0
    assert "equal   both: stored predictions against its members'" in capsys.readouterr().out


def differing(ensemble: StoredModel) -> list[str]:
    return [finding.what for finding in verify_model(ensemble) if not finding.equal]


def test_changed_predictions_of_an_ensemble_are_found_even_if_its_figures_fit_them(store, capsys):
    ensemble = build_ensemble(store, "both", ["one", "two"])
    predictions = ensemble.predictions()
    probabilities = predictions.probabilities[Network.INT8, Split.TEST, "fer2013"]
    probabilities[0, :2] += (1e-5, -1e-5)
    store.save(evaluated(ensemble.card, predictions), None, None, None, predictions)
    assert differing(store.load("both")) == ["stored predictions against its members' by their weights"]
    assert main(["verify", "--store", str(store.folder)]) == 1
    assert "DIFFERS both: stored predictions against its members'" in capsys.readouterr().out


def test_changed_labels_weights_and_members_of_an_ensemble_are_found(store):
    ensemble = build_ensemble(store, "both", ["one", "two"])
    one, two = ensemble.card.members.values()
    shifted = replace(ensemble.card, members={"one": one + 0.001, "two": two - 0.001})
    assert differing(replace(ensemble, card=shifted)) == ["stored predictions against its members' by their weights"]

    predictions = ensemble.predictions()
    predictions.labels[Split.TEST, "fer2013"][0] ^= 1
    changed = store.save(evaluated(ensemble.card, predictions), None, None, None, predictions)
    assert differing(changed) == ["labels and repeats against its members'"]

    build_ensemble(store, "both", ["one", "two"])
    retrained = store.load("one")
    store.save(retrained.card, None, None, retrained.history(), made_up_predictions(skill=1.5, seed=9))
    assert differing(store.load("both")) == ["stored predictions against its members' by their weights"]
    shutil.rmtree(store.folder / "one")
    with pytest.raises(ModelError, match=r"both is an ensemble of one, two\. There is no model 'one'"):
        differing(store.load("both"))


def test_the_leaderboard_sums_the_files_that_an_ensemble_needs(store):
    build_ensemble(store, "both", ["one", "two"])
    for name, size in (("one", 1_500_000), ("two", 250_000)):
        (store.folder / name / "model.int8.tflite").write_bytes(bytes(size))
    row = leaderboard(store)[FER2013].set_index("model").loc["both"].iloc[0]
    assert (row["network"], row["int8 MB"], row["published"]) == ("int8", "1.75", "-")
    (store.folder / "two" / "model.int8.tflite").unlink()
    assert leaderboard(store)[FER2013].set_index("model").loc["both"].iloc[0]["int8 MB"] == "-"


def test_evaluating_an_ensemble_anew_leaves_it_as_it_is(store):
    card = build_ensemble(store, "both", ["one", "two"]).card
    assert main(["evaluate", "both", "--store", str(store.folder)]) == 0
    assert json.loads(json.dumps(store.load("both").card.as_json())) == json.loads(json.dumps(card.as_json()))
