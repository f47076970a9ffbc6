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
from beam_pipelines.pipeline import plan, progress, runner, scan, write
from beam_pipelines.pipeline.listing import Listing, list_source, tasks, write_listings
from beam_pipelines.planning import split_shares
from beam_pipelines.report import report
from headrace import files
from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir, record_files
from input.dataset.dataset_dir import Card, Shard, Split

_THUMBNAIL = 96


def run(config: Config, beam_flags: list[str]) -> Card | None:
    """Prepare a dataset directory.

    Args:
        config: configuration of the job.
        beam_flags: flags for Apache Beam.

    Returns:
        The card that was written; None where Beam only describes the job.

    Raises:
        UserError: something about flags, source, files or output directory that the user can put
            right. No card is written then.
    """
    runner.options(beam_flags)
    runner.check_reachable(beam_flags)
    if config.splits:
        split_shares.names(config.splits, set())
    directory.check(config.output_dir, config.overwrite, config.source)
    source = sources.read(config.source, config.class_pattern)
    with list_source(source) as listing:
        _check(config, listing)
        beam_options = runner.options(beam_flags, listing.num_images, listing.mean_bytes)
        if runner.only_describes(beam_options):
            _run_pipeline(config, listing, beam_options)
            return None
        with directory.claimed(config.output_dir), directory.errors_named(config.output_dir):
            # Another job may have finished a dataset there since.
            directory.check(config.output_dir, config.overwrite, config.source)
            return _prepare(config, listing, beam_options)


def _prepare(config: Config, listing: Listing, beam_options: PipelineOptions) -> Card:
    root = listing.source.root
    work = directory.clear(config.output_dir)
    write_listings(listing, work)
    _run_pipeline(config, listing, beam_options)
    summary = _summary(work)
    splits = {
        name: _gather(config, root, name, split, listing.multi_label)
        for name, split in summary["splits"].items()
    }
    card = _card(config, listing, summary, splits)
    planned = sum(split["records"] for split in summary["splits"].values())
    _check_counts(card, listing.num_images, planned)
    _finish(config, root, card, summary)
    return card


def _check(config: Config, listing: Listing) -> None:
    """Make sure that source and flags are right, before anything is touched.

    Raises:
        UserError: they are not.
    """
    root = listing.source.root
    if not listing.num_images:
        raise UserError(f"{root} has no image; check `source`")
    sources.check_classes(root, listing.classes, config.num_classes)
    if not config.splits:
        if (
            listing.source_splits
            and "train" not in listing.source_splits
            and not listing.num_divisible
        ):
            raise UserError(
                f"{root} has no split 'train'; it has {', '.join(sorted(listing.source_splits))}"
            )
        return
    clash = listing.source_splits & set(
        split_shares.names(config.splits, set(listing.source_splits))
    ) - {"train"}
    if clash:
        raise UsageError(f"`splits` names {min(clash)!r}, which {root} has already; leave it out")
    split_shares.check_sizes(config.splits, listing.num_divisible)


def _run_pipeline(config: Config, listing: Listing, beam_options: PipelineOptions) -> None:
    source, work = listing.source, f"{config.output_dir}/{directory.WORK}"
    scan_tasks = tasks(listing)
    thread, failures = runner.start(
        beam_options,
        scan_tasks,
        scan=functools.partial(
            scan.run_task, scan.ScanJob(config, source.root, work, source.container)
        ),
        plan=functools.partial(
            plan.run,
            plan.PlanJob(
                config,
                source.root,
                work,
                listing.classes,
                listing.source_splits,
                listing.num_images,
                listing.multi_label,
            ),
        ),
        write=functools.partial(write.run_task, config, source.root, work),
    )
    if not runner.only_describes(beam_options):
        progress.watch(thread, functools.partial(_phase, work, listing.num_images, len(scan_tasks)))
    thread.join()
    if failures:
        raise failures[0]


def _phase(work: str, total: int, tasks: int) -> progress.Phase:
    """Return how far the job is, by the files of its work folder."""
    shards = len(files.matching(work, "shard-*.jsonl"))
    if shards and files.matching(work, plan.SUMMARY):
        done = total * len(files.matching(work, "done-*.jsonl")) // shards
        in_progress = sum(int(files.read(path)) for path in files.matching(work, "progress-*"))
        return "write", min(total, max(done, in_progress)), total
    done = total * len(files.matching(work, "scan-*.jsonl")) // tasks
    return ("decode" if done < total else "plan"), done, total


def _summary(work: str) -> dict:
    """Return the plan's summary.

    Raises:
        UserError: the plan says that the job must end.
    """
    if files.matching(work, plan.FAILED):
        failure = orjson.loads(files.read(f"{work}/{plan.FAILED}"))
        raise (UsageError if failure["usage"] else UserError)(failure["message"])
    return orjson.loads(files.read(f"{work}/{plan.SUMMARY}"))


def _gather(config: Config, root: str, name: str, split: dict, multi_label: bool) -> Split:
    """Return a split's numbers, together from its shards; write its index and its labels.

    Raises:
        UserError: a source file is not what it was when it was scanned, or a shard is missing.
    """
    shards, offsets, labels = [], [], []
    for result in _results(config, root, split["shards"]):
        shards.append(Shard(**result["shard"]))
        offsets.append(result["offsets"])
        labels.append(result["labels"])
    index = f"{config.output_dir}/{record_files.index_file(config.name, name)}"
    files.write_atomic(index, record_files.index_bytes(offsets))
    labels_file = f"{config.output_dir}/{record_files.labels_file(config.name, name)}"
    content = (
        record_files.label_sets_bytes(labels, len(split["per_class"]))
        if multi_label
        else record_files.labels_bytes(labels)
    )
    files.write_atomic(labels_file, content)
    return Split(split["per_class"], shards)


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


def _card(config: Config, listing: Listing, summary: dict, splits: dict[str, Split]) -> Card:
    return Card(
        name=config.name,
        classes=listing.classes,
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
            "images": listing.num_images,
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
        multi_label=listing.multi_label,
    )


def _check_counts(card: Card, images: int, planned: int) -> None:
    """Make sure that nothing is left out silently; that would be a defect, no user's mistake."""
    records = sum(split.records for split in card.splits.values())
    left_out = sum(
        card.source[reason]
        for reason in ("quarantined", "duplicates_dropped", "near_duplicates_dropped")
    )
    if records != planned or records + left_out != images:
        raise AssertionError(
            f"{images} images became {records} records ({planned} planned) and {left_out} left out"
        )


def _finish(config: Config, root: str, card: Card, summary: dict) -> None:
    """Write the report, the metadata, and the card last."""
    page = report.render(card, summary, functools.partial(_thumbnail, root))
    files.write_atomic(f"{config.output_dir}/{dataset_dir.REPORT}", page.encode())
    metadata.write_tfds(config.output_dir, card)
    metadata.write_card(config.output_dir, card)
    directory.remove_work(config.output_dir)


def _thumbnail(root: str, image: dict) -> bytes:
    """Return a small JPEG of an image that the summary names."""
    data = scan.read_image(root, image["file"], image["offset"], image["length"])
    return decode.thumbnail(data, _THUMBNAIL)
