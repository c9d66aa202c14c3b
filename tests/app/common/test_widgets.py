"""The widgets that pages share choose values by their titles and name the media type of a download by its suffix."""

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from fer_core.app.common import cached_data, widgets
from fer_core.app.common.cached_data import kept, stamp_of


def page() -> None:
    import streamlit as st

    from fer_core.app.common.selection import choose_label_set
    from fer_core.app.common.widgets import pick, several, switch

    titles = {"a": "Title of a", "b": "Title of b"}
    st.session_state["said"] = (
        pick("Box", titles, "box", default="b"),
        switch("Switch", titles, "switch"),
        several("Several", titles, "several"),
        choose_label_set("Classes", ["fer2013-five", "ckplus"], "classes", widget=switch, default="ckplus").name,
    )


def test_what_is_chosen_is_the_value_and_what_is_shown_its_title() -> None:
    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    assert app.session_state["said"] == ("b", "a", [], "ckplus")
    assert app.selectbox(key="box").options == ["Title of a", "Title of b"]
    app.selectbox(key="box").select("a").run()
    app.button_group(key="several").set_value(["b"]).run()
    assert app.session_state["said"] == ("a", "a", ["b"], "ckplus")


@pytest.mark.parametrize(
    ("name", "mime"),
    [
        ("exclude.csv", "text/csv"),
        ("report.html", "text/html"),
        ("grid.png", "image/png"),
        ("layers.gif", "image/gif"),
        ("all.zip", "application/zip"),
        ("own-photos.npz", "application/octet-stream"),
        ("augmentation.toml", "application/toml"),
        ("log.parquet", "application/vnd.apache.parquet"),
        ("clip-annotated.mp4", "video/mp4"),
        ("clip.vtt", "text/vtt"),
        ("faces.json", "application/json"),
    ],
)
def test_a_download_has_the_media_type_of_its_suffix_and_does_not_run_the_page(monkeypatch, name, mime) -> None:
    calls = []
    monkeypatch.setattr(widgets.st, "download_button", lambda *given, **options: calls.append((given, options)))  # type: ignore[attr-defined]
    widgets.download("Label", b"content", name, "key")
    assert calls == [
        (("Label", b"content", name, mime), {"key": "key", "icon": ":material/download:", "on_click": "ignore"})
    ]


def test_a_table_is_downloaded_as_csv_without_its_index(monkeypatch) -> None:
    made = []
    monkeypatch.setattr(widgets.st, "download_button", lambda label, make, *rest, **options: made.append(make()))  # type: ignore[attr-defined]
    widgets.download("Label", pd.DataFrame({"row": [3], "ä": [0.5]}), "a.csv")
    assert made == ["row,ä\n3,0.5\n".encode()]


def test_results_are_kept_until_their_model_is_stored_anew(mixed_store) -> None:
    import os

    runs = []

    @kept(4)
    def name_of(model) -> str:
        runs.append(stamp_of(model))
        return model.name

    model = mixed_store.load("weak")
    assert [name_of(model), name_of(mixed_store.load("weak")), name_of(mixed_store.load("strong"))] == [
        "weak",
        "weak",
        "strong",
    ]
    assert len(runs) == 2
    os.utime(model.folder / "card.json", ns=(1, 1))
    assert name_of(model) == "weak"
    assert len(runs) == 3
    assert {m.name for m in cached_data.stored_models()} == set(mixed_store.names())
