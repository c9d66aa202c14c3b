import numpy as np
import pytest

from fer_core.plots.augmentation import BINS, CELL, GAP, face_sheet, histogram_figure


def test_a_sheet_has_every_face_in_whole_pixels_with_see_through_gaps():
    faces = np.stack([np.full((48, 48), 10 * n, np.uint8) for n in range(8)])
    sheet = face_sheet(faces, 6)
    step = CELL + GAP
    assert sheet.shape == (2 * step - GAP, 6 * step - GAP, 4)
    assert [int(sheet[n // 6 * step, n % 6 * step, 0]) for n in range(8)] == [10 * n for n in range(8)]
    assert (sheet[:CELL, :CELL, 3] == 255).all()
    assert not sheet[:, CELL : CELL + GAP, 3].any()
    assert not sheet[step:, 2 * step :, 3].any()  # where the second row has no face


@pytest.mark.parametrize(("side", "cell"), [(32, 96), (40, 80), (160, 160)])
def test_pixels_of_a_face_are_enlarged_by_a_whole_number(side, cell):
    assert face_sheet(np.zeros((1, side, side), np.uint8)).shape == (cell, cell, 4)


def test_a_sheet_takes_colours():
    face = np.zeros((1, 48, 48, 3), np.uint8)
    face[..., 0] = 200
    assert face_sheet(face)[0, 0].tolist() == [200, 0, 0, 255]


def test_the_histogram_gives_shares_of_the_pixels_at_each_level():
    before, after = np.full((1, 8, 8), 130, np.uint8), np.full((4, 8, 8), 255, np.uint8)
    after[:, :4] = 0
    figure = histogram_figure(before, after)
    one, other = figure.data
    assert len(one.x) == BINS
    assert sum(one.y) == sum(other.y) == 1
    assert one.x[int(np.argmax(one.y))] == pytest.approx(129.5)
    assert (other.y[0], other.y[-1]) == (0.5, 0.5)
    assert (one.name, other.name) == ("before", "after")
    assert "%" in figure.layout.yaxis.title.text
