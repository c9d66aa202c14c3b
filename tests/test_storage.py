"""Files appear whole or not at all, and what can't be read is said in one way."""

from pathlib import Path

import numpy as np
import pytest

from fer_core.storage import DamagedFileError, atomic_path, read_arrays, write_arrays, write_text


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_text(path, "old")

    def write_and_fail() -> None:
        with atomic_path(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    with atomic_path(path) as one, atomic_path(path) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"  # the last to end
    assert list(tmp_path.iterdir()) == [path]


def test_an_unfinished_file_is_hidden_and_lies_beside_its_target(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.npz") as part:
        assert (part.parent, part.name[0], part.suffix) == (tmp_path, ".", ".part")
        part.touch()


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_come_back_as_they_were(tmp_path: Path, compressed: bool) -> None:
    arrays = {"a/b": np.arange(3, dtype=np.int8), "words": np.array(["x", "yz"])}
    write_arrays(tmp_path / "a.npz", arrays, compressed)
    read = read_arrays(tmp_path / "a.npz")
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        assert (read[name] == array).all()


def test_a_missing_a_cut_and_a_strange_file_are_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(DamagedFileError, match=r"a\.npz is missing or damaged"):
        read_arrays(path)
    write_arrays(path, {"a": np.arange(1000)})
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"PK\x03\x04", whole[:60] + b"\0" * 40 + whole[100:], b"no arrays"):
        path.write_bytes(content)
        with pytest.raises(DamagedFileError):
            read_arrays(path)
    with path.open("wb") as file:
        np.save(file, np.arange(3))  # one array without an archive around it
    with pytest.raises(DamagedFileError):
        read_arrays(path)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.array([{}], dtype=object))
    with pytest.raises(DamagedFileError):
        read_arrays(tmp_path / "a.npz")
