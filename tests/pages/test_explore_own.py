"""Own photos on the data set page: cut out in the background, shown, reported on, and offered for download."""

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fer_core.app.common import background
from tests.datasets.readers.test_archives import packed


@pytest.fixture
def page(monkeypatch) -> AppTest:
    def script() -> None:
        from fer_core.app.explore.explored import ExploredDataset
        from fer_core.app.explore.import_photos import import_photos_tab
        from fer_core.curation.summary import load_summary, shipped_summaries

        import_photos_tab(ExploredDataset(load_summary(shipped_summaries()[0]), None))

    monkeypatch.setattr(background, "PATIENCE", 20)
    at = AppTest.from_function(script, default_timeout=60).run()
    assert not at.exception
    return at


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


WALL = np.full((200, 200, 3), 99, np.uint8)


def cut(at: AppTest, *files: tuple[str, bytes]) -> AppTest:
    at.file_uploader[0].set_value([(name, data, "") for name, data in files]).run()
    at.button(key="own-start").click().run()
    assert not at.exception
    return at


def words(at: AppTest) -> str:
    return " ".join(element.value for element in (*at.markdown, *at.caption, *at.info, *at.subheader))


def labels(at: AppTest) -> list[str]:
    return [button.proto.label for button in at.get("download_button")]


def test_nothing_can_be_cut_before_there_are_photos(page):
    assert page.button(key="own-start").disabled
    assert "read in memory and not kept" in words(page)
    assert not labels(page)


def test_faces_of_a_zip_of_folders_are_labelled_reported_and_offered(page, photo):
    pair = np.hstack([photo, photo])
    files = {
        "happy/one.png": png(photo),
        "sad/pair.png": png(pair),
        "party/three.png": png(photo),
        "wall.png": png(WALL),
    }
    cut(page, ("photos.zip", packed(files)), ("letter.png", b"%PDF-1.7"))
    assert "3 faces of 5 photos" in words(page)
    assert "Dropped: 1 face not the largest, 1 photo with no face, 1 photo unreadable" in words(page)
    assert "Labels: happy 1, sad 1, no label 1" in words(page)
    report = page.dataframe[0].value
    assert report.set_index("photo")["kept"].to_dict() == {
        "happy/one.png": 1,
        "party/three.png": 1,
        "sad/pair.png": 1,
        "wall.png": 0,
        "letter.png": 0,
    }
    assert len(page.get("image")[0].proto.imgs) == 3
    assert labels(page) == ["Arrays (npz)", "Class folders (zip)", "This report (csv)"]
    box = next(box for box in page.selectbox if box.label == "party")
    box.select("surprise")
    next(button for button in page.button if button.label == "Read it so").click().run()
    assert "Labels: happy 1, sad 1, surprise 1" in words(page)
    assert not [box for box in page.selectbox if box.label == "party"]
    page.button(key="own-forget").click().run()
    assert not labels(page)


def test_photos_without_folders_become_crops_without_labels(page, photo):
    page.selectbox(key="own-take").select("every face")
    cut(page, ("pair.png", png(np.hstack([photo, photo]))))
    assert "2 faces of 1 photo" in words(page)
    assert "None of these faces has a label" in words(page)


def test_where_no_face_is_kept_nothing_is_offered_but_the_report(page, photo):
    page.slider(key="own-smallest").set_value(256)
    cut(page, ("small.png", png(cv2.resize(photo, (256, 256)))))
    assert "No face was kept" in words(page)
    assert labels(page) == ["This report (csv)"]
    assert page.dataframe[0].value["why"].iloc[0].startswith("1 too small (")


def test_a_folder_is_read_and_a_wrong_path_is_refused_in_a_sentence(page, photo, tmp_path):
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy" / "1.png").write_bytes(png(photo))
    page.text_input(key="own-path").set_value(str(tmp_path / "absent")).run()
    page.button(key="own-start").click().run()
    assert "found nothing, expected a folder or a zip of photos" in page.error[0].value
    page.text_input(key="own-path").set_value(str(tmp_path)).run()
    page.button(key="own-start").click().run()
    assert not page.error
    assert "Labels: happy 1" in words(page)
