"""The networks of `keras.applications`, called `applications/NAME`, such as
`applications/efficientnet_v2_b0`. Keras names the paper of each."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from headrace.errors import UserError

if TYPE_CHECKING:  # takes a moment
    import numpy as np


@dataclasses.dataclass(frozen=True)
class Application:
    """A network of Keras.

    Attributes:
        constructor: its name in `keras.applications`.
        family: its module there, which says what its weights were trained with, see
            `models.layers.normalization.APPLICATION_MODES`.
        min_size: the least of rows and columns that it takes.
    """

    constructor: str
    family: str
    min_size: int


# The constructors of each family, and the names they go by here.
_FAMILIES = {
    "convnext": {
        f"convnext_{size.lower()}": f"ConvNeXt{size}"
        for size in ("Tiny", "Small", "Base", "Large", "XLarge")
    },
    "densenet": {f"densenet{depth}": f"DenseNet{depth}" for depth in (121, 169, 201)},
    "efficientnet": {f"efficientnet_b{size}": f"EfficientNetB{size}" for size in range(8)},
    "efficientnet_v2": {
        f"efficientnet_v2_{size.lower()}": f"EfficientNetV2{size}"
        for size in ("B0", "B1", "B2", "B3", "S", "M", "L")
    },
    "inception_resnet_v2": {"inception_resnet_v2": "InceptionResNetV2"},
    "inception_v3": {"inception_v3": "InceptionV3"},
    "mobilenet": {"mobilenet": "MobileNet"},
    "mobilenet_v2": {"mobilenet_v2": "MobileNetV2"},
    "mobilenet_v3": {
        "mobilenet_v3_large": "MobileNetV3Large",
        "mobilenet_v3_small": "MobileNetV3Small",
    },
    "nasnet": {"nasnet_large": "NASNetLarge", "nasnet_mobile": "NASNetMobile"},
    "resnet": {f"resnet{depth}": f"ResNet{depth}" for depth in (50, 101, 152)},
    "resnet_v2": {f"resnet{depth}_v2": f"ResNet{depth}V2" for depth in (50, 101, 152)},
    "vgg16": {"vgg16": "VGG16"},
    "vgg19": {"vgg19": "VGG19"},
    "xception": {"xception": "Xception"},
}
_MIN_SIZES = {"inception_resnet_v2": 75, "inception_v3": 75, "xception": 71}

NAMES = {
    name: Application(constructor, family, _MIN_SIZES.get(family, 32))
    for family, members in _FAMILIES.items()
    for name, constructor in members.items()
}


def build(name: str, input_shape: tuple[int, int, int], classes: int, *, dropout: float = 0.2):
    """Build a network of Keras without its own head: global average pooling, dropout, logits.

    Its batch normalisation takes the statistics of the global batch, over all replicas, and its
    moving averages once it is frozen.

    Args:
        name: one of `NAMES`.
        input_shape: rows, columns, channels.
        classes: number of logits.
        dropout: share dropped before the logits.
    """
    import keras  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop

    constructor = getattr(keras.applications, NAMES[name].constructor)
    body = constructor(include_top=False, weights=None, input_shape=input_shape, pooling="avg")
    body = keras.models.clone_model(body, clone_function=_with_global_batch_norm)
    x = drop(body.output, dropout)
    return keras.Model(body.input, keras.layers.Dense(classes, name="logits")(x), name=name)


def imagenet_weights(
    name: str, input_shape: tuple[int, int, int], note: Callable[[str], None]
) -> "dict[str, np.ndarray]":
    """Return the published weights of a network, which Keras downloads into its cache.

    Args:
        name: one of `NAMES`.
        input_shape: rows, columns, channels.
        note: function that is called with a line for the user.

    Returns:
        Arrays by names as `models.weights.named` makes them, those of the body only.

    Raises:
        UserError: they cannot be downloaded.
    """
    import keras

    from models.weights import named

    constructor = getattr(keras.applications, NAMES[name].constructor)
    options = {"include_top": False, "input_shape": input_shape, "pooling": "avg"}
    size = 4 * constructor(weights=None, **options).count_params()
    note(f"weights of {name}: {size / 1e6:,.0f} MB, which Keras downloads into its cache once")
    try:
        return named.values(constructor(weights="imagenet", **options))
    except Exception as error:  # Keras raises nothing else where a download fails
        raise UserError(
            f"{name}: its published weights cannot be had ({str(error).splitlines()[0]}); check "
            "the network, or put the file that it names into ~/.keras/models"
        ) from None


def _with_global_batch_norm(layer):
    """Return a new layer of the same kind; for batch normalisation, one over all replicas."""
    import keras

    from models.layers.batch_norm import GlobalBatchNormalization

    if not isinstance(layer, keras.layers.BatchNormalization):
        return layer.__class__.from_config(layer.get_config())
    return GlobalBatchNormalization(
        epsilon=layer.epsilon, momentum=layer.momentum, scale=layer.scale, name=layer.name
    )
