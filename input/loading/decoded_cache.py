"""Decoded images of a split, in memory or on disk: decoded once, and not in every epoch.

    cache = build_cache(reader, Preprocessing((32, 32)), "memory")
    cache.batches(record_indices, 32)     # as `read_records.read`, with pixels in place of files

They are the pixels that the stream would decode, so batches are the same with and without a cache.
On disk it is a folder of NumPy files, which later runs on the same dataset use again.
"""

import dataclasses
import hashlib
import math
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

import headrace
from headrace.errors import UserError
from input.dataset.reader import Reader
from input.loading import decode_batches, disk_cache, python_calls, read_records
from input.loading.read_records import Batch
from input.preprocessing.spec import Preprocessing

_AT_ONCE = 256
_ALIGNMENT = 64  # bytes; TensorFlow stops the process over less


@dataclasses.dataclass(frozen=True)
class DecodedCache:
    """The decoded records of a split.

    Attributes:
        batch: function of record indices, int64 `[n]`, to `{"image": uint8 [n, rows, columns,
            channels], "label": int64 [n] or uint8 [n, classes], "weight": float32 [n],
            "good": bool [n], "shape": int64 [n, 3]}`.
    """

    batch: Callable[[tf.Tensor], Batch]

    def batches(self, record_indices: tf.data.Dataset, count: int) -> tf.data.Dataset:
        """Look up the records of batches of indices, int64 `[count]` each."""

        def batch(indices: tf.Tensor) -> Batch:
            return self.batch(tf.ensure_shape(indices, [count]))

        return record_indices.map(batch, tf.data.AUTOTUNE, deterministic=True)


@tf.autograph.experimental.do_not_convert
def build_cache(
    reader: Reader,
    preprocessing: Preprocessing,
    where: str,
    folder: str = "",
    advance: Callable[[int], None] = lambda records: None,
) -> DecodedCache:
    """Decode a split, or find it decoded on disk.

    On disk, what a process left unfinished that was killed is removed.

    Args:
        reader: reader of the split.
        preprocessing: images are cached at its `resize_to`.
        where: `memory` or `disk`.
        folder: folder below which those of decoded splits are, on disk.
        advance: called with the number of records decoded since the last call.

    Raises:
        UserError: a record is bad, or the disk is full or cannot be written.
    """
    if where == "disk":
        arrays = _on_disk(reader, preprocessing, pathlib.Path(folder).expanduser(), advance)
        return _cache_of(arrays, _from_disk(arrays["image"]))
    arrays = {name: _aligned(*kind) for name, kind in _kinds(reader, preprocessing).items()}
    _fill(arrays, reader, preprocessing, advance)
    image = tf.experimental.dlpack.from_dlpack(arrays["image"].__dlpack__())  # makes no copy
    return _cache_of(arrays, lambda indices: tf.gather(image, indices))


def _cache_of(
    arrays: disk_cache.Arrays, images_at: Callable[[tf.Tensor], tf.Tensor]
) -> DecodedCache:
    with tf.device("CPU"):
        others = {name: tf.constant(arrays[name]) for name in ("label", "weight", "good")}
    shape = tf.constant(arrays["image"].shape[1:], tf.int64)

    def batch(indices: tf.Tensor) -> Batch:
        values = {name: tf.gather(array, indices) for name, array in others.items()}
        shapes = tf.broadcast_to(shape, [indices.shape[0], 3])
        return {**values, "image": images_at(indices), "shape": shapes}

    return DecodedCache(batch)


def _kinds(reader: Reader, preprocessing: Preprocessing) -> disk_cache.Kinds:
    count = len(reader)
    label = read_records.label_spec(reader, count)
    return {
        "image": ((count, *preprocessing.resize_to, reader.card.channels), np.uint8),
        "label": (tuple(label.shape), label.dtype.as_numpy_dtype),
        "weight": ((count,), np.float32),
        "good": ((count,), np.bool_),
    }


def _aligned(shape: tuple[int, ...], kind: type) -> np.ndarray:
    """Make an array that TensorFlow takes as it lies in memory."""
    size = math.prod(shape) * np.dtype(kind).itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(kind).reshape(shape)


def _fill(
    arrays: disk_cache.Arrays,
    reader: Reader,
    preprocessing: Preprocessing,
    advance: Callable[[int], None],
) -> None:
    last = len(reader) - 1
    starts = range(0, len(reader), _AT_ONCE)
    indices = tf.data.Dataset.range(0, len(reader), _AT_ONCE).map(
        lambda start: tf.minimum(tf.range(start, start + _AT_ONCE), last)
    )
    batches = decode_batches.resize_batches(
        read_records.read(indices, reader, _AT_ONCE), reader.card, preprocessing, _AT_ONCE
    )
    with read_records.reader_errors(reader):
        for start, batch in zip(starts, batches, strict=True):
            count = min(_AT_ONCE, len(reader) - start)
            for name, values in arrays.items():
                values[start : start + count] = batch[name][:count]
            advance(count)


def _on_disk(
    reader: Reader,
    preprocessing: Preprocessing,
    parent: pathlib.Path,
    advance: Callable[[int], None],
) -> disk_cache.Arrays:
    """Map the files of a split into memory; write them unless they are there, whole and good."""
    folder, kinds = parent / _key(reader, preprocessing), _kinds(reader, preprocessing)

    def usable(arrays: disk_cache.Arrays) -> bool:
        return bool(arrays["good"].all())

    def fill(arrays: disk_cache.Arrays) -> None:
        _fill(arrays, reader, preprocessing, advance)

    disk_cache.remove_abandoned(parent)
    arrays = disk_cache.load(folder, kinds)
    if arrays and usable(arrays):
        advance(len(reader))
        return arrays
    try:
        return disk_cache.write(folder, kinds, fill, usable)
    except OSError as error:
        size = math.prod(kinds["image"][0]) / 2**30
        raise UserError(
            f"`cache`=disk: {parent} cannot be written ({error.strerror}); it takes {size:.1f} GiB "
            "there: name another `cache_dir`, or use `cache`=none"
        ) from None


def _from_disk(images: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    def gather(indices: tf.Tensor) -> tf.Tensor:
        output = tf.TensorSpec([indices.shape[0], *images.shape[1:]], tf.uint8)
        return python_calls.call(lambda indices: images[indices], [indices], output)

    return gather


def _key(reader: Reader, preprocessing: Preprocessing) -> str:
    """Name what decides the pixels; another version may decode otherwise."""
    card = reader.card
    parts = (
        headrace.__version__,
        card.fingerprint,
        reader.split,
        preprocessing.resize_to,
        preprocessing.resize,
    )
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()
    return f"{card.name}-{digest[:16]}"
