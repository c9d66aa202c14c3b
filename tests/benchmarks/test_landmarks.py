"""The benchmark of landmarks measures every step for one face and for five."""

from benchmarks.landmarks import frame_of_five, landmark_speed
from fer_core.vision.detection.registry import create_detector


def test_the_frame_of_five_faces_shows_five() -> None:
    found = create_detector().detect(frame_of_five())
    assert len(found) == 5
    assert all(80 < detection.box.width < 150 for detection in found)


def test_every_step_is_timed_for_one_face_and_for_five() -> None:
    header, *rows = landmark_speed(repeats=1).splitlines()
    assert all(f"{faces}: ms per {per}" in header for faces in ("1 face", "5 faces") for per in ("face", "frame"))
    steps = [row.strip().rsplit(maxsplit=4)[0] for row in rows]
    assert steps == ["landmarks", "irises", "pose", "gaze", "roll unknown", "all"]
    assert all(float(figure) >= 0 for row in rows for figure in row.split()[-4:])
