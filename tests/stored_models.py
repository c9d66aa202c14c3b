"""Models that tests make up: predictions without a network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from scipy.special import softmax

from fer_core.datasets import Split
from fer_core.evaluation.cards import evaluated
from fer_core.evaluation.ensembles import build_ensemble
from fer_core.labels import CKPLUS, FER2013, FER2013_FIVE, FERPLUS, LabelSet
from fer_core.store.decision import plain_rule
from fer_core.store.predictions import Network, Predictions
from fer_core.store.store import ModelStore, StoredModel

FACES = 400


def made_up_predictions(
    head: LabelSet = FER2013,
    skill: float = 2.0,
    seed: int = 0,
    splits: tuple[Split, ...] = (Split.VALIDATION, Split.TEST),
    networks: tuple[Network, ...] = (Network.INT8, Network.FLOAT, Network.MIRRORED),
) -> Predictions:
    """Answers of one head, better with more skill; the faces are the same whatever the seed."""
    rng = np.random.default_rng(seed)
    probabilities, labels, train_duplicates = {}, {}, {}
    for split in splits:
        truth = np.random.default_rng(list(Split).index(split)).integers(0, len(head), FACES)
        for network in networks:
            logits = rng.normal(size=(FACES, len(head)))
            logits[np.arange(FACES), truth] += skill
            probabilities[network, split, head.name] = softmax(logits, axis=-1).astype(np.float32)
        labels[split, head.name] = truth.astype(np.int8)
        train_duplicates[split] = np.arange(FACES) < 100
    return Predictions(probabilities, labels, train_duplicates)


MakeUp = Callable[..., StoredModel]


def maker(store: ModelStore, shipped: StoredModel) -> MakeUp:
    """``make(name, head=..., ...)`` puts a model of made-up predictions, without weights, into the store."""

    def make(name: str, head: LabelSet = FER2013, predictions: Predictions | None = None, **fields) -> StoredModel:
        predictions = predictions or made_up_predictions(head)
        card = replace(
            shipped.card, name=name, heads=(head.name,), answers=(plain_rule(head),), costs={}, figures={}, **fields
        )
        return store.save(evaluated(card, predictions), None, None, shipped.history(), predictions)

    return make


@pytest.fixture
def made_up(shipped: StoredModel, tmp_path: Path) -> MakeUp:
    """See :func:`maker`; into a store of the test."""
    return maker(ModelStore(tmp_path), shipped)


@pytest.fixture(scope="session")
def mixed_models(shipped: StoredModel, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """What :func:`mixed_store` is a copy of."""
    store = ModelStore(tmp_path_factory.mktemp("mixed"))
    made_up = maker(store, shipped)
    made_up("weak", predictions=made_up_predictions(skill=1.8, seed=1), title="SE-ResNet")
    made_up("strong", predictions=made_up_predictions(skill=2.0, seed=2), title="SE-ResNet")
    made_up("five", FER2013_FIVE, title="SE-ResNet")
    made_up("plus", FERPLUS, made_up_predictions(FERPLUS, skill=1.0), title="ResNet50")
    ck = made_up_predictions(CKPLUS, skill=4.0, splits=(Split.TEST,), networks=(Network.FLOAT, Network.INT8))
    folds = made_up_predictions(CKPLUS, skill=3.0, splits=(Split.CROSS_VALIDATION,), networks=(Network.FLOAT,))
    both = Predictions({**ck.probabilities, **folds.probabilities}, {**ck.labels, **folds.labels}, {})
    titles = {"split_titles": {"test": "random 30%", "cross-validation": "10 folds by subject"}}
    made_up("ck", CKPLUS, both, title="ResNet50", data={"dataset": "CK+", **titles})
    store.save_card(replace(made_up("bare", title="Bare").card, figures={}))
    for name in store.names():
        (store.folder / name / "model.int8.tflite").symlink_to(shipped.litert_path)
    build_ensemble(store, "pair", ["weak", "strong"])
    return store


@pytest.fixture
def mixed_store(mixed_models: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelStore]:
    """The store of the pages for the length of a test, of models that answer in different classes; all can be chosen.

    ``weak`` and ``strong`` share a title and answer in FER2013's seven classes, ``pair`` is their ensemble, ``five``
    answers in five classes, ``plus`` in FER+'s, ``ck`` in CK+'s without a validation split, and ``unmasked`` was not
    measured.
    """
    shutil.copytree(mixed_models.folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    store = ModelStore(tmp_path)
    monkeypatch.setattr("fer_core.store.store.DEFAULT_STORE", store.folder)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield store
    st.cache_data.clear()
    st.cache_resource.clear()
