"""What the data set page is about: figures that ship, a path on this computer, or an upload; read with progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from fer_core.app.common.background import Report, finished, start
from fer_core.app.common.cached_data import ReadData, shared_place
from fer_core.app.explore.explored import ExploredDataset
from fer_core.curation.summary import DatasetSummary, load_summary, shipped_summaries, summary_of
from fer_core.datasets.load import VOTES_FILE, read_dataset, read_uploads
from fer_core.datasets.readers.folders import UnknownClassError
from fer_core.errors import DatasetError, FerError
from fer_core.labels import FERPLUS, Emotion

DEFAULT = "fer2013"
"""Folder of the summary that is shown at first."""
MOST_UPLOADS = 4
"""Files at once; FER2013's csv and FER+'s votes are two."""
MOST_MEANINGS = 24
"""Names of classes that the page asks the meaning of; more are no data set of expressions."""
LEAVE_OUT = "leave out"
_SHIPPED, _PATH, _UPLOAD = "Figures that ship", "Path on this computer", "Upload"
_JOB, _ASKED, _HELD, _FAILED = "explore-job", "explore-asked", "explore-held", "explore-failed"


@dataclass(frozen=True)
class _LoadRequest:
    """What was asked for: one path, or files."""

    kind: str
    path: str = ""
    files: tuple[tuple[str, bytes], ...] = ()

    @property
    def name(self) -> str:
        return Path(self.path).name if self.path else ", ".join(name for name, _ in self.files)


@dataclass(frozen=True)
class _Loaded:
    """What was read."""

    explored: ExploredDataset
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Kept:
    """The last data set that was read in this session, and how it was asked for."""

    kind: str
    loaded: _Loaded


@dataclass(frozen=True)
class _LoadFailure:
    request: _LoadRequest
    error: FerError


def choose_explored() -> ExploredDataset:
    """Ask for a data set, read it in the background, and give the figures of another one until it is there."""
    kind = st.radio("Data set", [_SHIPPED, _PATH, _UPLOAD], key="explore-kind", persist_state="session")
    if kind == _SHIPPED:
        _take_loaded()
        return _choose_shipped()
    request = _ask_for_path() if kind == _PATH else _ask_for_upload()
    if request is not None:
        _start(request, {})
    _take_loaded()
    _explain_failure(kind)
    held: _Kept | None = st.session_state.get(_HELD)
    if held is None or held.kind != kind:
        explored = ExploredDataset(_shipped()[DEFAULT], None)
        st.caption(f"Nothing is read yet; until then the page shows the figures of {explored.summary.name} that ship.")
        return explored
    _describe(held.loaded)
    return held.loaded.explored


def _shipped() -> dict[str, DatasetSummary]:
    summaries = {place.name: loaded_summary(str(place)) for place in shipped_summaries()}
    if not summaries:
        raise DatasetError(
            "No figures of a data set ship with this copy: fetch artifacts/datasets with the repository, or make them with "
            "`python -m fer_core summarise --data PATH`."
        )
    return {DEFAULT: summaries.get(DEFAULT, next(iter(summaries.values()))), **summaries}


@st.cache_resource(show_spinner=False)
def loaded_summary(place: str) -> DatasetSummary:
    """The summary that ships in a folder, read once for all sessions."""
    return load_summary(Path(place))


def _choose_shipped() -> ExploredDataset:
    summaries = _shipped()
    name = st.selectbox(
        "Figures of",
        list(summaries),
        format_func=lambda name: f"{summaries[name].name} · {summaries[name].faces:,} faces",
        key="explore-shipped",
        persist_state="session",
        help="Counts, means over many faces and row numbers, computed from the public files.",
    )
    st.caption(
        "Figures only, no faces: the data itself does not ship. Name a path or upload it to see the faces as well."
    )
    return ExploredDataset(summaries[name], None)


def _ask_for_path() -> _LoadRequest | None:
    with st.form("explore-path-form", border=False):
        path = st.text_input(
            "Path",
            key="explore-path",
            persist_state="session",
            placeholder="fer2013.csv, CK+48.zip or a folder",
            help="FER2013's csv in any packing (with fer2013new.csv beside it FER+'s votes are read too), CK+ as zip or "
            "folder, ExpW, or folders of classes such as happy/1.jpg, with or without train and test above them. On the "
            "computer that this studio runs on; it is read only.",
        )
        pressed = st.form_submit_button("Read", icon=":material/folder_open:", type="primary")
    return _LoadRequest(_PATH, path.strip()) if pressed and path and path.strip() else None


def _ask_for_upload() -> _LoadRequest | None:
    limit = st.get_option("server.maxUploadSize")
    uploads = st.file_uploader(
        "Files",
        type=["csv", "gz", "xz", "zip", "npz"],
        accept_multiple_files=True,
        key="explore-upload",
        help=f"A csv of FER2013 (plain, .gz, .xz, .zip), {VOTES_FILE} together with it, or a zip of folders of classes.",
    )
    st.caption(f"Up to {limit} MB a file. What is larger, as all of FER2013 is, is read by its path on this computer.")
    pressed = st.button(
        "Read", key="explore-upload-read", icon=":material/upload_file:", type="primary", disabled=not uploads
    )
    if not pressed or not uploads:
        return None
    if len(uploads) > MOST_UPLOADS:
        st.error(f"Found {len(uploads)} files, expected at most {MOST_UPLOADS}: pack a folder of classes into one zip.")
        return None
    return _LoadRequest(_UPLOAD, files=tuple((upload.name, upload.getvalue()) for upload in uploads))


def _start(request: _LoadRequest, meanings: Mapping[str, Emotion | None]) -> None:
    st.session_state.pop(_FAILED, None)
    st.session_state[_ASKED] = request
    shared = shared_place(request.path) if request.path and not meanings else []
    start(_JOB, partial(_read, request, meanings, shared))


def _read(
    request: _LoadRequest, meanings: Mapping[str, Emotion | None], shared: list[ReadData], report: Report
) -> _Loaded:
    """On a thread of its own: read, unless another session did already, and audit."""
    if not shared:
        notes: list[str] = []
        reading = partial(report, f"Reading {request.name[:60]}")
        reading(0.0)
        if request.path:
            dataset = read_dataset(request.path, meanings=meanings, progress=reading, note=notes.append)
        else:
            files = _by_name(request.files)
            dataset = read_uploads(files, meanings=meanings, progress=reading, note=notes.append)
        shared.append(ReadData(dataset, tuple(notes)))
    read = shared[0]
    summary = summary_of(read.dataset, partial(report, f"Auditing {len(read.dataset):,} faces"))
    return _Loaded(ExploredDataset(summary, read.dataset), read.notes)


def _by_name(files: tuple[tuple[str, bytes], ...]) -> dict[str, bytes]:
    by_name = dict(files)
    if len(by_name) < len(files):
        raise DatasetError("Found two files of the same name, expected files of different names.")
    return by_name


def _take_loaded() -> None:
    """Show how far the reading is, or take what it gave."""
    job = finished(_JOB)
    if job is None:
        return
    request: _LoadRequest = st.session_state.pop(_ASKED)
    try:
        st.session_state[_HELD] = _Kept(request.kind, job.result())
    except FerError as error:
        st.session_state[_FAILED] = _LoadFailure(request, error)


def _explain_failure(kind: str) -> None:
    failure: _LoadFailure | None = st.session_state.get(_FAILED)
    if failure is None or failure.request.kind != kind:
        return
    st.error(str(failure.error), icon=":material/error:")
    if isinstance(failure.error, UnknownClassError) and len(failure.error.names) <= MOST_MEANINGS:
        meanings = ask_for_meanings(failure.error.names, "explore-meaning", LEAVE_OUT)
        if meanings is not None:
            _start(failure.request, meanings)
            st.rerun()


def ask_for_meanings(names: tuple[str, ...], key: str, otherwise: str) -> dict[str, Emotion | None] | None:
    """What names of classes mean that are no emotions: a box for each; ``None`` until the answers are given.

    Args:
        names: of folders.
        key: of the widgets.
        otherwise: what is done with a name that means none.
    """
    with st.form(f"{key}-form"):
        st.markdown("What do these names mean?")
        choices = [otherwise, *FERPLUS.names]
        chosen = {name: st.selectbox(name, choices, key=f"{key}-{name}") for name in names}
        if not st.form_submit_button("Read it so", icon=":material/rule:"):
            return None
    return {name: None if word == otherwise else Emotion(word) for name, word in chosen.items()}


def _describe(loaded: _Loaded) -> None:
    dataset = loaded.explored.dataset
    assert dataset is not None, "what was read has faces"
    votes = ", with FER+'s votes" if dataset.votes is not None else ""
    st.markdown(f"**{loaded.explored.summary.name}** · {len(dataset):,} faces{votes}")
    for note in loaded.notes:
        st.caption(note)
