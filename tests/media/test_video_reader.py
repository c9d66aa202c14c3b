"""Film in and out: frames come one at a time, upright, with their own times; bad files get one plain sentence."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from fer_core.errors import VideoError
from fer_core.media import sample_clip
from fer_core.media.images import encode_image, read_image
from fer_core.media.video_reader import read_frames, read_video, video_index, video_info, video_span
from fer_core.media.video_writer import write_video
from tests.films import film, portrait

SAMPLES = Path(__file__).parents[2] / "artifacts" / "samples"


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b).mean())


def refusal(data: bytes, name: str = "party.mp4") -> str:
    with pytest.raises(VideoError) as caught:
        next(read_frames(io.BytesIO(data), name))
    sentence = str(caught.value)
    assert sentence.startswith(name)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_what_is_written_is_read_back_with_its_times(tmp_path: Path) -> None:
    frames = [portrait(4 * number) for number in range(12)]
    path = tmp_path / "Grüße.mp4"
    assert write_video(path, frames, 12.5) == 12
    read = list(read_frames(path))
    assert [time for time, _ in read] == pytest.approx([number / 12.5 for number in range(12)])
    for frame, (_, decoded) in zip(frames, read, strict=True):
        assert decoded.dtype == np.uint8
        assert decoded.flags.c_contiguous
        assert difference(decoded, frame) < 8 < difference(decoded, np.roll(frame, 40, axis=1))


def test_a_film_is_written_to_and_read_from_memory_more_than_once() -> None:
    buffer = io.BytesIO()
    write_video(buffer, [portrait()] * 3, 25)
    assert len(list(read_frames(buffer))) == len(list(read_frames(buffer))) == 3
    assert not buffer.closed


def test_an_odd_size_loses_its_last_row_and_column() -> None:
    buffer = io.BytesIO()
    write_video(buffer, [portrait()[:119, :159]], 25)
    [(_, frame)] = read_frames(buffer)
    assert frame.shape == (118, 158, 3)
    assert difference(frame, portrait()[:118, :158]) < 8


def test_writing_nothing_or_frames_of_several_sizes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no frames"):
        write_video(tmp_path / "a.mp4", [], 25)
    assert not (tmp_path / "a.mp4").exists()
    with pytest.raises(VideoError, match=r"Frame 1 has shape \(60, 160, 3\)"):
        write_video(tmp_path / "a.mp4", [portrait(), portrait()[:60]], 25)
    with pytest.raises(VideoError, match="could not be written"):
        write_video(tmp_path / "no" / "folder.mp4", [portrait()], 25)


def test_a_varying_frame_rate_is_kept_and_time_starts_at_zero() -> None:
    times = [500, 540, 900, 920, 1400, 1410, 2500]
    read = [time for time, _ in read_frames(io.BytesIO(film([portrait(n) for n in range(7)], times)))]
    assert read == pytest.approx([(time - 500) / 1000 for time in times], abs=1e-6)


UNEVEN = [40 * number + 13 * (number % 3) for number in range(45)]


@pytest.mark.parametrize("milliseconds", [None, UNEVEN], ids=["constant rate", "varying rate"])
@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
def test_frames_of_a_range_have_the_numbers_times_and_pictures_of_the_whole_film(
    container: str, b_frames: int, milliseconds: list[int] | None
) -> None:
    data = io.BytesIO(film([portrait(3 * n) for n in range(45)], milliseconds, container, b_frames=b_frames))
    whole = list(read_video(data))
    assert [frame.number for frame in whole] == list(range(45))
    origin = 0.0 if container != "mpegts" else video_info(data).origin
    expected = [origin + time / 1000 for time in milliseconds or range(0, 45 * 40, 40)]
    assert [frame.time for frame in whole] == pytest.approx(expected, abs=1.1e-5)  # MPEG-TS counts 1/90000 s
    part = list(read_video(data, start=whole[23].time, end=whole[37].time))
    assert [(frame.number, frame.time) for frame in part] == [(f.number, pytest.approx(f.time)) for f in whole[23:37]]
    for frame in part:
        np.testing.assert_array_equal(frame.pixels, whole[frame.number].pixels)


def test_a_range_is_reached_by_its_key_frame_where_the_packets_tell_the_numbers() -> None:
    index = video_index(io.BytesIO(film([portrait(n) for n in range(45)], UNEVEN, b_frames=2)))
    assert index.exact
    assert index.times.tolist() == pytest.approx([time / 1000 for time in UNEVEN])
    assert index.keys.tolist() == [0, 10, 20, 30, 40]
    assert [index.key_before(time) for time in (0.0, index.times[19], index.times[20], 99.0)] == [0, 10, 20, 40]


def test_frames_a_second_are_chosen_alike_whatever_range_is_read() -> None:
    data = io.BytesIO(film([portrait(n) for n in range(45)], UNEVEN))
    chosen = [frame.number for frame in read_video(data, per_second=5)]
    assert chosen == [0, *(n for n in range(1, 45) if UNEVEN[n] // 200 != UNEVEN[n - 1] // 200)]
    part = [frame.number for frame in read_video(data, start=0.85, per_second=5)]
    assert part == [number for number in chosen if UNEVEN[number] >= 850]


def test_a_range_beyond_the_film_is_refused_in_a_sentence() -> None:
    with pytest.raises(VideoError, match=r"^party\.mp4 has no frame from 7 s to 9 s: choose a range"):
        list(read_video(io.BytesIO(film([portrait()] * 3)), "party.mp4", start=7, end=9))


def test_a_film_whose_header_tells_no_length_is_as_long_as_its_packets_say() -> None:
    data = io.BytesIO(film([portrait()] * 10, container="matroska", options={"live": "1"}))
    assert video_info(data).duration is None
    assert video_span(data) == pytest.approx((0.0, 0.4), abs=0.05)
    assert video_span(SAMPLES / "astronaut.mp4") == (0.0, pytest.approx(8.0))


def test_times_are_those_of_the_films_clock_where_its_sound_begins_before_its_picture() -> None:
    data = io.BytesIO(film([portrait(n) for n in range(7)], [852 + 40 * n for n in range(7)]))
    assert [frame.time for frame in read_video(data)] == pytest.approx([0.852 + 0.04 * n for n in range(7)], abs=1e-6)
    assert [frame.number for frame in read_video(data, start=0.9, end=1.0)] == [2, 3]
    assert video_span(data) == pytest.approx((0.852, 1.132), abs=1e-6)


ONE = 1 << 16
# a, b, c, d of the display matrix (ISO/IEC 14496-12) and what it does to a stored frame.
MATRICES = {
    "upright": ((ONE, 0, 0, ONE), lambda a: a),
    "quarter turn clockwise": ((0, ONE, -ONE, 0), lambda a: np.rot90(a, -1)),
    "half turn": ((-ONE, 0, 0, -ONE), lambda a: np.rot90(a, 2)),
    "quarter turn counter-clockwise": ((0, -ONE, ONE, 0), lambda a: np.rot90(a, 1)),
    "mirrored": ((-ONE, 0, 0, ONE), lambda a: a[:, ::-1]),
    "upside down mirrored": ((ONE, 0, 0, -ONE), lambda a: a[::-1]),
    "transposed": ((0, ONE, ONE, 0), lambda a: a.transpose(1, 0, 2)),
    "transversed": ((0, -ONE, -ONE, 0), lambda a: a[::-1, ::-1].transpose(1, 0, 2)),
}


@pytest.mark.parametrize("name", MATRICES)
def test_the_display_matrix_of_a_phone_is_honoured(name: str) -> None:
    (a, b, c, d), shown = MATRICES[name]
    data = film([portrait()], matrix=(a, b, 0, c, d, 0, 0, 0, 1 << 30))
    [(_, frame)] = read_frames(io.BytesIO(data))
    expected = shown(portrait())
    assert frame.shape == expected.shape
    assert difference(frame, expected) < 8
    info = video_info(io.BytesIO(data))
    assert (info.height, info.width) == expected.shape[:2]


def test_video_info_tells_size_rate_and_length() -> None:
    info = video_info(SAMPLES / "astronaut.mp4")
    assert (info.width, info.height) == (640, 480)
    assert info.frames_per_second == pytest.approx(25)
    assert info.duration == pytest.approx(8.0)


@pytest.mark.parametrize("container", ["matroska", "mpegts"])
def test_a_film_that_breaks_off_gives_what_came_before_undamaged(container: str) -> None:
    data = film([portrait(5 * number) for number in range(40)], container=container)
    whole = {round(time, 3): frame for time, frame in read_frames(io.BytesIO(data))}
    broken = list(read_frames(io.BytesIO(data[: len(data) * 6 // 10])))
    assert len(whole) == 40
    assert 10 < len(broken) < 40
    for time, frame in broken:
        np.testing.assert_array_equal(frame, whole[round(time, 3)])


def test_a_cut_mp4_loses_only_the_frames_that_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    write_video(path, [portrait(5 * number) for number in range(40)], 25)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with av.open(str(path)) as container:
        whole_packets = sum(1 for packet in container.demux(video=0) if packet.size and not packet.is_corrupt)
    assert 10 < whole_packets < 40
    assert len(list(read_frames(path))) == whole_packets


def test_damage_in_the_middle_does_not_end_the_film() -> None:
    data = bytearray(film([portrait(5 * number) for number in range(40)], container="mpegts"))
    middle = len(data) // 2
    data[middle : middle + 500] = bytes(500)
    times = [time for time, _ in read_frames(io.BytesIO(bytes(data)))]
    assert times[-1] == pytest.approx(39 / 25)
    assert times == sorted(times)


def test_a_long_film_is_never_held_whole() -> None:
    def frames() -> Iterator[np.ndarray]:
        still = np.zeros((480, 640, 3), np.uint8)
        for number in range(60):
            still[:] = number
            yield still

    buffer = io.BytesIO()
    write_video(buffer, frames(), 25)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_frames(buffer)) == 60
        # One frame is 0.9 MB, the film 55 MB.
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_an_empty_file_is_named_as_empty() -> None:
    assert "is empty" in refusal(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"Dear diary, today I smiled. " * 100,
        encode_image(portrait(), "png"),
        encode_image(portrait(), "jpeg"),
        film([portrait()])[:400],
    ],
    ids=["text", "png", "jpeg", "first bytes of an mp4"],
)
def test_what_is_no_film_is_refused(data: bytes) -> None:
    assert "is not a video or is cut off" in refusal(data)


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile secret.ts\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n",
    ],
    ids=["concat", "hls"],
)
def test_a_playlist_is_not_followed_to_the_file_it_names(
    playlist: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret.ts").write_bytes(film([portrait()] * 3, container="mpegts"))
    Path("list.mp4").write_text(playlist)
    with pytest.raises(VideoError, match=r"^list\.mp4 is not a video"):
        list(read_frames("list.mp4"))


def test_a_sound_recording_is_told_apart_from_a_film() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="wav") as output:
        stream = output.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        sound.rate = 8000
        output.mux(stream.encode(sound))
        output.mux(stream.encode(None))
    assert "holds only sound" in refusal(buffer.getvalue(), "voice.wav")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"^nowhere\.mp4 could not be opened \(No such file"):
        next(read_frames(tmp_path / "nowhere.mp4"))
    with pytest.raises(VideoError, match="could not be opened"):
        next(read_frames("http://127.0.0.1:9/film.mp4"))


def test_the_shipped_clip_is_what_its_maker_makes() -> None:
    made = sample_clip.make_clip(read_image(SAMPLES / "astronaut.jpg"))
    for number, (frame, (_, shipped)) in enumerate(zip(made, read_frames(SAMPLES / "astronaut.mp4"), strict=False)):
        assert shipped.shape == frame.shape == (480, 640, 3)
        assert difference(frame, shipped) < 5
        if number == 30:
            break


def test_the_shipped_clip_shows_one_moving_face_and_loops_without_a_jump() -> None:
    frames = [frame for _, frame in read_frames(SAMPLES / "astronaut.mp4")]
    detector = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")  # type: ignore[attr-defined]
    assert len(frames) == sample_clip.SECONDS * sample_clip.FRAMES_PER_SECOND
    boxes = []
    for frame in frames[::40]:
        faces = detector.detectMultiScale(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), 1.1, 3, minSize=(100, 100))
        assert len(faces) == 1
        boxes.append(faces[0])
    assert all(130 <= height <= 260 for _, _, _, height in boxes)
    assert np.ptp([x for x, _, _, _ in boxes]) > 50
    assert difference(frames[0], frames[-1]) < 2 * difference(frames[0], frames[1]) + 8
