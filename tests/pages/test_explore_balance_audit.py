"""The sections on balance and labels of the data set page, on what ships and on faces at hand."""

import pytest
from streamlit.testing.v1 import AppTest

from fer_core.curation.summary import summarise
from tests.pages.driving import rerun


def section(name: str) -> AppTest:
    def script(name: str) -> None:
        import streamlit as st

        from fer_core.app.explore.audit import audit_tab
        from fer_core.app.explore.balance import balance_tab
        from fer_core.app.explore.explored import ExploredDataset
        from fer_core.curation.summary import load_summary, shipped_summaries

        given = st.session_state.get("given")
        explored = given or ExploredDataset(
            load_summary(next(p for p in shipped_summaries() if p.name == "fer2013")), None
        )
        {"balance": balance_tab, "audit": audit_tab}[name](explored)

    return AppTest.from_function(script, args=(name,), default_timeout=60)


def box(page: AppTest, label: str):
    return next(chooser for chooser in page.selectbox if chooser.label == label)


def text(page: AppTest) -> str:
    return " ".join(element.value for kind in ("caption", "markdown", "info") for element in getattr(page, kind))


def test_balance_counts_what_ships_and_follows_the_view():
    page = rerun(section("balance"))
    assert page.dataframe[0].value["faces"].tolist() == [28709, 3589, 3589]
    assert page.dataframe[1].value["weight"].max() == pytest.approx(3.2, abs=0.01)
    box(page, "Classes").select("ferplus")
    assert rerun(page).dataframe[0].value["faces"].tolist() == [25060, 3199, 3153]


def test_data_sets_stand_side_by_side():
    page = rerun(section("balance"))
    chooser = next(box for box in page.multiselect if box.label == "Splits side by side")
    chooser.select("CK+ · training")
    assert rerun(page).dataframe[0].value["data set"].tolist() == ["FER2013"] * 3 + ["CK+"]


def test_the_audit_shows_agreement_and_offers_an_index_of_training_rows():
    page = rerun(section("audit"))
    assert [metric.value for metric in page.metric] == ["62.8%", "556", "152", "204"]
    assert "1,940 training rows are left out" in text(page)
    page.multiselect(key="audit-leave-out").set_value(["duplicates"])
    assert "1,788 training rows are left out" in text(rerun(page))
    box(page, "List").select("suspects")
    assert len(rerun(page).dataframe[0].value) == 1000


def test_faces_of_doubtful_rows_are_shown_where_they_are_at_hand(dataset):
    from fer_core.app.explore.explored import ExploredDataset

    dataset.images[1] = dataset.images[0]
    page = section("audit")
    page.session_state["given"] = ExploredDataset(summarise(dataset), dataset)
    rerun(page)
    captions = [image.caption for element in page.get("image") for image in element.proto.imgs]
    assert captions[:2] == ["0: angry, training, exact", "1: disgust, training, exact"]
    assert "No stored network answered" in text(page)
