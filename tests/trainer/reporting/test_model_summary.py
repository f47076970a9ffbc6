"""The table of layers against LeNet-5 by hand."""

import keras

from models import classifier, cost
from models.layers.normalization import Normalization
from trainer.reporting import model_summary
from trainer.reporting.model_summary import LayerRow

# Of 32×32×1: of a convolution its weights and biases; two operations for each multiplication, and
# one for each bias; one for each value that pooling adds up. Activations are not counted.
LENET = [
    LayerRow(1, "c1", "Conv2D", (28, 28, 6), 25 * 6 + 6, 28 * 28 * 6 * (2 * 25 + 1)),
    LayerRow(1, "c1_act", "Activation", (28, 28, 6), 0, 0),
    LayerRow(1, "s2", "AveragePooling2D", (14, 14, 6), 0, 14 * 14 * 6 * 4),
    LayerRow(1, "c3", "Conv2D", (10, 10, 16), 150 * 16 + 16, 10 * 10 * 16 * (2 * 150 + 1)),
    LayerRow(1, "c3_act", "Activation", (10, 10, 16), 0, 0),
    LayerRow(1, "s4", "AveragePooling2D", (5, 5, 16), 0, 5 * 5 * 16 * 4),
    LayerRow(1, "c5", "Conv2D", (1, 1, 120), 400 * 120 + 120, 120 * (2 * 400 + 1)),
    LayerRow(1, "c5_act", "Activation", (1, 1, 120), 0, 0),
    LayerRow(1, "flatten", "Flatten", (120,), 0, 0),
    LayerRow(1, "f6", "Dense", (84,), 120 * 84 + 84, 84 * (2 * 120 + 1)),
    LayerRow(1, "f6_act", "Activation", (84,), 0, 0),
    LayerRow(1, "logits", "Dense", (10,), 84 * 10 + 10, 10 * (2 * 84 + 1)),
]


def lenet() -> keras.Model:
    keras.backend.clear_session()  # so that layers have the names of the first of their kind
    return classifier.build((32, 32, 1), 10, model="lenet", normalization=Normalization("unit"))


def test_the_rows_of_lenet_are_those_counted_by_hand():
    model = lenet()
    flops = sum(row.flops for row in LENET)
    assert model_summary.rows(model) == [
        LayerRow(0, "image", "InputLayer", (32, 32, 1), 0, 0),
        LayerRow(0, "cast", "Cast", (32, 32, 1), 0, 0),
        LayerRow(0, "true_divide", "TrueDivide", (32, 32, 1), 0, 32 * 32),
        LayerRow(0, "lenet", "Functional", (10,), 61_706, flops),
        *LENET,
    ]
    assert cost.flops(model) == flops + 32 * 32


def test_the_table_has_a_line_for_each_row_and_what_they_come_to():
    model = lenet()
    lines = model_summary.describe(model).splitlines()
    assert len(lines) == 2 + 4 + len(LENET) + 2
    assert lines[0].split() == ["layer", "kind", "output", "parameters", "FLOPs"]
    assert ["c3", "Conv2D", "10×10×16", "2,416", "481,600"] in [line.split() for line in lines]
    assert lines[-1] == (
        f"61,706 parameters, 61,706 of them trainable; {cost.flops(model):,} FLOPs for an image"
    )
    assert len({len(line) for line in lines[:-2]}) == 1


def test_moving_averages_are_parameters_that_are_not_trainable():
    image = keras.Input((4, 4, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization()(image))
    last = model_summary.describe(keras.Model(image, x)).splitlines()[-1]
    assert last.startswith("12 parameters, 6 of them trainable; ")


def test_networks_in_networks_are_opened_and_each_layer_counts_once():
    inner = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="deep")], name="inner")
    middle_input = keras.Input((8,))
    middle = keras.Model(middle_input, inner(middle_input), name="middle")
    image = keras.Input((8,), name="image")
    sums = keras.layers.Dense(2, name="outer")(middle(image))
    rows = model_summary.rows(keras.Model(image, sums))
    assert [(row.depth, row.name, row.parameters, row.flops) for row in rows] == [
        (0, "image", 0, 0),
        (0, "middle", 36, 68),
        (1, "inner", 36, 68),
        (2, "deep", 36, 68),
        (0, "outer", 10, 18),
    ]
    assert "\n    deep " in model_summary.format_rows(rows)


def test_shapes_are_written_with_times_signs():
    assert model_summary.format_shape((28, 28, 6)) == "28×28×6"
    assert model_summary.format_shape((None, 4)) == "?×4"
