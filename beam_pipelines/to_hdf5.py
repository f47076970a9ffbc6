"""Writes one split of a dataset directory as an HDF5 file.

    python -m beam_pipelines.to_hdf5 --data_dir=data --split=train --output=train.h5

    images        uint8 [images, rows, columns, channels], RGB or grey, 0-255
    labels        int64 [images]; of a multi-label dataset uint8 [images, classes], 0 or 1
    label_names   text [classes]; a label is an index into them

Images are in the order of the split's records, decoded as training decodes them, and must be of
one size. `--source=hdf5:FILE` of `beam_pipelines.prepare` reads such a file.
"""

import math

from absl import flags

from beam_pipelines.output import hdf5
from beam_pipelines.pipeline import progress
from headrace import config_flags, files, program
from headrace.errors import UserError, check
from headrace.tensorflow_import import import_tensorflow
from input.dataset import dataset_dir

FLAGS = flags.FLAGS

config_flags.define_path("data_dir", None, "The dataset directory.", required=True)
flags.DEFINE_string("split", "train", "The split to write.")
config_flags.define_path(
    "output", None, "The HDF5 file to write; it must not exist.", required=True
)
flags.DEFINE_integer(
    "batch_size", 128, "Images in a chunk: what is read, decompressed and held at a time.", 1
)
flags.DEFINE_enum(
    "compression", "none", hdf5.COMPRESSIONS, "Of the images; gzip is smaller, lzf is faster."
)


def main() -> None:
    """Run the program."""
    files.check(FLAGS.data_dir, "data_dir")
    files.check(FLAGS.output, "output")
    card = dataset_dir.read_card(FLAGS.data_dir)
    dataset_dir.shard_paths(FLAGS.data_dir, card, FLAGS.split)
    shape = hdf5.shape(FLAGS.data_dir, card, FLAGS.split)
    check(
        FLAGS.batch_size * math.prod(shape[1:]) <= hdf5.LARGEST_CHUNK,
        f"--batch_size={FLAGS.batch_size}: a chunk of so many images is larger than the 4 GiB "
        f"that HDF5 allows; at most {hdf5.LARGEST_CHUNK // math.prod(shape[1:])} fit",
    )
    if files.exists(FLAGS.output):
        raise UserError(f"--output={FLAGS.output} exists; remove it or name another file")
    import_tensorflow()
    written = hdf5.write(
        FLAGS.data_dir, card, FLAGS.split, FLAGS.output, FLAGS.batch_size, FLAGS.compression
    )
    progress.follow("write", shape[0], written)
    print(f"{FLAGS.output}: images {list(shape)}, {len(card.classes)} label names")


if __name__ == "__main__":
    program.run(main, decodes_images=True)
