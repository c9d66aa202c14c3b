"""The tab with the activations of the layers: grids of maps, one large map, kernels, an animation."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import partial

import numpy as np
import streamlit as st

from fer_core.app.common.figures import show_report_figure
from fer_core.app.common.widgets import download, pick, switch
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
"""Numbers of maps that a grid can hold."""
KERNEL_COLUMNS = 3
"""Of the page; the kernels of one network would be needlessly large over its whole width."""
FRAME_MILLISECONDS = (250, 500, 1000, 2000)
"""Durations of a frame of the animation."""

_LEAD = (
    "Each small picture is one **map**: where on the face one filter of a layer responds weakly (dark blue) or strongly "
    "(yellow). A filter that responds to eyes or a smile is not thereby a detector of them. Every map is scaled on its own, "
    "so brightness says where, not how strongly."
)


class LayerChoice(StrEnum):
    """How a layer is chosen."""

    DEPTH = "At a depth"
    NAME = "By name"


def activation_tab(networks: Sequence[OpenNetwork]) -> None:
    """Everything about the maps of the chosen networks."""
    st.markdown(_LEAD)
    chosen, depth = _choose_layers(networks)
    shown = _choose_view(networks, chosen)
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
    how = switch("Layer", list(LayerChoice), "activation-choosing", place=left, persist_state="page")
    if how == LayerChoice.DEPTH:
        percent = right.slider(
            "Depth, % of the network's convolutions",
            0,
            100,
            30,
            step=5,
            help="From the pixels (0%) to the last convolution (100%). For networks of different length, the convolutions "
            "nearest to this depth stand side by side.",
            key="activation-depth",
            persist_state="page",
        )
        return {n.name: nearest_in_depth(n.convolutions, percent / 100) for n in networks}, percent / 100
    chosen = {}
    for column, network in zip(right.columns(len(networks)), networks, strict=True):
        layers = network.convolutions
        titles = {number: f"{number + 1} of {len(layers)}: {layer.title}" for number, layer in enumerate(layers)}
        key = f"activation-layer-{network.name}"
        number = pick(network.title, titles, key, place=column, persist_state="page")
        chosen[network.name] = layers[number]
    return chosen, None


def _choose_view(networks: Sequence[OpenNetwork], chosen: dict[str, LayerDescription]) -> ChannelView:
    order_place, count_place, large_place, strength_place = st.columns([3, 2, 2, 3], gap="medium")
    order = switch(
        "Order of the maps",
        list(ChannelOrder),
        "activation-order",
        help="Strongest by their mean activation, or in the order of the channels.",
        place=order_place,
        persist_state="page",
    )
    count = pick("Maps", MAPS_SHOWN, "activation-count", default=36, place=count_place, persist_state="page")
    most = min(count, max(chosen[network.name].output_shape[-1] for network in networks))
    place = large_place.number_input(
        "Large: no.",
        1,
        most,
        1,
        help="Which map of the grid is shown large over the face, counted row by row.",
        key=f"activation-large-{most}",
        persist_state="page",
    )
    strength = strength_place.slider(
        "Colour over the face, %", 0, 100, 55, step=5, key="activation-strength", persist_state="page"
    )
    return ChannelView(ChannelOrder(order), count, int(place) - 1, strength / 100)


def _show_network(network: OpenNetwork, layer: LayerDescription, shown: ChannelView, beside: bool) -> None:
    """Grid and large map of one network, ``beside`` each other or one below the other."""
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
    """What a layer is, its output, and how much of the face it sees, in words."""
    number = network.convolutions.index(layer) + 1
    side = len(network.face)
    field = layer.receptive_field
    sees = "the whole face" if field >= side else f"{field} × {field} of the face's {side} × {side} pixels"
    gated = ", weighted by gates that see all of it" if layer.sees_all and field < side else ""
    return (
        f"Convolution {number} of {len(network.convolutions)}, {layer.depth:.0%} deep: {layer.title}. "
        f"{shape_in_words(layer.output_shape)}; each value sees {sees}{gated}.  \n:small[:gray[`{layer.name}`, "
        f"shown after `{layer.shown_as}`]]"
    )


def _downloads(networks: Sequence[OpenNetwork], chosen: dict[str, LayerDescription], shown: ChannelView) -> None:
    with st.popover("Download", icon=":material/download:", key="activation-downloads"):
        download(
            "All of it · ZIP",
            partial(archive, networks, chosen, shown),
            "feature-maps.zip",
            "activation-zip",
            icon=None,
            help="Grids, the map over the face and kernels as PNG, every activation of these layers as an array (npz), "
            "and the tables of layers.",
        )
        for network in networks:
            layer = chosen[network.name]
            download(
                f"{network.title}, grid · PNG",
                partial(_grid_file, network.maps[layer.name], shown),
                f"{network.name}-{layer.name}.png",
                f"activation-png-{network.name}",
                icon=None,
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
            "The receptive field is everything that a value **could** depend on; what it does depend on mostly lies near "
            "the centre. *Architecture* lists the shapes of every layer.",
        )
    )


def _show_kernels(networks: Sequence[OpenNetwork]) -> None:
    st.subheader("What the first layer looks for")
    st.markdown(
        "The weights of the first filters themselves, which are the same for every face: vermilion is positive, blue is "
        "negative, white is zero. At best they show edges and spots; what a network knows about faces lies deeper."
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
        "The face on its way through every convolution: the strongest map over the face, and the sixteen strongest "
        "beside it. Maps become coarse by design; the network does not lose what it needs."
    )
    left, right, _ = st.columns([2, 2, 4], vertical_alignment="bottom")
    milliseconds = left.select_slider(
        "Milliseconds per layer", FRAME_MILLISECONDS, 500, key="activation-milliseconds", persist_state="page"
    )
    if not right.toggle("Play", key="activation-play", persist_state="page"):
        return
    with st.spinner("Drawing the animation…"):
        animation = animation_of(networks, shown.strength, milliseconds)
    st.image(animation, width="content")
    names = "-".join(network.name for network in networks)
    download("Animation · GIF", animation, f"layers-{names}.gif", "activation-gif")
