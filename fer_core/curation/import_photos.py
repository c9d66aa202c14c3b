"""Photos of one's own become a data set: every face found, cut out as FER2013 frames a face, and what was dropped and why.

Photos are read one after another and none is kept; what remains are grey crops of 48x48 pixels. Where photos lie in folders
that are named after emotions, those are the labels.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pandas as pd

from fer_core.datasets.dataset import DATASET_SIDE, NO_LABEL, FaceDataset, Split
from fer_core.datasets.readers.archives import DataFile, Limits, open_files
from fer_core.datasets.readers.folders import UNLABELLED, label_set_for
from fer_core.errors import DatasetError, ImageError
from fer_core.labels import Emotion, parse_emotion
from fer_core.media.images import MAX_FILE_BYTES, decode_image
from fer_core.media.suffixes import IMPORTED_PHOTO_SUFFIXES
from fer_core.results import BoundingBox
from fer_core.vision.crops import crop_faces
from fer_core.vision.detection.base import FaceDetector

MAX_PHOTOS = 5_000
"""At once: 25 minutes, at the 0.3 s that a photo of 12 megapixels takes; a larger collection is taken in parts."""
MAX_FACES = 20_000
"""Of one data set, as many as half of FER2013: 46 MB."""
"""File names that count as photos, in lower case. HEIC cannot be read and is listed, so that the report says so."""
COLUMNS = ("photo", "folder", "faces", "kept", "dropped", "why")
_LIMITS = Limits(file_bytes=MAX_FILE_BYTES)


class FaceSelection(StrEnum):
    """Which faces of a photo are kept."""

    LARGEST = "the largest face of each photo"
    EVERY = "every face"
    SINGLE = "only faces that are alone on their photo"


class DropReason(StrEnum):
    """Why a photo gives no face, or a face is left out."""

    UNREADABLE = "unreadable"
    NO_FACE = "no face"
    TOO_SMALL = "too small"
    NOT_LARGEST = "not the largest"
    SEVERAL = "not alone on the photo"
    FULL = f"beyond {MAX_FACES:,} faces in all"


@dataclass(frozen=True)
class Photo:
    """A photo that was found and not yet read."""

    name: str
    folder: str
    """Name of the folder it lies in, empty without one."""
    read: Callable[[], bytes]


@dataclass(frozen=True)
class OwnFaces:
    """Faces cut out of photos, and what became of every photo."""

    images: np.ndarray
    """``(N, 48, 48) uint8`` grey."""
    sources: tuple[str, ...]
    """The photo of each face, with a number where several are of one."""
    folders: tuple[str, ...]
    """The folder of each face's photo."""
    report: pd.DataFrame
    """A row per photo, see :data:`COLUMNS`."""
    dropped: Mapping[DropReason, int]
    """How many photos or faces were dropped for each reason that occurred."""

    @property
    def nameless(self) -> tuple[str, ...]:
        """Folders of faces whose names are no emotions, in order."""
        return tuple(sorted({folder for folder in self.folders if folder and _emotion_of(folder) is None}))

    def dataset(self, meanings: Mapping[str, Emotion | None] | None = None) -> FaceDataset:
        """The faces as a data set of training rows, unlabelled where the folder is no emotion and has no meaning given."""
        emotions = [(meanings or {}).get(folder) or _emotion_of(folder) for folder in self.folders]
        label_set = label_set_for(emotion for emotion in emotions if emotion)
        labels = [label_set.index(emotion) if emotion else NO_LABEL for emotion in emotions]
        splits = np.full(len(labels), Split.TRAINING)
        return FaceDataset("Own photos", self.images, np.array(labels, np.int64), splits, label_set)


def _emotion_of(folder: str) -> Emotion | None:
    try:
        return parse_emotion(folder)
    except ValueError:
        return None


@contextmanager
def open_photos(uploads: Sequence[tuple[str, bytes]], path: Path | None = None) -> Iterator[list[Photo]]:
    """The photos of uploads and of a path: pictures, zips of them, a folder with everything below it.

    Args:
        uploads: names and contents.
        path: a folder or a zip on this computer.

    Raises:
        DatasetError: nothing is at the path, a zip is refused (:mod:`~fer_core.datasets.readers.archives`), there are no
            photos, or more than :data:`MAX_PHOTOS`.
    """
    photos: list[Photo] = []
    with ExitStack() as stack:
        for name, data in uploads:
            if name.lower().endswith(".zip"):
                photos += map(
                    _photo, stack.enter_context(open_files(io.BytesIO(data), name, IMPORTED_PHOTO_SUFFIXES, _LIMITS))
                )
            else:
                photos.append(Photo(name, "", lambda data=data: data))  # type: ignore[misc]  # bound for each by its default
        if path is not None:
            photos += _photos_at(path.expanduser(), stack)
        if not photos:
            raise DatasetError(
                "Found no photos; expected JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF, as files or in a zip."
            )
        if len(photos) > MAX_PHOTOS:
            raise DatasetError(
                f"Found {len(photos):,} photos, expected at most {MAX_PHOTOS:,} at once; take them in parts."
            )
        yield photos


def _photos_at(path: Path, stack: ExitStack) -> list[Photo]:
    if not path.is_dir() and not (path.is_file() and path.suffix.lower() == ".zip"):
        found = "a file of another kind" if path.exists() else "nothing"
        raise DatasetError(f"{path}: found {found}, expected a folder or a zip of photos.")
    return [_photo(file) for file in stack.enter_context(open_files(path, path.name, IMPORTED_PHOTO_SUFFIXES, _LIMITS))]


def _photo(file: DataFile) -> Photo:
    folder = file.name.parent.name
    return Photo(str(file.name), "" if folder.lower() == UNLABELLED else folder, file.read)


def cut_faces(
    photos: Sequence[Photo],
    detector: FaceDetector,
    selection: FaceSelection,
    smallest: int,
    progress: Callable[[float], None] = lambda _: None,
) -> OwnFaces:
    """Every photo through detector and crop.

    Args:
        photos: see :func:`open_photos`; each is read when its turn comes.
        detector: finds the faces.
        selection: which faces of a photo are kept.
        smallest: side in pixels of the square that is cut out of the photo, from which on a face is kept.
        progress: called with the share of the photos that is done, 0..1; what it raises ends the work.
    """
    crops: list[np.ndarray] = []
    sources: list[str] = []
    folders: list[str] = []
    rows: list[tuple[str, str, int, int, int, str]] = []
    dropped: Counter[DropReason] = Counter()
    for done, photo in enumerate(photos, start=1):
        found, faces, reasons, why = _cut(photo, detector, selection, smallest, MAX_FACES - len(sources))
        crops.append(faces)
        numbered = len(faces) > 1
        sources += [f"{photo.name} #{number}" if numbered else photo.name for number in range(1, len(faces) + 1)]
        folders += [photo.folder] * len(faces)
        rows.append((photo.name, photo.folder, found, len(faces), found - len(faces), why))
        dropped += reasons
        progress(done / len(photos))
    images = np.concatenate(crops) if crops else np.empty((0, DATASET_SIDE, DATASET_SIDE), np.uint8)
    report = pd.DataFrame(rows, columns=list(COLUMNS))
    return OwnFaces(images, tuple(sources), tuple(folders), report, dict(dropped))


def _cut(
    photo: Photo, detector: FaceDetector, selection: FaceSelection, smallest: int, room: int
) -> tuple[int, np.ndarray, Counter[DropReason], str]:
    """Faces found, crops, reasons and the sentence about them, of one photo."""
    nothing = np.empty((0, DATASET_SIDE, DATASET_SIDE), np.uint8)
    try:
        frame = decode_image(photo.read(), photo.name)
    except (ImageError, DatasetError) as error:
        return 0, nothing, Counter({DropReason.UNREADABLE: 1}), str(error)
    boxes = [detector.framing.crop_box(detection.box) for detection in detector.detect(frame)]
    if not boxes:
        return 0, nothing, Counter({DropReason.NO_FACE: 1}), str(DropReason.NO_FACE)
    kept, reasons = _chosen(boxes, selection, smallest)
    if len(kept) > room:
        reasons[DropReason.FULL] += len(kept) - room
        kept = kept[:room]
    why = "; ".join(
        f"{count} {reason}" + (f" ({_sides(boxes, smallest)} pixels)" if reason == DropReason.TOO_SMALL else "")
        for reason, count in reasons.items()
    )
    return len(boxes), crop_faces(frame, kept, DATASET_SIDE), reasons, why


def _sides(boxes: list[BoundingBox], smallest: int) -> str:
    """``18``, or ``11 to 18``: of the boxes that are too small, rounded down so that none looks large enough."""
    sides = sorted({int(box.width) for box in boxes if box.width < smallest})
    return str(sides[0]) if len(sides) == 1 else f"{sides[0]} to {sides[-1]}"


def _chosen(
    boxes: list[BoundingBox], selection: FaceSelection, smallest: int
) -> tuple[list[BoundingBox], Counter[DropReason]]:
    """The boxes to keep, of those that a detector found, largest first."""
    large = [box for box in boxes if box.width >= smallest]
    reasons: Counter[DropReason] = Counter()
    if len(large) < len(boxes):
        reasons[DropReason.TOO_SMALL] = len(boxes) - len(large)
    if selection == FaceSelection.EVERY or len(large) < 2:
        return large, reasons
    if selection == FaceSelection.SINGLE:
        reasons[DropReason.SEVERAL] = len(large)
        return [], reasons
    reasons[DropReason.NOT_LARGEST] = len(large) - 1
    return large[:1], reasons
