import keras
import pytest
from keras import layers

from fer_core.explain.architecture import BlockKind, Skip, blocks, layer_table, shape_in_words
from fer_core.explain.layers import describe_layers
from fer_core.labels import FER2013, FERPLUS
from fer_core.models import get_architecture
from fer_core.plots.architecture import KIND_COLOURS


def folded(model: keras.Model):
    return blocks(describe_layers(model))


def test_every_layer_of_every_architecture_is_in_one_block_in_its_place(network):
    described = describe_layers(network)
    assert [layer for block in blocks(described) for layer in block.layers] == described
    assert sum(block.parameters for block in blocks(described)) == network.count_params()
    assert len(blocks(described)) < 70  # as many as can be drawn side by side


def test_a_plain_network_is_drawn_convolution_by_convolution():
    kinds = [block.kind for block in folded(get_architecture("cnn4").build((FER2013, FERPLUS)))]
    assert kinds == [
        BlockKind.INPUT,
        *4 * [BlockKind.CONVOLUTION],
        BlockKind.POOLING,
        *4 * [BlockKind.DENSE],  # two hidden ones and a head for each label set
    ]


def test_a_gated_residual_network_shows_its_skip_connections():
    residual = [b for b in folded(get_architecture("tiny").build((FER2013,))) if b.kind == BlockKind.RESIDUAL]
    assert len(residual) == 4
    assert all(block.is_gated for block in residual)
    assert [block.skip for block in residual] == [Skip.PLAIN, Skip.CONVOLVED, Skip.CONVOLVED, Skip.CONVOLVED]


def test_a_mobile_network_skips_only_where_the_size_stays():
    found = folded(get_architecture("mobilenet_v2").build((FER2013,), working_size=48))
    skips = [block for block in found if block.skip]
    assert len(skips) == 10  # Sandler et al. 2018, table 2: n - 1 of each row whose n is above one
    assert {block.skip for block in skips} == {Skip.PLAIN}
    assert not any(block.is_gated for block in found)


def test_branches_that_are_not_summed_are_a_block_of_their_own_kind():
    image = keras.Input((8, 8, 1))
    first = layers.Conv2D(2, 3, padding="same")(image)
    side_by_side = layers.Concatenate()([layers.Conv2D(3, 1)(first), layers.Conv2D(4, 1)(first)])
    block = folded(keras.Model(image, layers.Dense(2)(layers.Flatten()(side_by_side))))[1]
    assert (block.kind, block.skip, block.output_shape) == (BlockKind.BRANCHES, None, (8, 8, 7))
    assert block.titles == ["1×1 convolution, 3 filters", "1×1 convolution, 4 filters"]


def test_the_first_branches_may_begin_at_the_face_itself():
    image = keras.Input((8, 8, 1))
    both = layers.Add()([layers.Conv2D(2, 1)(image), layers.Conv2D(2, 3, padding="same")(image)])
    (block, *_) = folded(keras.Model(image, layers.Dense(2)(layers.Flatten()(both))))
    assert (block.kind, len(block.layers), block.skip) == (BlockKind.RESIDUAL, 3, Skip.CONVOLVED)


def test_the_table_has_the_costs_of_every_layer_and_shares_of_the_whole():
    network = get_architecture("tiny").build((FER2013,))
    table = layer_table(describe_layers(network))
    assert table["parameters"].sum() == network.count_params()
    for what in ("parameters", "multiply-adds"):
        assert table[f"share of {what}"].sum() == pytest.approx(1)
    assert list(table["number"]) == list(range(1, len(table) + 1))
    assert (table["kind"] == "gate").sum() == 8
    first = table.iloc[1]
    assert (first["kind"], first["answers with"], first["receptive field"]) == ("convolution", "48 × 48 × 24", 3)
    assert table.iloc[0]["fed by"] == "the face"


def test_shapes_are_said_in_words():
    assert shape_in_words((24, 12, 1)) == "24 × 12 places × 1 channel"
    assert shape_in_words((7,)) == "7 values"


def test_the_diagram_has_a_colour_for_every_kind_of_block():
    assert set(KIND_COLOURS) == set(BlockKind)
