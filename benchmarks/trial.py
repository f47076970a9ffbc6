"""One training that a benchmark compares with others: what it reached, and what it took."""

import json
import pathlib
import shutil
import subprocess
import sys

import psutil

from benchmarks import harness
from benchmarks.harness import Row, RunError


def run(*arguments: str) -> None:
    """Run a program of Headrace: a module and its flags.

    Raises:
        RunError: it failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=harness.ROOT, capture_output=True, text=True
    )
    if done.returncode:
        raise RunError(f"{arguments[0]} failed: {done.stderr.strip()[-300:]}")


def train(data: pathlib.Path, workdir: pathlib.Path, *flags: str) -> dict[str, float]:
    """Train in a run directory that is gone afterwards.

    Returns:
        `rank-1` on the test split, of the weights that the last step left, and `CPU time` of the
        program, in seconds.
    """
    started = psutil.Process().cpu_times()
    run("trainer.task", *flags, f"--data_dir={data}", f"--workdir={workdir}")
    ended = psutil.Process().cpu_times()
    result = json.loads((workdir / "result.json").read_text())
    shutil.rmtree(workdir)
    seconds = (ended.children_user + ended.children_system) - (
        started.children_user + started.children_system
    )
    return {"rank-1": result["splits"]["test"]["rank1"], "CPU time": round(seconds, 1)}


def rows(found: dict[str, dict[str, list[float]]], base: str) -> list[Row]:
    """Return the rows of a table: a quantity of a way each, with its ratio to another way's.

    Args:
        found: by way and quantity, what each seed gave.
        base: the way that all are compared with.
    """
    table = []
    for way, quantities in found.items():
        for quantity, values in quantities.items():
            row = harness.row(f"{quantity}: {way}", values, "s" if quantity == "CPU time" else "")
            base_values = found.get(base, {}).get(quantity)
            row.ratio_to_headrace = (
                round(harness.median_ratio(values, base_values), 3) if base_values else None
            )
            table.append(row)
    return table
