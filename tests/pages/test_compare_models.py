import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fer_core.datasets import Split
from fer_core.model_store import Network

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "pages" / "6_Compare_Models.py"
TABS = ("Confusion", "Per class", "Curves", "Learning curves", "Significance", "Cost")


def run(tab: str = "Confusion", **state: object) -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=60)
    page.session_state["comparison-tab"] = tab
    for key, value in state.items():
        page.session_state[key.replace("__", "-")] = value
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def words(page: AppTest) -> str:
    return " ".join(element.value for element in [*page.markdown, *page.info, *page.caption, *page.error])


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_opens_on_the_shipped_store(tab):
    page = run(tab)
    assert not page.error
    assert len(page.get("plotly_chart")) >= 1


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("label_set", ["fer2013", "fer2013-five", "ferplus", "ckplus"])
def test_every_tab_opens_for_every_label_set_of_a_mixed_store(mixed_store, tab, label_set):
    page = run(tab)
    page.selectbox[0].select(label_set).run()
    assert not page.exception
    assert not page.error
    assert len(page.get("plotly_chart")) >= 1


def test_the_table_holds_the_figures_of_the_cards_and_marks_published_ones(mixed_store):
    table = run().dataframe[0].value
    strong = table[(table["model"] == "SE-ResNet (strong)") & (table["answer"] == "balanced")].iloc[0]
    figures = mixed_store.load("strong").card.figures["int8"]["balanced"]["test"]
    assert strong["accuracy"] == figures["accuracy"]
    low, high = (100 * end for end in figures["accuracy_interval"])
    assert strong["accuracy 95%"] == f"{low:.1f}–{high:.1f}%"
    assert strong["macro F1"] == figures["macro_f1"]
    published = table[table["model"].str.startswith("◇")]
    assert len(published)
    assert published["source"].str.contains("published").all()


def test_one_model_is_enough_for_all_but_the_pairs(mixed_store):
    page = run("Significance", comparison__models__fer2013=["strong"])
    assert "need two models" in words(page)
    assert "choose another one" in words(page)
    page = run("Confusion", comparison__models__fer2013=["strong"])
    assert len(page.get("plotly_chart")) == 2  # costs and one matrix


def test_no_model_is_asked_for_in_a_sentence(mixed_store):
    page = run(comparison__models__fer2013=[])
    assert "Choose two to six models" in words(page)


def test_ensembles_are_compared_and_are_said_not_to_be_trained(mixed_store):
    page = run("Learning curves", comparison__models__fer2013=["strong", "weak", "pair"])
    assert "an ensemble is not trained" in words(page)
    assert "which was kept" in words(page)
    page = run("Significance", comparison__models__fer2013=["strong", "weak", "pair"])
    assert len(page.dataframe[1].value) == 3


def test_the_test_is_that_of_the_command_line(mixed_store):
    from fer_core.evaluation.comparison import compare

    page = run("Significance", comparison__models__fer2013=["strong", "weak"])
    expected = compare(mixed_store.load("strong"), mixed_store.load("weak"), answer="balanced")
    row = page.dataframe[1].value.iloc[0]
    assert row["p"] == expected.test.p_value
    assert (row["only the first"], row["only the second"]) == (expected.test.only_a, expected.test.only_b)
    faces = page.dataframe[3].value
    assert (faces["right"] == "only SE-ResNet (strong)").sum() == expected.test.only_a


def test_ck_is_reported_on_both_its_protocols(mixed_store):
    page = run()
    page.selectbox[0].select("ckplus").run()
    assert not page.exception
    faces = next(box for box in page.selectbox if box.label == "Faces")
    assert faces.options == ["random 30%", "10 folds by subject"]
    faces.select_index(1).run()
    assert not page.exception


def test_a_cell_says_how_many_faces_it_holds_and_shows_them_where_the_data_is(mixed_store, monkeypatch):
    from fer_core.datasets import FaceDataset
    from fer_core.emotions import FER2013
    from fer_core.ui import comparison_tabs

    predictions = mixed_store.load("strong").predictions()
    labels = predictions.labels[Split.TEST, "fer2013"].astype(np.int64)
    said = mixed_store.load("strong").card.answers[0].apply(predictions.heads(Network.INT8, Split.TEST)).argmax(axis=1)
    state = {"cell__model": "strong", "cell__true__fer2013": 0, "cell__answered__fer2013": 6}
    count = int(((labels == 0) & (said == 6)).sum())
    page = run(**state)
    assert f"**{count}** of {(labels == 0).sum()} angry faces are answered neutral" in words(page)

    images = np.random.default_rng(0).integers(0, 256, (len(labels), 48, 48)).astype(np.uint8)
    dataset = FaceDataset("made up", images, labels, np.full(len(labels), Split.TEST), FER2013)
    monkeypatch.setattr(comparison_tabs, "_dataset", lambda path: dataset)
    page = run(**state, comparison__data="somewhere")
    assert len(page.get("image")[0].proto.imgs) == min(count, comparison_tabs.FACES_SHOWN)
    monkeypatch.setattr(comparison_tabs, "_dataset", lambda path: replace(dataset, labels=(labels + 1) % 7))
    page = run(**state, comparison__data="elsewhere")
    assert "does not hold the faces" in words(page)


def test_a_click_on_a_matrix_sets_the_boxes(mixed_store, monkeypatch):
    from fer_core.figures.report import Exhibit
    from fer_core.ui import comparison_tabs

    class State(dict):
        pass

    state = State({"chart-confusion-weak": {"selection": {"points": [{"customdata": [2, 5, 0.1, 4]}]}}})
    monkeypatch.setattr(comparison_tabs.st, "session_state", state)
    choice = type("Choice", (), {"label_set": type("Set", (), {"name": "fer2013"})})
    comparison_tabs._cell_clicked(Exhibit("confusion-weak", "", None), "weak", choice)
    assert (state["cell-model"], state["cell-true-fer2013"], state["cell-answered-fer2013"]) == ("weak", 2, 5)


def test_the_report_is_one_file_with_everything_in_it(mixed_store):
    from fer_core.ui import comparison, comparison_tabs
    from fer_core.ui.comparison_exhibits import View

    models = comparison.measured_models()
    able = {model.name: model for model in models if model.name in ("strong", "weak")}
    styles = comparison.model_styles(list(able), [m.name for m in models], {"strong": "A <b>", "weak": "B"})
    keys = {name: comparison._key(model, "balanced", "test") for name, model in able.items()}
    label_set = able["strong"].card.answers[0].label_set
    choice = comparison.Choice(label_set, Split.TEST, able, styles, keys)
    html = comparison_tabs._report(choice, View(by_similarity=True), []).decode()
    for heading in ("Confusion", "Per class", "Curves", "Learning curves", "Significance", "Cost"):
        assert f"<h2>{heading}</h2>" in html
    assert "<script src" not in html
    assert "<link" not in html
    assert "A &lt;b&gt; minus B" in html
    assert html.count("Plotly.newPlot(") >= 12
    assert 3e6 < len(html) < 8e6  # plotly's code is inside once


def test_the_page_is_shown_without_tensorflow_in_the_process():
    code = (
        "import sys; from streamlit.testing.v1 import AppTest;"
        f"at = AppTest.from_file({str(PAGE)!r}, default_timeout=60).run();"
        "print(at.title[0].value, len(at.exception), [m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "Compare Models 0 []"


def test_an_empty_store_says_how_to_get_a_model(monkeypatch, tmp_path):
    import streamlit as st

    st.cache_resource.clear()
    monkeypatch.setattr("fer_core.model_store.DEFAULT_STORE", tmp_path)
    page = AppTest.from_file(PAGE, default_timeout=60).run()
    st.cache_resource.clear()
    assert not page.exception
    assert "No evaluated model" in page.error[0].value
