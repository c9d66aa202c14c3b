import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from fer_core.datasets import Split
from fer_core.store.predictions import Network

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "pages" / "6_Compare_Models.py"
TABS = ("Confusion", "Per class", "Curves", "Learning curves", "Significance", "Robustness", "Cost", "Try it")


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
def test_every_tab_opens_for_every_label_set_of_a_mixed_store(mixed_store, tab):
    page = run(tab)
    assert page.selectbox[0].value == "fer2013"
    for label_set in ("fer2013", "fer2013-five", "ferplus", "ckplus"):
        if page.selectbox[0].value != label_set:
            page.selectbox[0].select(label_set).run()
        assert not page.exception
        assert len(page.get("plotly_chart")) >= 1
        if tab == "Try it" and label_set in ("fer2013-five", "ckplus"):  # files of a network that has no such head
            assert f"is made of {label_set}; train or fetch the model anew" in page.error[0].value
        else:
            assert not page.error


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


def test_models_whose_cost_is_not_known_are_named_below_the_chart(mixed_store):
    page = run(comparison__models__fer2013=["strong"])
    assert "Not in the chart" not in words(page)
    (mixed_store.folder / "weak" / "model.int8.tflite").unlink()
    page = run(comparison__models__fer2013=["strong"])
    next(box for box in page.selectbox if box.label == "Cost").select("int8 MB").run()
    assert "was not measured: Ensemble of 2 networks; SE-ResNet (weak)." in words(page)


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
    from fer_core.evaluation.significance import compare

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
    from fer_core.app.compare import tabs as comparison_tabs
    from fer_core.datasets import FaceDataset
    from fer_core.labels import FER2013

    predictions = mixed_store.load("strong").predictions()
    labels = predictions.labels[Split.TEST, "fer2013"].astype(np.int64)
    said = mixed_store.load("strong").card.answers[0].apply(predictions.heads(Network.INT8, Split.TEST)).argmax(axis=1)
    state = {"cell__model": "strong", "cell__true__fer2013": 0, "cell__answered__fer2013": 6}
    count = int(((labels == 0) & (said == 6)).sum())
    page = run(**state)
    assert f"**{count}** of {(labels == 0).sum()} angry faces are answered neutral" in words(page)

    images = np.random.default_rng(0).integers(0, 256, (len(labels), 48, 48)).astype(np.uint8)
    dataset = FaceDataset("made up", images, labels, np.full(len(labels), Split.TEST), FER2013)
    monkeypatch.setattr(comparison_tabs, "cached_dataset", lambda path: dataset)
    page = run(**state, comparison__data="somewhere")
    assert len(page.get("image")[0].proto.imgs) == min(count, comparison_tabs.FACES_SHOWN)
    monkeypatch.setattr(comparison_tabs, "cached_dataset", lambda path: replace(dataset, labels=(labels + 1) % 7))
    page = run(**state, comparison__data="elsewhere")
    assert "does not hold the faces" in words(page)


def test_a_click_on_a_matrix_sets_the_boxes(mixed_store, monkeypatch):
    from fer_core.app.compare import tabs as comparison_tabs
    from fer_core.plots.report import ReportFigure

    class State(dict):
        pass

    state = State({"chart-confusion-weak": {"selection": {"points": [{"customdata": [2, 5, 0.1, 4]}]}}})
    monkeypatch.setattr(comparison_tabs.st, "session_state", state)  # type: ignore[attr-defined]
    choice = type("Choice", (), {"label_set": type("Set", (), {"name": "fer2013"})})
    comparison_tabs._cell_clicked(ReportFigure("confusion-weak", "", None), "weak", choice)
    assert (state["cell-model"], state["cell-true-fer2013"], state["cell-answered-fer2013"]) == ("weak", 2, 5)


def test_the_report_is_one_file_with_everything_in_it(mixed_store):
    from fer_core.app.compare import choice as comparison
    from fer_core.app.compare import tabs as comparison_tabs
    from fer_core.app.compare.figures import View

    models = comparison.measured_models()
    able = {model.name: model for model in models if model.name in ("strong", "weak")}
    styles = comparison.model_styles(list(able), [m.name for m in models], {"strong": "A <b>", "weak": "B"})  # type: ignore[attr-defined]
    rules = {name: model.card.decision_rule("balanced") for name, model in able.items()}
    label_set = able["strong"].card.answers[0].label_set
    choice = comparison.Choice(label_set, Split.TEST, able, styles, rules)
    html = comparison_tabs._report(choice, View(by_similarity=True), []).decode()
    for heading in ("Confusion", "Per class", "Curves", "Learning curves", "Significance", "Cost"):
        assert f"<h2>{heading}</h2>" in html
    assert "<script src" not in html
    assert "<link" not in html
    assert "A &lt;b&gt; minus B" in html
    assert html.count("Plotly.newPlot(") >= 12
    assert 3e6 < len(html) < 8e6  # plotly's code is inside once


def bring(page: AppTest, content: bytes, name: str = "My net.csv") -> AppTest:
    page.file_uploader(key="guest-csv").set_value((name, content, "text/csv")).run()
    page.button(key="guest-add-csv").click().run()
    assert not page.exception
    return page


def csv_of(store, name: str, split: Split = Split.TEST) -> bytes:
    """The stored predictions of a model as somebody would bring them along."""
    from fer_core.labels import FER2013

    probabilities = store.load(name).predictions().heads(Network.INT8, split)["fer2013"]
    table = pd.DataFrame(probabilities, columns=list(FER2013.names))
    return table.to_csv(index_label="row").encode()


def test_predictions_that_are_brought_along_stand_beside_the_others_everywhere(mixed_store):
    page = bring(run(), csv_of(mixed_store, "weak"))
    table = page.dataframe[0].value
    row = table[table["model"] == "My net (yours)"].iloc[0]
    stored = table[(table["model"] == "SE-ResNet (weak)") & (table["answer"] == row["answer"])].iloc[0]
    assert (row["accuracy"], row["macro F1"], row["faces"]) == pytest.approx(
        (stored["accuracy"], stored["macro F1"], stored["faces"])
    )
    assert row["source"] == "yours, this session only"
    assert stored["source"] == "measured here"
    chosen = page.multiselect[0].value
    assert "yours-my-net" in chosen
    for tab in TABS:
        page.session_state["comparison-tab"] = tab
        page.run()
        assert not page.exception
        assert not page.error
    page.session_state["comparison-tab"] = "Significance"
    page.multiselect[0].set_value(["weak", "yours-my-net"]).run()
    pairs = next(frame.value for frame in page.dataframe if "only the first" in frame.value)
    assert (pairs["only the first"][0], pairs["only the second"][0]) == (0, 0)
    page.button(key="guest-remove-yours-my-net").click().run()
    assert not page.exception
    assert not page.dataframe[0].value["model"].str.contains("yours").any()
    assert page.multiselect[0].value == ["weak"]
    assert mixed_store.names() == ["bare", "ck", "five", "pair", "plus", "strong", "weak"]


def test_what_one_session_brings_along_no_other_sees(mixed_store):
    bring(run(), csv_of(mixed_store, "weak"))
    assert "yours" not in " ".join(run().dataframe[0].value["model"])


def test_a_refused_table_or_file_is_a_sentence_and_the_page_lives_on(mixed_store):
    page = bring(run(), b"row,angry\n0,1\n")
    assert "misses the columns" in page.error[0].value
    assert len(page.get("plotly_chart")) >= 1
    page.file_uploader(key="guest-file").set_value(("net.keras", b"\x80\x04K\x01.", "application/zip")).run()
    assert not page.exception
    assert any("Python pickle" in error.value for error in page.error)
    assert len(page.get("plotly_chart")) >= 1


def test_a_litert_file_is_run_on_the_data_and_shown_and_its_order_can_be_changed(mixed_store, shipped, monkeypatch):
    from fer_core.app.compare import external as guests
    from fer_core.datasets import FaceDataset
    from fer_core.labels import FER2013

    predictions = mixed_store.load("strong").predictions()
    labels = np.concatenate([predictions.labels[s, "fer2013"] for s in (Split.VALIDATION, Split.TEST)]).astype(np.int64)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 48, 48)).astype(np.uint8)
    splits = np.repeat([Split.VALIDATION, Split.TEST], len(labels) // 2)
    dataset = FaceDataset("made up", images, labels, splits, FER2013)
    monkeypatch.setattr(guests, "cached_dataset", lambda path: dataset)
    page = run()
    content = shipped.litert_path.read_bytes()
    page.file_uploader(key="guest-file").set_value(("net.tflite", content, "application/octet-stream")).run()
    assert "takes faces of 48 x 48 x 1" in page.success[0].value
    page.text_input(key="guest-data").set_value("somewhere").run()
    page.toggle(key="guest-validation").set_value(False).run()
    page.button(key="guest-run-it").click().run()
    assert not page.exception
    page.session_state["guest-run"].run.wait()
    page.run()
    assert not page.exception
    assert not page.error
    assert (page.dataframe[0].value["model"] == "net (yours)").any()
    before = page.session_state["guests"]["yours-net"]
    page.selectbox(key="guest-order-yours-net-fer2013").select_index(1).run()
    assert not page.exception
    after = page.session_state["guests"]["yours-net"]
    assert after.order == tuple(sorted(FER2013.emotions))
    assert after.external_model.digest != before.external_model.digest
    assert "advice alone" in words(page)


def test_one_photo_goes_through_all_chosen_models_that_can_answer_here(mixed_store):
    (mixed_store.folder / "weak" / "model.int8.tflite").unlink()
    page = run("Try it", comparison__models__fer2013=["strong", "weak"])
    assert not page.error
    assert "SE-ResNet (weak), whose LiteRT file is not installed" in words(page)
    answers = page.dataframe[-1].value
    assert list(answers["model"]) == ["SE-ResNet (strong)"]
    assert answers["says"][0] == "happy"
    assert answers["ms per face"][0] > 0
    page.slider(key="try-it-unsure").set_value(100).run()
    assert page.dataframe[-1].value["says"][0] == "unsure, happy?"
    page.segmented_control(key="try-it-source").set_value("Upload").run()
    assert "Choose or take a photo" in words(page)
    page.file_uploader(key="try-it-upload").set_value(("no.jpg", b"no picture", "image/jpeg")).run()
    assert not page.exception
    assert "no.jpg is not a picture" in page.error[0].value


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
    monkeypatch.setattr("fer_core.store.store.DEFAULT_STORE", tmp_path)
    page = AppTest.from_file(PAGE, default_timeout=60).run()
    st.cache_resource.clear()
    assert not page.exception
    assert "No evaluated model" in page.error[0].value
