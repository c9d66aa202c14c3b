"""What people hand over is checked before it is read: zips by their directory, streams as they unpack, folders by count."""

import io
import stat
import struct
import tarfile
import zipfile
from contextlib import ExitStack
from dataclasses import replace

import pytest

from fer_core.datasets.readers import archives
from fer_core.datasets.readers.archives import ARCHIVE_LIMITS, Limits, bounded, open_files, open_zip, stamp, zip_names
from fer_core.datasets.readers.fer2013 import open_csv
from fer_core.errors import DatasetError

SMALL = Limits(archive_bytes=5_000, files=5, file_bytes=1_000, total_bytes=3_000)


def packed(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def contents(data: bytes, limits: Limits = ARCHIVE_LIMITS) -> dict[str, bytes]:
    with open_files(io.BytesIO(data), "some.zip", (".png",), limits) as files:
        return {str(file.name): file.read() for file in files}


def test_files_of_a_kind_are_read_in_the_order_of_their_names_and_hidden_ones_are_passed_over():
    data = packed({"b/2.png": b"2", "a/1.PNG": b"1", "__MACOSX/a/1.png": b"x", "a/.1.png": b"x", "a/note.txt": b"x"})
    assert contents(data) == {"a/1.PNG": b"1", "b/2.png": b"2"}
    assert [str(name) for name in zip_names(io.BytesIO(data), "x")][:2] == ["b/2.png", "a/1.PNG"]


def test_a_folder_is_read_like_an_archive_and_nothing_is_written(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"1")
    (tmp_path / ".hidden.png").write_bytes(b"x")
    with open_files(tmp_path, "folder", (".png",)) as files:
        assert {str(file.name): file.read() for file in files} == {"a/1.png": b"1"}
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".hidden.png", "1.png", "a"]


@pytest.mark.parametrize(
    "name", ["../1.png", "a/../../1.png", "/1.png", "..\\1.png", "a\\..\\..\\1.png", "C:/1.png", "c:\\1.png", "\\1.png"]
)
def test_a_name_that_leads_out_is_refused_whatever_the_file_is(name):
    for suffix in ("", ".txt"):
        with pytest.raises(DatasetError, match="found a name that leads out of the archive"):
            contents(packed({"a/0.png": b"0", name + suffix: b"x"}))


def test_a_link_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("a/1.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/hostname")
    with pytest.raises(DatasetError, match=r"a/1\.png: found a link to another file"):
        contents(buffer.getvalue())


def test_an_encrypted_file_is_refused():
    data = bytearray(packed({"a/1.png": b"1"}))
    directory = data.index(b"PK\x01\x02")
    data[directory + 8] |= 1
    with pytest.raises(DatasetError, match="found an encrypted file; pack it without a password"):
        contents(bytes(data))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_unpack_without_bounds_are_refused(compression):
    with pytest.raises(DatasetError, match="found an unusual way of packing"):
        contents(packed({"a/1.png": bytes(1000)}, compression))


def test_a_name_that_occurs_twice_is_refused():
    with pytest.raises(DatasetError, match="found this name twice"):
        contents(packed({"a/1.png": b"1", "a\\1.png": b"2"}))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({f"{number}.png": b"" for number in range(6)}, "found 6 files in it, expected at most 5"),
        ({"1.png": bytes(1_001)}, r"1\.png: found a file of 1,001 bytes, expected at most 1,000"),
        ({f"{n}.txt": bytes(1_000) for n in range(4)}, "it unpacks to 4,000 bytes, expected at most 3,000"),
        ({"x" * 2_000 + str(n): b"" for n in range(3)}, "found an archive of [0-9,]+ bytes, expected at most 5,000"),
    ],
)
def test_what_is_beyond_a_bound_is_refused_before_it_is_unpacked(members, message, monkeypatch):
    data = packed(members)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(DatasetError, match=message):
        contents(data, SMALL)


def test_a_bomb_is_known_by_how_well_it_packs():
    with pytest.raises(DatasetError, match=r"unpack to 17 MB, over 100 times as much.* zip bomb"):
        contents(packed({"a/1.txt": bytes(17 << 20)}))
    assert contents(packed({"a/1.png": bytes(15 << 20)}))  # what is small does no harm


def test_a_directory_of_millions_is_refused_before_it_is_read():
    limits = replace(ARCHIVE_LIMITS, files=10)
    with pytest.raises(DatasetError, match="found far more files in it than the 10 that are read"):
        contents(packed({f"{number}.png": b"" for number in range(60)}), limits)


def test_a_member_that_lies_about_its_size_unpacks_no_further(monkeypatch):
    data = packed({"a/1.png": bytes(8 << 20)})
    size = struct.pack("<I", 8 << 20)
    assert data.count(size) == 2
    read, asked = zipfile.ZipExtFile._read1, []  # type: ignore[attr-defined]
    monkeypatch.setattr(zipfile.ZipExtFile, "_read1", lambda self, n: asked.append(n) or read(self, n))
    with pytest.raises(DatasetError, match=r"a/1\.png: it cannot be unpacked"):
        contents(data.replace(size, struct.pack("<I", 100)))
    assert max(asked) <= 100


def test_an_archive_in_an_archive_is_not_looked_into_but_named():
    inner = packed({"happy/1.png": b"1"})
    with pytest.raises(DatasetError, match=r"found another archive in it \(in/inner\.zip\); unpack that"):
        contents(packed({"in/inner.zip": inner}))
    assert contents(packed({"inner.zip": inner, "happy/2.png": b"2"})) == {"happy/2.png": b"2"}


def test_a_damaged_archive_is_refused_in_a_sentence_and_the_file_is_closed(tmp_path):
    path = tmp_path / "half.zip"
    path.write_bytes(packed({"a/1.png": bytes(range(256)) * 9})[:-30])
    with pytest.raises(DatasetError, match=r"half\.zip: it cannot be unpacked"), open_zip(path, path.name):
        pass
    path.unlink()


def test_a_folder_of_far_too_many_files_is_refused(tmp_path):
    for number in range(2 * SMALL.files + 1):
        (tmp_path / f"{number}.txt").touch()
    with (
        pytest.raises(DatasetError, match="found more than 10 files below it; name the folder of the data set"),
        open_files(tmp_path, "folder", (".png",), SMALL),
    ):
        pass


def test_a_link_that_leads_in_circles_comes_to_an_end(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"1")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    with open_files(tmp_path, "folder", (".png",)) as files:
        assert max(len(file.name.parts) for file in files) <= archives.MAX_DEPTH + 1


def test_a_stream_gives_all_it_may_and_no_more():
    assert bounded(io.BytesIO(bytes(10)), "x", 10).read() == bytes(10)
    with pytest.raises(DatasetError, match="found more than 9 bytes in it, unpacked"):
        bounded(io.BytesIO(bytes(10)), "x", 9).read()


def test_a_csv_is_bounded_in_every_packing(monkeypatch):
    import gzip
    import lzma

    text = b"emotion,pixels,Usage\n" + b"0" * 5_000
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        member = tarfile.TarInfo("fer2013/fer2013.csv")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    packings = {
        "x.csv": text,
        "x.csv.gz": gzip.compress(text),
        "x.csv.xz": lzma.compress(text),
        "x.zip": packed({"x.csv": text}),
        "x.tar.gz": tar.getvalue(),
    }
    monkeypatch.setattr(archives.bounded, "__defaults__", (1_000,))
    for name, data in packings.items():
        with ExitStack() as stack, pytest.raises(DatasetError, match="found more than 1,000 bytes"):
            open_csv(io.BytesIO(data), name, stack).read()


def test_a_stamp_changes_with_any_file_of_a_source(tmp_path):
    (tmp_path / "a").mkdir()
    file = tmp_path / "a" / "1.png"
    file.write_bytes(b"1")
    stamps = [stamp(tmp_path), stamp(tmp_path)]
    file.write_bytes(b"22")
    stamps.append(stamp(tmp_path))
    (tmp_path / "a" / "2.png").touch()
    stamps.append(stamp(tmp_path))
    assert len(set(stamps)) == 3
    assert stamp(file) != stamp(tmp_path / "a" / "2.png") != stamp(tmp_path / "absent")
