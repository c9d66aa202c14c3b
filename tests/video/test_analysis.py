"""Recorded films: every frame once, the same people for any number of threads, and a plain word where something is amiss."""

from __future__ import annotations

import io
import itertools
import weakref
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from fer_core.analysis.frame import AttributeLevel
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.analysis.records import face_rows
from fer_core.analysis.stream import StreamMemory
from fer_core.errors import VideoError
from fer_core.media.video_reader import VideoFrame, read_video, video_info
from fer_core.media.video_writer import write_video
from fer_core.video import analysis as video_analysis
from fer_core.video.analysis import VideoAnalysis, VideoProgress, analyse_video
from fer_core.video.inference import infer_frames, stretch_number
from fer_core.video.replay import analyses_of
from fer_core.vision.detection.registry import create_detector
from tests.films import film, in_a_mask, portrait, with_sound

SAMPLE = Path(__file__).parents[2] / "artifacts" / "samples" / "astronaut.mp4"


@pytest.fixture(scope="module")
def analyser() -> FrameAnalyser:
    return FrameAnalyser.from_store(["senet"])


@pytest.fixture(scope="module")
def second(analyser: FrameAnalyser) -> VideoAnalysis:
    """One second from the middle of the sample film."""
    return analyse_video(SAMPLE, analyser, start=2.0, end=3.0)


def test_every_frame_of_the_range_is_there_once_with_its_number_and_time(second: VideoAnalysis) -> None:
    table = second.table()
    assert table["frame"].tolist() == list(range(50, 75))
    assert table["time_ms"].tolist() == [40 * number for number in range(50, 75)]
    assert (second.start, second.end) == (2.0, pytest.approx(3.0))
    assert second.notes == ()


def test_any_number_of_threads_finds_the_same(analyser: FrameAnalyser, second: VideoAnalysis) -> None:
    for threads in (0, 1, 5):
        assert analyse_video(SAMPLE, analyser, start=2.0, end=3.0, threads=threads).table().equals(second.table())


def test_faces_and_answers_are_those_of_the_door_that_every_frame_goes_through(
    analyser: FrameAnalyser, second: VideoAnalysis
) -> None:
    """Where faces are looked for in the whole frame; between those, boxes differ by a few hundredths."""
    memory = StreamMemory()
    for frame in read_video(SAMPLE, start=2.0, end=3.0):
        plain = [*face_rows("", [analyser.analyse(frame.pixels, frame.time, memory)])]
        [row] = second.table().query(f"frame == {frame.number}").to_dict("records")
        assert [(face["emotion"], face["track"], face["mask"]) for face in plain] == [("happy", row["track"], "bare")]
        assert plain[0]["p_happy"] == pytest.approx(row["p_happy"], abs=0.05)
        assert plain[0]["box_x"] == pytest.approx(row["box_x"], abs=0.1 * row["box_width"])


def test_a_person_who_puts_a_mask_on_is_followed_though_another_network_answers(analyser: FrameAnalyser) -> None:
    unmasked = [frame.pixels for frame in read_video(SAMPLE, end=1.0)]
    detector = create_detector()
    masked = [in_a_mask(frame, detector) for frame in unmasked]
    both = FrameAnalyser.from_store(["senet", "tiny"])
    for models, found in (
        (["senet", "senet-masks"], analyse_video(film(unmasked + masked), analyser)),
        (["senet", "tiny", "senet-masks"], analyse_video(film(unmasked + masked), both)),
    ):
        assert found.table()["model"].unique().tolist()[: len(models)] == models
        [person] = found.people()
        assert person.frames.tolist() == list(range(50))
        assert person.masks[:25].tolist() == ["bare"] * 25
        assert person.masks[-15:].tolist() == ["masked"] * 15
        np.testing.assert_allclose(person.probabilities.sum(axis=1), 1, atol=1e-3)
        assert "masked" in found.webvtt()


def test_frames_a_second_and_landmarks_are_as_asked_for(analyser: FrameAnalyser) -> None:
    found = analyse_video(SAMPLE, analyser, end=2.0, per_second=5, attribute_level=AttributeLevel.ATTENTION)
    assert found.table()["frame"].tolist() == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45]
    assert set(found.table()["track"]) == {1}
    assert found.table()["attention"].notna().any()


def test_the_old_names_of_arguments_still_work(analyser: FrameAnalyser, tmp_path: Path) -> None:
    path = tmp_path / "drawn.mp4"
    found = analyse_video(SAMPLE, analyser, end=0.4, look=AttributeLevel.LANDMARKS, film=path)
    assert found.table()["yaw"].notna().any()
    assert video_info(path).duration == pytest.approx(0.4, abs=0.05)


def test_who_stops_the_work_keeps_what_is_done(analyser: FrameAnalyser, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(video_analysis, "time", SimpleNamespace(perf_counter=lambda: next(clock) / 10))
    seen: list[VideoProgress] = []
    found = analyse_video(SAMPLE, analyser, on_progress=seen.append, should_stop=lambda: len(seen) == 12)
    assert found.frames == len(found.table()) == 12
    assert found.notes == ("The analysis was ended at 0:00: what was found until then is kept.",)
    assert [progress.frames for progress in seen] == list(range(1, 13))
    assert seen[-1].share == pytest.approx(11 / 200)
    assert seen[-1].frames_per_second == pytest.approx(10)
    assert seen[-1].seconds_left == pytest.approx((200 - 11) / 10)
    assert seen[-1].pixels.shape == (480, 640, 3)


def test_only_a_few_frames_are_in_memory_at_once() -> None:
    alive: list[weakref.ref[VideoFrame]] = []
    most = 0

    class Blind:
        def copies(self, count: int) -> list[Blind]:
            return [self] * count

        def find(self, pixels: np.ndarray, time: float, near: object) -> list[None]:
            return []

        def infer(self, pixels: np.ndarray, found: list[None]) -> list[None]:
            return found

    def frames():
        nonlocal most
        for number in range(300):
            frame = VideoFrame(number, number / 25, np.zeros((4, 4, 3), np.uint8))
            alive.append(weakref.ref(frame))
            most = max(most, sum(each() is not None for each in alive))
            yield frame

    assert [frame.number for frame, _ in infer_frames(frames(), Blind(), 2)] == list(range(300))  # type: ignore[arg-type]
    assert most <= 8


def test_a_film_that_lost_its_tail_is_analysed_as_far_as_it_goes(analyser: FrameAnalyser, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    write_video(path, [portrait(5 * number) for number in range(50)], 25)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    found = analyse_video(path, analyser)
    assert 10 < found.frames < 45
    assert found.notes[0] == "cut.mp4 breaks off at 0:00 of 0:02: all that came before was analysed." or (
        found.notes[0].startswith("cut.mp4 breaks off at 0:01 of 0:02")
    )


def test_a_film_without_a_face_says_so_and_keeps_its_frames(analyser: FrameAnalyser) -> None:
    found = analyse_video(film([np.full((120, 160, 3), 99, np.uint8)] * 5), analyser, name="wall.mp4")
    assert found.notes == ("No face was found in wall.mp4.",)
    assert found.frames == len(found.table()) == 5
    assert (found.people(), found.key_moments(), found.webvtt()) == ([], [], "WEBVTT\n")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"Dear diary, " * 99, "is not a video"),
        (with_sound(0.2)[:900], "is not a video or is cut off"),
    ],
)
def test_what_is_no_film_is_refused_in_a_sentence(content: bytes, words: str, analyser: FrameAnalyser) -> None:
    with pytest.raises(VideoError, match=rf"^party\.mp4 {words}"):
        analyse_video(content, analyser, name="party.mp4")


@pytest.mark.parametrize(
    ("size", "rate", "frames"), [((16, 16), 25, 3), ((3840, 2160), 25, 2), ((160, 120), 1, 3), ((160, 120), 240, 48)]
)
def test_sizes_and_rates_from_one_end_to_the_other_give_every_frame(
    size: tuple[int, int], rate: int, frames: int, analyser: FrameAnalyser, tmp_path: Path
) -> None:
    write_video(tmp_path / "film.mp4", [cv2.resize(portrait(n), size) for n in range(frames)], rate)
    found = analyse_video(tmp_path / "film.mp4", analyser, film=tmp_path / "drawn.mp4")
    table = found.table().drop_duplicates("frame")
    assert table["frame"].tolist() == list(range(frames))
    assert table["time_ms"].tolist() == [round(1000 * number / rate) for number in range(frames)]
    assert sum(1 for _ in read_video(tmp_path / "drawn.mp4")) == frames


def test_a_film_of_one_pixel_is_analysed_but_makes_no_annotated_film(analyser: FrameAnalyser, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1, 1, "bgr0"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((1, 1, 3), np.uint8), format="bgr24")))
        output.mux(stream.encode(None))
    found = analyse_video(buffer.getvalue(), analyser, name="dot.mkv")
    assert found.frames == 1
    with pytest.raises(VideoError, match="Frames of 1 x 1 pixels make no film"):
        found.write_film(buffer.getvalue(), tmp_path / "dot.mp4")
    assert not [*tmp_path.iterdir()]


def test_frames_without_a_time_follow_each_other_at_the_films_rate(analyser: FrameAnalyser) -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="avi") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(6):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(portrait(number), format="bgr24")))
        output.mux(stream.encode(None))
    found = analyse_video(buffer.getvalue(), analyser, start=0.2)
    assert found.table()["frame"].tolist() == [2, 3, 4, 5]
    assert found.table()["time_ms"].tolist() == [200, 300, 400, 500]


def test_a_log_tells_again_what_was_found(second: VideoAnalysis) -> None:
    frames = dict(analyses_of(second.log, second.info))
    again = [row for analysis in frames.values() for row in face_rows(second.source, [analysis])]
    table = second.table().drop(columns="frame").to_dict("records")
    assert list(frames) == list(range(50, 75))
    for old, new in zip(table, again, strict=True):
        assert {k: v for k, v in new.items() if k != "mask_probability"} == {
            k: old[k] for k in new if k != "mask_probability"
        }
        assert new["mask_probability"] == pytest.approx(old["mask_probability"], abs=1e-4)


def streams(path: Path) -> tuple[str, str | None, float]:
    """Names of picture and sound, and how long the sound is."""
    with av.open(str(path)) as container:
        sound = container.streams.audio[0] if container.streams.audio else None
        seconds = [frame.samples / frame.rate for frame in container.decode(audio=0)] if sound else []
        return container.streams.video[0].codec_context.name, sound.codec_context.name if sound else None, sum(seconds)


@pytest.mark.parametrize(("codec", "container"), [("aac", "mp4"), ("pcm_s16le", "matroska"), ("aac", "mpegts")])
def test_the_annotated_film_has_its_sound_and_every_frame_at_its_time(
    codec: str, container: str, analyser: FrameAnalyser, tmp_path: Path
) -> None:
    data, path = with_sound(1.0, codec, container), tmp_path / "drawn.mp4"
    found = analyse_video(data, analyser, start=0.2, end=0.8, annotated_video=path)
    video, sound, seconds = streams(path)
    assert (video, sound) == ("h264", "aac")
    assert seconds == pytest.approx(0.6, abs=0.08)
    drawn = list(read_video(path))
    assert [frame.time for frame in drawn] == pytest.approx([number / 25 for number in range(found.frames)], abs=1e-4)
    plain = [frame.pixels for frame in read_video(data, start=0.2, end=0.8)]
    assert np.abs(drawn[5].pixels.astype(int) - plain[5]).mean() > 2  # the boxes
    assert [each.name for each in tmp_path.iterdir()] == ["drawn.mp4"]


def test_a_film_made_afterwards_shows_the_frames_between_with_the_last_answer(
    analyser: FrameAnalyser, tmp_path: Path
) -> None:
    found = analyse_video(SAMPLE, analyser, end=0.4, per_second=10)
    assert found.frames == 4
    shares: list[float] = []
    assert found.write_annotated_video(SAMPLE, tmp_path / "film.mp4", shares.append) == 10
    assert shares[-1] > 0.8
    assert video_info(tmp_path / "film.mp4").duration == pytest.approx(0.4, abs=0.05)


def test_a_film_that_cannot_be_written_leaves_nothing_behind(analyser: FrameAnalyser, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="could not be written"):
        analyse_video(SAMPLE, analyser, end=0.2, annotated_video=tmp_path / "no" / "film.mp4")

    def fail(progress: VideoProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analyse_video(SAMPLE, analyser, end=0.2, annotated_video=tmp_path / "film.mp4", on_progress=fail)
    assert not [*tmp_path.iterdir()]


def test_stretches_begin_at_whole_multiples_of_their_length() -> None:
    times = [float(Fraction(number, 10)) for number in range(10)]
    assert [stretch_number(time) for time in times] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
