"""Folders of classes, with splits or without, of any size, unpacked or as a zip; names that are no emotions."""

import zipfile
import zlib

import cv2
import numpy as np
import pytest

from fer_core.datasets import FaceDataset, Split, read_dataset
from fer_core.datasets.dataset import NO_LABEL
from fer_core.datasets.readers.folders import UnknownClassError, label_set_for, read_folders
from fer_core.errors import DatasetError
from fer_core.labels import CKPLUS, FER2013, FERPLUS, Emotion

FOLDERS = {Split.TRAINING: "Train", Split.VALIDATION: "validation", Split.TEST: "test"}


def write_folders(root, dataset: FaceDataset) -> None:
    for number, (image, label, split) in enumerate(zip(dataset.images, dataset.labels, dataset.splits, strict=True)):
        folder = root / FOLDERS[split] / str(FER2013.emotions[label]).capitalize()
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number:05}.png"), image)


def write_classes(root, *names: str, size: tuple[int, int] = (48, 48), value: int = 7):
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name / "1.png"), np.full(size, value, np.uint8))
    return root


def pack(root, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in root.rglob("*.png"):
            archive.write(file, file.relative_to(root.parent))
    return path


@pytest.mark.parametrize("above", ["", "fer2013", "a/b"])
def test_class_folders_are_read_with_or_without_levels_above(above, dataset, tmp_path):
    write_folders(tmp_path / "data" / above, dataset)
    read = read_dataset(tmp_path / "data")
    assert len(read) == len(dataset)
    for split in Split:
        np.testing.assert_array_equal(read.split(split).counts(), dataset.split(split).counts())
    one = read.images[(read.splits == Split.TEST) & (read.labels == 3)][0]
    np.testing.assert_array_equal(one, dataset.images[(dataset.splits == Split.TEST) & (dataset.labels == 3)][0])


def test_a_zip_gives_what_the_folder_gives_in_the_same_order(dataset, tmp_path):
    write_folders(tmp_path / "data", dataset)
    folder, packed = read_dataset(tmp_path / "data"), read_dataset(pack(tmp_path / "data", tmp_path / "x.zip"))
    for array in ("images", "labels", "splits"):
        np.testing.assert_array_equal(getattr(packed, array), getattr(folder, array))
    assert (folder.name, packed.name) == ("data", "x")
    (tmp_path / "download").mkdir()
    assert len(read_dataset(pack(tmp_path / "data", tmp_path / "download" / "x.zip").parent)) == len(dataset)


def test_folders_without_splits_are_all_training_and_it_is_said(tmp_path):
    notes: list[str] = []
    read = read_dataset(write_classes(tmp_path / "mine", "happy", "Sadness"), note=notes.append)
    assert set(read.splits) == {Split.TRAINING}
    assert (read.name, read.label_set, read.labels.tolist()) == ("mine", FER2013, [4, 3])  # Sadness sorts before happy
    assert notes == ["It has no folders for splits, so every face counts as training."]


def test_other_sizes_are_averaged_to_48_pixels_and_it_is_said(tmp_path):
    write_classes(tmp_path, "happy")
    checker = np.kron(np.indices((48, 48)).sum(0) % 2 * 200, np.ones((2, 2))).astype(np.uint8)
    write_classes(tmp_path, "sad", size=(96, 60), value=90)
    cv2.imwrite(str(tmp_path / "happy" / "2.png"), cv2.cvtColor(checker, cv2.COLOR_GRAY2BGR))
    notes: list[str] = []
    images = read_dataset(tmp_path, note=notes.append).images
    assert images.shape == (3, 48, 48)
    np.testing.assert_array_equal(images[1], checker[::2, ::2])
    assert (images[2] == 90).all()
    assert notes[0] == (
        "2 of 3 images were resized to 48x48 pixels; 1 of them are no squares and were squeezed into one."
    )


def test_fer2013_unpacked_is_held_to_its_size_and_other_sets_with_splits_are_not(dataset, tmp_path):
    write_folders(tmp_path / "fer", dataset)
    cv2.imwrite(str(tmp_path / "fer" / "test" / "Happy" / "wide.png"), np.zeros((48, 50), np.uint8))
    with pytest.raises(DatasetError, match=r"wide\.png: found an image of 50x48 pixels, expected 48x48"):
        read_dataset(tmp_path / "fer")
    write_classes(tmp_path / "raf" / "test", "happy", "sad")
    write_classes(tmp_path / "raf" / "test", "fear", size=(100, 100))
    assert len(read_dataset(tmp_path / "raf")) == 3


def test_a_file_that_is_no_image_is_named(dataset, tmp_path):
    write_folders(tmp_path, dataset)
    (tmp_path / "test" / "Happy" / "broken.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"broken\.jpg: found a file that is no image"):
        read_dataset(tmp_path)


def test_an_image_that_claims_a_billion_pixels_is_refused_by_its_header(tmp_path):
    write_classes(tmp_path, "happy")
    png = bytearray((tmp_path / "happy" / "1.png").read_bytes())
    for place in (16, 20):  # width and height of IHDR
        png[place : place + 4] = (30_000).to_bytes(4)
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4)
    (tmp_path / "happy" / "2.png").write_bytes(png)
    with pytest.raises(DatasetError, match=r"happy/2\.png: found an image of far more pixels than a face has"):
        read_dataset(tmp_path)


def test_names_that_are_no_emotions_are_all_named_before_anything_is_read(tmp_path, monkeypatch):
    write_classes(tmp_path, "happy", "joyful", "grin")
    monkeypatch.setattr("fer_core.datasets.readers.folders.decode_grey", lambda *_: pytest.fail("read"))
    with pytest.raises(
        UnknownClassError, match="found classes called 'grin', 'joyful', expected names of emotions"
    ) as e:
        read_dataset(tmp_path)
    assert e.value.names == ("grin", "joyful")


def test_names_that_are_no_emotions_get_the_meaning_given_or_are_left_out(tmp_path):
    write_classes(tmp_path, "happy", "joyful", "other")
    notes: list[str] = []
    read = read_dataset(tmp_path, meanings={"joyful": Emotion.HAPPY, "other": None}, note=notes.append)
    assert [FER2013.emotions[label] for label in read.labels] == ["happy", "happy"]
    assert "Left out, as asked: 'other'." in notes
    with pytest.raises(DatasetError, match="found no image with a label, expected folders named angry, disgust"):
        read_folders(write_classes(tmp_path / "b", "other"), {"other": None})


def test_contempt_brings_a_label_set_that_holds_it(tmp_path):
    assert read_dataset(write_classes(tmp_path / "a", "happy", "contempt")).label_set == CKPLUS
    assert read_dataset(write_classes(tmp_path / "b", "neutral", "contempt")).label_set == FERPLUS
    read = read_dataset(write_classes(tmp_path / "c", "scorn", "calm"), meanings={"scorn": Emotion.CONTEMPT})
    assert read.label_set == FERPLUS
    assert label_set_for([Emotion.HAPPY]) == FER2013


def test_faces_nobody_has_labelled_are_read_beside_labelled_ones(tmp_path):
    assert read_dataset(write_classes(tmp_path, "happy", "unlabelled")).labels.tolist() == [3, NO_LABEL]
    with pytest.raises(DatasetError, match="found no image with a label"):
        read_dataset(write_classes(tmp_path / "b", "unlabelled"))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "found no images, expected <emotion>/"),
        (["1.png", "2.png"], "found 2 images outside of class folders, expected <emotion>/"),
        (["happy/1.png", "more/sad/1.png"], "found class folders in '.', 'more', expected them in one place"),
        (["train/happy/1.png", "Training/sad/1.png"], "both Training and train look like the training split"),
        (["a/train/happy/1.png", "b/train/sad/1.png"], "found class folders in 'a', 'b', expected them in one place"),
    ],
)
def test_another_layout_is_refused_with_the_one_expected(files, message, tmp_path):
    (tmp_path / "empty" / "happy").mkdir(parents=True)
    for file in files:
        write_classes(tmp_path / "empty" / file[: file.rfind("/") + 1], "")
        (tmp_path / "empty" / file).write_bytes(
            (tmp_path / "empty" / file[: file.rfind("/") + 1] / "1.png").read_bytes()
        )
    with pytest.raises(DatasetError, match=message):
        read_dataset(tmp_path / "empty")


def test_images_beside_the_class_folders_are_passed_over_and_it_is_said(tmp_path):
    write_classes(tmp_path, "", "happy")
    notes: list[str] = []
    assert len(read_dataset(tmp_path, note=notes.append)) == 1
    assert notes[0] == "Passed over: images outside of class folders (1)."


def test_progress_ends_at_one_and_what_it_raises_ends_the_work(tmp_path):
    write_classes(tmp_path, "happy", "sad")
    shares: list[float] = []
    read_dataset(tmp_path, progress=shares.append)
    assert shares == [0, 1]
    with pytest.raises(KeyError):
        read_dataset(tmp_path, progress=lambda share: {}[share])
