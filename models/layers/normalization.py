"""How pixels become a model's numbers: the first layers of a network, on its device.

    pixels = keras.Input((32, 32, 3), dtype="uint8")
    model(normalise(pixels, Normalization("channel", card.mean, card.std)))

All are made of Keras's own layers and operations, so a saved network loads without Headrace. They
give float32 under any policy: 16 bits are too few for a mean of 123.68.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from headrace.errors import UsageError

# What each does to a level x from 0 to 255.
MODES = {
    "channel": "(x - mean) / standard deviation, of each channel of the training split",
    "mean": "x - mean, of each channel of the training split",
    "mean_image": "x - mean, of each pixel of the training split",
    "per_image": "(x - mean) / standard deviation, of all values of the image itself",
    "unit": "x / 255",
    "tf": "x / 127.5 - 1",
    "lite": "(x - 127) / 128",
    "torch": "(x / 255 - mean) / standard deviation, of each channel of ImageNet",
    "caffe": "x - mean, of each channel of ImageNet, in the order blue, green, red",
    "none": "x",
}

# What the weights of each module of `keras.applications` were trained with. Those with "none"
# normalise in their own first layers.
APPLICATION_MODES = {
    "convnext": "none",
    "densenet": "torch",
    "efficientnet": "none",
    "efficientnet_v2": "none",
    "inception_resnet_v2": "tf",
    "inception_v3": "tf",
    "mobilenet": "tf",
    "mobilenet_v2": "tf",
    "mobilenet_v3": "none",
    "nasnet": "tf",
    "resnet": "caffe",
    "resnet_v2": "tf",
    "vgg16": "caffe",
    "vgg19": "caffe",
    "xception": "tf",
}

# Of ImageNet, in the order that each of the two uses.
_CAFFE_MEAN = (103.939, 116.779, 123.68)
_TORCH_MEAN = (0.485, 0.456, 0.406)
_TORCH_STD = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class Normalization:
    """What a network makes of pixels.

    Attributes:
        mode: one of `MODES`.
        mean: mean of each channel, 0 to 255; for "channel" and "mean".
        std: standard deviation of each channel, 0 to 255; for "channel".
        mean_image: float32 `[rows, columns, channels]`, 0 to 255, of the images' own shape, see
            `compute_mean_image`; for "mean_image".
    """

    mode: str
    mean: Sequence[float] = ()
    std: Sequence[float] = ()
    mean_image: np.ndarray | None = None


def normalise(pixels, normalization: Normalization):
    """Put a normalisation behind an input.

    Args:
        pixels: a Keras tensor, uint8 `[batch, rows, columns, channels]`.
        normalization: what to make of it.

    Returns:
        A Keras tensor, float32 `[batch, rows, columns, channels]`.

    Raises:
        UsageError: there is no such mode, it is for RGB images only and these are grey, or the mean
            image is missing or has another shape.
    """
    from keras import ops  # with TensorFlow, takes seconds

    _check(normalization, tuple(pixels.shape[1:]))
    levels = ops.cast(pixels, "float32")
    match normalization.mode:
        case "channel":
            return _standardise(levels, normalization.mean, np.square(normalization.std))
        case "mean":
            return _standardise(levels, normalization.mean)
        case "mean_image":
            return _standardise(levels, normalization.mean_image, axis=(1, 2, 3))
        case "per_image":
            return _standardise_each(levels)
        case "unit":
            return levels / 255.0
        case "tf":
            return levels / 127.5 - 1.0
        case "lite":
            return (levels - 127.0) / 128.0
        case "torch":
            return _standardise(levels / 255.0, _TORCH_MEAN, np.square(_TORCH_STD))
        case "caffe":
            return _standardise(ops.flip(levels, -1), _CAFFE_MEAN)
    return levels


def compute_mean_image(batches: Iterable[Mapping[str, np.ndarray]]) -> np.ndarray:
    """Compute the mean of each pixel over a split.

    Args:
        batches: batches as `stream.evaluation` gives them, at the size of the model's input:
            `"image"`, uint8 `[batch, rows, columns, channels]`, and `"weight"`, 0 where the batch
            is filled up.

    Returns:
        float32 `[rows, columns, channels]`, 0 to 255; the same for any size of the batches.
    """
    total, count = np.int64(0), 0
    for batch in batches:
        images = np.asarray(batch["image"])[np.asarray(batch["weight"]) > 0]
        total = total + images.sum(0, dtype=np.int64)
        count += len(images)
    return np.asarray(total / count, np.float32)


def _check(normalization: Normalization, shape: tuple[int, int, int]) -> None:
    mode, mean_image = normalization.mode, normalization.mean_image
    if mode not in MODES:
        raise UsageError(f"unknown normalisation {mode!r}; there are {', '.join(MODES)}")
    if mode in ("caffe", "torch") and shape[-1] != 3:
        raise UsageError(
            f"normalisation {mode!r} is for RGB images, and these have {shape[-1]} channel; "
            "use 'channel'"
        )
    if mode == "mean_image" and (mean_image is None or mean_image.shape != shape):
        received = "none" if mean_image is None else "×".join(map(str, mean_image.shape))
        raise UsageError(
            f"expected a mean image of {'×'.join(map(str, shape))}, received {received}; "
            "compute it at the size of the model's input"
        )


def _standardise(levels, mean, variance=None, axis=-1):
    """Subtract a mean and divide by a standard deviation, each a constant of the network."""
    from keras import layers

    variance = np.ones_like(mean) if variance is None else variance
    mean, variance = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    return layers.Normalization(axis, mean, variance, dtype="float32")(levels)


def _standardise_each(levels):
    """Compute `tf.image.per_image_standardization`: a flat image is not divided by 0."""
    from keras import ops

    axes = (1, 2, 3)
    mean = ops.mean(levels, axes, keepdims=True)
    deviation = ops.std(levels, axes, keepdims=True)
    return (levels - mean) / ops.maximum(deviation, 1 / float(np.sqrt(np.prod(levels.shape[1:]))))
