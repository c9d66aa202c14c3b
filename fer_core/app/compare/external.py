"""Bring your own: predictions or a model file beside the stored models, in memory and for one browser session.

A model file is only checked as data here; a process of its own runs it, which the session owns and can end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from fer_core.app.common.cached_data import cached_dataset
from fer_core.app.common.page import errors_in_words
from fer_core.app.common.widgets import csv_bytes, download, number_columns, pick
from fer_core.datasets.dataset import Split
from fer_core.errors import ModelError
from fer_core.external.model_files import FileKind, ModelFile, read_model_file
from fer_core.external.models import (
    MARK,
    PIXEL_RANGES,
    EvaluationFaces,
    ExternalModel,
    Outputs,
    external_model_of_file,
    external_model_of_predictions,
    faces_of,
    label_orders,
    parse_order,
    tasks_for,
)
from fer_core.external.prediction_tables import read_predictions
from fer_core.external.sandbox import SandboxRun
from fer_core.labels import Emotion, LabelSet
from fer_core.store.store import StoredModel

MAX_EXTERNAL_MODELS = 6
"""In one browser session, which bounds its memory."""
OWN_ORDER = "another one"
"""Title of an order of classes that is typed in."""

_EXTERNAL_MODELS, _RUN, _CHECKED, _FAILED = "guests", "guest-run", "guest-checked", "guest-failed"
_FORMATS = {FileKind.KERAS: "Keras", FileKind.LITERT: "LiteRT"}


@dataclass(frozen=True)
class _Brought:
    """A model brought along, and what it came from."""

    external_model: ExternalModel
    label_set: LabelSet
    outputs: Outputs | None
    """Outputs of a model file, which can be read in another order of classes without being run again."""
    order: tuple[Emotion, ...]


@dataclass(frozen=True)
class _Running:
    """A model file that is being run, and what was chosen for it."""

    run: SandboxRun
    faces: EvaluationFaces
    pixel_range: str
    order: tuple[Emotion, ...]


def _brought() -> dict[str, _Brought]:
    return st.session_state.setdefault(_EXTERNAL_MODELS, {})


def session_external_models() -> dict[str, ExternalModel]:
    """The models that were brought along in this browser session, by name."""
    return {name: entry.external_model for name, entry in _brought().items()}


def is_external(name: str) -> bool:
    """Whether a model was brought along."""
    return name in _brought()


def chosen_key(label_set: LabelSet) -> str:
    """Key of the box that chooses the models of a label set."""
    return f"comparison-models-{label_set.name}"


def marked(table: pd.DataFrame, titles: dict[str, str]) -> pd.DataFrame:
    """A leaderboard that marks the models brought along in its column of sources."""
    own = table["model"].isin([titles[name] for name in session_external_models()])
    return table.assign(source=table["source"].mask(own, MARK))


def bring_your_own(models: Sequence[StoredModel], label_set: LabelSet) -> None:
    """The place to bring predictions and model files, and what was brought so far.

    Args:
        models: those of the store.
        label_set: the classes chosen on the page.
    """
    brought = [entry for entry in _brought().values() if entry.label_set == label_set]
    busy = _RUN in st.session_state or _FAILED in st.session_state
    count = f" · {len(brought)} here" if brought else ""
    with st.expander(
        f"Bring your own predictions or model{count}", busy or bool(brought), icon=":material/upload_file:"
    ):
        st.caption(
            "See your own model in every table and chart of this page. It is marked as yours and kept in memory for this "
            "browser session only; nothing of it is written to the store."
        )
        faces = faces_of(models, label_set)
        table, file = st.tabs(["Predictions (csv)", "Model file (Keras, LiteRT)"])
        with table:
            _bring_predictions(faces)
        with file:
            _bring_file(faces)
        for entry in brought:
            _show_external_model(entry, faces)


def _add(
    external_model: ExternalModel, label_set: LabelSet, outputs: Outputs | None, order: tuple[Emotion, ...]
) -> None:
    _brought()[external_model.name] = _Brought(external_model, label_set, outputs, order)
    chosen = st.session_state.get(chosen_key(label_set))
    if chosen is not None and external_model.name not in chosen:
        st.session_state[chosen_key(label_set)] = [*chosen[: MAX_EXTERNAL_MODELS - 1], external_model.name]


def _remove(name: str) -> None:
    entry = _brought().pop(name)
    key = chosen_key(entry.label_set)
    if key in st.session_state:
        st.session_state[key] = [chosen for chosen in st.session_state[key] if chosen != name]


def _taken(models: Sequence[str] = ()) -> list[str]:
    return [*_brought(), *models]


def _need_room() -> None:
    if len(_brought()) >= MAX_EXTERNAL_MODELS:
        raise ModelError(f"{MAX_EXTERNAL_MODELS} models of yours are here already: remove one first.")


def _bring_predictions(faces: EvaluationFaces) -> None:
    emotions = ", ".join(faces.label_set.emotions)
    st.markdown(
        f"One row per face: `row`, then one probability per class, named by emotion in any order ({emotions}). Rows count "
        "from 0 in the split, or are those of FER2013's csv."
    )
    titles = {str(split): f"{faces.title(split)}, {len(rows):,} rows" for split, rows in faces.by_split.items()}
    key = f"guest-split-{faces.label_set.name}"
    split = Split(pick("Rows are faces of", titles, key, default=list(titles)[-1]))
    upload = st.file_uploader("Predictions", type=["csv", "txt"], key="guest-csv")
    left, right = st.columns(2)
    if left.button("Show beside the others", key="guest-add-csv", disabled=upload is None, type="primary") and upload:
        with errors_in_words(stop=False):
            _need_room()
            by_split = read_predictions(upload.getvalue(), upload.name, faces.label_set, faces.by_split, split)
            _add(external_model_of_predictions(by_split, upload.name, faces, _taken()), faces.label_set, None, ())
            st.rerun()
    name = f"predictions-{split}.csv"
    download("A file to fill in", lambda: _template(faces, split), name, "guest-template", place=right)


def _template(faces: EvaluationFaces, split: Split) -> bytes:
    """Every row of the split with equal probabilities."""
    size = len(faces.label_set)
    shares = dict.fromkeys(faces.label_set.names, round(1 / size, 6))
    return csv_bytes(pd.DataFrame({"row": np.arange(len(faces.by_split[split])), **shares}))


def _bring_file(faces: EvaluationFaces) -> None:
    if failed := st.session_state.pop(_FAILED, None):
        st.error(failed, icon=":material/error:")
    running: _Running | None = st.session_state.get(_RUN)
    if running is not None:
        _watch()
        return
    st.markdown(
        "The file is checked first, then run in a process of its own that has no network access and bounded memory and "
        "time. Pickles, older HDF5 files and layers that carry code are refused."
    )
    upload = st.file_uploader("Model file", key="guest-file", help="A .keras or .tflite file of up to 50 MB.")
    if upload is None:
        return
    with errors_in_words(stop=False):
        file = _checked(upload.file_id, upload.getvalue(), upload.name)
        file.check_outputs(len(faces.label_set))
        answers = f" and answers with {' and '.join(map(str, file.outputs))} numbers for each" if file.outputs else ""
        st.success(
            f"A {_FORMATS[file.kind]} file that takes faces of {file.side} x {file.side} x {file.channels}{answers}. "
            "Nothing of it has been run yet.",
            icon=":material/verified_user:",
        )
        _set_up(file, faces)


def _checked(file_id: str, content: bytes, name: str) -> ModelFile:
    """The checked file; the last one is kept, since every click runs the page again."""
    known = st.session_state.get(_CHECKED)
    if known and known[0] == file_id:
        return known[1]
    file = read_model_file(content, name)
    st.session_state[_CHECKED] = (file_id, file)
    return file


def _set_up(file: ModelFile, faces: EvaluationFaces) -> None:
    """What the file does not say about itself, and the button that runs it."""
    left, right = st.columns(2)
    help_text = "What black and white become. A network with a Rescaling layer of its own takes 0 to 255."
    pixel_range = pick("Pixels it was trained on", list(PIXEL_RANGES), "guest-range", help=help_text, place=left)
    with right:
        order_title, own = _choose_order(faces.label_set, "guest-order", 0)
    path = st.text_input(
        "Path of the data set that it is run on",
        st.session_state.get("comparison-data", ""),
        key="guest-data",
        placeholder="fer2013.csv, CK+48.zip or a folder",
        help="On the computer that this studio runs on. It is only read.",
    )
    with_public = Split.VALIDATION in faces.by_split and st.toggle(
        f"Also on all of {faces.title(Split.VALIDATION)}",
        value=True,
        key="guest-validation",
        help="Fits its temperature and its balanced answer there, as for the stored models; takes twice as long.",
    )
    if not st.button(
        "Run it", key="guest-run-it", type="primary", icon=":material/play_arrow:", disabled=not path.strip()
    ):
        return
    with errors_in_words(stop=False):
        _need_room()
        order = _order_of(order_title, own, faces.label_set)
        splits = [split for split in faces.by_split if split != Split.VALIDATION or with_public]
        tasks = tasks_for(faces, cached_dataset(path.strip()), pixel_range, splits)
        run = SandboxRun(file, tasks, len(faces.label_set), faces.label_set.name)
        st.session_state[_RUN] = _Running(run, faces, pixel_range, order)
        st.rerun()


def _choose_order(label_set: LabelSet, key: str, index: int) -> tuple[str, str]:
    """The title of an order of classes, and what was typed in if it is :data:`OWN_ORDER`."""
    titles = [*label_orders(label_set), OWN_ORDER]
    help_text = "Networks trained from folders of classes answer in alphabetical order."
    title = pick("Order of its outputs", titles, f"{key}-{label_set.name}", default=titles[index], help=help_text)
    if title == OWN_ORDER:
        own = st.text_input("Classes in the order of the outputs", ", ".join(label_set.emotions), key=f"{key}-own")
        return title, own
    st.caption(", ".join(label_orders(label_set)[title]))
    return title, ""


def _order_of(title: str, own: str, label_set: LabelSet) -> tuple[Emotion, ...]:
    return parse_order(own, label_set) if title == OWN_ORDER else label_orders(label_set)[title]


@st.fragment(run_every=1.0)
def _watch() -> None:
    """The progress of the run, drawn again every second, and the button that ends it."""
    running: _Running | None = st.session_state.get(_RUN)
    if running is None:
        return
    run = running.run
    if st.button("Cancel", key="guest-cancel", icon=":material/cancel:"):
        run.cancel()
        del st.session_state[_RUN]
        st.rerun()
    if run.running:
        what = f"{run.share:.0%} of the faces" if run.loaded else "starting its process and building the model"
        st.progress(run.share, f"Running {run.file.name}: {what}")
        return
    del st.session_state[_RUN]
    try:
        outputs = Outputs.of(run.file, run.answers(), run.parameters, running.pixel_range)
        external_model = external_model_of_file(outputs, running.order, running.faces, _taken())
        _add(external_model, running.faces.label_set, outputs, running.order)
    except ModelError as error:
        st.session_state[_FAILED] = str(error)
    st.rerun()


def _show_external_model(entry: _Brought, faces: EvaluationFaces) -> None:
    """A model brought along: where it comes from, advice, the order of its outputs, and the button that removes it."""
    name = entry.external_model.name
    with st.container(border=True):
        text, button = st.columns([5, 1], vertical_alignment="center")
        splits = " and ".join(faces.title(split) for split in entry.external_model.stored_predictions.splits())
        text.markdown(
            f"**{entry.external_model.card.title}** · {entry.external_model.card.summary} Judged on {splits}."
        )
        button.button("Remove", key=f"guest-remove-{name}", icon=":material/delete:", on_click=_remove, args=(name,))
        if entry.outputs is not None:
            _advise(entry, entry.outputs, faces)


def _advise(entry: _Brought, outputs: Outputs, faces: EvaluationFaces) -> None:
    """What other orders and pixel ranges would give; a newly chosen order is applied at once."""
    label_set = entry.label_set
    advice = outputs.advise(faces)
    left, right = st.columns(2)
    orders = list(label_orders(label_set).values())
    with left:
        place = orders.index(entry.order) if entry.order in orders else len(orders)
        title, own = _choose_order(label_set, f"guest-order-{entry.external_model.name}", place)
    if advice is not None:
        with right:
            rows = [("order", t, a) for t, a in advice.orders.items()] + [
                ("pixels", t, a) for t, a in advice.ranges.items()
            ]
            st.dataframe(
                pd.DataFrame(rows, columns=["choice", "would be", "accuracy"]),
                hide_index=True,
                column_config=number_columns({"accuracy": "percent"}),
            )
            st.caption(
                f"On {advice.faces} faces of {faces.title(Split.VALIDATION)}: advice alone, to catch a mix-up. Each range "
                "of pixels is measured in the order of classes that suits it best."
            )
    with errors_in_words(stop=False):
        order = _order_of(title, own, label_set)
        for sentence in advice.sentences(order, outputs.pixel_range, label_set) if advice is not None else []:
            st.warning(sentence, icon=":material/swap_vert:")
        if order == entry.order:
            return
        others = [name for name in _taken() if name != entry.external_model.name]
        external_model = external_model_of_file(outputs, order, faces, others)
        _brought()[external_model.name] = _Brought(external_model, label_set, outputs, order)
        st.rerun()
