"""The memory of a step against counts by hand."""

import keras
import pytest

from models import classifier
from models.layers.normalization import Normalization
from trainer.optimization import memory, optimizers
from trainer.optimization.memory import MemoryEstimate

# LeNet of 32×32×1 and 10 classes. What goes back through it reads the input of each convolution and
# dense layer, and the output of each tanh: the normalised image, c1_act, s2, c3_act, s4, c5_act,
# f6_act, and of the loss its gradient.
LENET_WEIGHTS = 61_706
LENET_KEPT = (
    32 * 32 + 28 * 28 * 6 + 14 * 14 * 6 + 10 * 10 * 16 + 5 * 5 * 16 + 120 + 84, 10
)  # fmt: skip


def estimate(
    optimizer: str = "momentum", ema: float = 0.0, mixed_precision: str = "none", **sizes: int
) -> MemoryEstimate:
    model = classifier.build(
        (32, 32, 1), 10,
        model="lenet", normalization=Normalization("unit"), mixed_precision=mixed_precision,
    )  # fmt: skip
    return of(model, optimizers.create(optimizer, 0.1, ema, mixed_precision), **sizes)


def of(model, optimizer=None, batch_size: int = 4, **sizes: int) -> MemoryEstimate:
    optimizer = optimizer or optimizers.create("sgd", 0.1)
    optimizer.build(model.trainable_variables)
    return memory.estimate(model, optimizer, batch_size, **sizes)


def activations(*layers, shape=(8, 8, 4)) -> int:
    """Bytes kept of one image by layers behind an image, before global pooling and logits."""
    image = keras.Input(shape, dtype="uint8")
    x = keras.ops.cast(image, "float32")
    for layer in layers:
        x = layer(x)
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(3)(pooled))
    ends = pooled.shape[-1] + 3  # what the logits are made of, and the gradient of the loss
    return of(model, batch_size=1).activations - 4 * ends


def conv(filters: int = 4, **options):
    return keras.layers.Conv2D(filters, 3, padding="same", **options)


def test_the_parts_of_lenet_are_those_counted_by_hand():
    weights = 4 * LENET_WEIGHTS
    expected = MemoryEstimate(
        weights=weights,
        weight_copies=0,
        gradients=weights,
        slots=weights + 8 + 4,  # momentum, the number of steps and the learning rate
        average=0,
        activations=7 * 4 * sum(LENET_KEPT),
    )
    assert estimate(batch_size=7) == expected
    assert expected.total == 3 * weights + 12 + 7 * 4 * sum(LENET_KEPT)


@pytest.mark.parametrize(
    ("optimizer", "slots"), [("sgd", 0), ("momentum", 1), ("adam", 2), ("rmsprop", 1)]
)
def test_slots_and_average_are_those_of_the_optimizer(optimizer, slots):
    for ema in (0.0, 0.9):
        estimated = estimate(optimizer, ema)
        assert estimated.slots // (4 * LENET_WEIGHTS) == slots
        assert estimated.slots % (4 * LENET_WEIGHTS) < 100
        assert estimated.average == (4 * LENET_WEIGHTS if ema else 0)


def test_16_bits_halve_activations_and_copy_kernels():
    for mixed_precision in ("bfloat16", "float16"):
        estimated = estimate("adam", 0.9, mixed_precision)
        inside, loss = LENET_KEPT
        assert estimated.activations == 4 * (2 * inside + 4 * loss)
        # Gradients of inputs are made with kernels; that of the image is not needed.
        assert estimated.weight_copies == 2 * (5 * 5 * (6 * 16 + 16 * 120) + 120 * 84 + 84 * 10)
        assert estimated.weights == estimated.gradients == 4 * LENET_WEIGHTS
        assert estimated.average == 4 * LENET_WEIGHTS


def test_parts_of_a_batch_need_the_activations_of_one_and_a_sum_of_gradients():
    whole, parts = estimate(batch_size=8), estimate(batch_size=8, grad_accum_steps=4)
    assert parts.activations == whole.activations // 4
    assert parts.gradients == 2 * whole.gradients


def test_what_lies_in_place_of_its_input_is_not_counted_again():
    size = 4 * 8 * 8 * 4
    flat = [keras.layers.Reshape((64, 4)), keras.layers.Reshape((8, 8, 4))]
    relu = keras.layers.ReLU
    assert activations(conv()) == size  # the image
    assert activations(conv(), *flat) == size
    assert activations(conv(), relu()) == 2 * size  # and the output of the ReLU
    assert activations(conv(), *flat, relu(), conv()) == 2 * size  # which the next one reads, too
    assert activations(conv(), relu(), *flat, conv()) == 2 * size


def test_batch_normalisation_keeps_its_input_and_dropout_its_mask():
    size, channels = 4 * 8 * 8 * 4, 4 * 4
    norm = activations(conv(), keras.layers.BatchNormalization(), keras.layers.ReLU())
    assert 3 * size <= norm <= 3 * size + 8 * channels
    dropped = activations(conv(), keras.layers.Dropout(0.5))
    assert dropped == size + size // 4  # a byte each says what is dropped


def test_frozen_weights_have_no_gradients_and_keep_nothing():
    model = classifier.build(
        (32, 32, 1), 10, model="lenet", normalization=Normalization("unit")
    )  # fmt: skip
    network = model.layers[-1]
    for layer in network.layers:
        layer.trainable = layer.name == "logits"
    estimated = of(model, batch_size=1)
    assert estimated.weights == 4 * LENET_WEIGHTS
    assert estimated.gradients == 4 * (84 * 10 + 10)
    assert estimated.activations == 4 * (84 + 10)


def test_a_line_for_each_part_that_there_is():
    text = MemoryEstimate(1024, 0, 1024, 12, 0, 3 * 2**30).describe()
    assert text.splitlines() == [
        "  weights         1 KiB",
        "  gradients       1 KiB",
        "  optimizer        12 B",
        "  activations     3 GiB",
        "  together        3 GiB",
    ]
    text = MemoryEstimate(1, 2, 3, 4, 5, 6).describe()
    assert "weights in 16 bits" in text
    assert "moving average" in text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "0.977 KiB"), (1536, "1.5 KiB"), (2**20, "1 MiB"),
     (1.25 * 2**30, "1.25 GiB"), (2000 * 2**30, "2,000 GiB")],
)  # fmt: skip
def test_sizes_have_units(count, text):
    assert memory.format_bytes(count) == text
