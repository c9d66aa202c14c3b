"""The video page from upload to downloads; the work runs on its thread as it does in the app."""

import io
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from fer_core.app.video import results as video_results
from fer_core.app.video import work as video
from fer_core.app.video.work import VideoJob
from fer_core.logs.session_log import read_log
from fer_core.media.video_writer import write_video

PAGE = Path(__file__).resolve().parents[2] / "pages" / "3_Analyse_Video.py"


def clip(frames: list[np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    write_video(buffer, frames, 25)
    return buffer.getvalue()


@pytest.fixture
def page() -> AppTest:
    at = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not at.exception
    return at


def upload(page: AppTest, content: bytes, name: str = "film.mp4") -> AppTest:
    page.file_uploader[0].set_value([(name, content, "video/mp4")]).run()
    assert not page.exception
    return page


def analyse(page: AppTest) -> AppTest:
    next(button for button in page.button if button.label == "Analyse").click().run()
    while not (page.get("download_button") or page.error):
        time.sleep(0.1)
        page.run()
    assert not page.exception, page.exception[0].message
    return page


def test_an_empty_page_says_what_to_do(page):
    assert [info.value for info in page.info] == [
        "Nothing to analyse yet: choose a video above, or try the sample clip."
    ]


def test_a_film_of_two_people_becomes_timelines_a_frame_to_jump_to_and_downloads(page, photo):
    small = cv2.resize(photo, (256, 256), interpolation=cv2.INTER_AREA)
    analyse(upload(page, clip([np.hstack([small, small[:, ::-1]])] * 12)))
    assert {metric.label: metric.value for metric in page.metric} == {
        "Frames": "12",
        "People": "2",
        "From": "0:00",
        "To": "0:00",
    }
    assert len(page.get("plotly_chart")) == 2
    assert [button.proto.label for button in page.get("download_button")] == ["CSV", "Parquet", "Subtitles"]
    table = page.session_state["video-result-table"]
    assert table["frame"].tolist() == sorted([*range(12)] * 2)
    assert set(table["mask"]) == {"bare"}
    moment = next(button for button in page.button if "looks most happy" in button.label)
    moment.click().run()
    assert not page.exception
    assert page.session_state["video-result-at"] in (table["time_ms"] / 1000).tolist()


def test_a_click_on_a_bar_jumps_to_its_time(monkeypatch):
    state = {"chart": SimpleNamespace(selection=SimpleNamespace(points=[{"x": 3.5, "y": 0.2}]))}
    monkeypatch.setattr(video_results, "st", SimpleNamespace(session_state=state))
    video_results._clicked("chart")
    assert state["video-result-at"] == 3.5
    state["chart"].selection.points = []  # clicked again, which undoes the selection
    video_results._clicked("chart")
    assert state["video-result-at"] == 3.5


def test_a_mask_shows_on_the_timeline(page, photo):
    masked = cv2.ellipse(photo.copy(), (222, 145), (52, 42), 0, 0, 360, (230, 230, 225), -1)
    analyse(upload(page, clip([cv2.resize(masked, (256, 256))] * 8)))
    assert "masked" in set(page.session_state["video-result-table"]["mask"])
    assert '"masked"' in page.get("plotly_chart")[0].proto.spec


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"Dear diary, " * 99, "film.mp4 is not a video"), (b"", "film.mp4 is empty")],
)
def test_a_file_that_is_no_film_is_refused_in_a_sentence(content, words, page):
    upload(page, content)
    assert words in page.error[0].value


def test_who_stops_the_work_keeps_what_was_found(page, photo, monkeypatch):
    # Stopped as soon as there is a frame, since the test's film is short.
    class Stopped(VideoJob):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            while self.progress is None and self.job.running:
                time.sleep(0.005)
            self.job.cancel()

    monkeypatch.setattr(video, "VideoJob", Stopped)
    analyse(upload(page, clip([cv2.resize(photo, (256, 256))] * 200)))
    assert any("ended at 0:0" in info.value for info in page.info)
    assert 0 < len(page.session_state["video-result-table"]) < 200


def test_the_annotated_film_is_made_when_asked_for(page, photo):
    analyse(upload(page, clip([cv2.resize(photo, (256, 256))] * 10)))
    assert "video-result-film" not in page.session_state
    next(button for button in page.button if button.label == "Make the annotated video").click().run()
    while "video-result-film" not in page.session_state:
        time.sleep(0.1)
        page.run()
    assert not page.exception
    assert page.session_state["video-result-film"][4:8] == b"ftyp"
    assert page.get("download_button")[-1].proto.label == "Annotated video"


def test_page_archive_and_function_give_the_same_answers(page, photo, tmp_path):
    from fer_core import analyse_video, load_model
    from fer_core.batch.run import analyse_archive
    from fer_core.batch.sources import find_sources

    content = clip([np.roll(cv2.resize(photo, (256, 256)), 2 * n, axis=1) for n in range(10)])
    (tmp_path / "film.mp4").write_bytes(content)
    from_page = analyse(upload(page, content)).session_state["video-result-table"]
    from_function = analyse_video(tmp_path / "film.mp4", load_model())
    assert from_function.table().equals(from_page)
    analyse_archive(find_sources([tmp_path / "film.mp4"]), tmp_path / "out", workers=0)
    from_command = pd.read_parquet(tmp_path / "out")
    from_csv = read_log(from_function.log.to_csv())
    told = [name for name in from_page if from_page[name].notna().any() and name != "source"]
    for other in (from_command, from_csv):
        pd.testing.assert_frame_equal(other[told], from_page[told], check_dtype=False)
