"""Writes one split of a dataset directory as an HDF5 file.

    python -m beam_pipelines.to_hdf5 --data_dir=data --split=train --output=train.h5

    images        uint8 [images, rows, columns, channels], RGB or grey, 0-255
    labels        int64 [images]
    label_names   text [classes]; a label is an index into them

Images are in the order of the split's records, decoded as training decodes them, and must be of
one size. `--source=hdf5:FILE` of `beam_pipelines.prepare` reads such a file.
"""

import contextlib
import math
import os
import pathlib
import tempfile
from collections.abc import Iterator

import numpy as np
from absl import flags
from etils import epath

import headrace
from beam_pipelines import progress
from headrace import UserError, check
from input import dataset_dir
from input.dataset_dir import Card

FLAGS = flags.FLAGS

COMPRESSIONS = ("none", "gzip", "lzf")
# HDF5 holds the size of a chunk in 32 bits.
_LARGEST_CHUNK = 2**32 - 1

flags.DEFINE_string("data_dir", None, "The dataset directory.", required=True)
flags.DEFINE_string("split", "train", "The split to write.")
flags.DEFINE_string("output", None, "The HDF5 file to write; it must not exist.", required=True)
flags.DEFINE_integer(
    "batch_size", 128, "Images in a chunk: what is read, decompressed and held at a time.", 1
)
flags.DEFINE_enum(
    "compression", "none", COMPRESSIONS, "Of the images; gzip is smaller, lzf is faster."
)


def main() -> None:
    """Runs the program."""
    card = dataset_dir.read_card(FLAGS.data_dir)
    dataset_dir.shard_paths(FLAGS.data_dir, card, FLAGS.split)
    shape = _shape(FLAGS.data_dir, card, FLAGS.split)
    check(
        FLAGS.batch_size * math.prod(shape[1:]) <= _LARGEST_CHUNK,
        f"--batch_size={FLAGS.batch_size}: a chunk of so many images is larger than the 4 GiB "
        f"that HDF5 allows; at most {_LARGEST_CHUNK // math.prod(shape[1:])} fit",
    )
    if epath.Path(FLAGS.output).exists():
        raise UserError(f"--output={FLAGS.output} exists; remove it or name another file")
    headrace.import_tensorflow()
    written = write(
        FLAGS.data_dir, card, FLAGS.split, FLAGS.output, FLAGS.batch_size, FLAGS.compression
    )
    progress.follow("write", shape[0], written)
    print(f"{FLAGS.output}: images {list(shape)}, {len(card.classes)} label names")


def write(
    data_dir: str, card: Card, split: str, output: str, batch_size: int, compression: str
) -> Iterator[int]:
    """Writes the file, under another name until it is whole. Holds a few batches in memory.

    Args:
        data_dir: the dataset directory.
        card: its card.
        split: the split to write.
        output: the file; one that is there is replaced.
        batch_size: images in a chunk.
        compression: one of `COMPRESSIONS`.

    Yields:
        How many images are written so far.

    Raises:
        UserError: images differ in size, the records are damaged, or the file cannot be written.
    """
    import h5py  # only this program and the source of its name need it

    shape = _shape(data_dir, card, split)
    chunk = (min(batch_size, shape[0]), *shape[1:])
    with _whole(output) as temporary, h5py.File(temporary, "w") as file:
        images = file.create_dataset(
            "images",
            shape,
            "u1",
            chunks=chunk,
            compression=None if compression == "none" else compression,
        )
        labels = file.create_dataset("labels", shape[:1], "i8", chunks=chunk[:1])
        file.create_dataset("label_names", data=card.classes, dtype=h5py.string_dtype())
        done = 0
        for pixels, classes in _batches(data_dir, card, split, batch_size):
            after = done + len(classes)
            images[done:after], labels[done:after] = pixels, classes
            done = after
            yield done


def _shape(data_dir: str, card: Card, split: str) -> tuple[int, int, int, int]:
    """Of `images`: images, rows, columns, channels."""
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
    """Images `[batch, rows, columns, channels]` and labels `[batch]`, in stored order."""
    import tensorflow as tf  # takes seconds

    from input import records

    dataset = (
        tf.data.TFRecordDataset(dataset_dir.shard_paths(data_dir, card, split))
        .map(lambda record: records.parse(record, card), tf.data.AUTOTUNE, deterministic=True)
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
def _whole(output: str) -> Iterator[str]:
    """A file to write to, which becomes `output` when the block ends without an error.

    It lies beside the output and is renamed; for a remote output it is local and copied.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(f"{folder}/images.h5" if "://" in output else output)
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            yield str(temporary)
            _move(temporary, output)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else error
            raise UserError(f"--output={output} cannot be written: {reason}") from None
        finally:
            temporary.unlink(missing_ok=True)


def _move(temporary: pathlib.Path, output: str) -> None:
    if "://" not in output:
        temporary.replace(output)
        return
    import tensorflow as tf  # it knows every remote file system that the dataset may lie on

    tf.io.gfile.copy(str(temporary), output, overwrite=True)


if __name__ == "__main__":
    headrace.run(main)
