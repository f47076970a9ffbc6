"""The job of `prepare`: scan, check, plan, write, describe. The card comes last."""

import dataclasses
import hashlib
import itertools
from fractions import Fraction

from etils import epath

import headrace
from beam_pipelines import (
    engine,
    images,
    metadata,
    output,
    report,
    scan,
    sharding,
    sources,
    splitting,
    write,
)
from beam_pipelines.scan import Rejected, Row
from beam_pipelines.sources import Source
from headrace import UserError
from input import dataset_dir
from input.dataset_dir import Card, Shard, Split

_SAMPLE_CLASSES, _SAMPLES, _SAMPLE_SIDE = 20, 10, 96

Written = dict[str, tuple[Shard, list[int]]]


@dataclasses.dataclass(frozen=True)
class Config:
    """What to prepare, from where, to where, and how.

    Attributes:
        source: `KIND:PATH`.
        output_dir: the dataset directory.
        name: of the dataset.
        fractions: of the splits; empty for the source's own, or else the default.
        seed: of the split and the order of records.
        encoding: one of `dataset_dir.ENCODINGS`.
        shard_mb: about how large a shard is, in MiB.
        max_bad_fraction: of unusable files, above which the job fails.
        overwrite: whether a finished dataset may be replaced.
        command: the command line, for the card.
    """

    source: str
    output_dir: str
    name: str
    fractions: dict[str, Fraction]
    seed: int
    encoding: str
    shard_mb: int
    max_bad_fraction: float
    overwrite: bool
    command: list[str]


def run(config: Config, beam_flags: list[str]) -> Card:
    """Prepares a dataset directory.

    Args:
        config: what to do.
        beam_flags: flags for Apache Beam.

    Returns:
        The card that was written.

    Raises:
        UserError: something about flags, source, files or output directory that the user can put
            right. No card is written then.
    """
    engine.options(beam_flags, images=0)
    output.check(config.output_dir, config.overwrite)
    source = sources.read(config.source)
    config = dataclasses.replace(config, fractions=_fractions(source, config.fractions))
    beam_options = engine.options(beam_flags, len(source.images))
    work = output.clear(config.output_dir)

    rows, rejected = scan.run(source, work, beam_options)
    quarantine = epath.Path(config.output_dir) / dataset_dir.QUARANTINE
    quarantine.write_bytes(scan.quarantine_text(rejected))
    _check_rejected(config, source, rejected)
    splits = _in_order(rows, config.fractions, config.seed)
    _check_splits(source, splits)
    plans = {split: _plan(config, split, ordered) for split, ordered in splits.items()}
    target = write.Target(
        source.root, config.output_dir, work, config.encoding, max(row.channels for row in rows)
    )
    written = write.run(list(itertools.chain(*plans.values())), target, beam_options)
    card = _describe(config, source, splits, plans, written, rejected)
    records = sum(shard.records for split in card.splits.values() for shard in split.shards)
    if records + len(rejected) != len(source.images):
        raise AssertionError(f"{len(source.images)} images became {records} records")
    _finish(config, source, card, splits, plans, written, rejected)
    return card


def _fractions(source: Source, asked: dict[str, Fraction]) -> dict[str, Fraction]:
    """The fractions by which to divide what has no predefined split; checked against it."""
    own = {image.split for image in source.images} - {None}
    clash = own & asked.keys() - {"train"}
    if clash:
        raise headrace.UsageError(
            f"--splits names {clash.pop()!r}, which {source.root} has as a folder; leave it out"
        )
    return asked or ({} if own else splitting.parse(splitting.DEFAULT))


def _check_rejected(config: Config, source: Source, rejected: list[Rejected]) -> None:
    if len(rejected) > config.max_bad_fraction * len(source.images):
        first = rejected[0]
        raise UserError(
            f"{len(rejected):,} of {len(source.images):,} files are no sound images, first "
            f"{source.root}/{first.path} ({first.reason}: {first.detail}); all are listed in "
            f"{config.output_dir}/{dataset_dir.QUARANTINE}: mend or remove them, or allow more "
            "with --max_bad_fraction"
        )


def _in_order(rows: list[Row], fractions: dict[str, Fraction], seed: int) -> dict[str, list[Row]]:
    """The rows of each split, in the order in which they will be written."""
    own = sorted({row.split for row in rows} - {None, "train"}, reverse=True)
    divided = [row for row in rows if row.split not in own]
    names = list(fractions) or ["train"]
    chosen = splitting.stratify(
        [row.label for row in divided],
        [row.key for row in divided],
        [row.path for row in divided],
        [fractions[name] for name in names] if fractions else [Fraction(1)],
        seed,
    )
    members = {name: [] for name in [*names, *own]}
    for row, choice in zip(divided, chosen, strict=True):
        members[names[choice]].append(row)
    for row in rows:
        if row.split in own:
            members[row.split].append(row)
    return {name: _shuffled(name, rows, seed) for name, rows in members.items()}


def _shuffled(split: str, rows: list[Row], seed: int) -> list[Row]:
    order = splitting.rank([r.key for r in rows], [r.path for r in rows], seed, f"order:{split}")
    return [rows[i] for i in order]


def _check_splits(source: Source, splits: dict[str, list[Row]]) -> None:
    for name, rows in splits.items():
        if not rows:
            raise UserError(
                f"split {name!r} of {source.root} would have no image; give it a larger fraction "
                "in --splits, or more images"
            )


def _plan(config: Config, split: str, ordered: list[Row]) -> list[write.Plan]:
    shards = sharding.shard_count(sum(row.stored_bytes for row in ordered), config.shard_mb)
    bounds = sharding.shard_bounds(len(ordered), shards)
    return [
        write.Plan(
            dataset_dir.shard_file(config.name, split, number, len(bounds)), ordered[first:last]
        )
        for number, (first, last) in enumerate(bounds)
    ]


def _describe(
    config: Config,
    source: Source,
    splits: dict[str, list[Row]],
    plans: dict[str, list[write.Plan]],
    written: Written,
    rejected: list[Rejected],
) -> Card:
    rows = list(itertools.chain(*splits.values()))
    channels = max(row.channels for row in rows)
    mean, std = metadata.channel_statistics(splits["train"], channels)
    described = {
        name: Split(
            metadata.class_counts(ordered, len(source.classes)),
            [written[plan.file][0] for plan in plans[name]],
        )
        for name, ordered in splits.items()
    }
    return Card(
        name=config.name,
        classes=source.classes,
        encoding=config.encoding,
        channels=channels,
        mean=mean,
        std=std,
        image_size=metadata.image_sizes(rows),
        splits=described,
        split_fractions={name: float(share) for name, share in config.fractions.items()},
        seed=config.seed,
        source={
            "spec": config.source,
            "images": len(source.images),
            "quarantined": len(rejected),
            "fingerprint": hashlib.sha256(
                "".join(sorted(f"{row.path}:{row.key}\n" for row in rows)).encode()
            ).hexdigest(),
        },
        fingerprint=dataset_dir.fingerprint(described),
        command=config.command,
        headrace=headrace.__version__,
    )


def _finish(
    config: Config,
    source: Source,
    card: Card,
    splits: dict[str, list[Row]],
    plans: dict[str, list[write.Plan]],
    written: Written,
    rejected: list[Rejected],
) -> None:
    """Writes what stands beside the shards, the card last."""
    directory = epath.Path(config.output_dir)
    for name in splits:
        offsets = [written[plan.file][1] for plan in plans[name]]
        index = directory / dataset_dir.index_file(config.name, name)
        index.write_bytes(dataset_dir.index_bytes(offsets))
    samples = _samples(source, splits["train"])
    page = report.render(card, samples, [dataclasses.asdict(row) for row in rejected])
    (directory / dataset_dir.REPORT).write_text(page)
    metadata.write_tfds(config.output_dir, card)
    metadata.write_card(config.output_dir, card)
    (directory / output.WORK).rmtree()


def _samples(source: Source, train: list[Row]) -> dict[str, list[tuple[str, bytes]]]:
    """The first few training images of the first classes, as thumbnails."""
    chosen: dict[str, list[tuple[str, bytes]]] = {
        name: [] for name in source.classes[:_SAMPLE_CLASSES]
    }
    for row in train:
        shown = chosen.get(source.classes[row.label])
        if shown is not None and len(shown) < _SAMPLES:
            image = images.decode(scan.read_image(source.root, row.path))
            shown.append((row.path, images.thumbnail(image, _SAMPLE_SIDE)))
    return chosen
