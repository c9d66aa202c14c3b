"""Cells lie in rows on a transparent ground, each enlarged by a whole number."""

import numpy as np

from fer_core.plots.sheets import sheet_of


def test_cells_are_enlarged_bordered_and_apart() -> None:
    cells = [np.full((2, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = sheet_of(cells, columns=2, enlarged=2, gap=1, border=1)
    assert sheet.shape == (2 * (4 + 2) + 1, 2 * (6 + 2) + 1, 4)
    assert sheet[1, 1].tolist() == [10, 10, 10, 255]
    assert sheet[4, 6].tolist() == [10, 10, 10, 255]
    assert sheet[0, 0].tolist() == [0x8A, 0x8F, 0x98, 255]
    assert not sheet[:, 8].any(), "between two cells"
    assert sheet[1, 10].tolist() == [20, 20, 20, 255]
    assert sheet[8, 1].tolist() == [30, 30, 30, 255]
    assert not sheet[7:, 9:].any(), "where there is no cell"


def test_cells_of_three_channels_keep_their_colours() -> None:
    cell = np.array([[[1, 2, 3]]], np.uint8)
    assert sheet_of(cell[None], columns=1, enlarged=1, gap=3).tolist() == [[[1, 2, 3, 255]]]
