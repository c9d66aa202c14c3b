"""The registry of network architectures: one decorated function each, with its configuration beside it.

Every architecture maps a grey face ``(N, S, S, 1)`` of float pixels in 0..255 to a dictionary of logits, one entry
per head, keyed by the name of the head's label set. Scaling of pixel values and enlarging to the working size are part of
the network, so its input is just the cropped face.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras

from fer_core.errors import ModelError
from fer_core.labels import LABEL_SETS, LabelSet


@dataclass(frozen=True)
class ArchitectureConfig:
    """Properties of an architecture that do not depend on its training."""

    name: str
    title: str
    input_size: int
    """Side of the square grey input in pixels."""
    reference: str
    """The paper the architecture follows."""
    summary: str
    """One sentence for people who choose a model."""
    working_size: int | None = None
    """Side in pixels to which the network enlarges its input, on two cores; ``None`` for the input's own."""
    full_size: int | None = None
    """Its authors' side in pixels; ``None`` if that is the working size."""
    channels: int = 1
    """Colour channels of its layers' input; a grey face is repeated into three."""
    preprocessing: str = "pixels scaled to -1..1"
    """Preprocessing of pixels in 0..255 within the network."""
    imagenet: bool = False
    """Whether Keras publishes ImageNet weights for it."""


class Backbone(Protocol):
    """Turns an image tensor ``(N, S, S, 1)`` of pixels scaled to -1..1 into a feature vector ``(N, F)``."""

    __name__: str

    def __call__(self, image: keras.KerasTensor, weights: str | None = None) -> keras.KerasTensor:
        """Features of an image; ``weights`` is ``None``, ``"imagenet"`` or a file, for the networks Keras carries."""
        ...


@dataclass(frozen=True)
class Architecture:
    """A registry entry."""

    config: ArchitectureConfig
    backbone: Backbone

    def build(
        self,
        heads: tuple[LabelSet, ...],
        input_size: int | None = -1,
        working_size: int | None = None,
        weights: str | None = None,
    ) -> keras.Model:
        """A network with one dense head of logits per label set.

        Args:
            heads: label sets to answer in; the first is the main one.
            input_size: side of the input in pixels; the architecture's own if left out, any size if ``None``.
            working_size: side to which the input is enlarged; the architecture's own if left out.
            weights: ``None`` for random ones; ``"imagenet"`` or a file of such weights without top; or a ``.keras``
                file of this project, from which every layer of the same name and shape is copied, heads included.

        Returns:
            A functional model ``(N, S, S, 1) float in 0..255 -> {label set name: (N, classes) float32 logits}``.

        Raises:
            ModelError: the weights are missing or do not fit.
        """
        ours = weights is not None and weights.endswith(".keras")
        side = self.config.input_size if input_size == -1 else input_size
        image = keras.Input((side, side, 1), name="face")
        scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(image)
        working_size = working_size or self.config.working_size
        if working_size and working_size != side:
            scaled = keras.layers.Resizing(working_size, working_size, name="enlarge")(scaled)
        features = self.backbone(scaled) if weights is None or ours else self._from_imagenet(scaled, weights)
        logits = {
            head.name: keras.layers.Dense(len(head), dtype="float32", name=head.name.replace("-", "_"))(features)
            for head in heads
        }
        model = keras.Model(image, logits, name=self.config.name)
        if ours and weights:
            transfer_weights(weights, model)
        return model

    def _from_imagenet(self, image: keras.KerasTensor, weights: str) -> keras.KerasTensor:
        name = self.config.name
        if not self.config.imagenet:
            raise ModelError(f"{name} has no ImageNet weights; start it from none, or from a .keras file.")
        if weights != "imagenet" and not Path(weights).is_file():
            raise ModelError(f"{weights}: there is no file of weights at this path.")
        try:
            return self.backbone(image, weights)
        except Exception as error:  # Keras raises a bare Exception when a download fails
            if weights != "imagenet":
                raise ModelError(f"{weights}: these are no ImageNet weights of {name} without top ({error}).") from None
            raise ModelError(
                f"The ImageNet weights of {name} could not be fetched; on a machine with a connection, get the "
                '"notop" file from https://storage.googleapis.com/tensorflow/keras-applications/ and name it with '
                "--weights PATH."
            ) from None


def transfer_weights(path: str | Path, model: keras.Model) -> int:
    """Copy the weights of every layer that a stored network shares with ``model`` by name and shapes.

    Args:
        path: a ``.keras`` file of this project.
        model: changed in place.

    Returns:
        How many layers were copied.

    Raises:
        ModelError: the file is no Keras network, or shares no layer with the model.
    """
    try:
        source = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path}: this is no Keras file of this project ({error}).") from None
    # Keras numbers layer names through the whole process, so layers are paired by their order among those of a kind.
    theirs, ours = _layers_by_place(source), _layers_by_place(model)
    copied = 0
    for place, layer in ours.items():
        weights = theirs[place].get_weights() if place in theirs else []
        if weights and [w.shape for w in weights] == [w.shape for w in layer.get_weights()]:
            layer.set_weights(weights)
            copied += 1
    if not copied:
        raise ModelError(f"{path}: this network shares no layer with {model.name}.")
    return copied


def _layers_by_place(model: keras.Model) -> dict[tuple[str, int | str], keras.layers.Layer]:
    """Layers that have weights: heads by name, others by kind and number."""
    places: dict[tuple[str, int | str], keras.layers.Layer] = {}
    for layer in model.layers:
        if not layer.weights:
            continue
        kind = "BatchNormalization" if isinstance(layer, keras.layers.BatchNormalization) else type(layer).__name__
        head = isinstance(layer, keras.layers.Dense) and layer.name in _HEADS
        number: int | str = layer.name if head else sum(1 for k, n in places if k == kind and isinstance(n, int))
        places[kind, number] = layer
    return places


_HEADS = {name.replace("-", "_") for name in LABEL_SETS}
_REGISTRY: dict[str, Architecture] = {}


def register_architecture(
    *, title: str, reference: str, summary: str, input_size: int = 48, **config: Any
) -> Callable[[Backbone], Backbone]:
    """Enter the decorated backbone function into the registry under the function's name.

    Args:
        title: the architecture's name for people.
        reference: the paper it follows.
        summary: one sentence for people who choose a model.
        input_size: side of the square grey input in pixels.
        config: further fields of :class:`ArchitectureConfig`.

    Raises:
        ValueError: two functions of one name are registered.
    """

    def enter(backbone: Backbone) -> Backbone:
        name = backbone.__name__
        if name in _REGISTRY:
            raise ValueError(f"two architectures are called {name!r}")
        _REGISTRY[name] = Architecture(
            ArchitectureConfig(name, title, input_size, reference, summary, **config), backbone
        )
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
