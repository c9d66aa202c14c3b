import io
import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

PAGE = Path(__file__).resolve().parents[2] / "pages" / "2_Analyse_Images.py"


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


@pytest.fixture
def page() -> AppTest:
    at = AppTest.from_file(PAGE, default_timeout=60).run()
    assert not at.exception
    return at


def test_an_empty_page_says_what_to_do(page):
    assert any("Nothing to analyse yet" in info.value for info in page.info)


def test_every_face_of_every_photo_is_answered_for(page, photo):
    pair = np.hstack([photo, photo])
    page.file_uploader[0].set_value([("one.png", png(photo), "image/png"), ("pair.png", png(pair), "image/png")]).run()
    assert not page.exception
    table = page.dataframe[0].value
    assert table.groupby("source").size().to_dict() == {"one.png": 1, "pair.png": 2}
    assert set(table["emotion"]) == {"happy"}
    assert any("**happy**" in m.value for m in page.markdown)
    assert len(page.get("plotly_chart")) == 3


def test_a_bad_file_is_named_and_the_others_are_answered(page, photo):
    page.file_uploader[0].set_value(
        [
            ("zip.jpg", b"PK\x03\x04" + bytes(200), "image/jpeg"),
            ("empty.png", b"", "image/png"),
            ("good.png", png(photo), "image/png"),
        ]
    ).run()
    assert not page.exception
    errors = " ".join(error.value for error in page.error)
    assert "zip.jpg" in errors
    assert "empty.png" in errors
    assert page.dataframe[0].value["source"].tolist() == ["good.png"]


def test_a_photo_without_a_face_says_so(page):
    page.file_uploader[0].set_value([("wall.png", png(np.full((300, 300, 3), 99, np.uint8)), "image/png")]).run()
    assert not page.exception
    assert any("No face was found" in info.value for info in page.info)


def test_a_photo_lying_on_its_side_is_turned_by_its_exif_tag(page, photo):
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    Image.fromarray(cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)).rotate(90, expand=True).save(buffer, "JPEG", exif=exif)
    page.file_uploader[0].set_value([("turned.jpg", buffer.getvalue(), "image/jpeg")]).run()
    assert page.dataframe[0].value["emotion"].tolist() == ["happy"]


def test_the_answer_and_the_detector_can_be_chosen(page, photo):
    page.file_uploader[0].set_value([("one.png", png(photo), "image/png")]).run()
    page.selectbox[0].select("ferplus").run()
    assert not page.exception
    assert page.dataframe[0].value["label_set"].tolist() == ["ferplus"]
    page.selectbox[1].select("haar").run()
    assert page.dataframe[0].value["detector"].tolist() == ["haar"]


def test_downloads_hold_what_the_page_shows(page, photo):
    page.file_uploader[0].set_value([("one.png", png(photo), "image/png")]).run()
    labels = [button.proto.label for button in page.get("download_button")]
    assert labels == ["Annotated image", "CSV", "JSON"]


def test_the_command_line_gives_the_same_answers(page, photo, tmp_path, capsys):
    from fer_core.cli.main import main

    page.file_uploader[0].set_value([("one.png", png(photo), "image/png")]).run()
    (tmp_path / "one.png").write_bytes(png(photo))
    main(["analyse", str(tmp_path / "one.png"), "--model", "senet", "--format", "csv"])
    from_command = pd.read_csv(io.StringIO(capsys.readouterr().out)).drop(columns="source")
    from_page = pd.DataFrame(json.loads(page.dataframe[0].value.drop(columns="source").to_json(orient="records")))
    pd.testing.assert_frame_equal(from_command, from_page, check_dtype=False)


def test_the_best_single_network_is_chosen_at_first_and_an_ensemble_answers_too(mixed_store, photo):
    page = AppTest.from_file(PAGE, default_timeout=60).run()
    assert not page.exception
    assert page.multiselect[0].value == ["strong"]
    assert page.multiselect[0].options[3].startswith("Ensemble of 2 networks · ")
    assert page.multiselect[0].options[-1].endswith(", CK+ random 30%")
    page.multiselect[0].set_value(["pair"]).run()
    page.file_uploader[0].set_value([("one.png", png(photo), "image/png")]).run()
    assert page.dataframe[0].value[["model", "emotion"]].to_numpy().tolist() == [["pair", "happy"]]


def test_models_without_a_shared_answer_are_refused_in_one_sentence(mixed_store):
    page = AppTest.from_file(PAGE, default_timeout=60).run()
    page.multiselect[0].set_value(["pair", "ck"]).run()
    assert not page.exception
    assert [info.value for info in page.info] == [
        "Ensemble of 2 networks and ResNet50 (CK+) have no answer in the same classes; choose models that answer in the "
        "same ones, or one model at a time."
    ]
    assert not page.file_uploader


def test_answers_of_one_name_in_other_classes_are_not_offered_for_both(mixed_store):
    page = AppTest.from_file(PAGE, default_timeout=60).run()
    page.multiselect[0].set_value(["strong", "five"]).run()
    assert not page.exception
    assert page.selectbox[0].options == ["FER2013, the seven-class head restricted to five"]
    page.multiselect[0].set_value(["strong"]).run()
    assert page.selectbox[0].options[0] == "Balanced, 7 classes"
