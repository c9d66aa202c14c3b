from benchmarks import speed as benchmarks
from benchmarks import stream as stream_benchmark


def test_the_frame_benchmark_names_every_detector_side_by_side():
    table = benchmarks.frame_speed("tiny", repeats=1)
    assert [line.split()[:2] for line in table.splitlines()[1:]] == [[name, "int8"] for name in benchmarks.DETECTORS]  # type: ignore[attr-defined]
    assert "times faster" in table


def test_the_webcam_frame_holds_one_face_at_the_size_of_a_webcam():
    assert benchmarks.webcam_frame().shape == (480, 640, 3)  # type: ignore[attr-defined]


def test_the_browsing_benchmark_filters_as_many_faces_as_fer2013_has(monkeypatch):
    monkeypatch.setattr(benchmarks, "BROWSING_REPEATS", 1)
    table = benchmarks.browsing_speed(None)
    assert "35,887 faces; peak memory" in table
    assert "most disputed first" in table
    assert len(table.splitlines()) == 8


def test_the_stream_benchmark_sets_turns_beside_every_frame_for_one_and_five_people(monkeypatch):
    monkeypatch.setattr(stream_benchmark, "WARM_UP", 1)
    table = [line.split() for line in stream_benchmark.stream_speed("senet", frames=3).splitlines()]
    assert [(row[0], row[1]) for row in table[1:]] == [(n, look) for n in "15" for look in ("no", "no", "yes", "yes")]
    assert {"detect", "classify", "look", "grows"} <= set(table[0])
