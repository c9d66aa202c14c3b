"""Charts of a comparison hold the numbers they are given, in the right cells, with axes that say what they are."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import confusion_matrix as sklearn_confusion
from sklearn.metrics import precision_recall_fscore_support

from fer_core.evaluation.metrics import classification_metrics
from fer_core.labels import FER2013
from fer_core.plots.model_styles import MODEL_COLOURS, model_styles
from fer_core.plots.models import (
    PER_CLASS,
    CostPoint,
    Normalisation,
    accuracy_against_cost,
    confusion_difference,
    confusion_matrix,
    mcnemar_matrix,
    per_class_bars,
    probability_bars_by_model,
)
from fer_core.results import ExpressionScores

LABELS = np.random.default_rng(0).integers(0, 7, 400)


def answers(seed: int, skill: float = 1.5) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(400, 7))
    logits[np.arange(400), LABELS] += skill
    return softmax(logits, axis=-1)


A, B = answers(1), answers(2, 1.0)
STYLES = model_styles(["a", "b"], ["a", "b", "c"], {"a": "Net A", "b": "Net B"})


@pytest.mark.parametrize(
    ("how", "normalize"),
    [(Normalisation.COUNTS, None), (Normalisation.BY_ROW, "true"), (Normalisation.BY_COLUMN, "pred")],
)
def test_a_confusion_matrix_is_scikit_learns_in_the_order_wanted(how, normalize):
    said = A.argmax(axis=1)
    order = np.array([6, 0, 3, 1, 2, 5, 4])
    figure = confusion_matrix(sklearn_confusion(LABELS, said), FER2013, how, order)
    expected = sklearn_confusion(LABELS, said, normalize=normalize)[np.ix_(order, order)]
    heatmap, targets = figure.data
    assert np.allclose(heatmap.z, expected)
    assert list(heatmap.x) == list(heatmap.y) == [str(FER2013.emotions[i]) for i in order]
    true, answered, value, faces = targets.customdata[1]
    assert (true, answered) == (6, 0)
    assert value == pytest.approx(expected[0, 1])
    assert faces == sklearn_confusion(LABELS, said)[6, 0]
    assert (targets.x[1], targets.y[1]) == ("angry", "neutral")
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("Answered", "True class")


def test_an_empty_row_is_noughts_and_a_difference_is_symmetric_about_nought():
    empty = np.diag([0, 5, 5, 5, 5, 5, 5])
    assert not np.isnan(confusion_matrix(empty, FER2013).data[0].z).any()
    one, other = (sklearn_confusion(LABELS, p.argmax(axis=1)) for p in (A, B))
    heatmap = confusion_difference(one, other, FER2013, Normalisation.COUNTS).data[0]
    assert np.array_equal(heatmap.z, one - other)
    assert heatmap.zmin == -heatmap.zmax == -np.abs(one - other).max()
    assert confusion_difference(one, one, FER2013).data[0].zmax > 0


def test_bars_are_scikit_learns_figures_by_class():
    per_class = {name: classification_metrics(p, LABELS, FER2013)["per_class"] for name, p in (("a", A), ("b", B))}
    for number, key in enumerate(PER_CLASS):
        figure = per_class_bars(per_class, STYLES, key)
        for bar, p in zip(figure.data, (A, B), strict=True):
            assert bar.y == pytest.approx(precision_recall_fscore_support(LABELS, p.argmax(axis=1))[number])
        assert [bar.name for bar in figure.data] == ["Net A", "Net B"]


def test_points_have_their_interval_and_the_front_leaves_out_what_is_beaten():
    points = [
        CostPoint("cheap", 1.0, 0.6, (0.58, 0.63), STYLES["a"]),
        CostPoint("beaten", 3.0, 0.55, (0.5, 0.6)),
        CostPoint("dear", 5.0, 0.7, (0.69, 0.72)),
        CostPoint("unknown", float("nan"), 0.9, (0.8, 0.95)),
    ]
    figure = accuracy_against_cost(points, "Time, ms")
    front, *markers = figure.data
    assert list(front.x) == [1.0, 5.0]
    assert [marker.name for marker in markers] == ["cheap", "beaten", "dear"]
    assert markers[0].error_y.array[0] == pytest.approx(0.03)
    assert markers[0].error_y.arrayminus[0] == pytest.approx(0.02)
    assert figure.layout.xaxis.title.text == "Time, ms"
    assert (figure.layout.xaxis.type, figure.layout.xaxis.range[0]) == (None, 0)
    far = accuracy_against_cost([*points, CostPoint("huge", 900.0, 0.8, (0.78, 0.82))], "Time, ms")
    assert far.layout.xaxis.type == "log"


def test_names_hide_neither_each_other_nor_the_front():
    rng = np.random.default_rng(0)
    close = [CostPoint(f"Network {i}", 2 + rng.random() / 10, 0.7 + i / 1000, (0.69, 0.72)) for i in range(30)]
    chosen = CostPoint("The chosen one", 2.05, 0.66, (0.65, 0.67), STYLES["a"])
    apart = [CostPoint("Far", 8.0, 0.75, (0.74, 0.76)), CostPoint("Near", 0.5, 0.6, (0.59, 0.61))]
    markers = accuracy_against_cost([*close, chosen, *apart], "Time, ms").data[1:]
    named = {marker.name for marker in markers if marker.mode == "markers+text"}
    assert {"The chosen one", "Far", "Near"} <= named
    assert len(named) < 12
    near = next(marker for marker in markers if marker.name == "Near")
    assert near.textposition != "middle right"  # where the front goes
    alone = accuracy_against_cost([apart[0]], "Time, ms").data[1]
    assert (alone.mode, alone.textposition) == ("markers+text", "middle right")


def test_bars_of_one_face_are_the_models_probabilities_in_their_colours():
    scores = {name: ExpressionScores(name, FER2013, p[0].astype(np.float32)) for name, p in (("a", A), ("b", B))}
    figure = probability_bars_by_model(scores, STYLES, 0.4)
    for bar, p, style in zip(figure.data, (A, B), STYLES.values(), strict=True):
        assert bar.y == pytest.approx(p[0], abs=1e-6)
        assert (bar.name, bar.marker.color) == (style.title, style.colour)
    assert figure.layout.shapes[0].y0 == 0.4
    assert not probability_bars_by_model(scores, STYLES).layout.shapes


def test_the_p_values_are_written_into_their_cells_and_the_diagonal_is_empty():
    p_values = np.array([[1, 0.03, 1e-9], [0.03, 1, 0.5], [1e-9, 0.5, 1]])
    heatmap = mcnemar_matrix(p_values, ["a", "b", "c"]).data[0]
    assert list(heatmap.text[0]) == ["", "0.03", "<0.0001"]
    assert np.isnan(np.diag(heatmap.z)).all()


def test_models_keep_their_colour_whoever_is_chosen_beside_them_and_never_share_one():
    known = list("abcdefgh")
    titles = {name: name for name in known}
    assert model_styles(["c"], known, titles)["c"] == model_styles(["a", "c", "f"], known, titles)["c"]
    six = model_styles(["a", "g", "b", "h", "c", "d"], known, titles)
    assert {style.colour for style in six.values()} == set(MODEL_COLOURS)
    assert len({(style.dash, style.symbol) for style in six.values()}) == 6
    with pytest.raises(ValueError, match="at most 6"):
        model_styles(known[:7], known, titles)


def test_charts_have_no_ground_of_their_own_so_they_fit_a_light_page_and_a_dark_one():
    layout = confusion_matrix(np.eye(7), FER2013).layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
