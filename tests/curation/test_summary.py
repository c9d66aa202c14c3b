"""A data set in figures survives its files, is made once, and says so when its files are damaged."""

import numpy as np
import pandas as pd
import pytest

from fer_core.curation import summary as module
from fer_core.curation.summary import (
    BINS,
    fingerprint,
    load_summary,
    save_summary,
    shipped_summaries,
    slug,
    summarise,
    summary_of,
)
from fer_core.errors import DatasetError
from fer_core.labels import FER2013


@pytest.fixture
def flawed(dataset):
    dataset.images[1] = dataset.images[0]
    dataset.images[60] = dataset.images[0]
    dataset.images[5] = 0
    dataset.votes[7] = [10, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    return dataset


def test_a_summary_counts_measures_and_audits(flawed):
    shares: list = []
    summary = summarise(flawed, shares.append)
    assert list(summary.counts) == ["fer2013", "fer2013-five", "ferplus"]
    assert summary.counts["fer2013"]["faces"].sum() == len(flawed) == summary.faces
    assert summary.histograms["brightness"].shape == (7, BINS)
    assert summary.histograms["contrast"].sum() == len(flawed)
    assert summary.duplicates.groups["row"].tolist() == [0, 1, 60]
    assert summary.redundant_rows["row"].tolist() == [0, 1]
    assert 5 in summary.unusable["row"].tolist()
    assert summary.contradicted["row"].tolist() == [7]
    assert summary.agreement == pytest.approx(1 - 1 / len(flawed))
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_summary_without_votes_leaves_out_what_only_votes_tell(flawed):
    from dataclasses import replace

    summary = summarise(replace(flawed, votes=None))
    assert list(summary.counts) == ["fer2013", "fer2013-five"]
    assert summary.contradicted is summary.suspects is summary.agreement is summary.agreement_matrix is None
    assert "vote entropy" not in summary.histograms


def test_what_is_saved_is_read_back(flawed, tmp_path):
    made = summarise(flawed)
    place = save_summary(made, tmp_path)
    assert shipped_summaries(tmp_path) == [place]
    read = load_summary(place)
    for frame in ("unusable", "contradicted", "suspects", "agreement_matrix"):
        pd.testing.assert_frame_equal(getattr(read, frame), getattr(made, frame), check_dtype=False)
    groups = made.duplicates.groups
    pd.testing.assert_frame_equal(read.duplicates.groups, groups, check_dtype=False, atol=1e-4)
    for name, counts in made.counts.items():
        pd.testing.assert_frame_equal(read.counts[name], counts, check_dtype=False)
    np.testing.assert_array_equal(read.histograms["sharpness"], made.histograms["sharpness"])
    assert np.abs(read.means["fer2013"].means - made.means["fer2013"].means).max() <= 0.5
    assert (read.fingerprint, read.label_set, read.side) == (made.fingerprint, FER2013, (48, 48))


def test_a_data_set_is_summarised_once(flawed, cache, monkeypatch):
    first = summary_of(flawed)
    monkeypatch.setattr(module, "summarise", lambda *_: pytest.fail("counted twice"))
    assert summary_of(flawed).redundant_rows["row"].tolist() == first.redundant_rows["row"].tolist()
    assert list((cache / "summaries").iterdir())


def test_a_damaged_summary_is_made_anew_or_refused_in_a_sentence(flawed, cache):
    summary_of(flawed)
    (place,) = shipped_summaries(cache / "summaries" / fingerprint(flawed))
    (place / "arrays.npz").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"cannot be read .* make it anew"):
        load_summary(place)
    assert summary_of(flawed).faces == len(flawed)
    assert load_summary(place).faces == len(flawed)


def test_another_label_or_vote_is_another_fingerprint(flawed):
    before = fingerprint(flawed)
    flawed.labels[3] = 2
    changed = fingerprint(flawed)
    flawed.votes[3, 0] += 1
    assert len({before, changed, fingerprint(flawed)}) == 3


@pytest.mark.parametrize(
    ("name", "expected"), [("CK+", "ckplus"), ("FER2013", "fer2013"), ("my  Set/2", "my-set-2"), ("..", "dataset")]
)
def test_names_become_folder_names(name, expected):
    assert slug(name) == expected
