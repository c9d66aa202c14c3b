"""What a stored model costs to keep and to run: parameters, multiply-adds, bytes, time and memory.

Keras is loaded only inside a measurement, so that reading a card stays light.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fer_core.errors import ModelError
from fer_core.evaluation.hardware import hardware, peak_megabytes_of
from fer_core.models.counting import multiply_adds
from fer_core.store.card import ModelCard
from fer_core.store.store import ModelStore, StoredModel
from fer_core.vision.expression import FaceNetwork, load_network

PREDICTIONS = 5000
"""Faces of the timed series, as the authors of the comparison's table timed theirs."""
SINGLE_CALLS = 200
"""Single faces whose median time is taken."""
WARM_UP_CALLS = 5
LONGEST_SERIES = 20.0
"""Seconds after which the single calls end early: what is that slow needs fewer of them."""


def measure_costs(model: StoredModel, predictions: int = PREDICTIONS, calls: int = SINGLE_CALLS) -> dict[str, Any]:
    """Measure a stored model on this machine, which should have nothing else to do.

    Args:
        model: what its folder lacks is left out: without a LiteRT file its times. A missing Keras file is stood in for
            by an untrained network of the same architecture, which costs the same, where that has as many parameters. An
            ensemble is measured running its members; its multiply-adds are the sum of theirs, where all cards have them.
        predictions: random faces in the timed series.
        calls: single faces that are timed one by one.

    Returns:
        Plain data: ``parameters``; ``multiply_adds`` of one face, see :func:`multiply_adds`; ``bytes`` by file;
        ``milliseconds_per_face`` of the ``int8`` network, the median of single faces on one thread;
        ``seconds_for_predictions`` with the number of ``faces``, for ``keras`` in batches of 256 on all cores, and
        for ``int8`` on one thread in the pages' batches; ``peak_megabytes`` of a fresh process that loads and
        runs the ``int8`` file or files, beside that of the ``interpreter`` alone; ``hardware``.
    """
    costs: dict[str, Any] = {"parameters": model.card.parameters, "bytes": model.file_bytes, "hardware": hardware()}
    seconds: dict[str, Any] = {"faces": predictions}
    side = model.card.input_size
    faces = np.random.default_rng(0).integers(0, 256, (predictions, side, side), np.uint8)
    costs["milliseconds_per_face"] = {}
    if model.has_litert:
        network = load_network(model)
        costs["milliseconds_per_face"]["int8"] = _milliseconds_per_face(network, faces, calls)
        started = time.perf_counter()
        network.predict(faces)
        seconds["int8"] = round(time.perf_counter() - started, 3)
        costs["peak_megabytes"] = {
            "int8": round(peak_megabytes_of(*model.litert_paths()), 1),
            "interpreter": round(peak_megabytes_of(), 1),
        }
    of_members = [member.card.costs.get("multiply_adds") for member, _ in model.members()]
    if of_members and None not in of_members:
        costs["multiply_adds"] = sum(of_members)
    keras_network = None if of_members else _keras_network(model)
    if keras_network is not None:
        costs["multiply_adds"] = multiply_adds(keras_network, side)
        seconds["keras"] = _keras_seconds(keras_network, faces)
    return {**costs, "seconds_for_predictions": seconds}


def measure_store(store: ModelStore, names: Sequence[str] = ()) -> Iterator[ModelCard]:
    """Measure stored models, all if none is named, and write their cards; gives each new card once it is written.

    Raises:
        ModelError: there is no such model.
    """
    models = [store.load(name) for name in names or store.names()]
    for model in sorted(models, key=lambda model: bool(model.card.members)):  # ensembles sum up what their members cost
        card = replace(model.card, costs=measure_costs(model))
        store.save_card(card)
        yield card


def _milliseconds_per_face(network: FaceNetwork, faces: np.ndarray, calls: int) -> float:
    for number in range(WARM_UP_CALLS):
        network.predict(faces[number % len(faces)][None])
    times: list[float] = []
    series_ends = time.perf_counter() + LONGEST_SERIES
    while len(times) < calls and (not times or time.perf_counter() < series_ends):
        face = faces[len(times) % len(faces)][None]
        started = time.perf_counter()
        network.predict(face)
        times.append((time.perf_counter() - started) * 1e3)
    return round(statistics.median(times), 3)


def _keras_seconds(model: Any, faces: np.ndarray) -> float:
    from fer_core.models.prediction import EVALUATION_BATCH, predict_logits

    predict_logits(model, faces[:EVALUATION_BATCH])  # the first call also traces the graph
    started = time.perf_counter()
    predict_logits(model, faces)
    return round(time.perf_counter() - started, 3)


def _keras_network(model: StoredModel) -> Any:
    import keras

    if model.has_keras:
        return keras.saving.load_model(model.keras_path, compile=False, safe_mode=True)
    from fer_core.models import get_architecture

    try:
        network = get_architecture(model.card.architecture).build(model.card.label_sets, model.card.input_size)
    except ModelError:
        return None
    return network if network.count_params() == model.card.parameters else None
