from pathlib import Path

from streamlit.testing.v1 import AppTest

HOME = Path(__file__).resolve().parents[2] / "Home.py"


def test_home_names_the_installed_models_with_their_test_figures(shipped):
    at = AppTest.from_file(HOME, default_timeout=20).run()
    assert not at.exception
    table = at.dataframe[0].value
    assert shipped.card.title in table["Model"].tolist()
    served = shipped.card.figures["int8"]["balanced"]["test"]
    row = table[table["Model"] == shipped.card.title].iloc[0]
    assert row["Accuracy"] == served["accuracy"]
    assert row["Macro F1"] == served["macro_f1"]


def test_home_says_what_a_score_is_and_what_the_law_forbids():
    at = AppTest.from_file(HOME, default_timeout=20).run()
    assert "looks like" in at.info[0].value
    assert "prohibited" in at.warning[0].value


def test_home_without_a_model_says_how_to_get_one(monkeypatch, tmp_path):
    import streamlit as st

    st.cache_data.clear()
    monkeypatch.setattr("fer_core.model_store.DEFAULT_STORE", tmp_path)
    at = AppTest.from_file(HOME, default_timeout=20).run()
    st.cache_data.clear()
    assert not at.exception
    assert "No trained model is installed" in at.error[0].value
