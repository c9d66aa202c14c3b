"""A data set as one file: what is written is read back, nothing in it is unpickled, and what lies is refused."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from fer_core.datasets import FaceDataset, Split, read_dataset
from fer_core.datasets.dataset import NO_LABEL
from fer_core.datasets.load import read_uploads
from fer_core.datasets.readers import npz as packing
from fer_core.datasets.readers.folders import UnknownClassError
from fer_core.datasets.readers.npz import as_npz, as_zip, read_npz
from fer_core.errors import DatasetError
from fer_core.labels import CKPLUS, FER2013, FERPLUS, Emotion


@pytest.fixture
def own(dataset) -> FaceDataset:
    """Six faces: two of each of three classes, and the last without a label."""
    faces = dataset.take(np.array([0, 7, 3, 10, 6, 13]))
    labels = np.array([*faces.labels[:5], NO_LABEL])
    return replace(faces, labels=labels, splits=np.full(6, Split.TRAINING), votes=None)


SOURCES = ["a.jpg", "holiday/b.png #1", "holiday/b.png #2", "ä:<.jpg", "x" * 300 + ".jpg", "happy/.jpg"]


def as_set(dataset: FaceDataset) -> set[tuple[str, bytes]]:
    names = [*dataset.label_set.names, ""]
    return {(names[label], image.tobytes()) for label, image in zip(dataset.labels, dataset.images, strict=True)}


def test_the_npz_is_read_back_row_for_row(own, tmp_path):
    (tmp_path / "own.npz").write_bytes(as_npz(own, SOURCES))
    read = read_dataset(tmp_path / "own.npz")
    np.testing.assert_array_equal(read.images, own.images)
    assert read.labels.tolist() == own.labels.tolist()
    assert (read.name, read.label_set, set(read.splits)) == ("own", FER2013, {Split.TRAINING})
    with np.load(tmp_path / "own.npz", allow_pickle=False) as file:
        assert file["sources"].tolist() == SOURCES
        assert file["label_names"].tolist() == list(FER2013.names)
        assert (file["images"].dtype, file["images"].shape) == (np.uint8, (6, 48, 48))


def test_the_zip_of_class_folders_is_read_back_face_for_face(own):
    packed = as_zip(own, SOURCES)
    assert as_set(read_uploads({"own.zip": packed})) == as_set(own)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        names = archive.namelist()
    assert names[0] == "angry/00000-a.png"
    assert names[3].startswith("happy/00003-")
    assert names[5] == "unlabelled/00005-jpg.png"
    assert all(name.isascii() and len(name) < 80 for name in names)


def test_classes_with_contempt_come_back_in_a_set_that_holds_it(own, tmp_path):
    (tmp_path / "ck.npz").write_bytes(as_npz(replace(own, label_set=CKPLUS), SOURCES))
    read = read_npz(tmp_path / "ck.npz")  # angry, fear and surprise are FER2013's as well
    assert [read.label_set.emotions[label] for label in read.labels[:5]] == [
        CKPLUS.emotions[label] for label in own.labels[:5]
    ]


def rewritten(content: bytes, **arrays: np.ndarray) -> bytes:
    with np.load(io.BytesIO(content)) as file:
        parts = {**file, **arrays}
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in parts.items() if array is not None})
    return buffer.getvalue()


def test_names_that_are_no_emotions_are_asked_about(own, tmp_path):
    path = tmp_path / "own.npz"
    names = np.array(["angry", "x", "y", "grin", "z", "w", "scorn"])
    path.write_bytes(rewritten(as_npz(own, SOURCES), label_names=names))
    with pytest.raises(UnknownClassError) as error:  # of those that occur
        read_npz(path)
    assert error.value.names == ("grin", "scorn")
    read = read_npz(path, {"grin": None, "scorn": Emotion.CONTEMPT})
    assert (read.label_set, len(read)) == (CKPLUS, 4)
    assert [CKPLUS.emotions[label] for label in read.labels[:3]] == ["angry", "angry", "contempt"]
    assert read_npz(path, {"grin": Emotion.NEUTRAL, "scorn": Emotion.CONTEMPT}).label_set == FERPLUS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "found labels.npy, label_names.npy.*, expected images"),
        ({"images": np.zeros((6, 40, 48), np.uint8)}, r"found images \(6, 40, 48\) uint8"),
        ({"images": np.zeros((6, 48, 48), np.uint16)}, r"found images \(6, 48, 48\) uint16"),
        ({"images": np.zeros((6, 48, 48), np.float32)}, "images.npy: found float32"),
        ({"images": np.array([{}] * 6, object)}, "images.npy: found object"),
        ({"labels": np.array([{}] * 6, object)}, "labels.npy: found object"),
        ({"labels": np.zeros(5, np.int64)}, r"labels \(5,\)"),
        ({"labels": np.array([0, 0, 9, 0, 0, 0])}, "row 2: found label 9, expected -1 to 6"),
        ({"labels": np.array([0, 0, -2, 0, 0, 0])}, "row 2: found label -2"),
        ({"labels": np.full(6, -1)}, "found 6 faces and none with a label"),
        ({"label_names": np.arange(7)}, "label_names.npy: found int64"),
        ({"label_names": np.full(7, 0x7FFFFFFF, np.int32).view("U1")}, "label_names.npy: found what is no text"),
    ],
)
def test_another_content_is_refused_with_the_one_expected(changes, message, own, tmp_path):
    path = tmp_path / "own.npz"
    path.write_bytes(rewritten(as_npz(own, SOURCES), **changes))
    with pytest.raises(DatasetError, match=message):
        read_npz(path)


def test_an_array_that_claims_more_than_there_is_is_refused_by_its_header(own, tmp_path, monkeypatch):
    content = bytearray(as_npz(own, SOURCES))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["images.npy"] = parts["images.npy"].replace(b"(6, 48, 48)", b"(60000, 48, 48)").replace(b"    \n", b"\n")
    with zipfile.ZipFile(tmp_path / "own.npz", "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    monkeypatch.setattr(packing.np.lib.format, "read_array", lambda *_, **__: pytest.fail("read"))  # type: ignore[attr-defined]
    with pytest.raises(DatasetError, match=r"images\.npy: found uint8 of shape \(60000, 48, 48\)"):
        read_npz(tmp_path / "own.npz")


def test_damage_is_refused_in_a_sentence(own, tmp_path):
    content, rng = as_npz(own, SOURCES), np.random.default_rng(0)
    for _ in range(80):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 30):
            damaged[place] = rng.integers(256)
        (tmp_path / "own.npz").write_bytes(damaged)
        with pytest.raises(DatasetError):
            read_npz(tmp_path / "own.npz")
