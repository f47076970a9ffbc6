"""Runs the job on Beam: its options, its pipeline, and who watches it.

What Beam carries is small: the number of a chunk, the name of a shard. Every task writes its result
to a file of the work folder, under another name first, so a task that a runner tries twice does no
harm, and what is done can be counted on any runner.
"""

import logging
import os
import pathlib
import threading
from collections.abc import Callable

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from headrace import UsageError

# What scanning takes on one core, about: seconds per image, and per byte of its file.
_PER_IMAGE, _PER_BYTE = 250e-6, 20e-9
# Less work than this is done before threads have started.
_WORTH_THREADS = 2.0
# Decoders of large images run beside each other in threads, but so many are worth processes.
_WORTH_PROCESSES = 8000


def options(flags: list[str], images: int = 0, mean_bytes: float = 0) -> PipelineOptions:
    """Beam's options: the user's own, and for the local runner all cores.

    Beam's default runner first tries to download a binary, so the local one is asked for by name.

    Args:
        flags: command-line flags that are not Headrace's.
        images: how many there are to prepare.
        mean_bytes: size of their files, about.

    Raises:
        UsageError: Beam has no such flag.
    """
    known = PipelineOptions([]).get_all_options()
    for flag in flags:
        name = flag.lstrip("-").partition("=")[0].removeprefix("no_")
        if not flag.startswith("--") or name not in known:
            raise UsageError(f"unknown flag {flag}: it is neither Headrace's nor Beam's")
    given = PipelineOptions(flags).get_all_options(drop_default=True)
    if given.get("runner", "FnApiRunner") == "FnApiRunner":
        flags = ["--runner=FnApiRunner", *(f for f in flags if not f.startswith("--runner"))]
        mode, workers = _local_workers(images, mean_bytes)
        if "direct_num_workers" not in given:
            flags.append(f"--direct_num_workers={workers}")
        if "direct_running_mode" not in given:
            flags.append(f"--direct_running_mode={mode}")
    return PipelineOptions(flags)


def start(
    beam_options: PipelineOptions,
    tasks: list,
    scan: Callable,
    plan: Callable,
    write: Callable,
) -> tuple[threading.Thread, list[BaseException]]:
    """Starts the pipeline: `scan` on every task, then `plan` once, then `write` on what it gave.

    Args:
        beam_options: from `options`.
        tasks: what to call `scan` with; each small.
        scan: of one task; picklable, and writes its own results, as the others do.
        plan: without arguments.
        write: of one thing that `plan` gave.

    Returns:
        A thread that ends with the pipeline, and the error that ended it, if one did.
    """
    _importable_in_workers()
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with beam.Pipeline(options=beam_options) as pipeline:
                build(pipeline, tasks, scan, plan, write)
        except BaseException as error:  # raised again by the thread that waits
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, failures


def build(
    pipeline: beam.Pipeline, tasks: list, scan: Callable, plan: Callable, write: Callable
) -> None:
    """Adds the job's steps to a pipeline."""
    _ = (
        pipeline
        | "tasks" >> beam.Create(tasks)
        | "spread tasks" >> beam.Reshuffle()
        | "scan" >> beam.Map(scan)
        # Nothing is planned before everything was scanned.
        | "all scanned" >> beam.combiners.Count.Globally()
        | "plan" >> beam.FlatMap(lambda _: plan())
        | "spread shards" >> beam.Reshuffle()
        | "write" >> beam.Map(write)
    )


def _local_workers(images: int, mean_bytes: float) -> tuple[str, int]:
    """Mode and number of the local runner's workers: no more than the work is worth."""
    cores = os.cpu_count()
    if images >= _WORTH_PROCESSES:
        return "multi_processing", cores
    if images * (_PER_IMAGE + _PER_BYTE * mean_bytes) >= _WORTH_THREADS:
        return "multi_threading", cores
    return "in_memory", 1


def _importable_in_workers() -> None:
    """Worker processes import this package by name, from whichever folder the job was started."""
    root = str(pathlib.Path(__file__).resolve().parent.parent)
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if root not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, *paths]))
