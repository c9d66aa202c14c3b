from fer_core.evaluation import benchmarks


def test_the_frame_benchmark_names_every_detector_side_by_side():
    table = benchmarks.frame_speed("senet", repeats=1)
    assert [line.split()[0] for line in table.splitlines()[1:]] == [
        name for name in benchmarks.DETECTORS for _ in range(2)
    ]
    assert "times faster" in table


def test_the_webcam_frame_holds_one_face_at_the_size_of_a_webcam():
    assert benchmarks.webcam_frame().shape == (480, 640, 3)


def test_the_browsing_benchmark_filters_as_many_faces_as_fer2013_has(monkeypatch):
    monkeypatch.setattr(benchmarks, "BROWSING_REPEATS", 1)
    table = benchmarks.browsing_speed(None)
    assert "35,887 faces; peak memory" in table
    assert "most disputed first" in table
    assert len(table.splitlines()) == 8
