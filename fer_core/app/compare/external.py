"""Bring your own: predictions or a model file beside the stored models, in memory and for one browser session.

A model file is checked as data here and run by a process of its own, which the session holds and can end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from fer_core.app.common.cached_data import cached_dataset
from fer_core.datasets.dataset import Split
from fer_core.errors import FerError, ModelError
from fer_core.external.model_files import FileKind, ModelFile, read_model_file
from fer_core.external.models import (
    MARK,
    PIXEL_RANGES,
    ExternalModel,
    Faces,
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
"""Of one session, which bounds its memory."""


OWN_ORDER = "another one"


_EXTERNAL_MODELS, _RUN, _CHECKED, _FAILED = "guests", "guest-run", "guest-checked", "guest-failed"


_FORMATS = {FileKind.KERAS: "Keras", FileKind.LITERT: "LiteRT"}


@dataclass(frozen=True)
class _Held:
    """A guest and what it came from."""

    external_model: ExternalModel
    label_set: LabelSet
    outputs: Outputs | None
    """Of a model file, which can be shown in another order of classes without being run again."""
    order: tuple[Emotion, ...]


@dataclass(frozen=True)
class _Running:
    """A model file on its way, and what was chosen for it."""

    run: SandboxRun
    faces: Faces
    pixel_range: str
    order: tuple[Emotion, ...]


def _held() -> dict[str, _Held]:
    return st.session_state.setdefault(_EXTERNAL_MODELS, {})


def session_external_models() -> dict[str, ExternalModel]:
    """The models that were brought along in this browser session, by name."""
    return {name: held.external_model for name, held in _held().items()}


def is_external(name: str) -> bool:
    """Whether a model was brought along."""
    return name in _held()


def chosen_key(label_set: LabelSet) -> str:
    """Key of the box that chooses the models of a label set."""
    return f"comparison-models-{label_set.name}"


def marked(table: pd.DataFrame, titles: dict[str, str]) -> pd.DataFrame:
    """A leaderboard whose rows of guests say so in the column of sources."""
    own = table["model"].isin([titles[name] for name in session_external_models()])
    return table.assign(source=table["source"].mask(own, MARK))


def bring_your_own(models: Sequence[StoredModel], label_set: LabelSet) -> None:
    """The place where predictions and model files are brought along, and what was brought along so far.

    Args:
        models: those of the store.
        label_set: the classes chosen on the page.
    """
    brought = [held for held in _held().values() if held.label_set == label_set]
    busy = _RUN in st.session_state or _FAILED in st.session_state
    count = f" · {len(brought)} here" if brought else ""
    with st.expander(
        f"Bring your own predictions or model{count}", busy or bool(brought), icon=":material/upload_file:"
    ):
        st.caption(
            "See your own model in every table and chart of this page. It is marked as yours, kept in memory for this "
            "browser session alone, and nothing of it is written to the store."
        )
        faces = faces_of(models, label_set)
        table, file = st.tabs(["Predictions (csv)", "Model file (Keras, LiteRT)"])
        with table:
            _bring_predictions(faces)
        with file:
            _bring_file(faces)
        for held in brought:
            _show_external_model(held, faces)


def _add(
    external_model: ExternalModel, label_set: LabelSet, outputs: Outputs | None, order: tuple[Emotion, ...]
) -> None:
    _held()[external_model.name] = _Held(external_model, label_set, outputs, order)
    chosen = st.session_state.get(chosen_key(label_set))
    if chosen is not None and external_model.name not in chosen:
        st.session_state[chosen_key(label_set)] = [*chosen[: MAX_EXTERNAL_MODELS - 1], external_model.name]


def _remove(name: str) -> None:
    held = _held().pop(name)
    key = chosen_key(held.label_set)
    if key in st.session_state:
        st.session_state[key] = [chosen for chosen in st.session_state[key] if chosen != name]


def _taken(models: Sequence[str] = ()) -> list[str]:
    return [*_held(), *models]


def _need_room() -> None:
    if len(_held()) >= MAX_EXTERNAL_MODELS:
        raise ModelError(f"{MAX_EXTERNAL_MODELS} models of yours are here already: remove one first.")


def _bring_predictions(faces: Faces) -> None:
    emotions = ", ".join(faces.label_set.emotions)
    st.markdown(
        f"One row per face: `row`, then one probability per class, named by emotion in any order ({emotions}). Rows count "
        "from 0 in the split, or are those of FER2013's csv."
    )
    split = Split(
        st.selectbox(
            "Rows are faces of",
            [str(split) for split in faces.by_split],
            index=len(faces.by_split) - 1,
            format_func=lambda split: f"{faces.title(Split(split))}, {len(faces.by_split[Split(split)]):,} rows",
            key=f"guest-split-{faces.label_set.name}",
        )
    )
    upload = st.file_uploader("Predictions", type=["csv", "txt"], key="guest-csv")
    left, right = st.columns(2)
    if left.button("Show beside the others", key="guest-add-csv", disabled=upload is None, type="primary") and upload:
        try:
            _need_room()
            by_split = read_predictions(upload.getvalue(), upload.name, faces.label_set, faces.by_split, split)
            _add(external_model_of_predictions(by_split, upload.name, faces, _taken()), faces.label_set, None, ())
        except FerError as error:
            st.error(str(error), icon=":material/error:")
        else:
            st.rerun()
    right.download_button(
        "A file to fill in",
        lambda: _template(faces, split),
        f"predictions-{split}.csv",
        "text/csv",
        icon=":material/download:",
        key="guest-template",
        on_click="ignore",
    )


def _template(faces: Faces, split: Split) -> bytes:
    """Every row of the split with equal probabilities."""
    size = len(faces.label_set)
    shares = dict.fromkeys(map(str, faces.label_set.emotions), round(1 / size, 6))
    return pd.DataFrame({"row": np.arange(len(faces.by_split[split])), **shares}).to_csv(index=False).encode()


def _bring_file(faces: Faces) -> None:
    if failed := st.session_state.pop(_FAILED, None):
        st.error(failed, icon=":material/error:")
    running: _Running | None = st.session_state.get(_RUN)
    if running is not None:
        _watch()
        return
    st.markdown(
        "The file is checked first, then run in a process of its own without a network, with bounds on memory and time. "
        "Pickles, older HDF5 files and layers that carry code are refused."
    )
    upload = st.file_uploader("Model file", key="guest-file", help="A .keras or .tflite file of up to 50 MB.")
    if upload is None:
        return
    try:
        file = _checked(upload.file_id, upload.getvalue(), upload.name)
        file.check_outputs(len(faces.label_set))
    except ModelError as error:
        st.error(str(error), icon=":material/error:")
        return
    answers = f" and answers with {' and '.join(map(str, file.outputs))} numbers for each" if file.outputs else ""
    st.success(
        f"A {_FORMATS[file.kind]} file that takes faces of {file.side} x {file.side} x {file.channels}{answers}. Nothing of "
        "it has been run yet.",
        icon=":material/verified_user:",
    )
    _set_up(file, faces)


def _checked(file_id: str, content: bytes, name: str) -> ModelFile:
    """The file as it was checked; one is kept, for the page is drawn anew with every click."""
    known = st.session_state.get(_CHECKED)
    if known and known[0] == file_id:
        return known[1]
    file = read_model_file(content, name)
    st.session_state[_CHECKED] = (file_id, file)
    return file


def _set_up(file: ModelFile, faces: Faces) -> None:
    """What the file does not say about itself, and the button that runs it."""
    left, right = st.columns(2)
    pixel_range = left.selectbox(
        "Pixels it was trained on",
        list(PIXEL_RANGES),
        key="guest-range",
        help="What black and white become. A network with a Rescaling layer of its own takes 0 to 255.",
    )
    with right:
        order_title, own = _choose_order(faces.label_set, "guest-order", 0)
    path = st.text_input(
        "Path of the data set that it is run on",
        st.session_state.get("comparison-data", ""),
        key="guest-data",
        placeholder="fer2013.csv, CK+48.zip or a folder",
        help="On the computer that this studio runs on. It is read only.",
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
    try:
        _need_room()
        order = _order_of(order_title, own, faces.label_set)
        splits = [split for split in faces.by_split if split != Split.VALIDATION or with_public]
        tasks = tasks_for(faces, cached_dataset(path.strip()), pixel_range, splits)
        run = SandboxRun(file, tasks, len(faces.label_set), faces.label_set.name)
    except FerError as error:
        st.error(str(error), icon=":material/error:")
    else:
        st.session_state[_RUN] = _Running(run, faces, pixel_range, order)
        st.rerun()


def _choose_order(label_set: LabelSet, key: str, index: int) -> tuple[str, str]:
    """The title of an order of classes, and what was typed where it is one's own."""
    titles = [*label_orders(label_set), OWN_ORDER]
    title = st.selectbox(
        "Order of its outputs",
        titles,
        index=index,
        key=f"{key}-{label_set.name}",
        help="Networks trained from folders of classes answer in alphabetical order.",
    )
    if title == OWN_ORDER:
        own = st.text_input("Classes in the order of the outputs", ", ".join(label_set.emotions), key=f"{key}-own")
        return title, own
    st.caption(", ".join(label_orders(label_set)[title]))
    return title, ""


def _order_of(title: str, own: str, label_set: LabelSet) -> tuple[Emotion, ...]:
    return parse_order(own, label_set) if title == OWN_ORDER else label_orders(label_set)[title]


@st.fragment(run_every=1.0)
def _watch() -> None:
    """How far the run is, drawn anew every second, and the button that ends it."""
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


def _show_external_model(held: _Held, faces: Faces) -> None:
    """What was brought along: where it comes from, advice, the order of its outputs, and the button that removes it."""
    name = held.external_model.name
    with st.container(border=True):
        text, button = st.columns([5, 1], vertical_alignment="center")
        splits = " and ".join(faces.title(split) for split in held.external_model.held.splits())
        text.markdown(f"**{held.external_model.card.title}** · {held.external_model.card.summary} Judged on {splits}.")
        button.button("Remove", key=f"guest-remove-{name}", icon=":material/delete:", on_click=_remove, args=(name,))
        if held.outputs is not None:
            _advise(held, held.outputs, faces)


def _advise(held: _Held, outputs: Outputs, faces: Faces) -> None:
    """What other orders and pixel ranges would give; another order is shown at once."""
    label_set = held.label_set
    advice = outputs.advise(faces)
    left, right = st.columns(2)
    orders = list(label_orders(label_set).values())
    with left:
        place = orders.index(held.order) if held.order in orders else len(orders)
        title, own = _choose_order(label_set, f"guest-order-{held.external_model.name}", place)
    if advice is not None:
        with right:
            rows = [("order", t, a) for t, a in advice.orders.items()] + [
                ("pixels", t, a) for t, a in advice.ranges.items()
            ]
            st.dataframe(
                pd.DataFrame(rows, columns=["choice", "would be", "accuracy"]),
                hide_index=True,
                column_config={"accuracy": st.column_config.NumberColumn("accuracy", format="percent")},
            )
            st.caption(
                f"On {advice.faces} faces of {faces.title(Split.VALIDATION)}: advice alone, to catch a mix-up. Pixels each "
                "in the order that suits them best."
            )
    try:
        order = _order_of(title, own, label_set)
        for sentence in advice.sentences(order, outputs.pixel_range, label_set) if advice is not None else []:
            st.warning(sentence, icon=":material/swap_vert:")
        if order == held.order:
            return
        others = [name for name in _taken() if name != held.external_model.name]
        external_model = external_model_of_file(outputs, order, faces, others)
    except ModelError as error:
        st.error(str(error), icon=":material/error:")
        return
    _held()[external_model.name] = _Held(external_model, label_set, outputs, order)
    st.rerun()
