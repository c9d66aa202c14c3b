"""Speed of one frame, of reading FER2013 and of browsing faces, and the accuracy of the whole pipeline."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks.synthetic_scenes import FOUND_OVERLAP, noise_faces, pasted_scenes, webcam_frame
from fer_core.analysis.pipeline import FrameAnalyser
from fer_core.curation.browse import FaceFilter, FaceOrder, Pages, find_rows, sheet
from fer_core.datasets import FaceDataset, Split, read_dataset
from fer_core.errors import DatasetError
from fer_core.evaluation.hardware import peak_megabytes
from fer_core.labels import FER2013, FER2013_FIVE, FERPLUS
from fer_core.storage import CACHE_VARIABLE
from fer_core.store.store import ModelStore
from fer_core.vision.detection.registry import DEFAULT_DETECTOR, DETECTORS
from fer_core.vision.expression import ExpressionClassifier

REPEATS = 200
MAX_SERIES_SECONDS = 4.0
"""Seconds after which a series of repeats ends early."""
FER2013_FACES = 35_887
PRIVATE_FACES = 3589
PAGE_SIZE = 120
BROWSING_REPEATS = 30


def _table(rows: Sequence[dict[str, object]]) -> str:
    return pd.DataFrame(rows).to_string(index=False)


def _table_with_ratios(rows: Sequence[dict[str, object]], time_column: str) -> str:
    table = pd.DataFrame(rows)
    table["times faster"] = (table[time_column].max() / table[time_column]).round(1)
    return table.to_string(index=False)


def frame_speed(model: str, repeats: int = REPEATS) -> str:
    """Median milliseconds of one 640x480 frame with one face on one thread, by detector."""
    cv2.setNumThreads(1)
    frame = webcam_frame()
    rows: list[dict[str, object]] = []
    for detector in DETECTORS:
        analyser = FrameAnalyser.from_store([model], detector)
        times: list[float] = []
        steps: dict[str, list[float]] = {}
        series_ends = time.perf_counter() + MAX_SERIES_SECONDS
        for number in range(repeats + 5):
            if number > 25 and time.perf_counter() > series_ends:
                break
            started = time.perf_counter()
            analysis = analyser.analyse(frame)
            times.append((time.perf_counter() - started) * 1e3)
            for step, value in analysis.milliseconds.items():
                steps.setdefault(step, []).append(value)
        rows.append(
            {
                "detector": detector,
                "network": "int8",
                "faces": len(analysis),
                "median ms": round(statistics.median(times[5:]), 2),
                **{f"{step} ms": round(statistics.median(values[5:]), 2) for step, values in steps.items()},
            }
        )
    return _table_with_ratios(rows, "median ms")


def reading_speed(csv: Path) -> str:
    """Seconds and peak memory of reading FER2013's unpacked csv: first, from the cache, and with pandas."""
    if not csv.is_file() or csv.suffix != ".csv":
        raise DatasetError(f"{csv}: benchmark reading needs the unpacked fer2013.csv.")
    with tempfile.TemporaryDirectory() as cache:
        rows = [
            _in_new_process("fer_core, first read", _read_here, csv, cache),
            _in_new_process("fer_core, from the cache", _read_here, csv, cache),
            _in_new_process("pandas with str.split", _read_with_pandas, csv, cache),
        ]
    return _table_with_ratios(rows, "seconds")


def _read_here(csv: Path) -> None:
    read_dataset(csv)


def _read_with_pandas(csv: Path) -> None:
    frame = pd.read_csv(csv)
    np.stack([np.array(pixels.split(), np.uint8).reshape(48, 48) for pixels in frame["pixels"]])


def _in_new_process(label: str, read: Callable[[Path], None], csv: Path, cache: str) -> dict[str, object]:
    """Measure one reader in a new process, so that peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(read, csv, cache, theirs))
    process.start()
    seconds, megabytes = ours.recv()
    process.join()
    return {"reading": label, "seconds": round(seconds, 2), "peak MB": round(megabytes)}


def _measure(read: Callable[[Path], None], csv: Path, cache: str, answer) -> None:  # type: ignore[no-untyped-def]
    os.environ[CACHE_VARIABLE] = cache
    started = time.perf_counter()
    read(csv)
    seconds = time.perf_counter() - started
    answer.send((seconds, peak_megabytes()))


def browsing_speed(data: Path | None = None) -> str:
    """Milliseconds from a changed filter to the image of its first page, and peak memory of the process.

    Args:
        data: FER2013; without it, as many faces of noise, which compress worse.
    """
    dataset = read_dataset(data) if data else noise_faces(FER2013_FACES)
    losses = np.random.default_rng(0).exponential(1.0, len(dataset))
    filters = {
        "no filter": FaceFilter(FER2013),
        "two classes of one split": FaceFilter(FER2013, (0, 3), (str(Split.TEST),)),
        "one class of five": FaceFilter(FER2013_FIVE, (1,)),
        "largest loss first": FaceFilter(FER2013, (2,), loss=(0.5, 3.0), order=FaceOrder.LOSS),
    }
    if dataset.votes is not None:
        filters["FER+ class, agreement"] = FaceFilter(FERPLUS, (0,), agreement=(0.5, 0.9))
        filters["most disputed first"] = FaceFilter(FERPLUS, order=FaceOrder.DISPUTED)
    rows: list[dict[str, object]] = []
    for name, wanted in filters.items():
        times, size = [], 0
        for _ in range(BROWSING_REPEATS):
            started = time.perf_counter()
            pages = Pages(find_rows(dataset, wanted, losses), PAGE_SIZE)
            size = len(sheet(dataset.images[pages.page(1)]))
            times.append((time.perf_counter() - started) * 1e3)
        rows.append(
            {
                "filter": name,
                "faces": len(pages.rows),
                "median ms": round(statistics.median(times), 1),
                "worst ms": round(max(times), 1),
                "kB sent": round(size / 1e3),
            }
        )
    return f"{_table(rows)}\n{dataset.name}, {len(dataset):,} faces; peak memory {peak_megabytes():.0f} MB"


def scenes(data: Path, model: str, faces: int = PRIVATE_FACES, detectors: Sequence[str] | None = None) -> str:
    """The whole pipeline on known labels: PrivateTest faces enlarged into 640x480 scenes, against the faces themselves.

    Each face stands at a random place in a grey scene, enlarged to 96, 144 or 192 pixels. A face is found if a crop
    overlaps the pasted square; a face that is not found counts as an error.
    """
    dataset = read_dataset(data).split(Split.TEST)
    dataset = dataset.take(np.arange(min(faces, len(dataset))))
    stored = ModelStore().load(model)
    classifier = ExpressionClassifier(stored)
    direct = np.array([classifier.rule.label_set.index(s.top) for s in classifier.classify(dataset.images)])
    rows: list[dict[str, object]] = [
        {
            "way": "faces given directly",
            "side px": 48,
            "found": 1.0,
            "accuracy": round(float((direct == dataset.labels).mean()), 4),
        }
    ]
    for detector in detectors or (DEFAULT_DETECTOR,):
        analyser = FrameAnalyser.from_store([model], detector)
        for side in (192, 144, 96):
            rows.append({"way": f"scene, {detector}", **_scene_metrics(analyser, dataset, side, rows[0]["accuracy"])})
    return f"{model}, answer {classifier.rule.name}, {len(dataset)} PrivateTest faces on 640x480 scenes\n" + _table(
        rows
    )


def _scene_metrics(analyser: FrameAnalyser, dataset: FaceDataset, side: int, direct: object) -> dict[str, object]:
    found = right = 0
    for (truth, scene), label in zip(pasted_scenes(dataset.images, side), dataset.labels, strict=True):
        analysis = analyser.analyse(scene)
        best = max(analysis, key=lambda face: face.crop_box.intersection_over_union(truth), default=None)
        if best is None or best.crop_box.intersection_over_union(truth) < FOUND_OVERLAP:
            continue
        found += 1
        right += best.scores[0].label_set.index(best.scores[0].top) == label
    accuracy = right / len(dataset)
    return {
        "side px": side,
        "found": round(found / len(dataset), 4),
        "accuracy": round(accuracy, 4),
        "points under direct": round((float(str(direct)) - accuracy) * 100, 2),
    }
