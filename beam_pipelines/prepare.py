"""Turns raw images into a dataset directory: sharded TFRecords, splits and a card.

    python -m beam_pipelines.prepare --source=folder:photos --output_dir=data --name=photos

Every image is fully decoded; a file that is no sound image is set aside in quarantine.jsonl. What
is the same, or looks the same, is listed in duplicates.jsonl, and report.html shows all of it.
Flags of Apache Beam, such as --runner, are passed on to it.
"""

import math
import os
import re
import sys

from absl import flags

from beam_pipelines import config, sources
from beam_pipelines.images import decode, resize
from beam_pipelines.pipeline import job
from beam_pipelines.planning import split_spec
from headrace import config_flags, files, program
from headrace.errors import check
from input.dataset import dataset_dir
from input.dataset.dataset_dir import Card

FLAGS = flags.FLAGS

# The name is a part of file names, which have 255 bytes.
_LONGEST_NAME = 100

flags.DEFINE_string(
    "source",
    None,
    "Where the images are, as KIND:PATH. Kinds: "
    + "; ".join(f"{kind}: {text}" for kind, text in sources.KINDS.items())
    + ". Paths are local or gs://.",
    required=True,
)
config_flags.define_path("output_dir", None, "The dataset directory to write.", required=True)
flags.DEFINE_string(
    "name",
    None,
    "The dataset's name: lower-case letters, digits and _. Default: the last part of the source.",
)
flags.DEFINE_integer("num_classes", None, "Fail unless the source has so many classes.", 2)
flags.DEFINE_string(
    "class_pattern",
    r"([^.]+)\.",
    "For filename: sources, a regular expression that a file's name begins with; its first group "
    "is the class.",
)
flags.DEFINE_string(
    "splits",
    None,
    "Splits, stratified by class: fractions that sum to 1; sizes (train gets the rest); auto: 20 "
    "per cent for testing under 1,000 images, 10 under 10,000, else 5, and a tenth of the others "
    f"for validation; kfold:N for N folds. Default: {split_spec.DEFAULT}, or the source's own "
    "splits. Given for a source with its own splits, it divides its train split.",
)
flags.DEFINE_integer("seed", 0, "Seed of the split and of the order of records.", 0)
flags.DEFINE_enum(
    "duplicates",
    "same_split",
    config.DUPLICATES,
    "What to do with images of the same pixels: keep them in one split, drop all but one of each "
    "class, fail, or treat them as any others. They are reported in any case.",
)
flags.DEFINE_integer(
    "near_duplicates",
    None,
    "List images that look like one of another split: those whose 64-bit perceptual hashes differ "
    "in at most so many bits.",
    0,
    16,
)
flags.DEFINE_enum(
    "near_duplicates_action",
    "list",
    config.NEAR_DUPLICATES_ACTIONS,
    "What to do with them: list them, or also drop those of validation and test.",
)
flags.DEFINE_string(
    "size", None, "Scale to cover this size, crop the centre: a side in pixels, or rows,columns."
)
flags.DEFINE_integer("short_side", None, "Scale so that the shorter side has so many pixels.", 1)
flags.DEFINE_integer("max_side", None, "Shrink images whose longer side has more pixels.", 1)
flags.DEFINE_enum(
    "encoding",
    "keep",
    dataset_dir.ENCODINGS,
    "How images are stored: the file's own bytes where the input pipeline reads them as they are, "
    "as JPEG, as PNG, as raw uint8 or as float32 pixels.",
)
flags.DEFINE_integer("quality", 95, "Quality of JPEGs that are written.", 1, 100)
flags.DEFINE_integer("shard_mb", 128, "About how large a shard is, in MiB.", 1)
flags.DEFINE_float(
    "max_bad_fraction", 0.01, "Fail when more than this fraction of the files is unusable.", 0, 1
)
flags.DEFINE_integer(
    "max_pixels", decode.MAX_PIXELS, "Set larger images aside without decoding them.", 1
)
flags.DEFINE_bool(
    "first_frame", False, "Use the first frame of animations instead of setting them aside."
)
flags.DEFINE_bool("overwrite", False, "Replace a finished dataset in --output_dir.")


def main(*beam_flags: str) -> None:
    """Run the program."""
    job_config = config.Config(
        source=FLAGS.source,
        output_dir=files.absolute(FLAGS.output_dir),
        name=FLAGS.name or _default_name(FLAGS.source),
        splits=FLAGS.splits or "",
        seed=FLAGS.seed,
        encoding=FLAGS.encoding,
        quality=FLAGS.quality,
        resize=_resize(),
        shard_mb=FLAGS.shard_mb,
        num_classes=FLAGS.num_classes,
        class_pattern=FLAGS.class_pattern,
        max_bad_fraction=FLAGS.max_bad_fraction,
        max_pixels=FLAGS.max_pixels,
        first_frame=FLAGS.first_frame,
        duplicates=FLAGS.duplicates,
        near_duplicates=FLAGS.near_duplicates,
        near_duplicates_action=FLAGS.near_duplicates_action,
        overwrite=FLAGS.overwrite,
        command=["python", "-m", "beam_pipelines.prepare", *sys.argv[1:]],
    )
    check(
        re.fullmatch(rf"[a-z][a-z0-9_]{{0,{_LONGEST_NAME - 1}}}", job_config.name),
        f"--name={job_config.name}: expected lower-case letters, digits and _, a letter first, "
        f"at most {_LONGEST_NAME} in all",
    )
    check(
        not math.isnan(job_config.max_bad_fraction),
        "--max_bad_fraction=nan: expected a number from 0 to 1",
    )
    for flag in job_config.command:
        check(_is_utf8(flag), f"{flag!a} is no UTF-8, which the card holds; rename the file")
    drops = job_config.near_duplicates_action == "drop_from_eval"
    check(
        not drops or job_config.near_duplicates is not None,
        "--near_duplicates_action=drop_from_eval needs --near_duplicates=BITS",
    )
    check(
        not drops or not job_config.splits.startswith("kfold:"),
        "--near_duplicates_action=drop_from_eval: folds have no split for evaluation; list them",
    )
    card = job.run(job_config, list(beam_flags))
    if card is None:
        print("template written; the images were listed, but none was prepared")
        return
    _print_summary(FLAGS.output_dir.rstrip("/"), card)


def _resize() -> resize.Resize:
    names = [name for name in ("size", "short_side", "max_side") if FLAGS[name].value is not None]
    check(len(names) < 2, f"--{' and --'.join(names)} contradict each other; give one of them")
    size = resize.parse_size(FLAGS.size) if FLAGS.size is not None else None
    return resize.Resize(size, FLAGS.short_side, FLAGS.max_side)


def _default_name(source: str) -> str:
    """Return a dataset name made of the last part of the source."""
    last = os.path.basename(files.absolute(source.partition(":")[2]))
    stem = re.sub(r"\.(csv|tsv|jsonl?|ndjson|h5|hdf5)$", "", last.lower())
    plain = re.sub(r"[^a-z0-9]+", "_", stem).strip("_") or "images"
    return re.sub(r"^(?=[^a-z])", "images_", plain)[:_LONGEST_NAME]


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes of another encoding that came in a path
        return False
    return True


def _print_summary(output_dir: str, card: Card) -> None:
    for name, split in card.splits.items():
        print(f"{name}: {_count(split.records, 'image')} in {_count(len(split.shards), 'shard')}")
    mean, std = (", ".join(f"{v:.2f}" for v in values) for values in (card.mean, card.std))
    print(f"{len(card.classes):,} classes, channel mean {mean}, standard deviation {std}")
    if card.source["quarantined"]:
        left_out = _count(card.source["quarantined"], "file")
        print(f"{left_out} left out: {output_dir}/quarantine.jsonl")
    for line in _duplicate_lines(card):
        print(line)
    print(f"report: {output_dir}/report.html")


def _duplicate_lines(card: Card) -> list[str]:
    counts, dropped = card.duplicates, card.source["duplicates_dropped"]
    lines = []
    if counts["groups"]:
        pictures = _count(counts["groups"], "picture")
        lines.append(f"{pictures} found more than once, {dropped:,} dropped")
    if counts["conflicts"]:
        lines.append(f"warning: {_count(counts['conflicts'], 'picture')} in more than one class")
    if counts["leaks"]:
        lines.append(f"warning: {_count(counts['leaks'], 'picture')} in more than one split")
    if counts["near"]:
        images = _count(counts["near"], "image")
        dropped = card.source["near_duplicates_dropped"]
        lines.append(f"{images} much like one of another split, {dropped:,} dropped")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


if __name__ == "__main__":
    program.run(main, decodes_images=True, accept_unknown_flags=True)
