"""An archive becomes one data set, whatever its files hold and however often the work is stopped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.batch.parts import ArchiveSettings
from fer_core.batch.run import FAILURES_FILE, analyse_archive
from fer_core.batch.sources import ArchiveError, SourceFile, find_sources
from fer_core.batch.worker import FileResult, Outcome
from fer_core.cli.main import main
from fer_core.media.video_writer import write_video
from fer_core.video.analysis import analyse_video


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, photo: np.ndarray) -> Path:
    """Two photos and two films that can be read, and two files that can't."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "holiday").mkdir()
    cv2.imwrite(str(folder / "face.png"), photo)
    cv2.imwrite(str(folder / "holiday" / "wall é.png"), np.full((90, 90, 3), 128, np.uint8))
    write_video(folder / "a film.mp4", [cv2.resize(photo, (256, 256))] * 6, 25)
    write_video(folder / "holiday" / "wall.mp4", [np.full((90, 90, 3), 128, np.uint8)] * 4, 25)
    (folder / "broken.jpg").write_bytes(b"")
    (folder / "text.mp4").write_text("Dear diary. " * 50)
    (folder / "notes.md").write_text("not asked for")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def finished(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished")
    analyse_archive(find_sources([archive]), out, workers=0)
    return out


def test_photos_and_films_are_one_data_set_by_source(archive: Path, finished: Path) -> None:
    table = pd.read_parquet(finished)
    assert table.groupby("source", observed=True).size().to_dict() == {
        "a film.mp4": 6,
        "face.png": 1,
        "holiday/wall é.png": 1,
        "holiday/wall.mp4": 4,
    }
    film = table[table["source"] == "a film.mp4"]
    alone = analyse_video(archive / "a film.mp4", FrameAnalyser.from_store(["senet"])).table()
    told = [column for column in alone if column != "source" and alone[column].notna().any()]
    pd.testing.assert_frame_equal(film[told].reset_index(drop=True), alone[told], check_dtype=False)
    assert film.drop(columns=[*told, "source"]).isna().all(axis=None)


def test_a_bad_file_stops_no_other_and_is_listed_with_its_reason(finished: Path) -> None:
    failures = pd.read_csv(finished / FAILURES_FILE)
    assert failures["source"].tolist() == ["broken.jpg", "text.mp4"]
    assert failures["reason"].str.contains("is empty|is not a video").all()


def test_stopped_at_half_and_started_again_the_finished_part_is_kept_and_the_output_is_the_same(
    archive: Path, finished: Path, tmp_path: Path
) -> None:
    results: list[FileResult] = []

    def stop(result: FileResult) -> None:
        results.append(result)
        if len(results) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analyse_archive(find_sources([archive]), tmp_path, workers=0, on_result=stop)
    done = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    assert done
    # What a kill in the middle of writing leaves behind.
    missing = next(p for p in finished.rglob("*.parquet") if not (tmp_path / p.relative_to(finished)).exists())
    left = tmp_path / missing.relative_to(finished).parent
    left.mkdir(exist_ok=True)
    (left / f".{missing.name}.part").write_bytes(b"half a file")
    again = analyse_archive(find_sources([archive]), tmp_path, workers=0)
    assert sum(result.outcome is Outcome.SKIPPED for result in again) == len(done)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert content(tmp_path) == content(finished)


def test_files_are_known_by_their_content(archive: Path, finished: Path, tmp_path: Path) -> None:
    out, moved = tmp_path / "out", tmp_path / "moved"
    shutil.copytree(finished, out)
    moved.mkdir()
    shutil.copy(archive / "a film.mp4", moved / "renamed.mp4")
    cv2.imwrite(str(moved / "face.png"), np.full((90, 90, 3), 7, np.uint8))  # another picture of the same name
    outcomes = {r.source: r.outcome for r in analyse_archive(find_sources([moved]), out, workers=0)}
    assert outcomes == {"face.png": Outcome.DONE, "renamed.mp4": Outcome.SKIPPED}
    table = pd.read_parquet(out)
    assert (table["source"] == "renamed.mp4").sum() == 6
    assert table[table["source"] == "face.png"]["track"].isna().tolist() == [True]
    other = analyse_archive(find_sources([moved]), out, ArchiveSettings(answer="ferplus"), workers=0)
    assert {result.outcome for result in other} == {Outcome.DONE}


def test_several_processes_write_the_same_and_the_command_sums_up(
    archive: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyse", str(archive), "--out", str(tmp_path), "--workers", "2"]) == 1
    assert content(tmp_path) == content(finished)
    captured = capsys.readouterr()
    assert captured.out.startswith("4 analysed, 0 done before, 2 failed")
    assert "2 of 6 files failed" in captured.err
    assert "broken.jpg: broken.jpg is empty" in captured.err


def _deadly(file: SourceFile) -> FileResult:
    if file.source == "b":
        os._exit(9)
    return FileResult(file.source, Outcome.DONE)


def test_a_file_that_kills_its_process_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fer_core.batch import run

    monkeypatch.setattr(run, "_work", _deadly)
    monkeypatch.setattr(run, "_start", _nothing)
    files = [SourceFile(Path(name), name) for name in "abc"]
    outcomes = {r.source: r for r in run._in_processes(files, (tmp_path, ArchiveSettings(), 1), 2)}
    assert {name for name, result in outcomes.items() if result.outcome is Outcome.DONE} == set("ac")
    assert outcomes["b"].note == "b ended the process that looked at it."


def _nothing(*arguments: object) -> None: ...


def test_folders_patterns_lists_and_files_name_the_sources(archive: Path, tmp_path: Path) -> None:
    names = [file.source for file in find_sources([archive])]
    assert names == ["a film.mp4", "broken.jpg", "face.png", "holiday/wall é.png", "holiday/wall.mp4", "text.mp4"]
    assert {file.path.name for file in find_sources([f"{archive}/**/*.png"])} == {"face.png", "wall é.png"}
    (archive / "some.txt").write_text("face.png\n\nholiday/wall.mp4\nabsent.png\n")
    try:
        assert [f.source for f in find_sources([archive / "some.txt"])] == [
            "face.png",
            "holiday/wall.mp4",
            "absent.png",
        ]
    finally:
        (archive / "some.txt").unlink()
    twice = find_sources([archive / "face.png", archive])
    assert len(twice) == len({file.path.resolve() for file in twice}) == 6
    for nowhere in (tmp_path / "nowhere", tmp_path / "*.jpg"):
        with pytest.raises(ArchiveError, match="nothing is there"):
            find_sources([nowhere])


def test_a_long_name_and_one_with_strange_bytes_have_a_folder_that_can_be_made(tmp_path: Path) -> None:
    strange = SourceFile(Path("x"), "tief/" + "ä" * 200 + "/bild%20=1.jpg")
    (tmp_path / strange.folder).mkdir()
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    (named,) = find_sources([tmp_path])
    assert named.source == "caf\\xe9.png"
    (tmp_path / named.folder).mkdir()


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--workers", "0"], "--workers is 0; expected more than 0"), (["--model", "vgg"], "no model 'vgg'")],
)
def test_a_wrong_option_is_told_before_anything_is_done(
    options: list[str], words: str, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyse", str(archive), "--out", str(tmp_path / "out"), *options]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
