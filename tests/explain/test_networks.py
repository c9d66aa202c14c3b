import shutil

import pytest

from fer_core.errors import ModelError
from fer_core.explain.probing import open_network
from fer_core.store.store import ModelStore


@pytest.fixture
def copied(shipped, tmp_path):
    """The card of the shipped model in a store of the test, without weights."""
    (tmp_path / "senet").mkdir()
    shutil.copy(shipped.folder / "card.json", tmp_path / "senet")
    return ModelStore(tmp_path).load("senet")


def test_a_stored_network_is_opened_with_its_heads(shipped):
    assert set(open_network(shipped).output) == set(shipped.card.heads)


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04 and then nothing"])
def test_a_damaged_file_is_refused_in_a_sentence(copied, content):
    (copied.folder / "model.keras").write_bytes(content)
    with pytest.raises(ModelError, match=r"senet: model\.keras cannot be opened"):
        open_network(copied)


def test_an_absent_file_is_refused_in_a_sentence(copied):
    with pytest.raises(ModelError, match=r"model\.keras is missing"):
        open_network(copied)
