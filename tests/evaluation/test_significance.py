import numpy as np
import pytest
from scipy.stats import binom

from fer_core.cli.main import main
from fer_core.datasets import Split
from fer_core.errors import ModelError
from fer_core.evaluation.metrics import accuracy_interval
from fer_core.evaluation.significance import SIGNIFICANCE, compare, mcnemar
from fer_core.labels import CKPLUS, FER2013, FER2013_FIVE
from fer_core.store.predictions import Network
from tests.stored_models import made_up_predictions


def answers(both_right: int, only_a: int, only_b: int, both_wrong: int) -> tuple[np.ndarray, np.ndarray]:
    counts = (both_right, only_a, only_b, both_wrong)
    return np.repeat([1, 1, 0, 0], counts).astype(bool), np.repeat([1, 0, 1, 0], counts).astype(bool)


def test_mcnemar_is_the_exact_two_sided_binomial_test_on_the_discordant_faces():
    result = mcnemar(*answers(50, 12, 3, 20))
    assert (result.both_right, result.only_a, result.only_b, result.both_wrong) == (50, 12, 3, 20)
    assert result.p_value == pytest.approx(2 * binom.cdf(3, 15, 0.5))
    assert result.significant


def test_faces_that_both_answer_alike_do_not_matter():
    few, many = mcnemar(*answers(5, 12, 3, 2)), mcnemar(*answers(5000, 12, 3, 2000))
    assert few.p_value == many.p_value


def test_equal_answers_are_no_evidence_at_all():
    assert mcnemar(*answers(5, 0, 0, 5)).p_value == 1.0
    assert mcnemar(*answers(5, 7, 7, 5)).p_value == pytest.approx(1.0)


def test_a_difference_counts_from_one_in_twenty():
    assert SIGNIFICANCE == 0.05
    assert not mcnemar(*answers(0, 9, 2, 0)).significant  # p = 0.065
    assert mcnemar(*answers(0, 10, 2, 0)).significant  # p = 0.039


def test_answers_to_different_numbers_of_faces_are_refused():
    with pytest.raises(ValueError, match="same faces"):
        mcnemar(np.ones(3, bool), np.ones(4, bool))


def test_two_models_are_compared_by_their_stored_predictions(made_up):
    strong = made_up("strong", predictions=made_up_predictions(skill=3.0))
    weak = made_up("weak", predictions=made_up_predictions(skill=1.0, seed=1))
    comparison = compare(strong, weak, Split.TEST, "fer2013", Network.FLOAT)
    truth = strong.predictions().labels[Split.TEST, "fer2013"]
    right = [
        m.predictions().probabilities[Network.FLOAT, Split.TEST, "fer2013"].argmax(axis=1) == truth
        for m in (strong, weak)
    ]
    assert comparison.test == mcnemar(*right)
    assert comparison.accuracies == (right[0].mean(), right[1].mean())
    assert comparison.intervals == (accuracy_interval(right[0]), accuracy_interval(right[1]))
    assert comparison.reading.startswith("strong is right more often than weak, by ")
    assert compare(weak, strong).reading.startswith("strong is right more often than weak, by ")


def test_a_difference_within_chance_is_read_as_none(made_up):
    one, other = (made_up(str(seed), predictions=made_up_predictions(seed=seed)) for seed in (1, 2))
    comparison = compare(one, other)
    assert not comparison.test.significant
    assert "neither is shown to be better" in comparison.reading
    assert compare(one, one).reading == "1 and 1 are right equally often."


def test_faces_without_a_label_take_no_part(made_up):
    data = made_up_predictions()
    data.labels[Split.TEST, "fer2013"][:150] = -1
    one = made_up("one", predictions=data)
    assert compare(one, one).faces == 250


def test_models_with_different_main_heads_meet_in_the_label_set_they_share(made_up):
    seven_data, five_data = made_up_predictions(), made_up_predictions(FER2013_FIVE)
    five_labels = FER2013.indices_in(FER2013_FIVE)
    for split in (Split.VALIDATION, Split.TEST):
        seven_data.labels[split, "fer2013-five"] = five_labels[seven_data.labels[split, "fer2013"]].astype(np.int8)
        five_data.labels[split, "fer2013-five"] = seven_data.labels[split, "fer2013-five"]
    seven = made_up("seven", predictions=seven_data)
    five = made_up("five", FER2013_FIVE, five_data)
    comparison = compare(seven, five)
    assert [rule.name for rule in comparison.answers] == ["fer2013-five", "balanced"]
    assert comparison.faces == (seven_data.labels[Split.TEST, "fer2013-five"] >= 0).sum()


def test_what_cannot_be_compared_is_refused_in_a_sentence(made_up):
    seven, ckplus = made_up("seven"), made_up("ck", CKPLUS)
    with pytest.raises(ModelError, match=r"seven answers in FER2013, seven classes.*ck in CK\+, seven classes; only"):
        compare(seven, ckplus)
    with pytest.raises(ModelError, match="ck has no answer 'fer2013'; it has balanced, ckplus"):
        compare(seven, ckplus, answer="fer2013")
    with pytest.raises(ModelError, match="no stored predictions of its int8 network on cross-validation"):
        compare(seven, seven, Split.CROSS_VALIDATION)
    moved = made_up_predictions()
    moved.labels[Split.TEST, "fer2013"][0] += 1
    with pytest.raises(ModelError, match="seven and moved were evaluated on different faces"):
        compare(seven, made_up("moved", predictions=moved))
    unlabelled = made_up_predictions()
    unlabelled.labels[Split.TEST, "fer2013"][:] = -1
    blank = made_up("blank", predictions=unlabelled)
    with pytest.raises(ModelError, match="No face of test has a label in FER2013, seven classes"):
        compare(blank, blank)


def test_the_command_prints_accuracies_counts_p_and_a_reading(made_up, capsys):
    strong = made_up("strong", predictions=made_up_predictions(skill=3.0))
    made_up("weak", predictions=made_up_predictions(skill=1.0, seed=1))
    assert main(["compare", "strong", "weak", "--answer", "fer2013", "--store", str(strong.folder.parent)]) == 0
    first, a, b, counts, p, reading = capsys.readouterr().out.strip().split("\n")
    assert first == "FER2013, seven classes; PrivateTest, 400 faces"
    result = compare(strong, strong, answer="fer2013")
    low, high = result.intervals[0]
    assert a == f"strong, int8, fer2013: {result.accuracies[0]:.1%} [{low * 100:.1f}, {high * 100:.1f}]"
    assert b.startswith("weak, int8, fer2013: ")
    assert counts.startswith("both right ")
    assert "only strong " in counts
    assert p.startswith("McNemar's exact test: p = ")
    assert reading.endswith("which is more than chance explains.")


def test_the_command_takes_split_and_network(made_up, capsys):
    store = str(made_up("one").folder.parent)
    assert main(["compare", "one", "one", "--split", "validation", "--network", "mirrored", "--store", store]) == 0
    out = capsys.readouterr().out
    assert "PublicTest, 400 faces" in out
    assert "one, mirrored, balanced" in out


@pytest.mark.parametrize("split", [split for split in Split if split != Split.TRAINING])
@pytest.mark.parametrize("network", list(Network))
def test_every_split_and_network_there_is_can_be_named(split, network, tmp_path, capsys):
    assert main(["compare", "a", "b", "--split", split, "--network", network, "--store", str(tmp_path)]) == 1
    assert "There is no model 'a' in the store" in capsys.readouterr().err
