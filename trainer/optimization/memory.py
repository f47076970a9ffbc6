"""What memory a step of training needs, estimated before there is one.

    estimate = memory.estimate(model, optimizer, batch_size=64)
    print(estimate.describe())

Weights, gradients and what the optimizer keeps are counted by their shapes. Activations are read
from the graph of a step: what the forward pass makes and the backward pass reads. So a ReLU behind
a batch normalisation counts once, dropout counts its mask, and a reshape nothing. Nothing is
computed for it.

It is the least that a step needs. Not counted is what lives for a moment only: the workspace of
convolutions, gradients of activations, batches that wait to be trained on; and TensorFlow itself.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import keras
import tensorflow as tf

from trainer.optimization import losses

# Operations whose result lies where their first input lies.
_ALIASES = ("ExpandDims", "Identity", "Reshape", "Squeeze", "StopGradient")
# Operations that need to know how large a tensor is, and not what is in it.
_SHAPE_READERS = ("OnesLike", "Rank", "Shape", "ShapeN", "Size", "ZerosLike")
# What is there without an image: the variables themselves, and constants of the graph.
_NO_ACTIVATIONS = ("Const", "Placeholder", "ReadVariableOp")


# What the parts of an estimate are called, in their order.
_PARTS = (
    "weights",
    "weights in 16 bits",
    "gradients",
    "optimizer",
    "moving average of weights",
    "activations",
)


@dataclasses.dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that training needs on a device.

    Attributes:
        weights: all weights of the model, trainable or not.
        weight_copies: 16-bit copies of weights under mixed precision.
        gradients: one for each trainable weight; two where parts of a batch are added up.
        slots: what the optimizer keeps for each weight, such as momentum, and its counters.
        average: moving average of the weights.
        activations: what the forward pass keeps for the backward pass, of all images of a part.
    """

    weights: int
    weight_copies: int
    gradients: int
    slots: int
    average: int
    activations: int

    @property
    def total(self) -> int:
        """The sum of all parts."""
        return sum(dataclasses.astuple(self))

    def describe(self) -> str:
        """Return a line for each part that there is, and one for their sum."""
        lines = {
            text: size for text, size in zip(_PARTS, dataclasses.astuple(self), strict=True) if size
        }
        width = max(map(len, lines))
        return "\n".join(
            f"  {text:{width}}  {format_bytes(size):>8}"
            for text, size in {**lines, "together": self.total}.items()
        )


def estimate(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    batch_size: int,
    grad_accum_steps: int = 1,
) -> MemoryEstimate:
    """Estimate what a step needs on one device.

    Args:
        model: what `models.classifier.build` returns.
        optimizer: optimizer of the run, built for the model.
        batch_size: images that the device takes in a step.
        grad_accum_steps: parts that it takes them in; they divide the batch.
    """
    trainable = _bytes(model.trainable_variables)
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    average = trainable if inner.use_ema else 0
    copies, activations = _kept(model, optimizer, batch_size // grad_accum_steps)
    return MemoryEstimate(
        weights=_bytes(model.variables),
        weight_copies=copies,
        gradients=trainable * (1 if grad_accum_steps == 1 else 2),
        slots=_bytes(optimizer.variables) - average,
        average=average,
        activations=activations,
    )


def format_bytes(count: float) -> str:
    """Return a number of bytes with three digits, in units of 1,024: `1.2 GiB`."""
    for unit in ("B", "KiB", "MiB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:,.3g} GiB" if count < 999.5 else f"{count:,.0f} GiB"


def _kept(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, batch_size: int
) -> tuple[int, int]:
    """Return the bytes of 16-bit weights and of activations that the backward pass reads."""
    forward, backward = _trace(model, optimizer, batch_size)
    made = {operation.name for operation in forward}
    kept = {
        buffer.ref(): buffer
        for operation in backward
        if operation.type not in _SHAPE_READERS
        for buffer in map(_buffer, operation.inputs)
        if buffer.op.name in made and buffer.op.type not in _NO_ACTIVATIONS
    }
    copies = [buffer for buffer in kept.values() if _is_weight_copy(buffer)]
    everything = _bytes(kept.values())
    return _bytes(copies), everything - _bytes(copies)


def _trace(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, batch_size: int
) -> tuple[Sequence[tf.Operation], Sequence[tf.Operation]]:
    """Return the operations of a step's forward and backward pass, which is not run. Those whose
    result is not used are left out of the backward pass, as they are when it runs."""
    forward: list[tf.Operation] = []

    def gradient_fn(image: tf.Tensor, label: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(losses.cross_entropy(label, model(image, training=True)))
            scaled = optimizer.scale_loss(loss + tf.add_n(model.losses or [0.0]))
        forward.extend(tf.compat.v1.get_default_graph().get_operations())
        return tape.gradient(scaled, model.trainable_variables)

    # AutoGraph would look for loops in every layer.
    step = tf.function(gradient_fn, autograph=False).get_concrete_function(
        tf.TensorSpec([batch_size, *model.input_shape[1:]], model.input.dtype),
        tf.TensorSpec([batch_size], tf.int64),
    )
    made = {operation.name for operation in forward}
    backward: dict[str, tf.Operation] = {}
    ahead = [gradient.op for gradient in step.outputs]
    while ahead:
        operation = ahead.pop()
        if operation.name not in made and operation.name not in backward:
            backward[operation.name] = operation
            ahead += [each.op for each in operation.inputs]
    return forward, list(backward.values())


def _buffer(tensor: tf.Tensor) -> tf.Tensor:
    """Return the tensor in whose memory this one lies."""
    while tensor.op.type in _ALIASES:
        tensor = tensor.op.inputs[0]
    return tensor


def _is_weight_copy(tensor: tf.Tensor) -> bool:
    return tensor.op.type == "Cast" and _buffer(tensor.op.inputs[0]).op.type == "ReadVariableOp"


def _bytes(tensors: Iterable) -> int:
    """Return the size of tensors or variables."""
    # Of unknown shape is the third reserve of batch normalisation alone, which is cuDNN's own.
    return sum(
        (tf.TensorShape(each.shape).num_elements() or 0) * tf.as_dtype(each.dtype).size
        for each in tensors
    )
