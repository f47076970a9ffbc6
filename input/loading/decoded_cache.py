"""Decoded images of a split, kept in memory or on disk: decoded once, and not in every epoch.

    kept = keep(reader, View((32, 32)), "memory")
    kept.batches(numbers, 32)                   # as `fetch.records`, with pixels in place of files

What is kept are the pixels that the stream would decode, so batches are the same with and without.
On disk it is a folder of NumPy files, which later runs on the same dataset use again.
"""

import dataclasses
import hashlib
import math
import os
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

import headrace
from headrace import atomic
from headrace.errors import UserError
from input.dataset.reader import Reader
from input.loading import decode_batches, python_calls, read_records
from input.loading.read_records import Batch
from input.preprocessing.spec import View

_AT_ONCE = 256
_ALIGNMENT = 64  # bytes; TensorFlow stops the process over less


@dataclasses.dataclass(frozen=True)
class Kept:
    """The decoded records of a split.

    Attributes:
        batch: numbers of records, int64 `[n]` → `{"image": uint8 [n, rows, columns, channels],
            "label": int64 [n], "weight": float32 [n], "good": bool [n], "shape": int64 [n, 3]}`.
    """

    batch: Callable[[tf.Tensor], Batch]

    def batches(self, numbers: tf.data.Dataset, count: int) -> tf.data.Dataset:
        """The records of batches of numbers, int64 `[count]` each."""

        def batch(asked: tf.Tensor) -> Batch:
            return self.batch(tf.ensure_shape(asked, [count]))

        return numbers.map(batch, tf.data.AUTOTUNE, deterministic=True)


@tf.autograph.experimental.do_not_convert
def keep(
    reader: Reader,
    view: View,
    where: str,
    folder: str = "",
    advance: Callable[[int], None] = lambda records: None,
) -> Kept:
    """Decodes a split, or finds it decoded on disk.

    Args:
        reader: of the split.
        view: images are kept at its base.
        where: `memory` or `disk`.
        folder: below which folders of decoded splits are, on disk.
        advance: called with the number of records decoded since the last call.

    Raises:
        UserError: a record is bad, or the disk is full or cannot be written.
    """
    if where == "disk":
        arrays = _on_disk(reader, view, pathlib.Path(folder).expanduser(), advance)
        return _kept(arrays, _from_disk(arrays["image"]))
    arrays = {name: _aligned(*kind) for name, kind in _kinds(reader, view).items()}
    _fill(arrays, reader, view, advance)
    image = tf.experimental.dlpack.from_dlpack(arrays["image"].__dlpack__())  # makes no copy
    return _kept(arrays, lambda numbers: tf.gather(image, numbers))


def _kept(arrays: dict[str, np.ndarray], images: Callable[[tf.Tensor], tf.Tensor]) -> Kept:
    with tf.device("CPU"):
        others = {name: tf.constant(arrays[name]) for name in ("label", "weight", "good")}
    shape = tf.constant(arrays["image"].shape[1:], tf.int64)

    def batch(numbers: tf.Tensor) -> Batch:
        found = {name: tf.gather(values, numbers) for name, values in others.items()}
        shapes = tf.broadcast_to(shape, [numbers.shape[0], 3])
        return {**found, "image": images(numbers), "shape": shapes}

    return Kept(batch)


def _kinds(reader: Reader, view: View) -> dict[str, tuple[tuple[int, ...], type]]:
    count = len(reader)
    return {
        "image": ((count, *view.base, reader.card.channels), np.uint8),
        "label": ((count,), np.int64),
        "weight": ((count,), np.float32),
        "good": ((count,), np.bool_),
    }


def _aligned(shape: tuple[int, ...], kind: type) -> np.ndarray:
    """An array that TensorFlow takes as it lies in memory."""
    size = math.prod(shape) * np.dtype(kind).itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(kind).reshape(shape)


def _fill(
    arrays: dict[str, np.ndarray], reader: Reader, view: View, advance: Callable[[int], None]
) -> None:
    last = len(reader) - 1
    places = tf.data.Dataset.range(0, len(reader), _AT_ONCE)
    numbers = places.map(lambda first: tf.minimum(tf.range(first, first + _AT_ONCE), last))
    batches = decode_batches.at_base(
        read_records.records(numbers, reader, _AT_ONCE), reader.card, view, _AT_ONCE
    )
    with read_records.errors_of(reader):
        for first, batch in zip(range(0, len(reader), _AT_ONCE), batches, strict=True):
            count = min(_AT_ONCE, len(reader) - first)
            for name, values in arrays.items():
                values[first : first + count] = batch[name][:count]
            advance(count)


def _on_disk(
    reader: Reader, view: View, folder: pathlib.Path, advance: Callable[[int], None]
) -> dict[str, np.ndarray]:
    """The files of a split, mapped into memory; made unless they are there, whole and all good."""
    home, kinds = folder / _key(reader, view), _kinds(reader, view)
    if found := _mapped(home, kinds):
        advance(len(reader))
        return found
    try:
        with atomic.atomic_dir(str(home)) as staging:
            arrays = {
                name: _allocate(pathlib.Path(staging, f"{name}.npy"), *kind)
                for name, kind in kinds.items()
            }
            _fill(arrays, reader, view, advance)
            for values in arrays.values():
                values.flush()
    except OSError as error:
        size = math.prod(kinds["image"][0]) / 2**30
        raise UserError(
            f"--cache=disk: {folder} cannot be written ({error.strerror}); it takes {size:.1f} GiB "
            "there: name another --cache_dir, or use --cache=none"
        ) from None
    return arrays


def _mapped(home: pathlib.Path, kinds: dict[str, tuple]) -> dict[str, np.ndarray] | None:
    """The files of a split, where they are there, whole and all good."""
    try:
        found = {name: np.load(home / f"{name}.npy", mmap_mode="r") for name in kinds}
    except (OSError, ValueError, EOFError):  # none yet, or not as they were written
        return None
    whole = all((found[name].shape, found[name].dtype) == kind for name, kind in kinds.items())
    return found if whole and found["good"].all() else None


def _allocate(path: pathlib.Path, shape: tuple[int, ...], kind: type) -> np.ndarray:
    """A file of its full size: writing to a mapped file on a full disk would end the process."""
    values = np.lib.format.open_memmap(path, "w+", kind, shape)
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return values


def _from_disk(images: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    def read(numbers: np.ndarray) -> np.ndarray:
        with python_calls.under_way:
            return images[numbers]

    def in_graph(numbers: tf.Tensor) -> tf.Tensor:
        # Said to have no state, or with deterministic operations no two calls would run at once.
        found = tf.numpy_function(read, [numbers], tf.uint8, stateful=False)
        return tf.ensure_shape(found, [numbers.shape[0], *images.shape[1:]])

    return in_graph


def _key(reader: Reader, view: View) -> str:
    """Names what decides the pixels; another version may decode otherwise."""
    card = reader.card
    decides = (headrace.__version__, card.fingerprint, reader.split, view.base, view.how)
    digest = hashlib.sha256(repr(decides).encode()).hexdigest()
    return f"{card.name}-{digest[:16]}"
