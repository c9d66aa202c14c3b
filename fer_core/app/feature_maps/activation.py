"""The tab that shows what the layers answer a face with: grids of maps, one map large, kernels, an animation."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import partial

import numpy as np
import streamlit as st

from fer_core.app.common.figures import show_report_figure
from fer_core.app.feature_maps.images import (
    KERNELS_SHOWN,
    ChannelOrder,
    ChannelView,
    animation_of,
    archive,
    channels_in,
    grid_of,
    kernels_of,
    large_channel,
    over_face,
)
from fer_core.app.feature_maps.networks import OpenNetwork
from fer_core.explain.architecture import shape_in_words
from fer_core.explain.layers import LayerDescription, nearest_in_depth
from fer_core.plots.feature_maps import SeenByDepth, png, receptive_field_figure
from fer_core.plots.report import ReportFigure

MAPS_SHOWN = (16, 36, 64, 144)


KERNEL_COLUMNS = 3
"""Of the page; kernels of one network would be needlessly large over all of it."""


FRAME_MILLISECONDS = (250, 500, 1000, 2000)


_LEAD = (
    "Each small picture is one **map**: where on the face one filter of a layer answers little (dark blue) or much "
    "(yellow). A filter is no detector of eyes or smiles merely because its map lights up there: every map is scaled on "
    "its own, so brightness says where, not how much."
)


class Choosing(StrEnum):
    """How a layer is chosen."""

    DEPTH = "At a depth"
    NAME = "By name"


def activation_tab(networks: Sequence[OpenNetwork]) -> None:
    """Everything about the maps of the chosen networks."""
    st.markdown(_LEAD)
    chosen, depth = _choose_layers(networks)
    shown = _choose_look(networks, chosen)
    for column, network in zip(st.columns(len(networks), gap="medium"), networks, strict=True):
        column.markdown(f"##### {network.title}\n{receptive_field_in_words(network, chosen[network.name])}")
    # Rows of their own, so that pictures stand level beside texts of different length.
    for column, network in zip(st.columns(len(networks), gap="medium"), networks, strict=True):
        with column:
            _show_network(network, chosen[network.name], shown, beside=len(networks) == 1)
    _downloads(networks, chosen, shown)
    _show_fields(networks, depth)
    _show_kernels(networks)
    _show_animation(networks, shown)


def _choose_layers(networks: Sequence[OpenNetwork]) -> tuple[dict[str, LayerDescription], float | None]:
    """The layer of each network by the network's name, and the depth where one was chosen."""
    left, right = st.columns([1, 3], gap="large")
    how = left.segmented_control(
        "Layer",
        list(Choosing),
        default=Choosing.DEPTH,
        required=True,
        key="activation-choosing",
        persist_state="page",
    )
    if how == Choosing.DEPTH:
        percent = right.slider(
            "Depth, % of the network's convolutions",
            0,
            100,
            30,
            step=5,
            help="Walk from the pixels (0%) to the last convolution (100%). Of networks of different length the "
            "convolutions nearest to the same depth stand side by side.",
            key="activation-depth",
            persist_state="page",
        )
        return {n.name: nearest_in_depth(n.convolutions, percent / 100) for n in networks}, percent / 100
    chosen = {}
    for column, network in zip(right.columns(len(networks)), networks, strict=True):
        layers = network.convolutions
        number = column.selectbox(
            network.title,
            range(len(layers)),
            format_func=partial(_numbered, layers),
            key=f"activation-layer-{network.name}",
            persist_state="page",
        )
        chosen[network.name] = layers[number]
    return chosen, None


def _numbered(layers: Sequence[LayerDescription], number: int) -> str:
    return f"{number + 1} of {len(layers)}: {layers[number].title}"


def _choose_look(networks: Sequence[OpenNetwork], chosen: dict[str, LayerDescription]) -> ChannelView:
    order_place, count_place, large_place, strength_place = st.columns([3, 2, 2, 3], gap="medium")
    order = order_place.segmented_control(
        "Order of the maps",
        list(ChannelOrder),
        default=ChannelOrder.STRONGEST,
        required=True,
        help="Strongest by their mean activation, or in the order of the channels.",
        key="activation-order",
        persist_state="page",
    )
    count = count_place.selectbox("Maps", MAPS_SHOWN, index=1, key="activation-count", persist_state="page")
    most = min(count, max(chosen[network.name].output_shape[-1] for network in networks))
    place = large_place.number_input(
        "Large: no.",
        1,
        most,
        1,
        help="Which map of the grid is shown large over the face, counted by rows.",
        key=f"activation-large-{most}",
        persist_state="page",
    )
    strength = strength_place.slider(
        "Colour over the face, %", 0, 100, 55, step=5, key="activation-strength", persist_state="page"
    )
    return ChannelView(ChannelOrder(order), count, int(place) - 1, strength / 100)


def _show_network(network: OpenNetwork, layer: LayerDescription, shown: ChannelView, beside: bool) -> None:
    """Grid and large map of one network, ``beside`` each other or below."""
    maps = network.maps[layer.name]
    channels = channels_in(maps, shown.order, shown.count)
    channel = large_channel(maps, shown)
    values = maps[..., channel]
    left, right = st.columns(2, gap="medium") if beside else (st.container(), st.container())
    left.image(
        grid_of(maps, channels),
        caption=f"{len(channels)} of {maps.shape[-1]} maps, {str(shown.order).lower()}",
        width="stretch",
        output_format="PNG",
    )
    right.image(
        over_face(network.face, values, shown.strength),
        caption=f"Channel {channel} over the face: activations from {values.min():.3g} to {values.max():.3g}"
        + ("; vermilion above zero, blue below" if values.min() < 0 else ""),
        width="stretch",
    )


def receptive_field_in_words(network: OpenNetwork, layer: LayerDescription) -> str:
    """What a layer is, what it answers with, and how much of the face it sees, in words."""
    number = network.convolutions.index(layer) + 1
    side = len(network.face)
    field = layer.receptive_field
    sees = "the whole face" if field >= side else f"{field} × {field} of the face's {side} × {side} pixels"
    gated = ", weighed by gates that see all of it" if layer.sees_all and field < side else ""
    return (
        f"Convolution {number} of {len(network.convolutions)}, {layer.depth:.0%} deep: {layer.title}. "
        f"{shape_in_words(layer.output_shape)}; each value sees {sees}{gated}.  \n:small[:gray[`{layer.name}`, "
        f"shown after `{layer.shown_as}`]]"
    )


def _downloads(networks: Sequence[OpenNetwork], chosen: dict[str, LayerDescription], shown: ChannelView) -> None:
    with st.popover("Download", icon=":material/download:", key="activation-downloads"):
        st.download_button(
            "All of it · ZIP",
            partial(archive, networks, chosen, shown),
            "feature-maps.zip",
            "application/zip",
            key="activation-zip",
            on_click="ignore",
            help="Grids, the map over the face and kernels as PNG, every activation of these layers as numbers (npz), "
            "and the tables of layers.",
        )
        for network in networks:
            layer = chosen[network.name]
            st.download_button(
                f"{network.title}, grid · PNG",
                partial(_grid_file, network.maps[layer.name], shown),
                f"{network.name}-{layer.name}.png",
                "image/png",
                key=f"activation-png-{network.name}",
                on_click="ignore",
            )


def _grid_file(maps: np.ndarray, shown: ChannelView) -> bytes:
    return png(grid_of(maps, channels_in(maps, shown.order, shown.count)))


def _show_fields(networks: Sequence[OpenNetwork], depth: float | None) -> None:
    st.subheader("How much of the face each layer sees")
    seen = {
        n.name: SeenByDepth(
            [layer.depth for layer in n.convolutions],
            [layer.receptive_field for layer in n.convolutions],
            [layer.title for layer in n.convolutions],
        )
        for n in networks
    }
    styles = {network.name: network.style for network in networks}
    show_report_figure(
        ReportFigure(
            "receptive-fields",
            "Receptive field by depth",
            receptive_field_figure(seen, styles, len(networks[0].face), depth),
            "The receptive field is all that a value **could** depend on; most of its weight usually lies near the "
            "centre. Shapes of every layer stand under *Architecture*.",
        )
    )


def _show_kernels(networks: Sequence[OpenNetwork]) -> None:
    st.subheader("What the first layer looks for")
    st.markdown(
        "The weights of the first filters themselves, the same for every face: vermilion adds light, blue takes it away, "
        "white does nothing. They show edges and spots at best; what a network knows of faces lies deeper."
    )
    for column, network in zip(st.columns(KERNEL_COLUMNS), networks, strict=False):
        height, width, inputs, count = network.kernels.shape
        colours = "; its three inputs shown as red, green and blue, grey is zero" if inputs == 3 else ""
        with column:
            st.image(
                kernels_of(network),
                caption=f"{network.title}: {min(count, KERNELS_SHOWN)} of {count} kernels of {height} × {width} "
                f"pixels{colours}",
                width="stretch",
                output_format="PNG",
            )


def _show_animation(networks: Sequence[OpenNetwork], shown: ChannelView) -> None:
    st.subheader("Play through the layers")
    st.markdown(
        "The face on its way through every convolution: the strongest map over the face, and the strongest sixteen "
        "beside it. That maps grow coarse is the network's build, not a loss of what it needs."
    )
    left, right, _ = st.columns([2, 2, 4], vertical_alignment="bottom")
    milliseconds = left.select_slider(
        "Milliseconds per layer", FRAME_MILLISECONDS, 500, key="activation-milliseconds", persist_state="page"
    )
    if not right.toggle("Play", key="activation-play", persist_state="page"):
        return
    with st.spinner("Drawing the animation…"):
        video = animation_of(networks, shown.strength, milliseconds)
    st.image(video, width="content")
    names = "-".join(network.name for network in networks)
    st.download_button(
        "Animation · GIF",
        video,
        f"layers-{names}.gif",
        "image/gif",
        icon=":material/download:",
        key="activation-gif",
        on_click="ignore",
    )
