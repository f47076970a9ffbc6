"""Headrace's own network for a good result soon, on CPU and GPU: airbench94 (Jordan, 94% on
CIFAR-10 in 3.29 Seconds on a Single GPU, 2024) with parts as we measured them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from headrace.errors import UserError
from models.layers.style import Style

if TYPE_CHECKING:  # with TensorFlow, takes seconds
    import keras
    import numpy as np

MIN_SIZE = 9
_STYLE = Style(
    kernel_initializer="lecun_uniform",
    batch_norm="before",
    bn_epsilon=1e-4,
    bn_momentum=0.6,
    bn_scale=False,
)
_WHITENING = "whitening"


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    widths: Sequence[int] = (64, 128, 256),
    whitening: bool = True,
    identity: bool = True,
    pooling: str = "max",
    logit_scale: float = 1 / 9,
    dropout: float = 0.0,
    style: Style = _STYLE,
):
    """Build the network: 1,162,168 parameters on 32×32×3 with 10 classes; 1,973,944 with the
    published `widths=(64,256,256)`.

    | layer | output (32×32) | kernel |
    |---|---|---|
    | whitening | 31×31×24 | 2×2, not trained |
    | convolution, max pooling 2×2 | 15×15×64 | 3×3 |
    | convolution | 15×15×64 | 3×3 |
    | convolution, max pooling 2×2 | 7×7×128 | 3×3 |
    | convolution | 7×7×128 | 3×3 |
    | convolution, max pooling 2×2 | 3×3×256 | 3×3 |
    | convolution | 3×3×256 | 3×3 |
    | global max pooling | 256 | |
    | dense, of a ninth of its input | classes | |

    Behind each of the 3×3 convolutions, or its pooling, are batch normalisation without a factor
    and the activation. None of them has a bias.

    Three epochs of CIFAR-10 reach a rank-1 of 83.5 in 189 s of CPU, and 84.5 with the mean over
    mirror images; 7.5 epochs 87.8 and 88.6 in 492 s. For as much CPU the published widths come to
    81.9 (83.0) in two epochs and 86.9 (87.4) in five. What a part is worth, by two epochs of these
    without it; another seed gives 82.3 (82.9):

    | changed | rank-1 | mirrored | CPU s |
    |---|---|---|---|
    | `whitening=False` | 81.6 | 82.7 | 188 |
    | `identity=False` | 81.2 | 81.9 | 192 |
    | `bn_scale=True` | 81.4 | 82.3 | 203 |
    | `pooling=average` | 79.5 | 80.6 | 189 |
    | `activation=gelu_tanh` | 82.3 | 83.2 | 329 |

    (`benchmarks/results/2026-11-26-headrace-net.md`; one seed each.)

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        widths: channels of each block of two convolutions.
        whitening: whether the first layer's kernel is made of training images and not trained, see
            `models.layers.whitening`; if not, it begins and is trained as any other.
        identity: whether convolutions begin as copies of their input, as far as it has channels.
        pooling: `max` or `average`, of the whole image before the logits.
        logit_scale: what the input of the dense layer is multiplied by.
        dropout: share dropped before it.
        style: how layers are made.

    Raises:
        UserError: there are no widths, the image is too small for them, or an option has no such
            value.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop
    from models.layers.whitening import PatchWhitening

    _check(input_shape, widths, pooling)
    images = Input(input_shape)
    if whitening:
        x = PatchWhitening(name=_WHITENING)(images)
    else:
        x = layers.Conv2D(8 * input_shape[-1], 2, kernel_initializer="lecun_uniform")(images)
    x = style.activate(x)
    for width in widths:
        x = style.conv(x, width, 3, use_bias=False, pool=2, identity=identity)
        x = style.conv(x, width, 3, use_bias=False, identity=identity)
    whole = layers.GlobalMaxPooling2D if pooling == "max" else layers.GlobalAveragePooling2D
    x = drop(layers.Rescaling(logit_scale)(whole()(x)), dropout)
    return Model(images, style.logits(x, classes, use_bias=False), name="headrace_net")


def initial_weights(
    network: "keras.Model", batches: "Iterable[np.ndarray]"
) -> "list[tuple[keras.Variable, np.ndarray]]":
    """Compute the weights that a new run takes from its training images.

    Args:
        network: what `build` returned.
        batches: training images, normalised, float32 `[batch, rows, columns, channels]`.

    Returns:
        Variables of the network, each with its value.
    """
    from models.layers.whitening import PatchWhitening, whiten

    layers = [layer for layer in network.layers if isinstance(layer, PatchWhitening)]
    if not layers:
        return []
    kernel, bias = whiten(batches)
    return [(layers[0].kernel, kernel), (layers[0].bias, bias)]


def _check(input_shape: Sequence[int], widths: Sequence[int], pooling: str) -> None:
    if not widths or min(widths) < 1:
        raise UserError(f"headrace_net: expected widths of 1 or more, received {tuple(widths)}")
    if pooling not in ("max", "average"):
        raise UserError(f"headrace_net: expected pooling=max or average, received {pooling!r}")
    min_size = 2 ** len(widths) + 1
    if min(input_shape[:2]) < min_size:
        raise UserError(
            f"headrace_net: {len(widths)} widths need images of at least {min_size}×{min_size}, "
            f"received {input_shape[0]}×{input_shape[1]}; use a larger `image_size`"
        )
