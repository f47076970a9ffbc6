"""Beam's runners: their options, the pipeline, and the thread that runs it.

What Beam carries is small: the number of a chunk, the name of a shard. Every task writes its result
to a file of the work folder, under another name first, so a task that a runner tries twice does no
harm, and what is done can be counted on any runner.
"""

import argparse
import contextlib
import importlib.util
import io
import logging
import os
import pathlib
import re
import socket
import threading
import traceback
from collections.abc import Callable
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, create_runner

from beam_pipelines.pipeline import loopback_errors
from headrace.errors import UsageError, UserError

# What scanning takes on one core, about: seconds per image, and per byte of its file.
_PER_IMAGE, _PER_BYTE = 250e-6, 20e-9
# Less work than this is done before threads have started.
_MIN_SECONDS_FOR_THREADS = 2.0
# Decoders of large images run beside each other in threads, but so many are worth processes.
_MIN_IMAGES_FOR_PROCESSES = 8000
# Beam knows all runners by their short names but this one.
_DASK = "apache_beam.runners.dask.dask_runner"
# Parts of a step on Dask, where a part is what one worker does; Beam's own default is parts of 128
# tasks, which leaves most workers without one.
_DASK_PARTS = 32
_CONNECT_SECONDS = 10
# The last line of a traceback, as runners hand it on.
_LAST_LINE = r"(.*?)(?= \[while running|\n|$)"
_FILE_ERROR = re.compile(rf"(?:\w*Error: \[Errno \d+\]|sqlite3\.OperationalError:) {_LAST_LINE}")
_USER_ERROR = re.compile(rf"{re.escape(UserError.__module__)}\.U\w+Error: {_LAST_LINE}")


def options(flags: list[str], images: int = 0, mean_bytes: float = 0) -> PipelineOptions:
    """Return Beam's options: the user's own, and what Beam's defaults would do badly.

    The local runner gets all cores. Beam's default runner first tries to download a binary, so the
    local one is asked for by name.

    Args:
        flags: command-line flags that are not Headrace's.
        images: number of images to prepare.
        mean_bytes: size of their files, about.

    Raises:
        UsageError: Beam has no such flag.
        UserError: what a runner needs is not installed.
    """
    if any(f.startswith("--runner=") and f.endswith("DaskRunner") for f in flags):
        flags = _for_dask(flags)
    known = _beam_flags()
    for flag in flags:
        if not flag.startswith("--"):
            raise UsageError(f"{flag}: expected flags of the form --name=value")
        if flag.partition("=")[0] not in known:
            raise UsageError(f"unknown flag {flag}: it is neither Headrace's nor Beam's")
    if _parse(flags).get("runner", "FnApiRunner") == "FnApiRunner":
        flags = ["--runner=FnApiRunner", *(f for f in flags if not f.startswith("--runner"))]
        mode, workers = _local_workers(images, mean_bytes)
        # What the user says holds, even where it is Beam's default.
        names = {flag.partition("=")[0] for flag in flags}
        if "--direct_num_workers" not in names:
            flags.append(f"--direct_num_workers={workers}")
        if "--direct_running_mode" not in names:
            flags.append(f"--direct_running_mode={mode}")
    return PipelineOptions(flags)


def _parse(flags: list[str]) -> dict[str, Any]:
    """Return Beam's options that are not at their defaults, as Beam reads them.

    Raises:
        UsageError: a value is not one that Beam takes.
    """
    usage = io.StringIO()
    try:
        with contextlib.redirect_stderr(usage):
            values = PipelineOptions(flags).get_all_options(drop_default=True)
        create_runner(values.get("runner", "FnApiRunner"))
    except SystemExit:  # of argparse, below its own usage
        reason = usage.getvalue().strip().splitlines()[-1].partition("error: ")[2]
        raise UsageError(f"{reason} (a flag of Apache Beam)") from None
    except (ValueError, ImportError, AttributeError) as error:
        raise UsageError(f"--runner={values['runner']}: {str(error).splitlines()[0]}") from None
    if int(values.get("direct_num_workers", 1)) < 0:
        raise UsageError("--direct_num_workers: expected 1 or more, or 0 for all cores")
    return values


def check_reachable(flags: list[str]) -> None:
    """Make sure that somebody is where a cluster is said to be; Beam would wait, and not say so.

    Raises:
        UserError: nobody is.
    """
    for flag in flags:
        name, _, address = flag.partition("=")
        if name in ("--job_endpoint", "--dask_client_address") and address != "embed":
            host, _, port = address.rpartition("://")[2].rpartition(":")
            try:
                socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
            except (OSError, ValueError) as error:
                raise UserError(
                    f"{flag}: nobody answers there ({error}); start the cluster first, or mend the "
                    "address"
                ) from None


def only_describes(beam_options: PipelineOptions) -> bool:
    """Return whether Dataflow writes a template: the job's graph in a file, and no job."""
    return bool(beam_options.get_all_options()["template_location"])


def start(
    beam_options: PipelineOptions,
    tasks: list,
    scan: Callable,
    plan: Callable,
    write: Callable,
) -> tuple[threading.Thread, list[BaseException]]:
    """Start the pipeline: `scan` on every task, then `plan` once, then `write` on its results.

    Args:
        beam_options: options, from `options`.
        tasks: arguments to call `scan` with; each small.
        scan: function of one task; picklable, and writes its own results, as the others do.
        plan: function without arguments.
        write: function of one result of `plan`.

    Returns:
        A thread that ends with the pipeline, and the error that ended it, if one did.
    """
    _importable_in_workers()
    if beam_options.get_all_options()["environment_type"] == "LOOPBACK":
        loopback_errors.silence()
    # What ends a job is raised, with its traceback; Beam would show it once for every attempt.
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            pipeline = beam.Pipeline(options=beam_options)
            build(pipeline, tasks, scan, plan, write)
            _finish(pipeline.run())
        except BaseException as error:  # raised again by the thread that waits
            failures.append(_user_error(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, failures


def build(
    pipeline: beam.Pipeline, tasks: list, scan: Callable, plan: Callable, write: Callable
) -> None:
    """Add the job's steps to a pipeline."""
    on_dask = _DASK in (pipeline.options.get_all_options()["runner"] or "")
    _ = (
        pipeline
        | "tasks" >> beam.Create(tasks)
        | "spread tasks" >> beam.Reshuffle()
        | "scan" >> beam.Map(scan)
        # Nothing is planned before everything was scanned. A default would be a side input, for
        # which a Dask worker stands still until the other workers have scanned everything.
        | "all scanned" >> beam.combiners.Count.Globally().without_defaults()
        | "plan" >> beam.FlatMap(lambda _: plan())
        | "spread shards" >> (_Repartition() if on_dask else beam.Reshuffle())
        | "write" >> beam.Map(write)
    )


class _Repartition(beam.PTransform):
    """Reshuffle on Dask, where Beam's own leaves everything with the worker that has it."""

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        return (
            elements
            | "name" >> beam.Map(lambda element: (repr(element), element))
            | "group" >> beam.GroupByKey()
            | "take" >> beam.FlatMap(lambda group: group[1])
        )


def _user_error(error: BaseException) -> BaseException:
    """Return what the user can put right as one, of whose kind runners hand on only the text."""
    text = "".join(traceback.format_exception_only(error))
    if messages := _FILE_ERROR.findall(text):
        return UserError(
            f"a worker cannot read or write its files: {messages[-1]}; mend that and run the job "
            "again"
        )
    messages = _USER_ERROR.findall(text)
    return UserError(messages[-1]) if messages else error


def _finish(result: PipelineResult) -> None:
    """Wait for a job, and hang up where its runner would leave that to the end of Python."""
    try:
        result.wait_until_finish()
    finally:
        if client := getattr(result, "client", None):  # Dask's
            client.close()


def _beam_flags() -> set[str]:
    """Return all flags of Beam, as they are written."""
    parsers: list[argparse.ArgumentParser] = []
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
    return {text for action in parsers[0]._actions for text in action.option_strings}


def _for_dask(flags: list[str]) -> list[str]:
    """Return the flags with what Dask's runner needs.

    Raises:
        UserError: Dask is not installed.
    """
    if not importlib.util.find_spec("distributed"):
        raise UserError("--runner=DaskRunner needs Dask: pip install 'apache-beam[dask]'")
    importlib.import_module(_DASK)  # makes its flags known to Beam
    flags = [f"--runner={_DASK}.DaskRunner" if f.startswith("--runner=") else f for f in flags]
    if not any(f.startswith(("--dask_npartitions", "--dask_partition_size")) for f in flags):
        flags.append(f"--dask_npartitions={_DASK_PARTS}")
    return flags


def _local_workers(images: int, mean_bytes: float) -> tuple[str, int]:
    """Return mode and number of the local runner's workers: no more than the work is worth."""
    cores = os.cpu_count() or 1
    if images >= _MIN_IMAGES_FOR_PROCESSES:
        return "multi_processing", cores
    if images * (_PER_IMAGE + _PER_BYTE * mean_bytes) >= _MIN_SECONDS_FOR_THREADS:
        return "multi_threading", cores
    return "in_memory", 1


def _importable_in_workers() -> None:
    """Let worker processes import this package by name, wherever the job was started."""
    root = str(pathlib.Path(__file__).resolve().parent.parent)
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if root not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, *paths]))
