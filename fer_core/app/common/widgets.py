"""Widgets that pages share: one of several, several of several, and a file to download.

``place`` is the column or container that a widget stands in; all other options go to Streamlit's own widget.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from mimetypes import MimeTypes
from pathlib import PurePath
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

Value = TypeVar("Value")

_MIME_TYPES = MimeTypes()  # Python's own table, not that of the operating system
for _suffix, _type in {
    ".npz": "application/octet-stream",
    ".parquet": "application/vnd.apache.parquet",
    ".toml": "application/toml",
}.items():
    _MIME_TYPES.add_type(_type, _suffix)


def pick(
    label: str,
    titles: Collection[Value],
    key: str | None,
    *,
    default: Value | None = None,
    place: Any = st,
    **options: Any,
) -> Value:
    """A box that chooses one value.

    Args:
        label: of the box.
        titles: the values, or what each is called on the page by value.
        key: of the widget.
        default: what is chosen at first; the first value if left out.
        place: where the box stands.
        options: of ``st.selectbox``.
    """
    values = list(titles)
    index = 0 if default is None else values.index(default)
    return place.selectbox(label, values, index, key=key, **_named(titles), **options)


def switch(
    label: str,
    titles: Collection[Value],
    key: str | None,
    *,
    default: Value | None = None,
    place: Any = st,
    **options: Any,
) -> Value:
    """Buttons side by side of which exactly one is pressed: as :func:`pick`, for a few short titles."""
    chosen = next(iter(titles)) if default is None else default
    return place.segmented_control(
        label, list(titles), default=chosen, required=True, key=key, **_named(titles), **options
    )


def several(
    label: str,
    titles: Collection[Value],
    key: str,
    *,
    help: str | None = "None chosen shows all of them.",
    **options: Any,
) -> list[Value]:
    """Buttons of which any number is pressed.

    Args:
        label: of the buttons.
        titles: the values, or what each is called on the page by value.
        key: of the widget.
        help: what it means if none is pressed.
        options: of ``st.pills``, and ``place``.
    """
    place = options.pop("place", st)
    return place.pills(label, list(titles), selection_mode="multi", help=help, key=key, **_named(titles), **options)


def _named(titles: Collection[Any]) -> dict[str, Callable[[Any], str]]:
    return {"format_func": titles.__getitem__} if isinstance(titles, Mapping) else {}


def download(
    label: str,
    content: bytes | str | pd.DataFrame | Callable[[], Any],
    name: str,
    key: str | None = None,
    *,
    icon: str | None = ":material/download:",
    place: Any = st,
    **options: Any,
) -> None:
    """A button that downloads a file, without running the page again.

    Args:
        label: of the button.
        content: of the file; a function makes it when asked for; a table is written as csv in UTF-8, without its index.
        name: of the file; the suffix gives the media type.
        key: of the widget.
        icon: of the button.
        place: where the button stands.
        options: of ``st.download_button``.
    """
    if isinstance(content, pd.DataFrame):
        content = partial(csv_bytes, content)
    mime, _ = _MIME_TYPES.guess_type(PurePath(name).name)
    place.download_button(label, content, name, mime, key=key, icon=icon, on_click="ignore", **options)


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as csv in UTF-8, without its index."""
    return table.to_csv(index=False).encode()


def number_columns(formats: Mapping[str, str], titles: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The ``column_config`` of a table's numbers.

    Args:
        formats: Streamlit's number format by column, such as ``percent`` for shares or ``%.1f``.
        titles: headings of columns that are not called by their name.
    """
    titles = titles or {}
    return {
        column: st.column_config.NumberColumn(titles.get(column, column), format=form)
        for column, form in formats.items()
    }
