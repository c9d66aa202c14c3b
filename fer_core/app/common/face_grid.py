"""A page of faces, sent as one picture that the browser cuts up: each face is a button."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from fer_core.curation.browse import SHEET_COLUMNS, cell_side, sheet

_FOLDER = Path(__file__).parent
_grid = st.components.v2.component(
    "face_grid",
    html='<div class="faces" role="group" aria-label="Faces"></div>',
    css=(_FOLDER / "face_grid.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "face_grid.js").read_text(encoding="utf-8"),
)


def face_grid(images: np.ndarray, rows: Sequence[int], titles: Sequence[str], key: str) -> int | None:
    """Faces side by side, in as many columns as fit on the screen.

    Args:
        images: ``(N, H, W) uint8`` grey, N at least 1.
        rows: number of each face in its data set.
        titles: of each face, for a pointer and for a screen reader.
        key: of the widget.

    Returns:
        The row of the face that was just clicked.
    """
    height, width = images.shape[1:]
    clicked = _grid(
        data={
            "sheet": f"data:image/jpeg;base64,{base64.b64encode(sheet(images)).decode()}",
            "columns": SHEET_COLUMNS,
            "width": width,
            "height": height,
            "cellWidth": cell_side(width),
            "cellHeight": cell_side(height),
            "faces": [{"row": row, "title": title} for row, title in zip(rows, titles, strict=True)],
        },
        key=key,
        on_row_change=lambda: None,
    )
    return None if clicked.row is None else int(clicked.row)
