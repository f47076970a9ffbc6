"""Runs one phase of a job on Beam, and watches it.

A phase is a list of tasks and a function. Tasks are small, and so is what Beam carries: each task
writes its result to a file of the work folder, under another name first, so a task that a runner
tries twice does no harm, and what is done can be counted on any runner.
"""

import json
import logging
import os
import pathlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from headrace import UsageError

# Below this many images the work is done before worker processes have started.
_WORTH_PROCESSES = 4000
_POLL_SECONDS = 0.2
_PLAIN_LINE_SECONDS = 10.0


def options(flags: list[str], images: int) -> PipelineOptions:
    """Beam's options: the user's own, and for the local runner all cores.

    Beam's default runner first tries to download a binary, so the local one is asked for by name.

    Args:
        flags: command-line flags that are not Headrace's.
        images: how many there are to prepare; few are not worth worker processes.

    Raises:
        UsageError: Beam has no such flag.
    """
    known = PipelineOptions([]).get_all_options()
    for flag in flags:
        name = flag.lstrip("-").partition("=")[0]
        if not flag.startswith("--") or name not in known:
            raise UsageError(f"unknown flag {flag}: it is neither Headrace's nor Beam's")
    given = PipelineOptions(flags).get_all_options(drop_default=True)
    if given.get("runner", "FnApiRunner") == "FnApiRunner":
        flags = ["--runner=FnApiRunner", *(f for f in flags if not f.startswith("--runner"))]
        if images >= _WORTH_PROCESSES and "direct_running_mode" not in given:
            flags.append("--direct_running_mode=multi_processing")
        if "direct_num_workers" not in given:
            flags.append(
                f"--direct_num_workers={os.cpu_count() if images >= _WORTH_PROCESSES else 1}"
            )
    return PipelineOptions(flags)


def run_phase(
    title: str,
    tasks: list,
    function: Callable,
    beam_options: PipelineOptions,
    images: int,
    images_done: Callable[[], int],
) -> None:
    """Runs `function` on every task, showing images done, rate and time left.

    Args:
        title: of the phase, for the person who watches.
        tasks: what to call `function` with; each small.
        function: picklable; writes its own result.
        beam_options: from `options`.
        images: how many the phase handles.
        images_done: how many of them are done.
    """
    _importable_in_workers()
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with beam.Pipeline(options=beam_options) as pipeline:
                _ = (
                    pipeline
                    | f"{title}: tasks" >> beam.Create(tasks)
                    | f"{title}: spread" >> beam.Reshuffle()
                    | title >> beam.Map(function)
                )
        except BaseException as error:  # shown by the thread that waits
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    _watch(title, thread, images, images_done)
    if failures:
        raise failures[0]


def write_file(path: str, content: bytes) -> None:
    """Writes a file in any of Beam's file systems, so that it is there in full or not at all."""
    temporary = f"{path}.{os.getpid()}-{threading.get_ident()}.tmp"
    with FileSystems.create(temporary, "application/octet-stream") as file:
        file.write(content)
    replace(temporary, path)


def replace(temporary: str, path: str) -> None:
    """Renames a file, over one that is there."""
    if "://" not in path:
        os.replace(temporary, path)
        return
    if FileSystems.exists(path):
        FileSystems.delete([path])
    FileSystems.rename([temporary], [path])


def read_lines(path: str) -> Iterator[dict]:
    """The JSON lines of a file."""
    with FileSystems.open(path, "application/octet-stream") as file:
        for line in file.read().splitlines():
            yield json.loads(line)


def json_lines(rows: list) -> bytes:
    """Rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def finished(folder: str, pattern: str) -> list[str]:
    """Paths of the files in `folder` that match, sorted."""
    (match,) = FileSystems.match([FileSystems.join(folder, pattern)])
    return sorted(metadata.path for metadata in match.metadata_list)


def _importable_in_workers() -> None:
    """Worker processes import this package by name, from whichever folder the job was started."""
    root = str(pathlib.Path(__file__).resolve().parent.parent)
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if root not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, *paths]))


def _watch(
    title: str, thread: threading.Thread, images: int, images_done: Callable[[], int]
) -> None:
    console = Console(stderr=False)
    started = last_line = time.monotonic()
    columns = (
        TextColumn(f"{title:<9}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} images  {task.description}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=images)
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            now = time.monotonic()
            plain = not console.is_terminal and now - last_line >= _PLAIN_LINE_SECONDS
            if console.is_terminal or plain:
                done = images_done()
                rate = done / (now - started)
                bar.update(task, completed=done, description=f"{rate:,.0f} images/s")
            if plain:
                last_line = now
                left = f"{(images - done) / rate:,.0f} s left" if rate else "starting"
                print(f"{title}: {done:,}/{images:,} images  {rate:,.0f} images/s  {left}")
                sys.stdout.flush()
        bar.update(task, completed=images_done())
    if not console.is_terminal:
        seconds = time.monotonic() - started
        print(f"{title}: {images:,} images in {seconds:.1f} s ({images / seconds:,.0f} images/s)")
        sys.stdout.flush()
