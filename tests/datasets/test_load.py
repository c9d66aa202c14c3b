import gzip
import io
import lzma
import tarfile
import tempfile
import zipfile

import numpy as np
import pytest

from fer_core.datasets import FaceDataset, Split, read_dataset
from fer_core.datasets.load import read_uploads, source_stamp
from fer_core.datasets.readers import fer2013 as fer2013_csv
from fer_core.datasets.readers.fer2013 import read_fer2013_csv, read_ferplus_votes
from fer_core.errors import DatasetError

USAGES = {Split.TRAINING: "Training", Split.VALIDATION: "PublicTest", Split.TEST: "PrivateTest"}


def csv_rows(dataset: FaceDataset) -> list[str]:
    return [
        f"{label},{' '.join(map(str, image.ravel()))},{USAGES[split]}"
        for image, label, split in zip(dataset.images, dataset.labels, dataset.splits, strict=True)
    ]


def csv_text(dataset: FaceDataset) -> bytes:
    return "\n".join(["emotion,pixels,Usage", *csv_rows(dataset), ""]).encode()


def assert_same(read: FaceDataset, expected: FaceDataset) -> None:
    np.testing.assert_array_equal(read.images, expected.images)
    np.testing.assert_array_equal(read.labels, expected.labels)
    assert read.splits.tolist() == expected.splits.tolist()


def _tar(text: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in (("fer2013/README", b"read me"), ("fer2013/fer2013.csv", text)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _zip(text: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.csv", "emotion,pixels\n")
        archive.writestr("fer2013.csv", text)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("fer2013.csv", bytes),
        ("fer2013.csv.gz", gzip.compress),
        ("fer2013.csv.xz", lzma.compress),
        ("fer2013.zip", _zip),
        ("fer2013.tar.gz", _tar),
    ],
)
def test_the_csv_is_read_in_every_packing(name, pack, dataset, tmp_path, cache):
    (tmp_path / name).write_bytes(pack(csv_text(dataset)))
    assert_same(read_dataset(tmp_path / name), dataset)


def test_a_folder_that_holds_the_csv_and_the_votes_is_enough(dataset, tmp_path, cache):
    (tmp_path / "fer2013.csv").write_bytes(csv_text(dataset))
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    rows = [f"Training,x.png,{','.join(map(str, row))}" for row in dataset.votes]
    (tmp_path / "fer2013new.csv").write_text("\n".join([header, *rows, ""]))
    np.testing.assert_array_equal(read_dataset(tmp_path).votes, dataset.votes)


def test_columns_in_the_challenge_order_quotes_and_carriage_returns_are_read(dataset, tmp_path):
    rows = [row.split(",") for row in csv_rows(dataset)]
    text = "emotion, Usage, pixels\r\n" + "".join(f'{e},{u},"{p}"\r\n' for e, p, u in rows)
    (tmp_path / "icml_face_data.csv").write_text(text, newline="")
    assert_same(read_fer2013_csv(tmp_path / "icml_face_data.csv"), dataset)


@pytest.mark.parametrize("block", [30_000, 64_000])
def test_rows_that_straddle_two_blocks_are_whole(block, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(fer2013_csv, "_BLOCK_BYTES", block)
    text = csv_text(dataset).rstrip(b"\n")  # nor does the last line need its end
    (tmp_path / "fer2013.csv").write_bytes(text)
    assert_same(read_fer2013_csv(tmp_path / "fer2013.csv"), dataset)


def test_sound_files_never_take_the_slow_way(dataset, tmp_path, monkeypatch):
    def slow(*_):
        raise AssertionError("a sound block was read row by row")

    monkeypatch.setattr(fer2013_csv, "_parse_row", slow)
    (tmp_path / "fer2013.csv").write_bytes(csv_text(dataset))
    assert_same(read_fer2013_csv(tmp_path / "fer2013.csv"), dataset)


def damaged(dataset: FaceDataset, row: int, change) -> bytes:
    rows = csv_rows(dataset)
    rows[row] = change(rows[row])
    return "\n".join(["emotion,pixels,Usage", *rows, ""]).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: "7" + r[1:], "found label '7', expected a number from 0 to 6"),
        (lambda r: "happy" + r[1:], "found label 'happy', expected a number"),
        (lambda r: r.replace("PrivateTest", "Test"), "found usage 'Test', expected one of Training, PublicTest"),
        (lambda r: r.replace(" ", "", 1), "pixel value|2303 pixel values, expected 2304"),
        (lambda r: r.replace(",P", " 12,P"), "found 2305 pixel values, expected 2304"),
        (lambda r: r.replace(",P", "9999,P"), "found pixel value '[0-9]*9999', expected a number from 0 to 255"),
        (lambda r: r.replace(" ", " -", 1), "found pixel value '-[0-9]+', expected a number from 0 to 255"),
        (lambda r: r.replace(" ", " T ", 1), "found 2305 pixel values"),
        (lambda r: r.rsplit(",", 1)[0], "found 2 columns, expected 3"),
        (lambda r: r[: len(r) // 2], "found 2 columns, expected 3"),
    ],
)
def test_a_damaged_row_is_named_with_what_was_found_and_expected(change, message, dataset, tmp_path):
    last = len(dataset) - 1
    (tmp_path / "fer2013.csv").write_bytes(damaged(dataset, last, change))
    with pytest.raises(DatasetError, match=rf"fer2013\.csv, row {last + 2}: .*({message})"):
        read_fer2013_csv(tmp_path / "fer2013.csv")


def test_two_damages_that_cancel_each_other_in_the_count_are_still_found(dataset, tmp_path):
    rows = csv_rows(dataset)
    rows[0], rows[1] = rows[0].replace(",T", " 1,T"), rows[1].rsplit(" ", 1)[0] + ",Training"
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows, ""]))
    with pytest.raises(DatasetError, match="row 2: found 2305 pixel values"):
        read_fer2013_csv(tmp_path / "fer2013.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("fer2013.csv", b"", "expected emotion, pixels, Usage"),
        ("fer2013.csv", b"emotion,pixels,Usage\n", "a header and no rows"),
        ("fer2013.csv", b"label,image\n0,1\n", "row 1: found the columns 'label,image'"),
        ("fer2013.csv", b"emotion,pixels,Usage\n" + b"1 " * 500_000, "a line of over"),
        ("fer2013.csv.xz", b"no xz", "cannot be unpacked"),
        ("fer2013.csv.gz", gzip.compress(b"emotion,pixels,Usage\n" * 99, mtime=0)[:30], "cannot be unpacked"),
        ("fer2013.zip", b"PK no zip", "cannot be unpacked"),
    ],
)
def test_a_file_that_is_no_fer2013_is_refused_in_a_sentence(name, content, message, tmp_path, cache):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_dataset(tmp_path / name)


def test_a_missing_path_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(DatasetError, match="nothing at this path"):
        read_dataset(tmp_path / "absent")


def test_the_second_read_comes_from_the_cache_and_a_changed_file_does_not(dataset, tmp_path, cache, monkeypatch):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(csv_text(dataset))
    read_dataset(path)
    with monkeypatch.context() as patch:
        patch.setattr("fer_core.datasets.load.read_fer2013_csv", lambda *_: pytest.fail("parsed again"))
        assert_same(read_dataset(path), dataset)
    changed = dataset.take(np.arange(10))
    path.write_bytes(csv_text(changed))
    assert_same(read_dataset(path), changed)


def test_a_damaged_cache_is_written_anew(dataset, tmp_path, cache):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(csv_text(dataset))
    read_dataset(path)
    for file in cache.rglob("images.npy"):
        file.write_bytes(file.read_bytes()[:200])
    assert_same(read_dataset(path), dataset)
    assert_same(read_dataset(path), dataset)


def test_votes_of_another_length_than_the_images_are_refused(tmp_path):
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    (tmp_path / "v.csv").write_text(f"{header}\nTraining,a.png,1,2,3,4,0,0,0,0,0,0\n")
    assert read_ferplus_votes(tmp_path / "v.csv", 1).tolist() == [[1, 2, 3, 4, 0, 0, 0, 0, 0, 0]]
    with pytest.raises(DatasetError, match="found 1 rows of votes, expected 2"):
        read_ferplus_votes(tmp_path / "v.csv", 2)


@pytest.mark.parametrize("row", ["Training,a.png,1,2,3", "Training,a.png,1,2,3,4,x,0,0,0,0,0"])
def test_a_damaged_row_of_votes_is_named(row, tmp_path):
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    (tmp_path / "v.csv").write_text(f"{header}\n{row}\n")
    with pytest.raises(DatasetError, match=r"v\.csv, row 2: found votes"):
        read_ferplus_votes(tmp_path / "v.csv", 1)


VOTES_HEADER = b"Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"


def votes_text(dataset: FaceDataset) -> bytes:
    return VOTES_HEADER + b"".join(f"Training,x.png,{','.join(map(str, row))}\n".encode() for row in dataset.votes)


@pytest.mark.parametrize("content", [b"\xff\xfe\0nothing", b"Usage,Image name\0,a", VOTES_HEADER + "T,a,²".encode()])
def test_votes_that_are_no_text_are_refused_in_a_sentence(content, tmp_path):
    (tmp_path / "v.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=r"v\.csv"):
        read_ferplus_votes(tmp_path / "v.csv", 1)


def test_a_megabyte_of_empty_lines_is_passed_over(dataset, tmp_path):
    header, rows = csv_text(dataset).split(b"\n", 1)
    (tmp_path / "fer2013.csv").write_bytes(header + b"\n" * 3_000_000 + rows)
    assert_same(read_fer2013_csv(tmp_path / "fer2013.csv"), dataset)


def test_a_csv_says_how_far_it_is_read_and_stops_when_told(dataset, tmp_path, monkeypatch, cache):
    monkeypatch.setattr(fer2013_csv, "_BLOCK_BYTES", 64_000)
    (tmp_path / "fer2013.csv.xz").write_bytes(lzma.compress(csv_text(dataset)))
    shares: list[float] = []
    read_dataset(tmp_path, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 5


class EnoughError(Exception):
    """Raised by who watches the progress, to end the work."""


def stop(_: float) -> None:
    raise EnoughError


def test_a_cancelled_read_leaves_nothing_behind(dataset, tmp_path, cache, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(EnoughError):
        read_uploads({"fer2013.csv": csv_text(dataset)}, progress=stop)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fer2013.csv").write_bytes(csv_text(dataset))
    with pytest.raises(EnoughError):
        read_dataset(tmp_path / "data", progress=stop)
    assert [path.name for path in tmp_path.rglob("*")] == ["data", "fer2013.csv"]


def test_a_cache_that_cannot_be_written_leaves_no_half_file(dataset, tmp_path, cache, monkeypatch):
    (tmp_path / "fer2013.csv").write_bytes(csv_text(dataset))

    def full(file, *_, **__):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "save", full)
    assert_same(read_dataset(tmp_path / "fer2013.csv"), dataset)
    assert not [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize("outcome", ["read", "refused"])
def test_an_upload_is_read_with_its_votes_and_put_nowhere(outcome, dataset, tmp_path, cache, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files = {"my faces.csv": csv_text(dataset), "../votes (1).csv": votes_text(dataset)}
    if outcome == "read":
        read = read_uploads(files)
        assert_same(read, dataset)
        np.testing.assert_array_equal(read.votes, dataset.votes)
    else:
        with pytest.raises(DatasetError, match=r"half\.csv, row"):
            read_uploads({"half.csv": csv_text(dataset)[:-5_000]})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.csv", "b.csv"], "Found 'a.csv', 'b.csv'; expected one data set, and beside FER2013's csv fer2013new.csv"),
        (["a.csv", "x/a.csv"], "Found two files called 'a.csv'"),
        ([], "Found no file"),
        ([".."], "Found two files called '..'"),
    ],
)
def test_uploads_that_do_not_belong_together_are_refused(names, message, dataset):
    with pytest.raises(DatasetError, match=message):
        read_uploads(dict.fromkeys(names, csv_text(dataset)))


def test_votes_alone_are_refused(dataset):
    with pytest.raises(DatasetError, match="holds FER\\+'s votes alone; add FER2013's csv"):
        read_uploads({"fer2013new.csv": votes_text(dataset)})


def test_the_stamp_of_a_source_changes_with_the_votes_beside_it(dataset, tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(csv_text(dataset))
    stamps = {source_stamp(path)}
    (tmp_path / "fer2013new.csv").write_bytes(votes_text(dataset))
    stamps.add(source_stamp(path))
    path.write_bytes(csv_text(dataset.take(np.arange(5))))
    stamps.add(source_stamp(path))
    assert len(stamps) == 3


def test_a_path_of_another_kind_is_refused_with_what_is_expected(tmp_path):
    (tmp_path / "faces.tar").touch()
    with pytest.raises(DatasetError, match=r"faces\.tar: expected FER2013's csv"):
        read_dataset(tmp_path / "faces.tar")
