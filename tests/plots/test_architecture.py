"""The diagram of a network says what its layers are."""

import math
from itertools import pairwise

import keras
import pytest
from keras import layers

from fer_core.explain.architecture import blocks
from fer_core.explain.layers import describe_layers
from fer_core.plots.architecture import KIND_COLOURS, LABELLED_BLOCKS, architecture_diagram


def residual(depth: int = 1) -> keras.Model:
    """Two convolutions of 4 and 16 filters, then residual blocks, pooling and a dense layer."""
    image = keras.Input((16, 16, 1))
    x = layers.Conv2D(4, 3, padding="same")(image)
    x = layers.Conv2D(16, 3, padding="same", strides=2)(x)
    for _ in range(depth):
        x = layers.Add()([x, layers.Conv2D(16, 3, padding="same")(x)])
    return keras.Model(image, layers.Dense(7)(layers.GlobalAveragePooling2D()(x)))


@pytest.fixture(scope="module")
def figure():
    return architecture_diagram(blocks(describe_layers(residual())), 16)


def traces(figure) -> dict:
    return {trace.name: trace for trace in figure.data}


def test_height_is_resolution_and_width_grows_with_channels(figure):
    convolutions = traces(figure)["convolution"]
    assert list(convolutions.y) == [16, 8]
    narrow, wide = convolutions.width
    assert wide == 2 * narrow  # log2 of 16 and of 4
    assert list(convolutions.text) == ["4", "16"]
    assert convolutions.marker.color == KIND_COLOURS["convolution"]


def test_blocks_stand_in_their_order_and_do_not_overlap(figure):
    bars = [
        (x - width / 2, x + width / 2)
        for trace in figure.data
        if trace.type == "bar"
        for x, width in zip(trace.x, trace.width, strict=True)
    ]
    bars.sort()
    assert len(bars) == 5
    assert all(end < start for (_, end), (start, _) in pairwise(bars))


def test_a_skip_connection_is_an_arc_over_its_block(figure):
    arc, block = traces(figure)["skip connection"], traces(figure)["block with a skip connection"]
    points = [y for y in arc.y if y is not None]
    assert min(points) > block.y[0]
    assert max(points) > 1.2 * block.y[0]
    assert block.x[0] - block.width[0] / 2 == pytest.approx(arc.x[0])


def test_the_pointer_tells_the_layers_of_a_block_and_its_costs(figure):
    (words,) = traces(figure)["block with a skip connection"].customdata
    for part in ("3×3 convolution, 16 filters", "8 × 8 × 16", "2,320 parameters", "receptive field 9 pixels"):
        assert part in words


def test_axes_are_named_with_their_units_and_hold_every_block(figure):
    assert "places" in figure.layout.yaxis.title.text
    assert "channels" in figure.layout.xaxis.title.text
    assert 10 ** figure.layout.yaxis.range[1] > 16
    assert max(figure.layout.yaxis.tickvals) == 16
    assert math.isclose(10 ** figure.layout.yaxis.range[0], 0.5)


def test_a_long_network_is_drawn_without_numbers_that_would_overlap():
    figure = architecture_diagram(blocks(describe_layers(residual(LABELLED_BLOCKS))), 16)
    assert all(trace.text is None for trace in figure.data if trace.type == "bar")
