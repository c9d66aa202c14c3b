"""Mean Grad-CAM over the faces of a class: where a network looks for it on the whole, not on one face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import streamlit as st

from fer_core.app.common.cached_data import cached_dataset
from fer_core.app.common.page import errors_in_words
from fer_core.app.common.widgets import pick
from fer_core.app.feature_maps.images import OVERLAY_SIDE
from fer_core.app.feature_maps.networks import OpenNetwork
from fer_core.datasets import FaceDataset
from fer_core.datasets.dataset import Split
from fer_core.errors import DatasetError, ModelError
from fer_core.evaluation.scored import images_behind, reported, rules_in, score_split
from fer_core.explain.attention import FaceRegion, attribution_shares
from fer_core.explain.methods import running_class_activation
from fer_core.explain.overlay import overlay
from fer_core.labels import LabelSet
from fer_core.store.store import StoredModel

FACES = (16, 32, 64, 128)
"""Numbers of faces that a mean can be taken over."""
SEED = 0
"""Of the choice of faces."""

_RESULTS = "feature-maps-means"
_DATA = "feature-maps-data"


@dataclass(frozen=True)
class _Mean:
    faces: int
    """How many are in."""
    wanted: int
    """How many were asked for."""
    cam: np.ndarray
    """``(S, S) float32``."""
    face: np.ndarray
    """The mean of all faces asked for, ``(S, S) uint8``."""


def mean_section(networks: Sequence[OpenNetwork], head: LabelSet, class_index: int, strength: float) -> None:
    """Ask for the raw data, take the mean over a class of the test set, and show it.

    Args:
        networks: those chosen.
        head: the classes asked about.
        class_index: the class.
        strength: opacity of the colour, 0..1.
    """
    emotion = str(head.emotions[class_index])
    st.subheader(f"Over many {emotion} faces")
    st.markdown(
        f"The mean of the Grad-CAMs over {emotion} faces of the test set, over the mean of those faces. It shows a habit "
        "of the network, which need not hold for a single face. It needs the raw data, which is not shipped."
    )
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    path = left.text_input(
        "Path of the data set",
        key=_DATA,
        placeholder="fer2013.csv, CK+48.zip or a folder",
        help="On the computer that this studio runs on. It is only read, nothing is copied into the store.",
        persist_state="page",
    )
    count = pick("Faces", FACES, "feature-maps-mean-faces", default=64, place=right, persist_state="page")
    question = (path.strip(), head.name, class_index, count, tuple(network.stamp for network in networks))
    asked, results = st.session_state.get(_RESULTS, (None, {}))
    if st.button("Take the mean", disabled=not path.strip(), key="feature-maps-mean-start"):
        asked, results = question, {}
        st.session_state[_RESULTS] = (asked, results)
        with errors_in_words(stop=False):
            _take_means(networks, head, class_index, path.strip(), count, results)
    if asked == question and results:
        _show_means(networks, results, strength)


def _take_means(
    networks: Sequence[OpenNetwork],
    head: LabelSet,
    class_index: int,
    path: str,
    count: int,
    results: dict[str, _Mean],
) -> None:
    """Fill ``results`` step by step, so that a stopped run leaves what it has."""
    place = st.empty()
    with place.container():
        bar = st.progress(0.0, "Reading the data…")
        st.button("Stop", key="feature-maps-mean-stop", help="Keeps the mean of the faces that are in.")
    faces = {n.name: _faces_of(n.stored, head, class_index, cached_dataset(path), count) for n in networks}
    total = sum(len(of_network) for of_network in faces.values())
    before = 0
    for network in networks:
        own = faces[network.name]
        mean_face = np.rint(own.mean(axis=0)).astype(np.uint8)
        for done, cam in running_class_activation(network.model, own, head.name, class_index):
            results[network.name] = _Mean(done, len(own), cam, mean_face)
            # Pressing Stop ends the run of the page here.
            bar.progress((before + done) / total, f"{network.title}: {done} of {len(own)} faces")
        before += len(own)
    place.empty()


def _faces_of(model: StoredModel, head: LabelSet, class_index: int, dataset: FaceDataset, count: int) -> np.ndarray:
    """At most ``count`` faces of a class that the model was evaluated on, ``(N, S, S) uint8``, the same at every call.

    Raises:
        DatasetError: these are not the faces that the model was evaluated on, or none of them is of the class.
        ModelError: the model was not evaluated in these classes.
    """
    rules = rules_in(model, head)
    if not rules:
        raise ModelError(
            f"{model.card.title} was not evaluated in {head.title}, so it has no test faces of these classes."
        )
    splits = reported(model, rules[0])
    scored = score_split(model, rules[0], Split.TEST if Split.TEST in splits else next(iter(splits)))
    images = images_behind(scored, model.card.seed, dataset)[scored.labels == class_index]
    if not len(images):
        raise DatasetError(f"None of these faces is {head.emotions[class_index]}; choose a class that has some.")
    rows = np.sort(np.random.default_rng(SEED).permutation(len(images))[:count])
    side = model.card.input_size
    return np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images[rows]])


def _show_means(networks: Sequence[OpenNetwork], results: dict[str, _Mean], strength: float) -> None:
    columns = st.columns(max(len(networks), 2), gap="medium")
    for column, network in zip(columns, networks, strict=False):
        mean = results.get(network.name)
        if mean is None:
            column.info(f"Stopped before {network.title}.")
            continue
        stopped = f", stopped before the other {mean.wanted - mean.faces}" if mean.faces < mean.wanted else ""
        largest = mean.cam.max() or 1.0
        column.image(
            overlay(mean.face, mean.cam / largest, strength, OVERLAY_SIDE),
            caption=f"{network.title}: mean over {mean.faces} faces{stopped}",
            width="stretch",
        )
        shares = attribution_shares(mean.cam)
        parts = ", ".join(f"{shares[part]:.0%} on {_PARTS[part]}" for part in FaceRegion)
        column.markdown(f"Of the map, {parts}.")


_PARTS = {FaceRegion.EYES: "eyes and brows", FaceRegion.MOUTH: "the mouth", FaceRegion.REST: "the rest"}
