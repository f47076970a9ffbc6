"""Turns a folder of raw images into a dataset directory: sharded TFRecords, splits and a card.

    python -m beam_pipelines.prepare --source=folder:photos --output_dir=data --name=photos

The source has a folder per class, or predefined splits (train/, test/ and perhaps validation/) with
the class folders inside. Every image is fully decoded; a file that is no sound image is set aside
in quarantine.jsonl. Flags of Apache Beam, such as --runner, are passed on to it.
"""

import os
import re
import sys

from absl import flags

import headrace
from beam_pipelines import job, splitting
from headrace import check
from input import dataset_dir
from input.dataset_dir import Card

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "source", None, "Where the images are: folder:PATH, with a folder per class.", required=True
)
flags.DEFINE_string("output_dir", None, "The dataset directory to write.", required=True)
flags.DEFINE_string(
    "name",
    None,
    "The dataset's name: lower-case letters, digits and _. Default: the name of the source folder.",
)
flags.DEFINE_string(
    "splits",
    None,
    "Splits and their fractions, which sum to 1, stratified by class. Default: "
    f"{splitting.DEFAULT}, or the source's own splits. Given for a source with its own splits, "
    "they divide its train folder.",
)
flags.DEFINE_integer("seed", 0, "Seed of the split and of the order of records.", 0)
flags.DEFINE_enum(
    "encoding",
    "keep",
    dataset_dir.ENCODINGS,
    "How images are stored: the file's own bytes where the input pipeline reads them as they are, "
    "as JPEG, as PNG, as raw uint8 or as float32 pixels.",
)
flags.DEFINE_integer("shard_mb", 128, "About how large a shard is, in MiB.", 1)
flags.DEFINE_float(
    "max_bad_fraction", 0.01, "Fail when more than this fraction of the files is unusable.", 0, 1
)
flags.DEFINE_bool("overwrite", False, "Replace a finished dataset in --output_dir.")


def main(*beam_flags: str) -> None:
    """Runs the program."""
    config = job.Config(
        source=FLAGS.source,
        output_dir=FLAGS.output_dir.rstrip("/"),
        name=FLAGS.name or _name_of(FLAGS.source),
        fractions=splitting.parse(FLAGS.splits) if FLAGS.splits else {},
        seed=FLAGS.seed,
        encoding=FLAGS.encoding,
        shard_mb=FLAGS.shard_mb,
        max_bad_fraction=FLAGS.max_bad_fraction,
        overwrite=FLAGS.overwrite,
        command=["python", "-m", "beam_pipelines.prepare", *sys.argv[1:]],
    )
    check(
        re.fullmatch(r"[a-z][a-z0-9_]*", config.name),
        f"--name={config.name}: expected lower-case letters, digits and _, a letter first",
    )
    _print_summary(config.output_dir, job.run(config, list(beam_flags)))


def _name_of(source: str) -> str:
    """A dataset name made of the source folder's."""
    folder = os.path.basename(os.path.abspath(source.partition(":")[2]))
    return re.sub(r"^(?=[^a-z])", "images_", re.sub(r"[^a-z0-9]+", "_", folder.lower()).strip("_"))


def _print_summary(output_dir: str, card: Card) -> None:
    for name, split in card.splits.items():
        print(f"{name}: {split.records:,} images in {len(split.shards)} shards")
    mean, std = (", ".join(f"{v:.2f}" for v in values) for values in (card.mean, card.std))
    print(f"{len(card.classes)} classes, channel mean {mean}, standard deviation {std}")
    if card.source["quarantined"]:
        print(f"{card.source['quarantined']:,} files left out: {output_dir}/quarantine.jsonl")
    print(f"report: {output_dir}/report.html")


if __name__ == "__main__":
    headrace.run(main, accept_unknown_flags=True)
