import struct
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fer_core.datasets import Split, read_dataset
from fer_core.datasets.readers import ckplus
from fer_core.datasets.readers.ckplus import is_ckplus_source, read_ckplus
from fer_core.errors import DatasetError
from fer_core.labels import CKPLUS, FER2013, Emotion

# Folder names as in the public archive, and what each means.
FOLDERS = {
    "anger": Emotion.ANGRY,
    "contempt": Emotion.CONTEMPT,
    "disgust": Emotion.DISGUST,
    "fear": Emotion.FEAR,
    "happy": Emotion.HAPPY,
    "sadness": Emotion.SAD,
    "surprise": Emotion.SURPRISE,
}


def png(value: int = 0, size: tuple[int, int] = (48, 48)) -> bytes:
    return cv2.imencode(".png", np.full(size, value, np.uint8))[1].tobytes()


def archive(path, members: dict[str, bytes]):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return path


def faces(above: str = "CK+48/") -> dict[str, bytes]:
    """Three subjects in every class folder, in an order that is not sorted; the brightness says which is which."""
    return {
        f"{above}{folder}/S{subject:03}_00{subject}_00000017.png": png(20 * number + subject)
        for subject in (3, 1, 2)
        for number, folder in enumerate(FOLDERS)
    }


@pytest.fixture
def ck_zip(tmp_path):
    return archive(tmp_path / "CK+48.zip", faces())


def unpack(ck_zip, folder):
    with zipfile.ZipFile(ck_zip) as packed:
        packed.extractall(folder)
    return folder


def test_the_zip_becomes_grey_faces_with_the_labels_of_ckplus_and_subjects(ck_zip):
    dataset = read_ckplus(ck_zip)
    assert (dataset.name, dataset.label_set, len(dataset)) == ("CK+", CKPLUS, 21)
    assert dataset.images.shape == (21, 48, 48)
    assert dataset.images.dtype == np.uint8
    assert set(dataset.splits) == {Split.TRAINING}
    numbers, subjects = np.divmod(dataset.images[:, 0, 0], 20)
    assert dataset.subjects.tolist() == [f"S{subject:03}" for subject in subjects]
    meant = list(FOLDERS.values())
    assert [CKPLUS.emotions[label] for label in dataset.labels] == [meant[number] for number in numbers]


def test_rows_are_in_the_order_of_sorted_names_whatever_the_order_in_the_archive(ck_zip, tmp_path):
    dataset = read_ckplus(ck_zip)
    assert dataset.subjects.tolist() == ["S001", "S002", "S003"] * 7
    assert dataset.labels.tolist() == np.repeat(np.arange(7), 3).tolist()
    other = read_ckplus(archive(tmp_path / "again.zip", dict(reversed(faces().items()))))
    np.testing.assert_array_equal(other.images, dataset.images)


@pytest.mark.parametrize("below", ["", "CK+48"])
def test_the_unpacked_folder_says_the_same_as_the_zip(below, ck_zip, tmp_path):
    folder = unpack(ck_zip, tmp_path / "unpacked")
    dataset, unpacked = read_ckplus(ck_zip), read_ckplus(folder / below)
    np.testing.assert_array_equal(unpacked.images, dataset.images)
    np.testing.assert_array_equal(unpacked.labels, dataset.labels)
    assert unpacked.subjects.tolist() == dataset.subjects.tolist()


def test_class_folders_need_no_folder_above_them_in_the_zip(tmp_path):
    assert len(read_ckplus(archive(tmp_path / "flat.zip", faces(above="")))) == 21


def test_what_is_no_image_and_the_hidden_doubles_of_macos_are_passed_over(tmp_path):
    others = {"CK+48/readme.txt": b"x", "__MACOSX/CK+48/anger/._S010_004_00000017.png": b"x"}
    assert len(read_ckplus(archive(tmp_path / "CK+48.zip", faces() | others))) == 21


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("CK+48/fear/S009_1.png", b"no png", "S009_1.png: found a file that is no image, expected a 48x48 jpg or png"),
        ("CK+48/fear/S009_1.png", png()[:60], "S009_1.png: found a file that is no image"),
        ("CK+48/fear/S009_1.png", b"", "S009_1.png: found a file that is no image"),
        ("CK+48/fear/S009_1.png", png(size=(48, 50)), "S009_1.png: found an image of 50x48 pixels, expected 48x48"),
        ("CK+48/calm/S009_1.png", png(), "calm/S009_1.png: found a folder for label 'calm', expected one of angry"),
        ("CK+48/joyful/S009_1.png", png(), "joyful/S009_1.png: found a folder for label 'joyful', expected one of"),
        ("CK+48/fear/face_1.png", png(), "face_1.png: found a name without a subject, expected one such as S010_004"),
        ("CK+48/fear/S09_1.png", png(), "S09_1.png: found a name without a subject"),
        ("S009_1.png", png(), "S009_1.png: found an image outside of a class folder, expected CK"),
        ("a/CK+48/fear/S009_1.png", png(), "S009_1.png: found an image outside of a class folder"),
        ("fear/S009_1.png", png(), "found class folders in ., CK\\+48, expected them in one place"),
    ],
)
def test_an_image_that_does_not_fit_is_named_with_what_was_found_and_expected(name, data, message, ck_zip, tmp_path):
    with pytest.raises(DatasetError, match=message):
        read_ckplus(archive(tmp_path / "other.zip", faces() | {name: data}))
    if name.count("/") < 3:
        folder = unpack(ck_zip, tmp_path / "unpacked")
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
        with pytest.raises(DatasetError, match=message):
            read_ckplus(folder)


@pytest.mark.parametrize(
    "name", ["../S009_1.png", "CK+48/../../fear/S009_1.png", "/fear/S009_1.png", "..\\fear\\S009_1.png"]
)
def test_a_name_that_leads_out_of_the_archive_is_refused_and_nothing_is_written(name, tmp_path):
    path = archive(tmp_path / "CK+48.zip", faces())
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr(name, png())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DatasetError, match="found a name that leads out of the archive"):
        read_ckplus(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_that_occurs_twice_is_refused(tmp_path):
    path = archive(tmp_path / "CK+48.zip", faces())
    with zipfile.ZipFile(path, "a") as packed, pytest.warns(UserWarning, match="Duplicate name"):
        packed.writestr("CK+48/fear/S001_001_00000017.png", png(9))
    with pytest.raises(DatasetError, match="found this name twice"):
        read_ckplus(path)


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("archive_bytes", 1000, "found an archive of [0-9,]+ bytes, expected at most 1,000"),
        ("files", 20, "found 21 files in it, expected at most 20"),
        ("file_bytes", 60, "anger/S00._.*png: found a file of [0-9]+ bytes, expected at most 60"),
        ("total_bytes", 1500, "it unpacks to [0-9,]+ bytes, expected at most 1,500"),
    ],
)
def test_an_archive_beyond_a_bound_is_refused_before_anything_is_decompressed(
    limit, value, message, ck_zip, monkeypatch
):
    monkeypatch.setattr(ckplus, "_LIMITS", replace(ckplus._LIMITS, **{limit: value}))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("decompressed"))
    with pytest.raises(DatasetError, match=message):
        read_ckplus(ck_zip)


def test_the_bounds_leave_room_for_the_public_archive_and_refuse_a_bomb(tmp_path):
    assert ckplus._LIMITS.files >= 10_708 + 7  # all frames of CK+
    bomb = archive(tmp_path / "CK+48.zip", {"CK+48/fear/S001_1.png": bytes(200 << 20)})
    assert bomb.stat().st_size < 1 << 20
    with pytest.raises(DatasetError, match="it unpacks to 200 MB"):
        read_ckplus(bomb)


def test_a_member_that_lies_about_its_size_is_not_unpacked_beyond_it(tmp_path):
    path = archive(tmp_path / "CK+48.zip", {"CK+48/fear/S001_1.png": bytes(50 << 20)})
    content = bytearray(path.read_bytes())
    size = struct.pack("<I", 50 << 20)
    assert content.count(size) == 2  # the member's own header and the directory at the end
    path.write_bytes(content.replace(size, struct.pack("<I", 100)))
    with pytest.raises(DatasetError, match=r"S001_1\.png: it cannot be unpacked"):
        read_ckplus(path)


def test_a_damaged_archive_is_refused_in_a_sentence(ck_zip, tmp_path):
    content = ck_zip.read_bytes()
    rng = np.random.default_rng(0)
    for number in range(60):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 20):
            damaged[place] = rng.integers(256)
        path = tmp_path / f"CK+{number}.zip"
        path.write_bytes(damaged)
        with pytest.raises(DatasetError):
            read_ckplus(path)
    (tmp_path / "CK+.zip").write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match="it cannot be unpacked"):
        read_ckplus(tmp_path / "CK+.zip")


def test_an_archive_without_images_is_refused_with_the_layout_expected(tmp_path):
    with pytest.raises(DatasetError, match=r"found no \.png or \.jpg, expected CK"):
        read_ckplus(archive(tmp_path / "CK+48.zip", {"CK+48/readme.txt": b"x"}))


def test_read_dataset_knows_ckplus_as_zip_as_folder_and_in_the_folder_of_its_zip(ck_zip, tmp_path, cache):
    folder = unpack(ck_zip, tmp_path / "data" / "unpacked")
    download = archive(tmp_path / "download.zip", faces())
    alone = tmp_path / "alone"
    alone.mkdir()
    archive(alone / "CK+48.zip", faces())
    for path in (ck_zip, download, folder, folder / "CK+48", alone):
        dataset = read_dataset(path)
        assert (dataset.name, len(dataset)) == ("CK+", 21), path


def test_class_folders_with_splits_stay_themselves_though_the_zip_lies_beside_them(ck_zip, tmp_path):
    (tmp_path / "train" / "happy").mkdir(parents=True)
    (tmp_path / "train" / "happy" / "1.png").write_bytes(png())
    assert read_dataset(tmp_path).label_set == FER2013


def test_other_zips_are_not_taken_for_ckplus(tmp_path):
    assert not is_ckplus_source(archive(tmp_path / "fer2013.zip", {"fer2013.csv": b"x"}))
    assert not is_ckplus_source(archive(tmp_path / "photos.zip", {"train/happy/1.png": png()}))
    assert not is_ckplus_source(tmp_path)
