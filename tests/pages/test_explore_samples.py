"""The grid of faces narrows, turns its pages and opens a face, with the data; without it, the section shows what ships."""

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from fer_core.app.explore.explored import ExploredDataset
from fer_core.curation.summary import summarise
from fer_core.datasets import FaceDataset, Split
from fer_core.labels import CKPLUS, FER2013, FERPLUS
from tests.pages.driving import rerun, rerun_with
from tests.stored_models import FACES, made_up_predictions

TRAINING = 100


def section() -> None:
    import streamlit as st

    from fer_core.app.explore.samples import samples_tab

    samples_tab(st.session_state["explored"])


@pytest.fixture
def explored(made_up, shipped, cache, monkeypatch):
    """Noise under the labels of two made-up models, ``first`` of which can run, and one of other classes."""
    model = made_up("first", title="The first one")
    made_up("second", predictions=made_up_predictions(skill=1.0, seed=3), title="The second one")
    made_up("ck", CKPLUS, title="The ck one")
    (model.folder / "model.int8.tflite").symlink_to(shipped.litert_path)
    monkeypatch.setattr("fer_core.store.store.DEFAULT_STORE", model.folder.parent)
    labels = model.predictions().labels
    own = [np.arange(TRAINING) % 7, labels[Split.VALIDATION, "fer2013"], labels[Split.TEST, "fer2013"]]
    splits = np.repeat([Split.TRAINING, Split.VALIDATION, Split.TEST], [TRAINING, FACES, FACES])
    images = np.random.default_rng(0).integers(0, 256, (len(splits), 48, 48)).astype(np.uint8)
    votes = np.zeros((len(splits), 10), np.uint8)
    votes[:, 1] = 9
    votes[0] = [0, 5, 5, 0, 0, 0, 0, 0, 0, 0]
    dataset = FaceDataset("noise", images, np.concatenate(own).astype(np.int64), splits, FER2013, votes)
    for caches in (st.cache_data, st.cache_resource):
        caches.clear()
    yield ExploredDataset(summarise(dataset), dataset)
    for caches in (st.cache_data, st.cache_resource):
        caches.clear()


def opened(explored: ExploredDataset, **state: object) -> AppTest:
    page = AppTest.from_function(section, default_timeout=60)
    page.session_state["explored"] = explored
    return rerun_with(page, state)


def words(page: AppTest) -> str:
    return " ".join(e.value for e in [*page.markdown, *page.caption, *page.info, *page.warning, *page.error])


def pills(page: AppTest, label: str):
    return next(group for group in page.get("button_group") if group.label == label)


def test_filters_narrow_the_grid_and_turn_to_its_first_page(explored):
    page = opened(explored)
    assert f"**{TRAINING + 2 * FACES}** faces" in words(page)
    page.number_input(key="samples-page").set_value(3)
    rerun(page)
    pills(page, "Splits").select("training")
    rerun(page)
    assert f"**{TRAINING}** faces" in words(page)
    assert page.number_input(key="samples-page").value == 1
    pills(page, "Labels").select(0)
    rerun(page)
    assert f"**{-(-TRAINING // 7)}** faces" in words(page)
    page.slider(key="samples-agreement").set_value((0, 50))
    rerun(page)
    assert "**1** face" in words(page)
    page.slider(key="samples-agreement").set_value((60, 70))
    rerun(page)
    assert "No face passes all of these filters" in words(page)


def test_pages_are_turned_below_the_faces_too(explored):
    page = opened(explored, samples_size=240)
    assert page.number_input(key="samples-page").max == 4
    next(button for button in page.button if button.label == "Next page").click()
    rerun(page)
    assert page.number_input(key="samples-page").value == 2


def test_other_classes_have_their_own_labels(explored):
    page = opened(explored)
    pills(page, "Classes of").select("ferplus")
    rerun(page)
    assert "no majority 1" in pills(page, "Labels").options
    assert "No stored network answers in FER+, eight classes" in words(page)


def test_an_opened_row_is_shown_with_votes_answers_and_how_the_networks_met_it(explored):
    page = opened(explored)
    page.number_input(key="samples-row").set_value(3)
    rerun(page)
    said = words(page)
    assert f"FER2013, seven classes: **{FER2013.emotions[3]}**" in said
    assert "Votes of FER+'s annotators" in said
    assert "The first one: the face is in the training split" in said
    assert len(page.get("plotly_chart")) == 2
    assert page.dataframe[0].value["network"].tolist() == ["The first one"]  # the others cannot run here
    next(button for button in page.button if button.label == "Before").click()
    rerun(page)
    assert "entropy of their votes 1 bits" not in words(page)


def test_stored_answers_are_shown_of_networks_that_cannot_run(explored):
    page = opened(explored)
    page.number_input(key="samples-row").set_value(TRAINING + FACES + 5)
    rerun(page)
    assert set(page.dataframe[0].value["network"]) == {"The first one", "The second one"}
    assert "was neither trained on nor chosen by" in words(page)


def test_a_row_that_is_not_there_is_said_so(explored):
    page = opened(explored)
    page.number_input(key="samples-row").set_value(5000)
    rerun(page)
    assert "There is no row 5,000: noise has the rows 0 to 899" in words(page)


def test_losses_that_are_not_known_are_computed_when_asked_for(explored):
    page = opened(explored)
    page.selectbox(key="samples-order-3").select_index(1)
    rerun(page)
    assert f"The loss of {2 * FACES} of {2 * FACES + TRAINING} faces is known" in words(page)
    page.button(key="samples-run").click()
    rerun(page)
    if "samples-job" in page.session_state:  # a busy computer
        page.session_state["samples-job"].wait()
        rerun(page)
    assert f"**{2 * FACES + TRAINING}** faces" in words(page)
    assert "is known" not in words(page)


def test_without_faces_the_section_shows_how_many_there_are_and_which_are_hard(explored):
    page = opened(ExploredDataset(explored.summary, None))
    assert "are not in this repository" in words(page)
    counts, hardest = (table.value for table in page.dataframe)
    assert counts.loc["training"].sum() == TRAINING
    assert hardest["loss"].is_monotonic_decreasing
    pills(page, "Labels").select("sad")
    rerun(page)
    assert set(page.dataframe[1].value["label"]) == {"sad"}
    pills(page, "Classes of").select("ferplus")
    rerun(page)
    assert f"judged on these faces in {FERPLUS.title}" in words(page)


def test_single_networks_stand_before_ensembles_the_best_first(mixed_store):
    from fer_core.app.explore.hardest import best_first

    names = [model.name for model in best_first(mixed_store.all())]
    assert names[-1] == "pair"
    assert names.index("strong") < names.index("weak") < names.index("bare")
