"""The tab that shows how a network is built: a diagram of its blocks and a table of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from fer_core.app.common.figures import downloads, show_report_figure
from fer_core.app.feature_maps.networks import OpenNetwork
from fer_core.explain.architecture import blocks, layer_table
from fer_core.plots.architecture import architecture_diagram
from fer_core.plots.report import ReportFigure

_LEAD = (
    "Each network drawn from its own layers, the face on the left, the answers on the right. The height of a bar is the "
    "size of its maps, its width the number of channels; an arc is a skip connection, which carries a map past a block. "
    "More layers or weights do not make a network better: *Compare Models* says which one is."
)


_FIRST = ("number", "what it does", "answers with", "parameters", "share of parameters", "multiply-adds")
"""Columns that the page shows before the others."""


def architecture_tab(networks: Sequence[OpenNetwork]) -> None:
    """Diagram, table and downloads of every chosen network."""
    st.markdown(_LEAD)
    for network in networks:
        st.subheader(network.title)
        st.markdown(_summary(network))
        folded = blocks(network.layers)
        diagram = ReportFigure(
            f"architecture-{network.name}",
            f"{network.title} as blocks",
            architecture_diagram(folded, len(network.face)),
            "Numbers are channels or values; point at a block to see its layers. Normalisation, activation and pooling "
            "belong to the block of the convolution that they follow.",
        )
        show_report_figure(diagram)
        table = ReportFigure(f"layers-{network.name}", f"Layers of {network.title}", layer_table(network.layers))
        st.markdown("**Every layer**, in the order in which they run. Click a heading to sort.")
        st.dataframe(
            table.content,
            hide_index=True,
            height=380,
            column_order=[*_FIRST, *(name for name in table.content if name not in _FIRST)],
            column_config=_columns(table.content),
            key=f"table-{table.name}",
        )
        downloads([diagram, table], table.name)


def _summary(network: OpenNetwork) -> str:
    """The size of a network and how soon it sees the whole face, in words."""
    card, layers, side = network.stored.card, network.layers, len(network.face)
    weighted = sum(layer.parameters > 0 and layer.kind != "BatchNormalization" for layer in layers)
    parameters = sum(layer.parameters for layer in layers)
    multiply_adds = sum(layer.multiply_adds for layer in layers)
    seeing = next((layer for layer in network.convolutions if layer.receptive_field >= side), None)
    sees = (
        f"its values see the whole {side}-pixel face from {seeing.depth:.0%} of the depth on"
        if seeing
        else (f"no convolution sees the whole {side}-pixel face")
    )
    return (
        f"{card.summary} It has **{len(layers)}** layers, {weighted} of them with weights besides normalisation, "
        f"**{parameters / 1e6:.2f} million** parameters and **{multiply_adds / 1e6:.0f} million** multiply-adds for a "
        f"face; {sees}. After {card.reference}."
    )


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "number": number("no.", help="In the order in which they run", pinned=True, width=45),
        "what it does": st.column_config.TextColumn("what it does", pinned=True, width=230),
        "answers with": st.column_config.TextColumn(
            "answers with", help="Places down × places across × channels, or values", width=115
        ),
        "parameters": number("parameters", format="localized"),
        "multiply-adds": number("multiply-adds", format="localized", help="For one face, biases left out"),
        **{
            f"share of {what}": st.column_config.ProgressColumn(
                f"% of {what}",
                format="percent",
                width=125,
                min_value=0,
                max_value=float(table[f"share of {what}"].max()) or 1.0,
            )
            for what in ("parameters", "multiply-adds")
        },
        "receptive field": number(
            "receptive field, px", help="Side of the square of input pixels that one value depends on, padding included"
        ),
        "stride": number(
            "stride, px", format="%.4g", help="Input pixels between neighbouring values; 0 without places"
        ),
    }
