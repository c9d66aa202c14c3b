"""Face crops to expressions through LiteRT; no TensorFlow on this path."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from fer_core.answers import AnswerRule, softmax
from fer_core.emotions import LABEL_SETS
from fer_core.errors import ModelError
from fer_core.model_store import Network, StoredModel
from fer_core.observations import ExpressionScores

# A crowd is worked through in pieces of this size, which bounds the memory of one call.
LARGEST_BATCH = 64


class FaceNetwork(Protocol):
    """What answers for face crops: one network, or several that are asked together."""

    input_size: int
    """Side S of a crop in pixels."""
    heads: tuple[str, ...]
    """Names of the label sets that it answers in."""

    def predict(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Probabilities of every head for ``(N, S, S) uint8`` grey crops: ``{head: (N, classes) float32}``."""
        ...


class LiteRTNetwork:
    """One ``.tflite`` file; calls from several threads take turns.

    Args:
        content: the flatbuffer, with a signature ``face (N, S, S, 1) float32 in 0..255 -> {head: logits}``.
        threads: CPU threads of one call.

    Raises:
        ModelError: the bytes are no LiteRT model, or its inputs and outputs are not those of this project.
    """

    def __init__(self, content: bytes, threads: int = 1) -> None:
        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._runner = self._interpreter.get_signature_runner("serving_default")
            shape = self._runner.get_input_details()["face"]["shape_signature"]
        except (ValueError, RuntimeError, KeyError) as error:
            raise ModelError(
                "The file is no LiteRT model of this project, expected face -> logits per head."
            ) from error
        self.input_size = int(shape[1])
        self.heads = tuple(self._runner.get_output_details())
        if len(shape) != 4 or shape[3] != 1 or any(head not in LABEL_SETS for head in self.heads):
            raise ModelError(
                f"The LiteRT model takes {tuple(shape)} and answers {', '.join(self.heads)}; expected (N, S, S, 1) "
                f"and heads out of {', '.join(LABEL_SETS)}."
            )
        self._lock = threading.Lock()

    def predict(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Probabilities of every head for ``(N, S, S) uint8`` grey crops: ``{head: (N, classes) float32}``."""
        parts = []
        for start in range(0, len(crops), LARGEST_BATCH):
            batch = crops[start : start + LARGEST_BATCH, ..., None].astype(np.float32)
            with self._lock:
                parts.append(self._runner(face=batch))
        return {
            head: softmax(np.concatenate([part[head] for part in parts]))
            if parts
            else np.empty((0, len(LABEL_SETS[head])), np.float32)
            for head in self.heads
        }


def pool_heads(answers: Sequence[Mapping[str, np.ndarray]], shares: Sequence[float]) -> dict[str, np.ndarray]:
    """The weighted mean of several networks' probabilities, head by head: a linear opinion pool (Stone 1961, sec. 2).

    Args:
        answers: per network, ``{head: (N, classes)}`` for the same faces.
        shares: of each network, above 0. One that lacks a head takes no part in it: the shares of those that have it
            are scaled to sum to one.

    Returns:
        ``{head: (N, classes) float32}``, rows summing to one, in the order of :data:`fer_core.emotions.LABEL_SETS`.
    """
    pooled = {}
    for head in LABEL_SETS:
        parts = [(answer[head], share) for answer, share in zip(answers, shares, strict=True) if head in answer]
        if parts:
            total = sum(share for _, share in parts)
            mean = sum(share / total * probabilities.astype(np.float64) for probabilities, share in parts)
            pooled[head] = np.asarray(mean, np.float32)
    return pooled


class EnsembleNetwork:
    """Several networks asked about the same crops, their heads pooled by :func:`pool_heads`.

    Args:
        networks: the members.
        shares: of each member, above 0.

    Raises:
        ModelError: the members take crops of different sizes.
    """

    def __init__(self, networks: Sequence[FaceNetwork], shares: Sequence[float]) -> None:
        sizes = sorted({network.input_size for network in networks})
        if len(sizes) != 1:
            raise ModelError(
                f"The networks of an ensemble take faces of {' and '.join(map(str, sizes))} pixels; expected one size."
            )
        self.input_size = sizes[0]
        self.heads = tuple(head for head in LABEL_SETS if any(head in network.heads for network in networks))
        self._networks, self._shares = tuple(networks), tuple(shares)

    def predict(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Probabilities of every head that a member has: ``(N, S, S) uint8 -> {head: (N, classes) float32}``."""
        return pool_heads([network.predict(crops) for network in self._networks], self._shares)


def load_network(model: StoredModel, network: Network = Network.INT8, threads: int = 1) -> FaceNetwork:
    """A stored model's network, or those of all members of an ensemble, ready to run.

    Args:
        model: from the store.
        network: which LiteRT file to run.
        threads: CPU threads of one call.

    Raises:
        ModelError: a file or a member is missing, or is no network of this project.
    """
    networks = [LiteRTNetwork(path.read_bytes(), threads) for path in model.litert_paths(network)]
    return EnsembleNetwork(networks, list(model.card.members.values())) if model.card.members else networks[0]


class ExpressionClassifier:
    """A stored model ready to answer for face crops.

    Args:
        model: from the store.
        answer: name of one of its card's answers; its default one if left out.
        network: which LiteRT file to run; of an ensemble, that of every member.
        threads: CPU threads of one call.

    Raises:
        ModelError: a file is missing, or does not answer what the card says.
    """

    def __init__(
        self, model: StoredModel, answer: str | None = None, network: Network = Network.INT8, threads: int = 1
    ) -> None:
        self.name = model.name
        self.rule: AnswerRule = model.card.answer(answer) if answer else model.card.default_answer
        self.masked_rule: AnswerRule | None = model.card.masked_answer(self.rule.name)
        self._network = load_network(model, network, threads)
        for rule in filter(None, (self.rule, self.masked_rule)):
            missing = [head for head in rule.head_weights if head not in self._network.heads]
            if missing:
                raise ModelError(
                    f"{model.name}: its {network} file answers {', '.join(self._network.heads)}, but its answer "
                    f"{rule.name!r} is made of {', '.join(missing)}; train or fetch the model anew."
                )
        self.input_size = self._network.input_size

    @property
    def mask_aware(self) -> bool:
        """Whether it learnt to read masked faces, and answers for them apart."""
        return self.masked_rule is not None

    def classify(self, crops: np.ndarray, masked: np.ndarray | None = None) -> list[ExpressionScores]:
        """One answer per crop.

        Args:
            crops: ``(N, S, S) uint8``.
            masked: ``(N,) bool``: which of them wear a mask; none if left out. It matters to mask-aware models alone.
        """
        heads = self._network.predict(crops)
        probabilities = self.rule.apply(heads)
        if self.masked_rule is not None and masked is not None and masked.any():
            probabilities[masked] = self.masked_rule.apply({head: p[masked] for head, p in heads.items()})
        return [ExpressionScores(self.name, self.rule.label_set, each) for each in probabilities]
