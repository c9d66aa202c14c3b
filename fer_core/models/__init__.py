"""The registry of network architectures: one decorated function each, with its configuration beside it.

Every architecture maps a grey face ``(N, S, S, 1)`` of float pixels in 0..255 to a dictionary of logits, one entry
per head, keyed by the name of the head's label set. Pixel scaling is part of the network, so that whoever feeds it
only has to cut out the face.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import keras

from fer_core.emotions import LabelSet
from fer_core.errors import ModelError


@dataclass(frozen=True)
class ArchitectureConfig:
    """What is fixed about an architecture, whatever data it is trained on."""

    name: str
    title: str
    input_size: int
    """Side of the square input in pixels."""
    reference: str
    """The paper the architecture follows."""
    summary: str
    """One sentence for the people who choose a model."""


class Backbone(Protocol):
    """Turns a scaled image tensor ``(N, S, S, 1)`` into a feature vector ``(N, F)``."""

    def __call__(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """Features of an image."""
        ...


@dataclass(frozen=True)
class Architecture:
    """A registry entry."""

    config: ArchitectureConfig
    backbone: Backbone

    def build(self, heads: tuple[LabelSet, ...], input_size: int | None = -1) -> keras.Model:
        """An untrained network with one dense head of logits per label set.

        Args:
            heads: label sets to answer in; the first is the main one.
            input_size: side of the input in pixels; the architecture's own if left out, any size if ``None``.

        Returns:
            A functional model ``(N, S, S, 1) float in 0..255 -> {label set name: (N, classes) float32 logits}``.
        """
        side = self.config.input_size if input_size == -1 else input_size
        image = keras.Input((side, side, 1), name="face")
        scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(image)
        features = self.backbone(scaled)
        logits = {
            head.name: keras.layers.Dense(len(head), dtype="float32", name=head.name.replace("-", "_"))(features)
            for head in heads
        }
        return keras.Model(image, logits, name=self.config.name)


_REGISTRY: dict[str, Architecture] = {}


def register_architecture(config: ArchitectureConfig) -> Callable[[Backbone], Backbone]:
    """Enter the decorated backbone function into the registry under ``config.name``."""

    def enter(backbone: Backbone) -> Backbone:
        if config.name in _REGISTRY:
            raise ValueError(f"two architectures are called {config.name!r}")
        _REGISTRY[config.name] = Architecture(config, backbone)
        return backbone

    return enter


def list_architectures() -> list[str]:
    """Names of all architectures, sorted."""
    return sorted(_REGISTRY)


def get_architecture(name: str) -> Architecture:
    """The registry entry called ``name``; raises :class:`ModelError` if there is none."""
    if name not in _REGISTRY:
        raise ModelError(f"There is no architecture {name!r}; known are {', '.join(list_architectures())}.")
    return _REGISTRY[name]


for _module in pkgutil.iter_modules(__path__):
    if not _module.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_module.name}")
