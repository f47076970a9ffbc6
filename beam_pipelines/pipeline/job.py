"""The job of `prepare`: list, scan, plan, write, describe. The card comes last."""

import functools
from collections.abc import Iterator

import orjson
from apache_beam.options.pipeline_options import PipelineOptions

import headrace
from beam_pipelines import sources
from beam_pipelines.config import Config
from beam_pipelines.images import decode
from beam_pipelines.output import directory, metadata
from beam_pipelines.pipeline import listing, plan, progress, runner, scan, write
from beam_pipelines.pipeline.listing import Inventory
from beam_pipelines.planning import split_spec
from beam_pipelines.report import report
from headrace import files
from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir
from input.dataset.dataset_dir import Card, Shard, Split

_THUMBNAIL = 96


def run(config: Config, beam_flags: list[str]) -> Card | None:
    """Prepares a dataset directory.

    Args:
        config: what to do.
        beam_flags: flags for Apache Beam.

    Returns:
        The card that was written; None where Beam was asked for a description of the job only.

    Raises:
        UserError: something about flags, source, files or output directory that the user can put
            right. No card is written then.
    """
    runner.options(beam_flags)
    runner.check_reachable(beam_flags)
    if config.splits:
        split_spec.names(config.splits, set())
    directory.check(config.output_dir, config.overwrite, config.source)
    source = sources.read(config.source, config.class_pattern)
    with listing.take(source) as listed:
        _check(config, listed)
        beam_options = runner.options(beam_flags, listed.images, listed.mean_bytes)
        if runner.only_describes(beam_options):
            _run_pipeline(config, listed, beam_options)
            return None
        with directory.claimed(config.output_dir), directory.errors_named(config.output_dir):
            # Another job may have finished a dataset there since.
            directory.check(config.output_dir, config.overwrite, config.source)
            return _prepare(config, listed, beam_options)


def _prepare(config: Config, listed: Inventory, beam_options: PipelineOptions) -> Card:
    root = listed.source.root
    work = directory.clear(config.output_dir)
    listing.write_listings(listed, work)
    _run_pipeline(config, listed, beam_options)
    summary = _summary(work)
    splits = {
        name: _gather(config, root, name, planned) for name, planned in summary["splits"].items()
    }
    card = _card(config, listed, summary, splits)
    _check_counts(card, listed.images)
    _finish(config, root, card, summary)
    return card


def _check(config: Config, listed: Inventory) -> None:
    """Finds out what is wrong with source and flags before anything is touched."""
    root = listed.source.root
    if not listed.images:
        raise UserError(f"{root} has no image; check --source")
    sources.check_classes(root, listed.classes, config.num_classes)
    if not config.splits:
        if listed.own and "train" not in listed.own and not listed.divisible:
            raise UserError(f"{root} has no split 'train'; it has {', '.join(sorted(listed.own))}")
        return
    clash = listed.own & set(split_spec.names(config.splits, set(listed.own))) - {"train"}
    if clash:
        raise UsageError(f"--splits names {min(clash)!r}, which {root} has already; leave it out")
    split_spec.check_sizes(config.splits, listed.divisible)


def _run_pipeline(config: Config, listed: Inventory, beam_options: PipelineOptions) -> None:
    source, work = listed.source, f"{config.output_dir}/{directory.WORK}"
    tasks = listing.tasks(listed)
    thread, failures = runner.start(
        beam_options,
        tasks,
        scan=functools.partial(
            scan.run_task, scan.Scan(config, source.root, work, source.container)
        ),
        plan=functools.partial(
            plan.run,
            plan.Plan(config, source.root, work, listed.classes, listed.own, listed.images),
        ),
        write=functools.partial(write.run_task, config, source.root, work),
    )
    if not runner.only_describes(beam_options):
        progress.watch(thread, functools.partial(_phase, work, listed.images, len(tasks)))
    thread.join()
    if failures:
        raise failures[0]


def _phase(work: str, total: int, tasks: int) -> progress.Phase:
    """How far the job is, by the files of its work folder."""
    shards = len(files.matching(work, "shard-*.jsonl"))
    if shards and files.matching(work, plan.SUMMARY):
        done = total * len(files.matching(work, "done-*.jsonl")) // shards
        under_way = sum(int(files.read(path)) for path in files.matching(work, "progress-*"))
        return "write", min(total, max(done, under_way)), total
    done = total * len(files.matching(work, "scan-*.jsonl")) // tasks
    return ("decode" if done < total else "plan"), done, total


def _summary(work: str) -> dict:
    """What the plan found.

    Raises:
        UserError: it found that the job must end.
    """
    if files.matching(work, plan.FAILED):
        failed = orjson.loads(files.read(f"{work}/{plan.FAILED}"))
        raise (UsageError if failed["usage"] else UserError)(failed["message"])
    return orjson.loads(files.read(f"{work}/{plan.SUMMARY}"))


def _gather(config: Config, root: str, name: str, planned: dict) -> Split:
    """Brings a split's numbers together from its shards; writes its index and its labels.

    Raises:
        UserError: a source file is not what it was when it was scanned, or a shard is missing.
    """
    shards, offsets, labels = [], [], []
    for result in _results(config, root, planned["shards"]):
        shards.append(Shard(**result["shard"]))
        offsets.append(result["offsets"])
        labels.append(result["labels"])
    index = f"{config.output_dir}/{dataset_dir.index_file(config.name, name)}"
    files.write_atomic(index, dataset_dir.index_bytes(offsets))
    labels_file = f"{config.output_dir}/{dataset_dir.labels_file(config.name, name)}"
    files.write_atomic(labels_file, dataset_dir.labels_bytes(labels))
    return Split(planned["per_class"], shards)


def _results(config: Config, root: str, shards: list[str]) -> Iterator[dict]:
    work = f"{config.output_dir}/{directory.WORK}"
    done = set(files.matching(work, "done-*.jsonl"))
    for shard in shards:
        if f"{work}/done-{shard}.jsonl" not in done:
            raise UserError(f"the runner lost the task of writing {shard}; run the job again")
        (result,) = files.read_rows(f"{work}/done-{shard}.jsonl")
        if "changed" in result:
            raise UserError(
                f"{files.join(root, result['changed'])} changed while the dataset was prepared; "
                "start again when nothing writes to the source"
            )
        yield result


def _card(config: Config, listed: Inventory, summary: dict, splits: dict[str, Split]) -> Card:
    return Card(
        name=config.name,
        classes=listed.classes,
        encoding=config.encoding,
        channels=summary["channels"],
        mean=summary["mean"],
        std=summary["std"],
        image_size=summary["image_size"],
        splits=splits,
        split_fractions=summary["fractions"],
        seed=config.seed,
        weighted=summary["weighted"],
        source={
            "spec": config.source,
            "images": listed.images,
            "quarantined": summary["quarantined"],
            "duplicates_dropped": summary["duplicates_dropped"],
            "near_duplicates_dropped": summary["near_duplicates_dropped"],
            "with_profile": summary["with_profile"],
            "fingerprint": summary["source_fingerprint"],
        },
        duplicates=summary["duplicates"],
        fingerprint=dataset_dir.fingerprint(splits),
        command=config.command,
        headrace=headrace.__version__,
    )


def _check_counts(card: Card, images: int) -> None:
    """Nothing may be left out silently; that it was is a defect, not a user's mistake."""
    records = sum(shard.records for split in card.splits.values() for shard in split.shards)
    left_out = sum(
        card.source[reason]
        for reason in ("quarantined", "duplicates_dropped", "near_duplicates_dropped")
    )
    planned = sum(split.records for split in card.splits.values())
    if records != planned or records + left_out != images:
        raise AssertionError(
            f"{images} images became {records} records ({planned} planned) and {left_out} left out"
        )


def _finish(config: Config, root: str, card: Card, summary: dict) -> None:
    """Writes the report, the metadata, and the card last."""
    draw = functools.partial(_thumbnail, root)
    page = report.render(card, summary, draw)
    files.write_atomic(f"{config.output_dir}/{dataset_dir.REPORT}", page.encode())
    metadata.write_tfds(config.output_dir, card)
    metadata.write_card(config.output_dir, card)
    directory.remove_work(config.output_dir)


def _thumbnail(root: str, picture: dict) -> bytes:
    """A small JPEG of an image that the summary names."""
    data = scan.read_image(root, picture["file"], picture["offset"], picture["length"])
    return decode.thumbnail(data, _THUMBNAIL)
