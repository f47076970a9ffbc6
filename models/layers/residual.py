"""What residual networks put into their branches."""

from headrace.errors import UserError


def squeeze_excite(x, reduction: int = 16):
    """Weigh the channels of `[batch, rows, columns, channels]` by what the whole image holds (Hu,
    Shen and Sun, Squeeze-and-Excitation Networks, CVPR 2018).

    Args:
        x: a Keras tensor.
        reduction: channels for one unit of the bottleneck.
    """
    from keras import layers  # with TensorFlow, takes seconds

    channels = x.shape[-1]
    weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = layers.Dense(max(channels // reduction, 1), activation="relu")(weights)
    weights = layers.Dense(channels, activation="sigmoid")(weights)
    return layers.Multiply()([x, weights])


def add(x, branch, drop: float = 0.0):
    """Add a branch, which in training is left out for single images by chance (Huang et al., Deep
    Networks with Stochastic Depth, ECCV 2016).

    Args:
        x: a Keras tensor `[batch, …]`.
        branch: another of its shape.
        drop: share of the images for which the branch is left out; the others' is scaled up.
    """
    from keras import layers

    if drop:
        branch = layers.Dropout(drop, noise_shape=(None, *[1] * (len(x.shape) - 1)))(branch)
    # In this order: that of layers, by which checkpoints know their weights, follows it.
    return layers.Add()([branch, x])


def drop_rates(last: float, blocks: int) -> list[float]:
    """Return the share that each block is left out: from 0, evenly up to the last one's.

    Raises:
        UserError: `last` is no share, from 0 to less than 1.
    """
    if not 0 <= last < 1:
        raise UserError(f"expected stochastic_depth from 0 to less than 1, received {last}")
    return [last * block / max(blocks - 1, 1) for block in range(blocks)]
