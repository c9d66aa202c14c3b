"""Pictures of activation maps as the page shows them, their animation over the layers, and all of it in one archive."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fer_core.app.common.cached_data import kept
from fer_core.app.feature_maps.networks import OpenNetwork
from fer_core.explain.architecture import layer_table
from fer_core.explain.feature_maps import scaled_map, strongest
from fer_core.explain.layers import LayerDescription, nearest_in_depth
from fer_core.explain.overlay import overlay, signed_overlay
from fer_core.plots.feature_maps import PANEL_SIDE, Panel, animation, columns_for, kernel_grid, map_grid, png

KERNELS_SHOWN = 64
"""At most, of a network's first layer."""
LARGE_SIDE, OVERLAY_SIDE = 420, 360
"""Pixels of a face with an activation map, and with an attribution."""
MAX_FRAMES = 24
"""Of an animation: a network of 150 convolutions is shown in equal steps of depth."""
MAPS_IN_FRAME = 16
"""Of each network in a frame of the animation."""


class ChannelOrder(StrEnum):
    """The order of the maps in a grid."""

    STRONGEST = "Strongest first"
    CHANNELS = "In order"


@dataclass(frozen=True)
class ChannelView:
    """How maps are shown."""

    order: ChannelOrder
    count: int
    """Maps in a grid, at most."""
    place: int
    """Place of the large map in the grid, from 0."""
    strength: float
    """Opacity of the colour over the face, 0..1."""


def channels_in(maps: np.ndarray, order: ChannelOrder, count: int) -> np.ndarray:
    """The channels of a grid of ``(H, W, C)`` maps: ``(min(count, C),) int64``."""
    return strongest(maps, count) if order == ChannelOrder.STRONGEST else np.arange(min(count, maps.shape[-1]))


def grid_of(maps: np.ndarray, channels: np.ndarray) -> np.ndarray:
    """The chosen channels of ``(H, W, C)`` maps as a picture, RGBA."""
    cells = np.stack([scaled_map(maps[..., channel]) for channel in channels])
    return map_grid(cells, columns_for(len(channels)))


def large_channel(maps: np.ndarray, shown: ChannelView) -> int:
    """The channel that is shown large: the last one of a grid with fewer places."""
    channels = channels_in(maps, shown.order, shown.count)
    return int(channels[min(shown.place, len(channels) - 1)])


def over_face(face: np.ndarray, values: np.ndarray, strength: float, side: int = LARGE_SIDE) -> np.ndarray:
    """One map ``(H, W)`` over a face, in two colours if it has negative values: ``(side, side, 3) uint8`` RGB."""
    if values.min() < 0:
        return signed_overlay(face, values, strength, side)
    return overlay(face, scaled_map(values) / 255, strength, side)


def kernels_of(network: OpenNetwork) -> np.ndarray:
    """The first :data:`KERNELS_SHOWN` kernels as a picture, RGBA."""
    kernels = network.kernels[..., :KERNELS_SHOWN]
    return kernel_grid(kernels, columns_for(kernels.shape[-1]))


@kept(4, hash_funcs={OpenNetwork: lambda network: (network.stamp, network.face)})
def animation_of(networks: Sequence[OpenNetwork], strength: float, milliseconds: int) -> bytes:
    """A GIF of the networks side by side, each frame at one depth of all.

    Args:
        networks: with their face.
        strength: opacity of the colour over the face, 0..1.
        milliseconds: duration of a frame.
    """
    frames = [[_panel(*pair, strength) for pair in zip(networks, layers, strict=True)] for layers in _walk(networks)]
    return animation(frames, milliseconds)


def _walk(networks: Sequence[OpenNetwork]) -> list[tuple[LayerDescription, ...]]:
    """One layer of each network per frame, from the first convolutions to the last, no frame twice."""
    if len(networks) == 1 and len(networks[0].convolutions) <= MAX_FRAMES:
        return [(layer,) for layer in networks[0].convolutions]
    count = min(MAX_FRAMES, max(len(network.convolutions) for network in networks))
    steps = np.linspace(0, 1, count)
    walk = [tuple(nearest_in_depth(n.convolutions, share) for n in networks) for share in steps]
    return list(dict.fromkeys(walk))


def _panel(network: OpenNetwork, layer: LayerDescription, strength: float) -> Panel:
    maps = network.maps[layer.name]
    channels = strongest(maps, MAPS_IN_FRAME)
    shape = " × ".join(str(size) for size in layer.output_shape)
    return Panel(
        network.title,
        f"{network.convolutions.index(layer) + 1} of {len(network.convolutions)}: {layer.title}; {shape}",
        over_face(network.face, maps[..., int(channels[0])], strength, PANEL_SIDE),
        grid_of(maps, channels),
    )


def archive(networks: Sequence[OpenNetwork], chosen: Mapping[str, LayerDescription], shown: ChannelView) -> bytes:
    """A zip of what the page shows of each network, with the activations of its chosen layer as arrays.

    Args:
        networks: with their face.
        chosen: the layer of each, by the network's name.
        shown: how maps are shown.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as contents:
        for network in networks:
            layer = chosen[network.name]
            maps = network.maps[layer.name]
            channel = large_channel(maps, shown)
            stem = f"{network.name}/{layer.name}"
            grid = grid_of(maps, channels_in(maps, shown.order, shown.count))
            contents.writestr(f"{network.name}/face.png", png(network.face))
            contents.writestr(f"{network.name}/first-kernels.png", png(kernels_of(network)))
            contents.writestr(f"{network.name}/layers.csv", layer_table(network.layers).to_csv(index=False))
            contents.writestr(f"{stem}-grid.png", png(grid))
            large = over_face(network.face, maps[..., channel], shown.strength)
            contents.writestr(f"{stem}-channel-{channel}.png", png(large))
            numbers = io.BytesIO()
            np.savez_compressed(numbers, maps=maps)
            contents.writestr(f"{stem}-maps.npz", numbers.getvalue())
    return file.getvalue()
