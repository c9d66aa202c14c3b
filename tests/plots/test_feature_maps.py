"""Pictures and charts of the inside of a network show the values they are given, in the right place."""

import io

import numpy as np
import pytest
from PIL import Image

from fer_core.plots.feature_maps import (
    FRAME_WIDTH,
    GAP,
    AttributionShares,
    Panel,
    SeenByDepth,
    animation,
    attribution_figure,
    columns_for,
    kernel_grid,
    map_grid,
    png,
    receptive_field_figure,
)
from fer_core.plots.model_styles import model_styles

STYLES = model_styles(["one", "two"], ["one", "two"], {"one": "One", "two": "Two"})


def test_a_grid_has_every_map_in_its_cell_and_nothing_between():
    cells = np.zeros((3, 4, 4), np.uint8)
    cells[1], cells[2, :2] = 255, 255
    grid = map_grid(cells, columns=2)
    side = (grid.shape[1] - GAP) // 2
    assert grid.shape == (2 * side + GAP, 2 * side + GAP, 4)
    dark, bright = grid[0, 0, :3].astype(int), grid[0, -1, :3].astype(int)
    assert bright.sum() > dark.sum() + 200
    assert (grid[-side, 0, :3] == bright).all()  # the third map: bright above, dark below
    assert (grid[-1, 0, :3] == dark).all()
    assert grid[0, side, 3] == 0
    assert (grid[-side:, -side:, 3] == 0).all()  # no fourth map
    assert (grid[:side, :side, 3] == 255).all()


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (16, 4), (17, 5), (36, 6)])
def test_grids_are_about_square(count, columns):
    assert columns_for(count) == columns


def test_kernels_tell_what_adds_from_what_takes_away():
    kernels = np.full((3, 3, 1, 1), 0.5, np.float32)
    kernels[0, 0], kernels[2, 2] = 1, 0
    picture = kernel_grid(kernels, 1)
    inner = picture[8:-8, 8:-8, :3]
    assert inner[0, 0].tolist() == [0xD5, 0x5E, 0x00]
    assert inner[-1, -1].tolist() == [0x00, 0x72, 0xB2]
    assert inner[len(inner) // 2, len(inner) // 2].tolist() == [255, 255, 255]
    assert picture[0, 0].tolist() == [0x8A, 0x8F, 0x98, 255]  # the border


def test_kernels_of_three_channels_are_shown_as_colours():
    kernels = np.full((1, 1, 3, 1), 0.5, np.float32)
    kernels[0, 0, 0] = 1
    picture = kernel_grid(kernels, 1)
    assert picture[len(picture) // 2, len(picture) // 2, :3].tolist() == [255, 128, 128]


@pytest.mark.parametrize("networks", [1, 3])
def test_an_animation_plays_all_its_frames_without_end(networks):
    rng = np.random.default_rng(0)

    def panel() -> Panel:
        grid = np.full((60, 60, 4), 255, np.uint8)
        grid[..., :3] = rng.integers(0, 256, (60, 60, 3))
        face = rng.integers(0, 256, (20, 20, 3)).astype(np.uint8)
        return Panel("Network", "3 of 4: 3×3 convolution, 64 filters, with a line that is rather long " * 3, face, grid)

    video = Image.open(io.BytesIO(animation([[panel() for _ in range(networks)] for _ in range(5)], 250)))
    assert (video.format, video.n_frames, video.info["duration"], video.info["loop"]) == ("GIF", 5, 250, 0)  # type: ignore[attr-defined]
    assert video.width <= FRAME_WIDTH + 50


def test_a_picture_is_saved_as_it_is():
    picture = np.random.default_rng(1).integers(0, 256, (7, 5, 4)).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png(picture)))), picture)


def test_receptive_fields_are_drawn_by_depth_beside_the_face():
    seen = {"one": SeenByDepth([0.5, 1, 0.5], [3, 9, 7], ["a", "b", "c"])}
    figure = receptive_field_figure(seen, STYLES, 48, 0.3)
    line, face, here = figure.data
    assert (list(line.x), list(line.y), list(line.customdata)) == ([0.5, 0.5, 1], [3, 7, 9], ["a", "c", "b"])
    assert set(face.y) == {48}
    assert set(here.x) == {0.3}
    assert "pixels" in figure.layout.yaxis.title.text
    assert "%" in figure.layout.xaxis.title.text
    assert len(receptive_field_figure(seen, STYLES, 48).data) == 2


def test_attention_stands_beside_chance_and_covered_faces_are_hatched():
    chance = {"eyes": 0.26, "mouth": 0.11, "rest": 0.63}
    unmasked = {"eyes": 0.5, "mouth": 0.3, "rest": 0.2}
    maps = [AttributionShares("One", "#4477AA", unmasked), AttributionShares("One, masked", "#4477AA", chance, True)]
    even, first, second = attribution_figure(maps, chance).data
    assert list(even.y) == list(chance.values())
    assert (list(first.x), list(first.y)) == (list(unmasked), list(unmasked.values()))
    assert (first.marker.pattern.shape, second.marker.pattern.shape) == ("", "/")
    # Plotly hatches in the bar's own colour only where no other is named; white lines would be all there is to see.
    assert second.marker.pattern.fgcolor is None
    assert second.marker.color == second.marker.line.color == "#4477AA"
