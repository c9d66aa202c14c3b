import json
from pathlib import Path

from benchmarks.video import measure, write_loop
from fer_core.media.video_reader import read_video


def test_the_film_is_as_long_as_asked_for_and_its_frames_are_counted(tmp_path: Path, capsys) -> None:
    path = tmp_path / "loop.mp4"
    write_loop(path, 0.15)
    assert [round(frame.time * 25) for frame in read_video(path)] == list(range(225))
    write_loop(path, 0.02)
    measure(path, "senet", with_video=True)
    metrics = json.loads(capsys.readouterr().out)
    assert metrics["frames"] == 30
    assert metrics["seconds"] > 0
    assert metrics["megabytes"] > 50
    assert path.with_suffix(".drawn.mp4").exists()
