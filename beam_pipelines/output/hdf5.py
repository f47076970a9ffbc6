"""A split of a dataset directory as one HDF5 file; `to_hdf5` is the program."""

import contextlib
import math
import os
import shutil
from collections.abc import Iterator

import numpy as np

from headrace import atomic
from headrace.errors import UserError
from input.dataset import dataset_dir
from input.dataset.dataset_dir import Card

COMPRESSIONS = ("none", "gzip", "lzf")
# HDF5 holds the size of a chunk, in bytes, in 32 bits.
LARGEST_CHUNK = 2**32 - 1


def write(
    data_dir: str, card: Card, split: str, output: str, batch_size: int, compression: str
) -> Iterator[int]:
    """Write the file, under another name until it is complete; hold a few batches in memory.

    Args:
        data_dir: the dataset directory.
        card: card of the dataset.
        split: the split to write.
        output: the file; one that is there is replaced.
        batch_size: images in a chunk.
        compression: one of `COMPRESSIONS`.

    Yields:
        The number of images written so far.

    Raises:
        UserError: images differ in size, the records are damaged, or the file cannot be written.
    """
    import h5py  # only this program and the source of its name need it

    images_shape = shape(data_dir, card, split)
    needed = math.prod(images_shape) if compression == "none" else 0
    chunk = (min(batch_size, images_shape[0]), *images_shape[1:])
    with _whole(output, needed) as temporary, h5py.File(temporary, "w") as file:
        images = file.create_dataset(
            "images",
            images_shape,
            "u1",
            chunks=chunk,
            compression=None if compression == "none" else compression,
        )
        several = [len(card.classes)] if card.multi_label else []
        labels = file.create_dataset(
            "labels",
            (images_shape[0], *several),
            "u1" if card.multi_label else "i8",
            chunks=(chunk[0], *several),
        )
        file.create_dataset("label_names", data=card.classes, dtype=h5py.string_dtype())
        done = 0
        for pixels, classes in _batches(data_dir, card, split, batch_size):
            after = done + len(classes)
            images[done:after], labels[done:after] = pixels, classes
            done = after
            yield done


def shape(data_dir: str, card: Card, split: str) -> tuple[int, int, int, int]:
    """Return the shape of the dataset `images`: `[images, rows, columns, channels]`.

    Raises:
        UserError: images differ in size.
    """
    if card.uniform_size is None:
        rows, columns = card.image_size["rows"], card.image_size["columns"]
        raise UserError(
            f"{data_dir} has images of {rows['min']} to {rows['max']} rows and {columns['min']} to "
            f"{columns['max']} columns, HDF5 wants one size; prepare the dataset with --size"
        )
    return card.splits[split].records, *card.uniform_size, card.channels


def _batches(
    data_dir: str, card: Card, split: str, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield images `[batch, rows, columns, channels]` and labels, `[batch]` or `[batch, classes]`.

    They come in stored order.
    """
    import tensorflow as tf  # takes seconds

    from input.loading import decode

    dataset = (
        tf.data.TFRecordDataset(dataset_dir.shard_paths(data_dir, card, split))
        .map(lambda record: decode.parse(record, card), tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size)
        .prefetch(1)
    )
    try:
        yield from dataset.as_numpy_iterator()
    except tf.errors.OpError as error:
        raise UserError(
            f"split {split!r} of {data_dir} cannot be read ({error.message.splitlines()[0]}); "
            "prepare the dataset again"
        ) from None


@contextlib.contextmanager
def _whole(output: str, needed: int) -> Iterator[str]:
    """Give a file to write to, which becomes `output` when the block ends without an error.

    There is room for `needed` bytes: on a full disk HDF5 ends the process, when it is too late to
    say why.
    """
    try:
        with atomic.atomic_file(output) as temporary:
            free = shutil.disk_usage(os.path.dirname(temporary)).free
            if needed > free:
                raise UserError(
                    f"`output`={output} would take {needed:,} bytes, {free:,} are free; make room, "
                    "or try `compression`=gzip"
                )
            yield temporary
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise UserError(f"`output`={output} cannot be written: {reason}") from None
