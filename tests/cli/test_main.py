import csv
import inspect
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.__main__ import BENCHMARKS
from fer_core.cli.main import main

SAMPLE = Path(__file__).resolve().parents[2] / "artifacts" / "samples" / "astronaut.jpg"


@pytest.fixture
def photos(tmp_path, photo) -> Path:
    """A folder with a face, a plain wall and a file that is no image."""
    cv2.imwrite(str(tmp_path / "face.png"), photo)
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 300, 3), 128, np.uint8))
    (tmp_path / "notes.txt").write_text("no image, and not asked for")
    return tmp_path


@pytest.mark.parametrize("detector", ["blazeface", "haar"])
def test_the_astronaut_is_one_happy_face_from_both_detectors(detector, capsys):
    assert main(["analyse", str(SAMPLE), "--detector", detector, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["emotion"] for row in rows if row["model"] == "senet"] == ["happy"]


def test_a_folder_is_read_and_photos_without_a_face_are_listed_too(photos, capsys):
    assert main(["analyse", str(photos), "--format", "json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [(Path(photo["source"]).name, len(photo["faces"])) for photo in answers] == [
        ("face.png", 1),
        ("wall.png", 0),
    ]
    probabilities = answers[0]["faces"][0]["answers"][0]["probabilities"]
    assert len(probabilities) == 7
    assert sum(probabilities.values()) == pytest.approx(1, abs=0.001)


def test_the_table_names_the_photo_the_answer_and_the_runner_up(photos, capsys):
    assert main(["analyse", str(photos / "face.png"), str(photos / "wall.png")]) == 0
    out = capsys.readouterr().out
    assert "happy" in out
    assert "runner_up" in out
    assert "wall.png: no face found" in out


def test_one_bad_file_is_named_and_the_others_are_answered(photos, capsys):
    bad = photos / "broken.jpg"
    bad.write_bytes(b"")
    assert main(["analyse", str(bad), str(photos / "face.png")]) == 1
    captured = capsys.readouterr()
    assert "broken.jpg" in captured.err
    assert "happy" in captured.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["analyse", "absent.jpg"], "absent.jpg: there is no file at this path"),
        (["analyse", str(SAMPLE.with_suffix(".mp4"))], "astronaut.mp4 is a video: name a folder"),
        (["analyse", str(SAMPLE), "--model", "vgg"], "no model 'vgg' in the store"),
        (["analyse", str(SAMPLE), "--detector", "mtcn"], "no face detector 'mtcn'"),
        (["analyse", str(SAMPLE), "--answer", "nine"], "no answer 'nine'"),
        (["train", "vgg99", "--data", "x.csv"], "no recipe 'vgg99'"),
        (["train", "senet", "--data", "x.csv"], "nothing at this path"),
        (["benchmark", "scenes"], "name it with --data PATH"),
    ],
)
def test_a_wrong_argument_is_an_error_in_one_sentence(arguments, message, capsys):
    assert main(arguments) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert message in error
    assert "\n" not in error


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_is_there_and_takes_the_options_that_it_is_given(name):
    benchmark = BENCHMARKS[name]
    parameters = inspect.signature(benchmark.load()).parameters
    needed = {p for p, of in parameters.items() if of.default is inspect.Parameter.empty}
    assert {*benchmark.options} <= {*parameters}
    assert needed <= {p for p, option in benchmark.options.items() if option == "model" or benchmark.reads}


def test_a_benchmark_is_given_what_was_said_and_nothing_else(monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.live.live_benchmark", lambda **given: str(given))
    assert main(["benchmark", "live", "--peers", "4", "--data", "unused.csv"]) == 0
    assert capsys.readouterr().out.strip() == "{'model': 'senet', 'peers': 4}"
