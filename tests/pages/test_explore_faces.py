"""All faces at a glance: means, ridges and the map follow the choices, with the data and without it."""

from dataclasses import replace

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from fer_core.app.explore.explored import ExploredDataset
from fer_core.curation.summary import DEFAULT_SUMMARIES, load_summary, summarise
from tests.conftest import make_dataset
from tests.pages.driving import rerun


def section() -> None:
    import streamlit as st

    from fer_core.app.common.page import errors_in_words
    from fer_core.app.explore.faces import faces_tab

    with errors_in_words():
        faces_tab(st.session_state["explored"])


@pytest.fixture(scope="module")
def patterns() -> ExploredDataset:
    """Faces that the shipped networks did not learn from."""
    dataset = make_dataset()
    return ExploredDataset(summarise(dataset), dataset)


@pytest.fixture
def opened(cache, monkeypatch):
    """``opened(explored)`` shows the section; layouts are quick and meaningless."""
    monkeypatch.setattr("fer_core.curation.embedding_map.layout", lambda features: features[:, :2])
    monkeypatch.setattr("fer_core.curation.embedding_map.MOST_FACES", 20)
    st.cache_data.clear()

    def open_it(explored: ExploredDataset) -> AppTest:
        page = AppTest.from_function(section, default_timeout=60)
        page.session_state["explored"] = explored
        return rerun(page)

    return open_it


def make_map(page: AppTest) -> AppTest:
    page.button(key="faces-map-start").click()
    page.run()
    if "faces-map-job" in page.session_state:  # a busy computer
        page.session_state["faces-map-job"].wait()
        page.run()
    return page


def words(page: AppTest) -> str:
    return " ".join(e.value for e in [*page.markdown, *page.caption, *page.info, *page.error])


def captions(page: AppTest) -> list[str]:
    return [image.caption for element in page.get("image") for image in element.proto.imgs]


def pills(page: AppTest, label: str):
    return next(group for group in page.get("button_group") if group.label == label)


def test_a_clone_without_data_shows_means_ridges_and_the_map_that_ships(opened):
    page = opened(ExploredDataset(load_summary(DEFAULT_SUMMARIES / "fer2013"), None))
    assert captions(page).count("happy, 8,989") == 3  # mean, spread, what sets it apart
    assert len(page.get("plotly_chart")) == 3
    assert len(page.get("vega_lite_chart")) == 1
    assert "2,000 faces outside of its training split" in words(page)
    assert "with the data in the sidebar you see the face" in words(page)
    pills(page, "Classes of").select("ferplus")
    assert any(caption.startswith("contempt") for caption in captions(rerun(page)))


def test_a_data_set_that_no_map_ships_of_says_so(opened, patterns):
    page = opened(replace(patterns, dataset=None))
    assert "No map of patterns ships" in words(page)
    assert not page.get("vega_lite_chart")


def test_a_map_is_made_once_and_shows_the_faces(opened, patterns):
    page = opened(patterns)
    assert not page.get("vega_lite_chart")
    assert not make_map(page).exception
    assert "20 faces of a data set that it was not trained on" in words(page)
    assert "Point at a face to see it." in words(page)
    again = opened(patterns)
    assert len(again.get("vega_lite_chart")) == 1
    assert "faces-map-start" not in [button.key for button in again.button]


def test_chosen_classes_narrow_ridges_and_map(opened, patterns):
    page = opened(patterns)
    pills(page, "Classes from here on").select(patterns.summary.label_set.emotions[2])
    rerun(page)
    spec = page.get("plotly_chart")[0].proto.spec
    assert '"fear"' in spec
    assert '"happy"' not in spec


def test_faces_that_a_network_cannot_map_are_said_so(opened, patterns):
    labels = np.full(len(patterns.dataset), -1)
    unlabelled = replace(patterns, dataset=replace(patterns.dataset, labels=labels))
    page = opened(unlabelled)
    make_map(page)
    assert "found 0 labelled faces" in words(page)
