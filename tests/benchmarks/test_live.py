"""Frame numbers survive the whole way there and back; rates and delay tell of an analysis that takes its time."""

import math
import time
from mmap import mmap

import av
import numpy as np
import pytest
from aiortc.codecs.vpx import Vp8Decoder, Vp8Encoder
from aiortc.jitterbuffer import JitterFrame

from benchmarks import live as live_benchmark
from benchmarks.live import (
    LiveRun,
    PeerFrames,
    StepTime,
    draw_number,
    encode_clip,
    read_number,
    resident_megabytes,
    serve_live,
)
from fer_core.analysis.frame import FrameAnalysis
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.errors import FerError
from fer_core.media.sample_clip import SAMPLE_CLIP
from fer_core.media.video_reader import read_frames
from fer_core.media.video_writer import write_video

SLOW = 0.1
"""Seconds."""


class SlowAnalyser:
    """Takes its time and finds nobody."""

    def analyse(self, frame, timestamp=0.0, memory=None, attribute_level=None):
        time.sleep(SLOW)
        return FrameAnalysis(timestamp, frame.shape[1], frame.shape[0], "none", ())


@pytest.fixture(scope="module")
def clip() -> list[np.ndarray]:
    return [frame for _, frame in read_frames(SAMPLE_CLIP)]


def test_a_number_is_read_through_both_codecs_and_below_every_layer(clip):
    session = live_benchmark._session(FrameAnalyser.from_store(["senet"]))
    ingoing, outgoing, incoming = Vp8Decoder(), Vp8Encoder(), Vp8Decoder()
    packets = encode_clip(clip[:100:5])
    read = []
    for number, packet in enumerate(packets):
        (frame,) = ingoing.decode(JitterFrame(packet, number * 3000))
        picture = session.process(frame.to_ndarray(format="bgr24"), number / 30)  # type: ignore[attr-defined]
        annotated = av.VideoFrame.from_ndarray(picture, format="bgr24")
        annotated.pts, annotated.time_base = frame.pts, frame.time_base
        payloads, _ = outgoing.encode(annotated)
        # Every payload begins with a descriptor of four bytes.
        (back,) = incoming.decode(JitterFrame(b"".join(payload[4:] for payload in payloads), number * 3000))
        read.append(read_number(back.to_ndarray(format="gray")))  # type: ignore[attr-defined]
    assert session.snapshot(20 / 30).analysis.faces[0].attributes is not None, "every layer is on"
    assert read == list(range(20))


@pytest.mark.parametrize("number", [0, 1, 255, 256, 0xAAAA, 0xFFFF])
def test_a_number_is_read_as_drawn_and_not_where_a_bit_is_lost(number):
    frame = np.full((480, 640, 3), 90, np.uint8)
    assert read_number(frame[..., 0]) is None
    draw_number(frame, number)
    assert read_number(frame[..., 0]) == number
    frame[-16:, 32:48] = 255 - frame[-16:, 32:48]
    assert read_number(frame[..., 0]) is None


def test_a_peer_gets_its_frames_back_and_what_the_analysis_takes_shows_in_rate_and_delay(clip, tmp_path):
    video = tmp_path / "film.mp4"
    write_video(video, clip[:90], fps=30)
    run = serve_live(SlowAnalyser(), seconds=1.5, clip=video, warm_up=0.2)
    (analysed,), (peer,) = run.analysed, run.peers
    assert run.analysis.wall >= SLOW * 1e3 > 5 * run.analysis.processor, "it sleeps"
    assert 0 < analysed <= 1.1 / SLOW
    assert 0 < peer.returned <= 1.5 / SLOW
    assert peer.repeated == 0, "no frame is sent twice"
    assert peer.delays.min() > SLOW * 1e3
    steps = run.decoding.wall + run.analysis.wall + run.encoding.wall
    assert np.median(peer.delays) < 9 * steps, "a frame waits for few others, at any speed of the machine"
    assert run.decoding.wall > 0
    assert 0 < run.encoding.processor <= run.encoding.wall
    assert 0 < run.cores < 4
    assert run.memory_after_minute is None
    assert 50 < run.memory <= run.peak_memory
    assert Vp8Encoder.encode.__qualname__ == "Vp8Encoder.encode", "the timers are gone"


def test_the_table_tells_how_memory_grew():
    peers = [PeerFrames(20.0, 1.0, 0.0, np.array([80.0, 90.0, 200.0])), PeerFrames(10.0, 3.0, 0.0, np.array([100.0]))]
    run = LiveRun(peers, [21.0, 11.0], StepTime(1, 1), StepTime(20, 15), StepTime(8, 7), 1.25, 300.0, 312.5, 320.0)
    rows = dict(line.rsplit(maxsplit=1) for line in str(run).splitlines())
    rows = {name.strip(): value for name, value in rows.items()}
    assert (rows["analysed/s, min"], rows["returned/s, min"], rows["analysis ms"]) == ("11", "10", "20")
    assert (rows["delay ms, median"], rows["growth"], rows["peak"]) == ("95", "12.5", "320")


def test_a_run_in_which_nothing_came_back_says_so():
    nothing = StepTime(math.nan, math.nan)
    run = LiveRun([PeerFrames(0.0, 0.0, 0.0, np.array([]))], [0.0], nothing, nothing, nothing, 0.1, None, 300.0, 300.0)
    ends = {line.split()[-2]: line.split()[-1] for line in str(run).splitlines()}
    assert ends["95%"] == ends["growth"] == "-"
    assert "analysis ms - " in " ".join(str(run).split())


def test_no_peers_are_refused_in_words():
    with pytest.raises(FerError, match="at least one"):
        serve_live(SlowAnalyser(), peers=0)


def test_memory_that_is_taken_is_resident():
    before = resident_megabytes()
    with mmap(-1, 40 * 2**20) as taken:  # fresh pages: an array may be made of what was freed before
        taken.write(b"1" * len(taken))
        assert resident_megabytes() - before > 35
