"""The comparison page's robustness tab: figures of stored predictions, or how to get them."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fer_core.datasets import Split
from fer_core.evaluation.robustness.conditions import CONDITIONS
from fer_core.evaluation.robustness.evaluate import robustness_metrics
from fer_core.store.predictions import Network, RobustnessPredictions
from fer_core.store.store import ModelStore

PAGE = Path(__file__).resolve().parents[2] / "pages" / "6_Compare_Models.py"


def measure(store: ModelStore, *names: str) -> None:
    """Predictions that get worse from condition to condition."""
    for name in names:
        stored = store.load(name).predictions().heads(Network.INT8, Split.TEST)["fer2013"]
        probabilities = {
            (condition, "fer2013"): stored * (1 - 0.1 * number) + np.roll(stored, 1, axis=0) * 0.1 * number
            for number, condition in enumerate(CONDITIONS)
        }
        settings = {condition.name: condition.setting for condition in CONDITIONS.values()}
        store.save_robustness(name, RobustnessPredictions("int8", settings, probabilities))


def run(models: list[str], **state: object) -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=60)
    page.session_state["comparison-tab"] = "Robustness"
    page.session_state["comparison-models-fer2013"] = models
    for key, value in state.items():
        page.session_state[key.replace("__", "-")] = value
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def test_what_is_not_measured_says_the_command_that_measures_it(mixed_store):
    page = run(["strong", "weak"])
    said = " ".join(info.value for info in page.info)
    assert "python -m fer_core robustness strong --data PATH" in said
    assert "python -m fer_core robustness weak --data PATH" in said
    assert len(page.get("plotly_chart")) == 1  # the costs above


def test_table_and_costs_are_those_of_the_stored_predictions(mixed_store):
    measure(mixed_store, "strong")
    page = run(["strong", "weak"])
    assert "robustness weak" in page.info[0].value
    strong = mixed_store.load("strong")
    found = robustness_metrics(strong, strong.card.default_rule)
    table, classes = page.dataframe[1].value, page.dataframe[2].value
    assert list(table["faces"]) == [condition.title for condition in CONDITIONS.values()]
    assert list(table["accuracy"]) == [of.accuracy for of in found]
    assert list(table["of bare"]) == [of.share for of in found]
    assert list(table["how"]) == [condition.setting for condition in CONDITIONS.values()]
    assert list(classes["happy"]) == [round(-100 * of.recall_lost["happy"], 1) for of in found[1:]]
    assert len(page.get("plotly_chart")) == 3


def test_another_condition_is_chosen_and_kept(mixed_store):
    measure(mixed_store, "strong", "weak")
    page = run(["strong", "weak"])
    assert "What it costs each class: surgical mask" in " ".join(text.value for text in page.markdown)
    page.selectbox(key="robustness-condition").select("darkness").run()
    assert not page.exception
    assert "What it costs each class: darkness" in " ".join(text.value for text in page.markdown)
    assert page.session_state["robustness-condition-kept"] == "darkness"


@pytest.mark.parametrize("measured", [True, False])
def test_the_report_has_it_where_it_is_measured(mixed_store, measured):
    from fer_core.app.compare import choice as comparison
    from fer_core.app.compare import tabs as comparison_tabs
    from fer_core.app.compare.figures import View

    if measured:
        measure(mixed_store, "strong")
    models = comparison.measured_models()
    able = {model.name: model for model in models if model.name == "strong"}
    styles = comparison.model_styles(list(able), [m.name for m in models], {"strong": "A"})  # type: ignore[attr-defined]
    rules = {name: model.card.decision_rule("balanced") for name, model in able.items()}
    label_set = able["strong"].card.answers[0].label_set
    choice = comparison.Choice(label_set, Split.TEST, able, styles, rules)
    html = comparison_tabs._report(choice, View(), []).decode()
    assert ("<h2>Robustness</h2>" in html) == measured
    assert ("What it costs each class: surgical mask" in html) == measured


def test_the_shipped_network_is_measured():
    page = run(["senet"])
    assert not [info for info in page.info if "robustness" in info.value]
    assert list(page.dataframe[1].value["faces"]) == [condition.title for condition in CONDITIONS.values()]
