"""Charts of data sets hold the numbers they were given."""

import numpy as np
import pandas as pd

from fer_core.labels import FER2013
from fer_core.plots.datasets import (
    agreement_figure,
    counts_figure,
    flow_figure,
    histogram_figure,
    seen_figure,
    series_titles,
)

COUNTS = pd.DataFrame({"emotion": ["happy", "sad"], "faces": [30, 10], "share": [0.75, 0.25]})
MATRIX = pd.DataFrame([[5, 0, 2], [1, 8, 0]], index=["happy", "sad"], columns=["happy", "sad", "no majority"])


def test_counts_and_shares_are_bars_of_the_same_faces():
    figure = counts_figure({"training": COUNTS, "test": COUNTS}, shares=False)
    assert [list(bar.y) for bar in figure.data] == [[30, 10], [30, 10]]
    assert figure.data[0].marker.pattern.shape != figure.data[1].marker.pattern.shape
    assert list(counts_figure({"training": COUNTS}, shares=True).data[0].y) == [0.75, 0.25]


def test_what_the_loss_sees_stands_beside_the_data():
    figure = seen_figure(COUNTS.assign(**{"share seen": [0.6, 0.4]}))
    assert [list(trace.y) for trace in figure.data] == [[0.75, 0.25], [0.6, 0.4], [0.5, 0.5]]


def test_every_face_flows_from_its_label_to_what_annotators_say():
    sankey = flow_figure(MATRIX).data[0]
    assert list(sankey.link.value) == [5, 2, 1, 8]
    assert list(zip(sankey.link.source, sankey.link.target, strict=True)) == [(0, 2), (0, 4), (1, 2), (1, 3)]
    assert sankey.node.label[0] == "happy 7"
    assert sankey.node.label[4] == "no majority 2"


def test_a_matrix_is_coloured_by_share_and_written_in_faces():
    heatmap = agreement_figure(MATRIX).data[0]
    np.testing.assert_allclose(heatmap.z[0], [5 / 7, 0, 2 / 7])
    assert list(heatmap.text[1]) == ["1", "8", "0"]


def test_histograms_stack_the_classes():
    counts = np.arange(14).reshape(7, 2)
    figure = histogram_figure(counts, np.array([0.0, 1.0, 2.0]), FER2013, "bits")
    assert [list(bar.y) for bar in figure.data] == counts.tolist()
    assert list(figure.data[0].x) == [0.5, 1.5]
    assert figure.layout.barmode == "stack"


def test_one_data_set_needs_no_name_in_titles():
    assert series_titles([("FER2013", "training"), ("FER2013", "test")]) == ["training", "test"]
    assert series_titles([("FER2013", "test"), ("CK+", "training")]) == ["FER2013 · test", "CK+ · training"]
