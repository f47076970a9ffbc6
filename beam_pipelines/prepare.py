"""Turns raw images into a dataset directory: sharded TFRecords, splits and a card.

    python -m beam_pipelines.prepare --source=folder:photos --output_dir=data --name=photos

Every image is fully decoded; a file that is no sound image is set aside in quarantine.jsonl. What
is the same, or looks the same, is listed in duplicates.jsonl, and report.html shows all of it.
Flags of Apache Beam, such as --runner, are passed on to it.
"""

import sys

from absl import flags

from beam_pipelines import config as job_config
from beam_pipelines.config import Config
from beam_pipelines.pipeline import job
from headrace import config_flags, program
from input.dataset.dataset_dir import Card

config_flags.define(Config)
flags.mark_flags_as_required(["source", "output_dir"])


def main(*beam_flags: str) -> None:
    """Run the program."""
    command = ["python", "-m", "beam_pipelines.prepare", *sys.argv[1:]]
    given = config_flags.parse(Config)
    config = job_config.resolve(given, command)
    job_config.check(config)
    card = job.run(config, list(beam_flags))
    if card is None:
        print("template written; the images were listed, but none was prepared")
        return
    _print_summary(given.output_dir.rstrip("/"), card)


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
        several = (
            "under more than one set of classes" if card.multi_label else "in more than one class"
        )
        lines.append(f"warning: {_count(counts['conflicts'], 'picture')} {several}")
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
