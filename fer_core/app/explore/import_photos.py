"""Photos of one's own become a data set to download: in memory, with a report of what was dropped and why."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import streamlit as st

from fer_core.app.common.background import Report, finished, start
from fer_core.app.common.selection import choose_detector
from fer_core.app.common.widgets import download
from fer_core.app.explore.explored import ExploredDataset
from fer_core.app.explore.sources import MOST_MEANINGS, ask_for_meanings
from fer_core.curation.import_photos import MAX_PHOTOS, DropReason, FaceSelection, OwnFaces, cut_faces, open_photos
from fer_core.datasets.dataset import DATASET_SIDE, FaceDataset
from fer_core.datasets.readers.npz import as_npz, as_zip
from fer_core.errors import FerError
from fer_core.labels import Emotion
from fer_core.vision.detection.registry import create_detector

FACES_SHOWN = 48
"""Of the crops; the downloads hold all."""
FACE_SIDE = 72
"""Pixels of a shown crop."""
SMALLEST = 48
"""Side in pixels from which on a face is kept at first: a smaller one would be enlarged."""
UNLABELLED = "no label"
_JOB, _FACES, _MEANINGS, _FAILED = "own-job", "own-faces", "own-meanings", "own-failed"


def import_photos_tab(explored: ExploredDataset) -> None:
    """Photos in, options, and what came out; the data set of the page plays no part."""
    st.markdown(
        "Make a data set of your own photos: every face is found, cut out as FER2013 frames a face, and turned grey. "
        "Photos in folders called happy, sad… get these as labels. **Photos are read in memory and not kept**; what you "
        "download is all that remains. Ask the people on them first."
    )
    left, right = st.columns(2, gap="large")
    uploads = left.file_uploader(
        "Photos, or a zip of them",
        accept_multiple_files=True,
        key="own-upload",
        help=f"JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF; up to {MAX_PHOTOS:,} photos of 25 MB. In a zip, folders may be "
        "named after emotions.",
    )
    path = left.text_input(
        "Or a folder of photos on this computer",
        key="own-path",
        persist_state="page",
        placeholder="folder or zip",
        help=f"For more than {st.get_option('server.maxUploadSize')} MB. It is read only, with everything below it.",
    )
    with right:
        detector = choose_detector()
        take = FaceSelection(
            st.selectbox("Keep", [str(take) for take in FaceSelection], key="own-take", persist_state="page")
        )
        smallest = st.slider(
            "Smallest face, pixels",
            16,
            256,
            SMALLEST,
            key="own-smallest",
            persist_state="page",
            help=f"Side of the square that is cut out. Faces below {DATASET_SIDE} pixels are enlarged and look blurred.",
        )
    if st.button(
        "Cut out the faces",
        key="own-start",
        type="primary",
        icon=":material/content_cut:",
        disabled=not uploads and not (path or "").strip(),
    ):
        files = [(upload.name, upload.getvalue()) for upload in uploads or ()]
        folder = Path(path.strip()) if path and path.strip() else None
        st.session_state.pop(_FAILED, None)
        start(_JOB, partial(_cut, files, folder, detector, take, smallest))
    _take_result()
    if failed := st.session_state.get(_FAILED):
        st.error(failed, icon=":material/error:")
    faces: OwnFaces | None = st.session_state.get(_FACES)
    if faces is not None:
        _show(faces)


def _cut(
    files: list[tuple[str, bytes]],
    folder: Path | None,
    detector: str,
    take: FaceSelection,
    smallest: int,
    report: Report,
) -> OwnFaces:
    """On a thread of its own."""
    report("Looking for photos", 0.0)
    with open_photos(files, folder) as photos:
        stage = f"Finding faces on {len(photos):,} {'photo' if len(photos) == 1 else 'photos'}"
        return cut_faces(photos, create_detector(detector), take, smallest, partial(report, stage))


def _take_result() -> None:
    job = finished(_JOB)
    if job is None:
        return
    try:
        st.session_state[_FACES] = job.result()
        st.session_state[_MEANINGS] = {}
    except FerError as error:
        st.session_state[_FAILED] = str(error)


def _show(faces: OwnFaces) -> None:
    photos = len(faces.report)
    st.subheader(f"{len(faces.images):,} faces of {photos:,} photos")
    if faces.dropped:
        st.markdown("Dropped: " + ", ".join(_in_words(reason, count) for reason, count in faces.dropped.items()))
    meanings: Mapping[str, Emotion | None] = st.session_state[_MEANINGS]
    unknown = tuple(name for name in faces.nameless if name not in meanings)
    if unknown:
        meanings = _ask(unknown) or meanings
    dataset = faces.dataset(meanings)
    if len(dataset):
        _labels(dataset)
        _preview(dataset, faces)
        _downloads(dataset, faces)
    else:
        st.info(
            "No face was kept, so there is nothing to download. The report says why; another detector, a smaller smallest "
            "face or another choice of faces may keep some.",
            icon=":material/face_retouching_off:",
        )
    st.markdown("**What became of each photo**")
    st.dataframe(faces.report, hide_index=True, width="stretch")
    download("This report (csv)", faces.report, "own-photos-report.csv", "own-report")
    st.button("Forget these faces", key="own-forget", icon=":material/delete:", on_click=_forget)


def _in_words(reason: DropReason, count: int) -> str:
    what = "photo" if reason in (DropReason.UNREADABLE, DropReason.NO_FACE) else "face"
    return f"{count:,} {what}{'' if count == 1 else 's'} {'with ' if reason == DropReason.NO_FACE else ''}{reason}"


def _forget() -> None:
    st.session_state.pop(_FACES, None)


def _ask(unknown: tuple[str, ...]) -> dict[str, Emotion | None] | None:
    """What folders mean whose names are no emotions, asked unless there are many: those are no classes."""
    if len(unknown) > MOST_MEANINGS:
        st.caption(f"{len(unknown):,} folders are not named after emotions; their faces have no label.")
        return None
    st.caption("Some folders are not named after emotions; until you say what they mean their faces have no label.")
    meanings = ask_for_meanings(unknown, "own-meaning", UNLABELLED)
    if meanings is not None:
        st.session_state[_MEANINGS] = meanings
        st.rerun()
    return None


def _labels(dataset: FaceDataset) -> None:
    counts = {str(e): int(n) for e, n in zip(dataset.label_set.emotions, dataset.counts(), strict=True) if n}
    without = len(dataset) - sum(counts.values())
    words = [f"{name} {count:,}" for name, count in counts.items()] + ([f"{UNLABELLED} {without:,}"] if without else [])
    st.markdown("Labels: " + ", ".join(words))


def _preview(dataset: FaceDataset, faces: OwnFaces) -> None:
    emotions = [*dataset.label_set.names, UNLABELLED]  # the last serves label -1
    st.image(
        list(dataset.images[:FACES_SHOWN]),
        caption=[emotions[label] for label in dataset.labels[:FACES_SHOWN]],
        width=FACE_SIDE,
    )
    if len(dataset) > FACES_SHOWN:
        st.caption(f"The first {FACES_SHOWN} of {len(dataset):,}.")


def _downloads(dataset: FaceDataset, faces: OwnFaces) -> None:
    left, right, _ = st.columns([1, 1, 2])
    left.download_button(
        "Arrays (npz)",
        partial(as_npz, dataset, faces.sources),  # packed when asked for
        "own-photos.npz",
        "application/octet-stream",
        icon=":material/download:",
        key="own-npz",
        on_click="ignore",
        help="images, labels, label_names and sources; NumPy reads it without pickles.",
    )
    right.download_button(
        "Class folders (zip)",
        partial(as_zip, dataset, faces.sources),
        "own-photos.zip",
        "application/zip",
        icon=":material/download:",
        key="own-zip",
        on_click="ignore",
        help="A png for every face, in folders named after the labels.",
    )
    if (dataset.labels >= 0).any():
        st.caption("Both are read by this page and by `python -m fer_core train NAME --data FILE`.")
    else:
        st.caption(
            "None of these faces has a label: sort the folder `unlabelled` of the zip into folders called happy, sad… and "
            "read it by its path."
        )
