"""Photos become faces of a data set, and every photo and face that does not is accounted for."""

import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fer_core.curation import import_photos as own_photos
from fer_core.curation.import_photos import COLUMNS, DropReason, FaceSelection, OwnFaces, Photo, cut_faces, open_photos
from fer_core.datasets import read_dataset
from fer_core.datasets.dataset import NO_LABEL
from fer_core.datasets.readers.npz import as_npz, as_zip
from fer_core.errors import DatasetError
from fer_core.labels import FER2013, FERPLUS, Emotion
from fer_core.results import BoundingBox, FaceDetection
from fer_core.vision.crops import crop_faces
from fer_core.vision.detection.registry import create_detector
from fer_core.vision.framing import FaceFraming


class Told:
    """A detector that finds what it is told: a square of each side, side by side from the left edge, largest first."""

    name = title = "told"
    framing = FaceFraming(0, 0, 1, 1)

    def __init__(self, *sides: float) -> None:
        self.sides = sides

    def detect(self, frame: np.ndarray) -> list[FaceDetection]:
        lefts = np.cumsum([0, *self.sides])
        boxes = [BoundingBox(x, 0, side, side) for x, side in zip(lefts, self.sides, strict=False)]
        return [FaceDetection(box, 1.0) for box in boxes]


def encoded(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


RAMP = np.repeat(np.linspace(0, 255, 200).astype(np.uint8)[None, :, None], 100, axis=0).repeat(3, axis=2)


def cut(
    detector, take: FaceSelection = FaceSelection.LARGEST, smallest: int = 48, photos: int = 1, **options
) -> OwnFaces:
    made = [Photo(f"{number}.png", "", lambda: encoded(RAMP)) for number in range(photos)]
    return cut_faces(made, detector, take, smallest, **options)


@pytest.mark.parametrize(
    ("take", "kept", "dropped", "why"),
    [
        (FaceSelection.EVERY, ["0.png #1", "0.png #2"], {DropReason.TOO_SMALL: 2}, "2 too small (20 to 47 pixels)"),
        (
            FaceSelection.LARGEST,
            ["0.png"],
            {DropReason.TOO_SMALL: 2, DropReason.NOT_LARGEST: 1},
            "2 too small (20 to 47 pixels); 1 not the largest",
        ),
        (
            FaceSelection.SINGLE,
            [],
            {DropReason.TOO_SMALL: 2, DropReason.SEVERAL: 2},
            "2 too small (20 to 47 pixels); 2 not alone on the photo",
        ),
    ],
)
def test_the_choice_of_faces_and_the_smallest_size_decide_what_is_kept(take, kept, dropped, why):
    faces = cut(Told(60, 48, 47.9, 20), take)
    assert list(faces.sources) == kept
    assert faces.dropped == dropped
    assert faces.report.to_numpy().tolist() == [["0.png", "", 4, len(kept), 4 - len(kept), why]]
    assert tuple(faces.report.columns) == COLUMNS
    assert faces.images.shape == (len(kept), 48, 48)


def test_a_face_beside_which_all_others_are_too_small_is_alone():
    assert len(cut(Told(60, 47), FaceSelection.SINGLE).images) == 1


def test_a_crop_is_what_the_pipeline_cuts(photo):
    detector = create_detector()
    faces = cut_faces([Photo("a.png", "happy", lambda: encoded(photo))], detector, FaceSelection.LARGEST, 48)
    box = detector.framing.crop_box(detector.detect(photo)[0].box)
    np.testing.assert_array_equal(faces.images, crop_faces(photo, [box], 48))
    assert faces.report["why"].tolist() == [""]
    assert faces.dropped == {}


def test_photos_without_a_face_and_unreadable_ones_are_in_the_report():
    photos = [Photo("letter.png", "", lambda: b"%PDF-1.7"), Photo("wall.png", "", lambda: encoded(RAMP))]
    faces = cut_faces(photos, Told(), FaceSelection.EVERY, 48)
    assert faces.dropped == {DropReason.UNREADABLE: 1, DropReason.NO_FACE: 1}
    assert faces.report["why"].iloc[0].startswith("letter.png is not a picture, it looks like a PDF document")
    assert faces.report["why"].iloc[1] == "no face"
    assert faces.images.shape == (0, 48, 48)
    assert len(faces.dataset()) == 0


def test_a_full_data_set_takes_no_more_and_says_so(monkeypatch):
    monkeypatch.setattr(own_photos, "MAX_FACES", 3)
    faces = cut(Told(60, 50), FaceSelection.EVERY, photos=3)
    assert len(faces.images) == 3
    assert faces.report["kept"].tolist() == [2, 1, 0]
    assert faces.dropped == {DropReason.FULL: 3}


def test_progress_ends_at_one_and_what_it_raises_ends_the_work():
    shares: list[float] = []
    cut(Told(60), photos=4, progress=shares.append)
    assert shares == [0.25, 0.5, 0.75, 1]
    with pytest.raises(KeyError):
        cut(Told(60), progress=lambda share: {}[share])


def faces_of(*folders: str) -> OwnFaces:
    photos = [Photo(f"{n}.png", folder, lambda: encoded(RAMP)) for n, folder in enumerate(folders)]
    return cut_faces(photos, Told(60), FaceSelection.LARGEST, 48)


def test_folders_named_after_emotions_are_labels_and_others_are_none_until_they_are_said_to_mean_one():
    faces = faces_of("Happiness", "", "party", "sad", "work")
    assert faces.nameless == ("party", "work")
    dataset = faces.dataset()
    assert (dataset.label_set, dataset.labels.tolist()) == (FER2013, [3, NO_LABEL, NO_LABEL, 4, NO_LABEL])
    told = faces.dataset({"party": Emotion.CONTEMPT, "work": Emotion.NEUTRAL})
    assert told.label_set == FERPLUS
    assert [str(FERPLUS.emotions[label]) for label in told.labels[[2, 4]]] == ["contempt", "neutral"]


def test_what_is_downloaded_is_a_data_set_that_is_read(tmp_path):
    faces = faces_of("happy", "sad", "sad", "")
    dataset = faces.dataset()
    for name, content in (("x.npz", as_npz(dataset, faces.sources)), ("x.zip", as_zip(dataset, faces.sources))):
        (tmp_path / name).write_bytes(content)
        read = read_dataset(tmp_path / name)
        assert read.counts().tolist() == dataset.counts().tolist()
        assert len(read) == 4
        assert {image.tobytes() for image in read.images} == {image.tobytes() for image in dataset.images}


def test_uploads_zips_and_folders_give_their_photos_and_folders(tmp_path):
    packed = tmp_path / "z.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("all/happy/1.JPG", "2.png", "unlabelled/3.heic", "happy/notes.txt"):
            archive.writestr(name, name)
    (tmp_path / "folder" / "sad").mkdir(parents=True)
    (tmp_path / "folder" / "sad" / "4.webp").write_bytes(b"four")
    with open_photos([("5.jpg", b"five"), ("z.zip", packed.read_bytes())], tmp_path / "folder") as photos:
        found = [(photo.name, photo.folder, photo.read()) for photo in photos]
    assert found == [
        ("5.jpg", "", b"five"),
        ("2.png", "", b"2.png"),
        ("all/happy/1.JPG", "happy", b"all/happy/1.JPG"),
        ("unlabelled/3.heic", "", b"unlabelled/3.heic"),
        ("sad/4.webp", "sad", b"four"),
    ]
    with open_photos([], packed) as photos:
        assert len(photos) == 3


def test_a_photo_that_is_too_large_is_reported_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(own_photos, "_LIMITS", replace(own_photos._LIMITS, file_bytes=len(encoded(RAMP))))
    (tmp_path / "1.png").write_bytes(encoded(RAMP) + b"x")
    (tmp_path / "2.png").write_bytes(encoded(RAMP))
    with open_photos([], tmp_path) as photos:
        faces = cut_faces(photos, Told(60), FaceSelection.LARGEST, 48)
    assert faces.report["kept"].tolist() == [0, 1]
    assert "found a file of" in faces.report["why"].iloc[0]


@pytest.mark.parametrize(
    ("uploads", "path", "message"),
    [
        ([], None, "Found no photos; expected JPEG"),
        ([("z.zip", b"PK no zip")], None, r"z\.zip: it cannot be unpacked"),
        ([], "absent", "absent: found nothing, expected a folder or a zip of photos"),
        ([], "a.txt", r"a\.txt: found a file of another kind"),
        ([("1.png", b"")] * 3, None, "Found 3 photos, expected at most 2 at once"),
    ],
)
def test_what_holds_no_photos_or_too_many_is_refused(uploads, path, message, tmp_path, monkeypatch):
    monkeypatch.setattr(own_photos, "MAX_PHOTOS", 2)
    (tmp_path / "a.txt").touch()
    with pytest.raises(DatasetError, match=message), open_photos(uploads, path and tmp_path / path):
        pass
