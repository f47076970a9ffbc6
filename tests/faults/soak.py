"""Lets faults happen to runs at random, and compares what they give in the end.

    python -m tests.faults.soak --faults=50 --seed=0

A run of one process or two meets up to four faults, each either at a random moment or in a step, a
save, an evaluation or the end, and is started again after each by the same command. What it gives
when it has ended must be what a run gives that nothing happened to, bit for bit: weights, metrics,
result and curves. The first run that gives anything else ends this program with exit code 1; its
folder is kept, to be looked at.
"""

import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

from absl import flags

from headrace import program
from tests.conftest import prepare_shades
from tests.faults import inject, runs
from tests.faults.inject import Fault
from tests.faults.runs import Run
from trainer import run_dir

FLAGS = flags.FLAGS

flags.DEFINE_integer("faults", 50, "How many faults.", 1)
flags.DEFINE_integer("seed", 0, "Of all that is random, but for the timing of the machine.")

_MOST_FAULTS_OF_A_RUN = 4
_CACHES = ("none", "memory", "disk")


class DifferentError(Exception):
    """A run that has not ended as it would have without faults; the message says how."""


def main() -> None:
    """Runs the program."""
    rng = random.Random(FLAGS.seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="headrace-soak-"))
    data_dir = prepare_shades(folder)
    references = [_uninterrupted(Run(data_dir, folder / f"of-{n}", n)) for n in (1, 2)]
    done = number = 0
    while done < FLAGS.faults:
        number += 1
        workers = rng.choice((1, 1, 2))
        data = shutil.copytree(data_dir, folder / f"data-{number}")
        run = Run(data, folder / f"run-{number}", workers, rng.choice(_CACHES))
        given, seconds = references[workers - 1]
        count = min(rng.randint(1, _MOST_FAULTS_OF_A_RUN), FLAGS.faults - done)
        try:
            done += _break(run, count, seconds, rng, done)
            _compare(run, given)
        except (DifferentError, subprocess.TimeoutExpired) as error:
            print(f"{error}\nthe run is kept in {run.workdir}", flush=True)
            sys.exit(1)
        print(
            f"     run {number}, of {workers}, cache {run.cache}: as if nothing had been",
            flush=True,
        )
        shutil.rmtree(run.workdir)
    shutil.rmtree(folder)
    print(f"{done} faults in {number} runs")


def _uninterrupted(run: Run) -> tuple[dict[str, object], float]:
    """What a run gives that nothing happens to, and how many seconds it takes."""
    started = time.monotonic()
    wrong = inject.finish(run)
    if wrong:
        raise DifferentError(wrong)
    return runs.given(run.workdir), time.monotonic() - started


def _break(run: Run, count: int, seconds: float, rng: random.Random, done: int) -> int:
    """Lets faults happen to a run, up to so many, until it has ended; how many did.

    Raises:
        DifferentError: a process did not end as it should.
    """
    hit = 0
    while hit < count and run_dir.read_result(str(run.workdir)) is None:
        fault = _draw(run, seconds, rng)
        happened = inject.inject(fault, run)
        hit += happened.moment != inject.TOO_LATE
        print(f"{done + hit:3}  {fault}: {happened.moment}; ended {happened.codes}", flush=True)
        if wrong := inject.wrong(fault, happened):
            raise DifferentError(wrong)
    return hit


def _draw(run: Run, seconds: float, rng: random.Random) -> Fault:
    (what,) = rng.choices(inject.WHAT, (4, 2, 1, 1, 1))
    whom = rng.choice(("all", "chief", "worker")) if run.workers > 1 else "all"
    aimed = rng.choice([phase for phase in runs.PHASES if phase != "start-up"])
    when = rng.choice((rng.uniform(0, seconds), aimed, aimed))
    return Fault(what, whom, when, rng.randrange(1 << 32))


def _compare(run: Run, given: dict[str, object]) -> None:
    """Lets a run end and compares what it gives.

    Raises:
        DifferentError: it is not the same.
    """
    if wrong := inject.finish(run):
        raise DifferentError(wrong)
    if names := runs.differences(given, runs.given(run.workdir)):
        raise DifferentError(f"{len(names)} differences: {', '.join(names[:8])}")


if __name__ == "__main__":
    program.run(main)
