"""How a figure is made: contenders run in turn, each as a whole process, and are compared.

    contenders = [Contender("headrace", [...]), Contender("peer", [...])]
    for row in rows("task", in_turn(contenders, rounds=3)):
        print(row)

A round runs every contender once, so what else the machine does meets all of them; a ratio is
formed within a round. One that fails is reported, left out of later rounds, and stops no other.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence

import psutil

OURS = "headrace"
FIGURES = "figures.json"
ROOT = pathlib.Path(__file__).resolve().parent.parent
_OUTPUT = "{output}"
_SAMPLE_SECONDS = 0.1
_LIMIT_SECONDS = 1800
_MIB = 2**20


class RunError(Exception):
    """A contender that failed, and why, in one line."""


@dataclasses.dataclass(frozen=True)
class Contender:
    """Something that is measured.

    Attributes:
        name: `OURS`, or the peer's.
        command: to run in the repository; `{output}` stands for a folder made for the run. What it
            measures itself it writes to `FIGURES` there: numbers by name, as JSON.
        check: raises `RunError` when the output is not what was asked for.
        missing: why it cannot run; empty if it can.
    """

    name: str
    command: Sequence[str]
    check: Callable[[pathlib.Path], None] = lambda output: None
    missing: str = ""


@dataclasses.dataclass(frozen=True)
class Run:
    """What one run took.

    Attributes:
        seconds: wall-clock, from start to end of the process.
        tree_mib: highest sum of the resident sets of the process and its descendants; memory
            that they share counts once for each. 0 if not watched.
        largest_mib: highest resident set of one process. 0 if not watched.
        figures: what the command measured itself, by name.
    """

    seconds: float
    tree_mib: float = 0.0
    largest_mib: float = 0.0
    figures: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Row:
    """A line of the table. A failed contender has no value, but an error."""

    name: str
    value: float | None
    unit: str
    ratio_to_headrace: float | None = None
    min: float | None = None
    max: float | None = None
    error: str = ""


def in_turn(
    contenders: Sequence[Contender],
    rounds: int,
    scratch: pathlib.Path,
    watch_memory: bool = False,
) -> dict[str, list[Run] | str]:
    """Run contenders in turn: A B C, A B C, A B C.

    Args:
        contenders: whom.
        rounds: how often.
        scratch: where outputs are written, and removed after each run.
        watch_memory: whether to sample memory, which costs a little time.

    Returns:
        By name: a run per round, or why there is none.
    """
    results: dict[str, list[Run] | str] = {c.name: c.missing or [] for c in contenders}
    for number in range(1, rounds + 1):
        for contender in contenders:
            runs = results[contender.name]
            if isinstance(runs, str):
                continue
            try:
                run = _run(contender, scratch, watch_memory)
            except RunError as error:
                results[contender.name] = f"round {number}: {error}"
                print(f"  round {number}  {contender.name:<24} failed: {error}", flush=True)
                continue
            runs.append(run)
            own = "".join(f"  {value:12,.1f} {unit}" for unit, value in run.figures.items())
            print(f"  round {number}  {contender.name:<24} {run.seconds:8.1f} s{own}", flush=True)
    return results


def rows(
    title: str,
    results: dict[str, list[Run] | str],
    quantity: Callable[[Run], float] = lambda run: run.seconds,
    unit: str = "s",
) -> list[Row]:
    """Return median, minimum and maximum of each contender, and its median ratio to Headrace."""
    ours = results.get(OURS, "not among them")
    made = []
    for name, runs in results.items():
        label = f"{title}: {name}"
        if isinstance(runs, str):
            made.append(Row(label, None, unit, error=runs))
            continue
        values = [quantity(run) for run in runs]
        made.append(row(label, values, unit))
        if not isinstance(ours, str):
            own = [quantity(run) for run in ours]
            made[-1].ratio_to_headrace = round(median_ratio(values, own), 3)
    return made


def row(name: str, values: Sequence[float], unit: str) -> Row:
    """Return median, minimum and maximum."""
    median, low, high = statistics.median(values), min(values), max(values)
    return Row(name, round(median, 3), unit, None, round(low, 3), round(high, 3))


def median_ratio(values: Sequence[float], ours: Sequence[float]) -> float:
    """Return the median of the ratios of each round."""
    return statistics.median(value / own for value, own in zip(values, ours, strict=True))


def machine() -> dict:
    """Return processor, cores, memory and system."""
    cpu = platform.processor()
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
    }


def load() -> dict:
    """Return the load averages before anything runs; from half a core on, it is busy."""
    averages = [round(value, 2) for value in os.getloadavg()]
    return {"average": averages, "busy": averages[0] >= 0.5}


def print_table(made: Sequence[Row]) -> None:
    """Print the rows."""
    wide = max(len(row.name) for row in made)
    print(f"\n{'':<{wide}}  {'median':>9} {'min':>9} {'max':>9}  unit   to Headrace")
    for row in made:
        if row.value is None:
            print(f"{row.name:<{wide}}  not run: {row.error}")
            continue
        ratio = "" if row.ratio_to_headrace is None else f"{row.ratio_to_headrace:.2f}"
        numbers = " ".join(f"{value:>9.2f}" for value in (row.value, row.min, row.max))
        print(f"{row.name:<{wide}}  {numbers}  {row.unit:<6} {ratio:>11}")


def write_json(path: str, benchmark: str, made: Sequence[Row], facts: dict) -> None:
    """Write the rows and under which conditions they were made."""
    as_dicts = [dataclasses.asdict(row) for row in made]
    for row in as_dicts:
        if not row["error"]:
            del row["error"]
    content = {"benchmark": benchmark, "rows": as_dicts, **facts}
    pathlib.Path(path).write_text(json.dumps(content, indent=1) + "\n")


def _run(contender: Contender, scratch: pathlib.Path, watch_memory: bool) -> Run:
    os.sync()  # what the one before wrote is not to be this one's burden
    output = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    try:
        command = [part.replace(_OUTPUT, str(output)) for part in contender.command]
        run = _measure(command, watch_memory)
        contender.check(output)
        if (figures := output / FIGURES).exists():
            run = dataclasses.replace(run, figures=json.loads(figures.read_text()))
        return run
    finally:
        shutil.rmtree(output)


def _measure(command: list[str], watch_memory: bool) -> Run:
    """Run a command in a session of its own, so that its workers can be ended with it."""
    ended = threading.Event()
    peaks = [0.0, 0.0]
    with tempfile.TemporaryFile("w+") as said:
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
        watcher = threading.Thread(target=_watch, args=(process.pid, ended, peaks), daemon=True)
        if watch_memory:
            watcher.start()
        try:
            code = process.wait(_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise RunError(f"not done after {_LIMIT_SECONDS:,} s") from None
        finally:
            seconds = time.monotonic() - started
            ended.set()
            _end(process)
        if watch_memory:
            watcher.join()
        if code:
            said.seek(0)
            lines = [line.strip() for line in said if line.strip()]
            raise RunError(f"exit code {code}: {lines[-1] if lines else 'it said nothing'}")
    return Run(seconds, peaks[0], peaks[1])


def _end(process: subprocess.Popen) -> None:
    """End what is left of the run's session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _watch(pid: int, ended: threading.Event, peaks: list[float]) -> None:
    """Keep the highest resident sets, of the tree and of one process, in MiB."""
    root = psutil.Process(pid)
    while not ended.wait(_SAMPLE_SECONDS):
        sizes = []
        try:
            tree = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in tree:
            try:
                sizes.append(process.memory_info().rss / _MIB)
            except psutil.NoSuchProcess:
                continue
        peaks[:] = max(peaks[0], sum(sizes)), max([peaks[1], *sizes])
