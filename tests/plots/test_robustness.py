"""Charts of robustness hold the figures they are given."""

import numpy as np
import pytest
from scipy.special import softmax

from fer_core.evaluation.metrics import classification_metrics
from fer_core.evaluation.robustness.conditions import CONDITIONS, UNMASKED
from fer_core.evaluation.robustness.evaluate import ConditionMetrics
from fer_core.labels import FER2013
from fer_core.plots.model_styles import model_styles
from fer_core.plots.robustness import recall_cost_figure, robustness_figure

LABELS = np.random.default_rng(0).integers(0, 7, 400)
STYLES = model_styles(["a", "b"], ["a", "b"], {"a": "Net A", "b": "Net B"})


def conditions(seed: int, *names: str) -> list[ConditionMetrics]:
    rng = np.random.default_rng(seed)
    found = {}
    for number, name in enumerate(names):
        logits = rng.normal(size=(400, 7))
        logits[np.arange(400), LABELS] += 2 - number
        found[name] = classification_metrics(softmax(logits, axis=-1), LABELS, FER2013)
    unmasked = found[names[0]]
    return [
        ConditionMetrics(
            CONDITIONS[name],
            figures,
            figures["accuracy"] / unmasked["accuracy"],
            {e: unmasked["per_class"][e]["recall"] - own["recall"] for e, own in figures["per_class"].items()},
        )
        for name, figures in found.items()
    ]


BY_MODEL = {"a": conditions(1, UNMASKED, "surgical", "noise"), "b": conditions(2, UNMASKED, "noise")}


def test_accuracies_stand_by_condition_with_their_intervals_and_the_models_looks():
    figure = robustness_figure(BY_MODEL, STYLES)
    for trace, (name, found) in zip(figure.data, BY_MODEL.items(), strict=True):
        assert list(trace.x) == [of.condition.title for of in found]
        assert list(trace.y) == [of.accuracy for of in found]
        assert [y + up for y, up in zip(trace.y, trace.error_y.array, strict=True)] == pytest.approx(
            [of.interval[1] for of in found]
        )
        assert [y - down for y, down in zip(trace.y, trace.error_y.arrayminus, strict=True)] == pytest.approx(
            [of.interval[0] for of in found]
        )
        style = STYLES[name]
        assert (trace.name, trace.marker.color, trace.marker.symbol) == (style.title, style.colour, style.symbol)
        assert trace.customdata[1][2:] == [found[1].share, found[1].condition.setting]
    assert figure.layout.yaxis.title.text == "Accuracy, 95% interval"
    assert figure.layout.scattermode == "group"


def test_bars_are_the_recall_that_each_class_loses():
    figure = recall_cost_figure(BY_MODEL, STYLES, "noise")
    assert [bar.name for bar in figure.data] == ["Net A", "Net B"]
    for bar, found in zip(figure.data, BY_MODEL.values(), strict=True):
        unmasked, noisy = found[0].metrics["per_class"], found[-1].metrics["per_class"]
        assert list(bar.x) == list(FER2013.names)
        assert list(bar.y) == [unmasked[e]["recall"] - noisy[e]["recall"] for e in bar.x]
        assert bar.customdata[0] == [
            pytest.approx(unmasked["angry"]["recall"]),
            noisy["angry"]["recall"],
            noisy["angry"]["support"],
        ]
    assert figure.layout.yaxis.title.text == "Recall lost, noise"
    assert [bar.name for bar in recall_cost_figure(BY_MODEL, STYLES, "surgical").data] == ["Net A"]
    with pytest.raises(ValueError, match="unmasked"):
        recall_cost_figure(BY_MODEL, STYLES, UNMASKED)
