"""The time of a stream's frame on one thread: everyone read in every frame, or scheduled as in live streams."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks.landmarks import frame_of_five
from benchmarks.synthetic_scenes import webcam_frame
from fer_core.analysis.frame import AttributeLevel
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.analysis.stream import StreamMemory

FRAMES = 300
"""Ten seconds of a stream."""
WARM_UP = 30
RATE = 30.0
SWAY = 6
"""Pixels by which the picture moves to either side."""


def stream_speed(model: str, frames: int = FRAMES) -> str:
    """Milliseconds a frame of 640x480 with one and with five faces: mean, 95th percentile, and each step's mean.

    ``grows by`` is the mean of the last third of the frames minus that of the first.
    """
    cv2.setNumThreads(1)
    analyser = FrameAnalyser.from_store([model])
    rows = []
    with threadpool_limits(1, user_api="blas"):
        for faces, frame in ((1, webcam_frame()), (5, frame_of_five())):
            for attribute_level in (AttributeLevel.NONE, AttributeLevel.ATTENTION):
                for scheduled in (False, True):
                    memory = StreamMemory(scheduled=scheduled)
                    rows.append(
                        {
                            "faces": faces,
                            "landmarks, irises, pose, gaze": "yes"
                            if attribute_level is AttributeLevel.ATTENTION
                            else "no",
                            "looked at": "in turns" if scheduled else "every frame",
                            **_play(analyser, frame, memory, attribute_level, frames),
                        }
                    )
    table = pd.DataFrame(rows)
    every = table.groupby(["faces", "landmarks, irises, pose, gaze"])["ms"].transform("max")
    table.insert(4, "times faster", (every / table["ms"]).round(1))
    return table.round(2).to_string(index=False)


def _play(
    analyser: FrameAnalyser, frame: np.ndarray, memory: StreamMemory, attribute_level: AttributeLevel, frames: int
) -> dict[str, float]:
    times, steps = [], []
    for number in range(frames + WARM_UP):
        moved = np.roll(frame, round(SWAY * np.sin(number / 10)), axis=1)
        started = time.perf_counter()
        analysis = analyser.analyse(moved, number / RATE, memory, attribute_level)
        times.append((time.perf_counter() - started) * 1e3)
        steps.append(analysis.milliseconds)
    times, steps = times[WARM_UP:], steps[WARM_UP:]
    third = max(1, frames // 3)
    return {
        "ms": float(np.mean(times)),
        "95th percentile": float(np.percentile(times, 95)),
        "grows by": float(np.mean(times[-third:]) - np.mean(times[:third])),
        **{step: float(np.mean([each[step] for each in steps])) for step in steps[0]},
    }
