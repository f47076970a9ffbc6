"""Calls that tf.data's threads make into Python, none of which may be in flight when Python ends.

    rows = python_calls.call(read, [indices], tf.TensorSpec([32, 8], tf.float32))    # in a graph

A thread that calls Python while Python ends never comes back, and who takes the pipeline down waits
for it: the process would hang. A pipeline that nobody reads from comes to rest by itself.
"""

import atexit
import threading
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

_QUIET_SECONDS, _MOST_SECONDS = 0.05, 10.0


class _InFlight:
    """Counts the calls; at exit refuses new ones and waits for those there are."""

    def __init__(self) -> None:
        self._lock, self._count = threading.Lock(), 0
        self._ended = False
        atexit.register(self._rest)

    def __enter__(self) -> None:
        if self._ended:
            raise RuntimeError("the program has ended")
        with self._lock:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._count -= 1
            self._last = time.monotonic()

    def _rest(self) -> None:
        self._ended = True
        started = self._last = time.monotonic()
        while time.monotonic() - started < _MOST_SECONDS:
            if not self._count and time.monotonic() - self._last > _QUIET_SECONDS:
                return
            time.sleep(_QUIET_SECONDS / 5)


in_flight = _InFlight()


def call(function: Callable[..., Any], arguments: list[tf.Tensor], output: Any) -> Any:
    """Call a Python function in the graph of a pipeline.

    Args:
        function: function of NumPy arrays; what it returns depends on them alone.
        arguments: tensors whose values it is given.
        output: `tf.TensorSpec` of what it returns, or a dictionary of them.

    Returns:
        Tensors of the structure, shapes and dtypes of `output`.
    """
    specs = tf.nest.flatten(output)

    def guarded(*arrays: Any) -> list[Any]:
        with in_flight:
            return tf.nest.flatten(function(*arrays))

    # Said to have no state, or with deterministic operations no two calls would run at once.
    values = tf.numpy_function(guarded, arguments, [spec.dtype for spec in specs], stateful=False)
    # Outside of graphs a single value comes without a list.
    pairs = zip(tf.nest.flatten(values), specs, strict=True)
    return tf.nest.pack_sequence_as(
        output, [tf.ensure_shape(value, spec.shape) for value, spec in pairs]
    )
