import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fer_core.app.home import model_table
from fer_core.datasets import Split
from fer_core.store.predictions import Network

HOME = Path(__file__).resolve().parents[2] / "Home.py"


def test_home_names_the_installed_models_with_their_test_figures(shipped):
    at = AppTest.from_file(HOME, default_timeout=60).run()
    assert not at.exception
    table = at.dataframe[0].value
    assert shipped.card.title in table["Model"].tolist()
    served = shipped.card.figures["int8"]["balanced"]["test"]
    row = table[table["Model"] == shipped.card.title].iloc[0]
    assert row["Accuracy"] == served["accuracy"]
    assert row["Macro F1"] == served["macro_f1"]


def test_shares_of_other_faces_or_classes_stand_in_columns_of_their_own(mixed_store):
    at = AppTest.from_file(HOME, default_timeout=60).run()
    assert not at.exception
    table = at.dataframe[0].value.set_index("Model")
    assert list(table.index) == [
        "SE-ResNet (strong)",
        "SE-ResNet (weak)",
        "Bare",
        "Ensemble of 2 networks",
        "SE-ResNet (five classes)",
        "ResNet50 (FER+)",
        "ResNet50 (CK+)",
    ]

    def column(name: str, figure: str, expected: dict[str, tuple[Network, str, str, Split]]) -> None:
        shares = {
            title: mixed_store.load(model).card.figure(network, answer, split, figure)
            for title, (network, model, answer, split) in expected.items()
        }
        assert table[name].dropna().to_dict() == pytest.approx(shares)

    seven = {
        title: (Network.INT8, model, "balanced", Split.TEST)
        for title, model in (
            ("Ensemble of 2 networks", "pair"),
            ("SE-ResNet (strong)", "strong"),
            ("SE-ResNet (weak)", "weak"),
        )
    }
    column("Accuracy", "accuracy", seven)
    column("Macro F1", "macro_f1", seven)
    column(
        "FER2013 PrivateTest, five classes",
        "accuracy",
        {"SE-ResNet (five classes)": (Network.INT8, "five", "balanced", Split.TEST)},
    )
    column("FER+ PrivateTest", "accuracy", {"ResNet50 (FER+)": (Network.INT8, "plus", "balanced", Split.TEST)})
    column("CK+ random 30%", "accuracy", {"ResNet50 (CK+)": (Network.INT8, "ck", "ckplus", Split.TEST)})
    by_subject = {"ResNet50 (CK+)": (Network.FLOAT, "ck", "ckplus", Split.CROSS_VALIDATION)}
    column("CK+ 10 folds by subject", "accuracy", by_subject)


def test_columns_say_their_faces_and_classes_and_the_general_ones_come_first(mixed_store):
    table = model_table()
    order = table["column_order"]
    assert order[:3] == ["Model", "Accuracy", "Macro F1"]
    assert order[-3:] == ["Weights", "Answers with", "What it is"]
    labels = [table["column_config"][name]["label"] for name in order[1:-3]]
    assert labels == [
        "Accuracy, 7 classes",
        "Macro F1, 7 classes",
        "Accuracy, FER2013 PrivateTest, five classes",
        "Accuracy, FER+ PrivateTest",
        "Accuracy, CK+ random 30%",
        "Accuracy, CK+ 10 folds by subject",
    ]


def test_a_store_without_a_model_for_general_use_has_no_empty_columns(mixed_store):
    for name in ("pair", "strong", "weak", "bare", "five", "plus"):
        shutil.rmtree(mixed_store.folder / name)
    assert model_table()["column_order"] == [
        "Model",
        "CK+ random 30%",
        "CK+ 10 folds by subject",
        "Weights",
        "Answers with",
        "What it is",
    ]


def test_home_has_a_card_for_every_page():
    at = AppTest.from_file(HOME, default_timeout=60).run()
    labels = [element.proto.label for element in at.get("page_link")]
    pages = sorted(Path(HOME).parent.glob("pages/*.py"))
    assert labels == [f"**{page.stem.split('_', 1)[1].replace('_', ' ')}**" for page in pages]


def test_home_says_what_a_score_is_and_what_the_law_forbids():
    at = AppTest.from_file(HOME, default_timeout=60).run()
    assert "looks like" in at.info[0].value
    assert "prohibited" in at.warning[0].value


def test_home_without_a_model_says_how_to_get_one(monkeypatch, tmp_path):
    import streamlit as st

    st.cache_data.clear()
    monkeypatch.setattr("fer_core.store.store.DEFAULT_STORE", tmp_path)
    at = AppTest.from_file(HOME, default_timeout=60).run()
    st.cache_data.clear()
    assert not at.exception
    assert "No trained model is installed" in at.error[0].value
