"""The speed of video analysis, with and without the annotated video, and how memory depends on the length.

The video repeats the sample clip at 640x480 and 25 frames a second, so that every frame shows one moving person. Each
measurement runs in a new process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import pandas as pd

from fer_core.evaluation.hardware import peak_megabytes
from fer_core.media.sample_clip import FRAMES_PER_SECOND, SAMPLE_CLIP
from fer_core.storage import ARTIFACTS

SHORT_MINUTES, LONG_MINUTES = 1.0, 10.0
WANTED_SPEED, WANTED_SPEED_WITH_VIDEO = 4.0, 2.0
"""Times real time on two cores."""
MAX_GROWTH = 50.0
"""Additional megabytes allowed for the long video."""


def video_speed(model: str, short: float = SHORT_MINUTES, long: float = LONG_MINUTES) -> str:
    """A table of frames a second, times real time and peak memory, and the additional memory of the long video.

    Args:
        model: name of a stored model.
        short: minutes of the video whose speed is measured.
        long: minutes of the video whose memory is compared with the short one's; 0 leaves it out.
    """
    with tempfile.TemporaryDirectory() as folder:
        videos = {minutes: Path(folder, f"{minutes:g}.mp4") for minutes in (short, long) if minutes}
        for minutes, path in videos.items():
            write_loop(path, minutes)
        rows = [measured(videos[short], model, short, with_video) for with_video in (False, True)]
        if long:
            rows.append(measured(videos[long], model, long, False))
    lines = [pd.DataFrame(rows).to_string(index=False)]
    lines.append(f"wanted on two cores: {WANTED_SPEED:g} times real time, {WANTED_SPEED_WITH_VIDEO:g} with the video")
    if long:
        growth = float(str(rows[2]["peak MB"])) - float(str(rows[0]["peak MB"]))
        lines.append(f"{long:g} minutes need {growth:+.0f} MB more than {short:g} (at most {MAX_GROWTH:g} wanted)")
    return "\n".join(lines)


def write_loop(path: Path, minutes: float) -> None:
    """Write the sample clip repeatedly, packet by packet, to the given length."""
    left = round(minutes * 60 * FRAMES_PER_SECOND)
    with av.open(str(path), "w") as video:
        written = 0
        while left:
            with av.open(str(SAMPLE_CLIP)) as clip:
                if not written:
                    stream = video.add_stream_from_template(clip.streams.video[0])
                packets = [packet for packet in clip.demux(video=0) if packet.size][:left]
                shift = round(Fraction(written, FRAMES_PER_SECOND) / packets[0].time_base)
                for packet in packets:
                    assert packet.pts is not None
                    assert packet.dts is not None
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                    video.mux(packet)
            written, left = written + len(packets), left - len(packets)


def measured(path: Path, model: str, minutes: float, with_video: bool) -> dict[str, object]:
    """A row of the table: one video, analysed in a process of its own."""
    command = [sys.executable, "-m", __name__, str(path), model, "film" if with_video else "plain"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ARTIFACTS.parent)
    metrics = json.loads(done.stdout)
    return {"minutes": minutes, **speed_row(with_video, metrics["frames"], metrics["seconds"], metrics["megabytes"])}


def speed_row(with_video: bool, frames: int, seconds: float, megabytes: float) -> dict[str, object]:
    """The columns for speed and memory of an analysis."""
    return {
        "annotated film": "yes" if with_video else "no",
        "frames": frames,
        "seconds": round(seconds, 1),
        "frames/s": round(frames / seconds, 1),
        "times real time": round(frames / FRAMES_PER_SECOND / seconds, 2),
        "peak MB": round(megabytes),
    }


def measure(path: Path, model: str, with_video: bool) -> None:
    """Analyse a video and print frames, seconds and the peak memory of this process as JSON."""
    from fer_core.analysis.pipeline import FrameAnalyser
    from fer_core.video.analysis import analyse_video

    analyser = FrameAnalyser.from_store([model])
    analyse_video(path, analyser, end=1.0)  # loads what each thread needs
    started = time.perf_counter()
    found = analyse_video(path, analyser, annotated_video=path.with_suffix(".drawn.mp4") if with_video else None)
    seconds = time.perf_counter() - started
    print(json.dumps({"frames": found.frames, "seconds": seconds, "megabytes": peak_megabytes()}))


if __name__ == "__main__":
    measure(Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "film")
