"""The sidebar of the data set page: figures that ship at once, a path or an upload with progress, errors in one sentence."""

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fer_core.app.common import background
from fer_core.app.common import cached_data as raw_data
from fer_core.app.common.background import Cancelled
from fer_core.app.explore import sources as explore_sources
from fer_core.curation import summary
from tests.datasets.readers.test_archives import packed
from tests.datasets.test_load import csv_text, votes_text

PATH, UPLOAD = "Path on this computer", "Upload"


def page() -> AppTest:
    def script() -> None:
        import streamlit as st

        from fer_core.app.explore.sources import choose_explored

        with st.sidebar:
            explored = choose_explored()
        with_faces = "no faces" if explored.dataset is None else f"{len(explored.dataset)} faces"
        st.title(f"{explored.summary.name}, {explored.summary.faces}, {with_faces}, {explored.summary.label_set.name}")

    at = AppTest.from_function(script, default_timeout=60).run()
    assert not at.exception
    return at


def shown(at: AppTest) -> str:
    assert not at.exception
    return at.title[0].value


@pytest.fixture(autouse=True)
def patient(monkeypatch, cache):
    """Work is done within the run that starts it."""
    monkeypatch.setattr(background, "PATIENCE", 20)
    raw_data._place.clear()


def read_path(at: AppTest, path) -> AppTest:
    at.radio(key="explore-kind").set_value(PATH).run()
    at.text_input(key="explore-path").set_value(str(path))
    next(button for button in at.button if button.label == "Read").click().run()
    return at


def upload(at: AppTest, **files: bytes) -> AppTest:
    at.radio(key="explore-kind").set_value(UPLOAD).run()
    at.file_uploader[0].set_value([(name, data, "") for name, data in files.items()]).run()
    return at.button(key="explore-upload-read").click().run()


def class_folders(*names: str) -> bytes:
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (len(names), 60, 60), np.uint8)
    return packed(
        {f"{name}/1.png": cv2.imencode(".png", face)[1].tobytes() for name, face in zip(names, faces, strict=True)}
    )


def test_the_figures_of_fer2013_are_shown_at_first_and_others_can_be_chosen():
    at = page()
    assert shown(at) == "FER2013, 35887, no faces, fer2013"
    assert "Figures only, no faces" in at.sidebar.caption[0].value
    at.selectbox(key="explore-shipped").select("ckplus").run()
    assert shown(at) == "CK+, 981, no faces, ckplus"


def test_a_copy_without_figures_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr(summary, "DEFAULT_SUMMARIES", tmp_path)

    def script() -> None:
        from fer_core.app.common.page import errors_in_words
        from fer_core.app.explore.sources import choose_explored

        with errors_in_words():
            choose_explored()

    at = AppTest.from_function(script, default_timeout=60).run()
    assert "No figures of a data set ship with this copy" in at.error[0].value


def test_a_path_is_read_and_a_changed_file_is_read_anew(dataset, tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(csv_text(dataset))
    at = page()
    at.radio(key="explore-kind").set_value(PATH).run()
    assert shown(at) == "FER2013, 35887, no faces, fer2013"
    assert "Nothing is read yet" in at.sidebar.caption[0].value
    read_path(at, path)
    assert shown(at) == "FER2013, 168, 168 faces, fer2013"
    path.write_bytes(csv_text(dataset.take(np.arange(30))))
    at.run()
    assert shown(at).startswith("FER2013, 168")  # what is looked at changes when it is asked for
    assert shown(read_path(at, path)) == "FER2013, 30, 30 faces, fer2013"
    assert len(raw_data.cached_dataset(str(path))) == 30
    at.radio(key="explore-kind").set_value("Figures that ship").run()
    assert shown(at).startswith("FER2013, 35887")


def test_what_one_page_has_read_another_does_not_read_again(dataset, tmp_path, monkeypatch):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(csv_text(dataset))
    raw_data.cached_dataset(str(path))
    monkeypatch.setattr(explore_sources, "read_dataset", lambda *_, **__: pytest.fail("read again"))
    assert shown(read_path(page(), path)).startswith("FER2013, 168")


def test_csv_and_votes_are_uploaded_together(dataset):
    at = page()
    at.radio(key="explore-kind").set_value(UPLOAD).run()
    assert at.button(key="explore-upload-read").disabled
    upload(at, **{"fer2013.csv": csv_text(dataset), "fer2013new.csv": votes_text(dataset)})
    assert shown(at) == "FER2013, 168, 168 faces, fer2013"
    assert "with FER+'s votes" in at.sidebar.markdown[0].value
    assert any("Up to 50 MB a file. What is larger" in caption.value for caption in at.sidebar.caption)


def test_names_that_are_no_emotions_are_asked_about_and_the_answer_is_read():
    at = upload(page(), **{"mine.zip": class_folders("happy", "scorn", "other", "neutral")})
    assert "found classes called 'other', 'scorn'" in at.error[0].value
    assert shown(at).startswith("FER2013, 35887")
    boxes = [box for box in at.selectbox if box.key.startswith("explore-meaning")]
    assert [(box.label, box.value) for box in boxes] == [("other", "leave out"), ("scorn", "leave out")]
    boxes[1].select("contempt")
    next(button for button in at.button if button.label == "Read it so").click().run()
    assert shown(at) == "mine, 3, 3 faces, ferplus"
    assert not at.error
    captions = " ".join(caption.value for caption in at.sidebar.caption)
    assert "Left out, as asked: 'other'." in captions
    assert "3 of 3 images were resized to 48x48 pixels." in captions


BAD = {
    "bomb.zip": lambda: packed({"happy/1.png": bytes(40 << 20)}),
    "evil.zip": lambda: packed({"../happy/1.png": b"x"}),
    "column.csv": lambda: b"emotion,Usage\n1,Training\n",
    "empty.zip": lambda: packed({"happy/readme.txt": b"x"}),
}
SENTENCES = {
    "bomb.zip": "refused as a zip bomb",
    "evil.zip": "found a name that leads out of the archive",
    "column.csv": "row 1: found the columns 'emotion,Usage', expected emotion, pixels, Usage",
    "empty.zip": "expected one csv called fer2013.csv in the archive, found none",
}


def test_bad_data_is_refused_in_one_sentence_and_the_page_goes_on(dataset):
    at = page()
    for name, make in BAD.items():
        upload(at, **{name: make()})
        assert [SENTENCES[name] in error.value for error in at.error] == [True]
        assert shown(at).startswith("FER2013, 35887")
    upload(at, **{"half.csv": csv_text(dataset)[:-3_000]})
    assert "half.csv, row 169: found" in at.error[0].value


def test_a_read_shows_its_progress_and_can_be_cancelled(dataset, tmp_path, monkeypatch):
    import threading

    reached, ended = threading.Event(), threading.Event()

    def slow(path, meanings, progress, note):
        try:
            while True:
                progress(0.5)
                reached.set()
        except Cancelled:
            ended.set()
            raise

    monkeypatch.setattr(background, "PATIENCE", 0.1)
    monkeypatch.setattr(explore_sources, "read_dataset", slow)
    at = read_path(page(), tmp_path)
    assert reached.wait(10)
    assert shown(at.run()).startswith("FER2013, 35887")
    assert any(f"Reading {tmp_path.name}: 50%" in str(element.proto) for element in at.get("progress"))
    at.button(key="explore-job-cancel").click().run()
    assert ended.wait(10)
    assert not at.get("progress")
    assert "Nothing is read yet" in at.sidebar.caption[0].value
