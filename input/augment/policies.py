"""RandAugment, TrivialAugment and AutoAugment's CIFAR-10 policy.

A policy draws a *plan*, which operations of `input.augment.ops` each image gets and with which
values, and `apply` carries it out, one image at a time and only what was chosen:

    images = policies.apply(images, policies.rand_augment(rng, images.shape[1:3]))
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from input.augment import ops
from input.augment.rng import BatchRng

# Magnitudes of RandAugment and TrivialAugment go from 0 to this.
MAX_MAGNITUDE = 30


class Plan(NamedTuple):
    """What to do to each image of a batch.

    Attributes:
        op: which of `ops.NAMES`, in order; int32 `[batch, operations]`.
        value: for each, float32 `[batch, operations]`.
    """

    op: tf.Tensor
    value: tf.Tensor


# The operations of both papers; AutoAugment's Invert is not one of them.
_OPS = ops.NAMES[: ops.NAMES.index("Invert")]

# AutoAugment's policy for CIFAR-10 (Cubuk et al. 2019, table 7 of the appendix): 25 sub-policies of
# two operations, each with its probability and its magnitude, from 0 to 9.
CIFAR10 = (
    (("Invert", 0.1, 7), ("Contrast", 0.2, 6)),
    (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)),
    (("Sharpness", 0.8, 1), ("Sharpness", 0.9, 3)),
    (("ShearY", 0.5, 8), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.5, 8), ("Equalize", 0.9, 2)),
    (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
    (("Color", 0.4, 3), ("Brightness", 0.6, 7)),
    (("Sharpness", 0.3, 9), ("Brightness", 0.7, 9)),
    (("Equalize", 0.6, 5), ("Equalize", 0.5, 1)),
    (("Contrast", 0.6, 7), ("Sharpness", 0.6, 5)),
    (("Color", 0.7, 7), ("TranslateX", 0.5, 8)),
    (("Equalize", 0.3, 7), ("AutoContrast", 0.4, 8)),
    (("TranslateY", 0.4, 3), ("Sharpness", 0.2, 6)),
    (("Brightness", 0.9, 6), ("Color", 0.2, 8)),
    (("Solarize", 0.5, 2), ("Invert", 0.0, 3)),
    (("Equalize", 0.2, 0), ("AutoContrast", 0.6, 0)),
    (("Equalize", 0.2, 8), ("Equalize", 0.6, 4)),
    (("Color", 0.9, 9), ("Equalize", 0.6, 6)),
    (("AutoContrast", 0.8, 4), ("Solarize", 0.2, 8)),
    (("Brightness", 0.1, 3), ("Color", 0.7, 0)),
    (("Solarize", 0.4, 5), ("AutoContrast", 0.9, 3)),
    (("TranslateY", 0.9, 9), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.9, 2), ("Solarize", 0.8, 3)),
    (("Equalize", 0.8, 8), ("Invert", 0.1, 3)),
    (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, 1)),
)


def rand_augment(
    rng: BatchRng, size: tuple[int, int], *, count: int = 2, magnitude: int = 9
) -> Plan:
    """Plan RandAugment (Cubuk et al. 2020): `count` of 14 operations, all of one magnitude.

    Ranges are those of torchvision: shear to 0.3, shift to 150/331 of the side, 30 degrees,
    enhancement by factors from 0.1 to 1.9, posterizing down to 4 bits, solarizing all. Where an
    operation has two directions, each is as likely.

    Args:
        rng: of the images.
        size: rows and columns of the images.
        count: operations per image, with repetition; N of the paper.
        magnitude: from 0, where only AutoContrast and Equalize change anything, to 30; M of the
            paper, whose scale ends at 10.
    """
    share = magnitude / MAX_MAGNITUDE
    shift = [150 / 331 * side for side in size]
    table = _table(share, shear=0.3, shift=shift, degrees=30, enhance=0.9, bits=4)
    op = rng.randint("randaugment/op", len(_OPS), count)
    return Plan(op, _values(table, op, rng.uniform("randaugment/sign", count)))


def trivial_augment(rng: BatchRng) -> Plan:
    """Plan wide TrivialAugment (Müller and Hutter 2021): one of 14 operations, of any magnitude.

    The magnitude is one of 31, up to: shear 0.99, shift 32 pixels, 135 degrees, enhancement by
    factors from 0.01 to 1.99, posterizing down to 2 bits, solarizing all.

    Args:
        rng: of the images.
    """
    table = np.stack(
        [
            _table(
                step / MAX_MAGNITUDE, shear=0.99, shift=(32, 32), degrees=135, enhance=0.99, bits=6
            )
            for step in range(MAX_MAGNITUDE + 1)
        ]
    ).reshape(-1, 2)
    op = rng.randint("trivialaugment/op", len(_OPS), 1)
    place = rng.randint("trivialaugment/magnitude", MAX_MAGNITUDE + 1, 1) * len(_OPS) + op
    return Plan(op, _values(table, place, rng.uniform("trivialaugment/sign", 1)))


def auto_augment_cifar10(rng: BatchRng, size: tuple[int, int]) -> Plan:
    """Plan AutoAugment's policy for CIFAR-10: one of 25 pairs, each half by its probability.

    Magnitudes mean what they do in the code that the authors trained with: enhancement is by a
    factor of 0.1 + 0.18 × magnitude and has no second direction, posterizing leaves 4 bits or
    fewer. The authors end with a Cutout of 16 × 16 pixels, which is no part of this.

    Args:
        rng: of the images.
        size: rows and columns of the images; a shift of one magnitude is 1/32 of the side.
    """
    pair = rng.randint("autoaugment/pair", len(CIFAR10))
    names, chances, magnitudes = (np.array(column) for column in np.transpose(CIFAR10, (2, 0, 1)))
    chances, magnitudes = chances.astype(np.float32), magnitudes.astype(int)
    table = [
        _authors(name, magnitude, size)
        for name, magnitude in zip(names.ravel(), magnitudes.ravel(), strict=True)
    ]
    place = pair[:, None] * 2 + [0, 1]
    op = tf.gather([ops.NAMES.index(name) for name in names.ravel()], place)
    happens = rng.uniform("autoaugment/chance", 2) < tf.gather(chances.ravel(), place)
    value = _values(np.array(table), place, rng.uniform("autoaugment/sign", 2))
    return Plan(tf.where(happens, op, ops.NAMES.index("Identity")), value)


def apply(images: tf.Tensor, plan: Plan) -> tf.Tensor:
    """Carry out a plan.

    Args:
        images: uint8 `[batch, rows, columns, channels]`, grey or RGB.
        plan: of as many images.

    Returns:
        uint8, of the shape of `images`; what was outside of them is grey.
    """
    return tf.map_fn(
        lambda each: _apply_to_one(*each),
        (images, plan),
        fn_output_signature=tf.TensorSpec(images.shape[1:], tf.uint8),
    )


def _apply_to_one(image: tf.Tensor, plan: Plan) -> tf.Tensor:
    for place in range(plan.op.shape[0]):
        image = ops.apply(image, plan.op[place], plan.value[place])
    return image


def _table(share: float, *, shear: float, shift, degrees: float, enhance: float, bits: int):
    """Return the values of `_OPS` at a share of their ranges: their centres and distances."""
    rows, columns = shift
    values = {
        "ShearX": (0, shear * share),
        "ShearY": (0, shear * share),
        "TranslateX": (0, int(columns * share)),
        "TranslateY": (0, int(rows * share)),
        "Rotate": (0, degrees * share),
        "Brightness": (1, enhance * share),
        "Color": (1, enhance * share),
        "Contrast": (1, enhance * share),
        "Sharpness": (1, enhance * share),
        "Posterize": (8 - round(bits * share), 0),
        "Solarize": (256 * (1 - share), 0),
    }
    return np.array([values.get(name, (0, 0)) for name in _OPS], np.float32)


def _authors(name: str, magnitude: int, size: tuple[int, int]) -> tuple[float, float]:
    """Do as `_table`, for an operation of AutoAugment as its authors' code has it."""
    rows, columns = size
    return {
        "ShearX": (0, 0.03 * magnitude),
        "ShearY": (0, 0.03 * magnitude),
        "TranslateX": (0, magnitude * columns // 32),
        "TranslateY": (0, magnitude * rows // 32),
        "Rotate": (0, 3 * magnitude),
        "Posterize": (4 - int(0.4 * magnitude), 0),
        "Solarize": (256 - int(25.6 * magnitude), 0),
    }.get(name, (0.1 + 0.18 * magnitude, 0))


def _values(table: np.ndarray, place: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Return one of the table's rows for each place, with a sign at random."""
    middle, distance = tf.unstack(tf.gather(tf.constant(table, tf.float32), place), axis=-1)
    return middle + tf.where(uniform < 0.5, -distance, distance)
