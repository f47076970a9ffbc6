"""Trains with several workers on this machine, and starts them again when one dies.

    python -m trainer.launch --workers=2 -- --data_dir=DATA --workdir=RUN --model=lenet --epochs=30

    python -m trainer.launch --workers=2 --servers=1 -- --data_dir=DATA --workdir=RUN …

What follows `--` are flags of `python -m trainer.task`; a first word without dashes is another
module to run in its place. Each worker finds the others by TF_CONFIG, with ports that are free;
worker 0 is the chief. A single worker is started without TF_CONFIG. With --servers, parameter
servers, a chief apart and an evaluator are started as well (--strategy=parameter_server).

Every line of a worker is shown after its name. Ctrl-C or SIGTERM tells the workers once to save
and stop; Ctrl-C again kills them. If this program is killed itself, its workers are, too.

When a worker dies, the others are stopped and all start again from the last checkpoint; beside
parameter servers it starts again by itself. A mistake in flags or data is not tried again. The exit
code is 0 when all workers end well, 75 when they were interrupted and have saved, and otherwise
that of the worker that failed first.
"""

import asyncio
import contextlib
import dataclasses
import importlib.util
import os
import sys
import time

from absl import flags

from headrace import program, recipes
from headrace.errors import UsageError, check
from input.sampling import order
from trainer.distribution.cluster import on_this_machine
from trainer.launcher import processes, restart_policy, worker_exit
from trainer.launcher.restart_policy import Attempt
from trainer.launcher.worker_exit import WorkerExit

FLAGS = flags.FLAGS

flags.DEFINE_integer("workers", None, "Worker processes to start.", 1, required=True)
flags.DEFINE_integer(
    "servers", 0, "Parameter servers, for --strategy=parameter_server; 0 for none.", 0
)
flags.DEFINE_integer(
    "max_restarts", 3, "How often to start again when a worker dies, with as many workers.", 0
)
flags.DEFINE_integer(
    "min_workers",
    None,
    "Go on with fewer workers, down to this many, when one cannot come back: it dies twice in a "
    "row within a minute of a start, or --max_restarts are used up. The batches stay the same. "
    "Default: as many as --workers.",
    1,
)
flags.DEFINE_float(
    "grace_seconds", 15.0, "How long workers that are told to stop have to save and end.", 0.0
)

_DEFAULT_MODULE = "trainer.task"


@dataclasses.dataclass(frozen=True)
class _Job:
    """What to run.

    Attributes:
        command: command of each worker.
        workers: how many workers to start.
        servers: how many parameter servers to start with them.
        smaller: numbers of workers to go on with when one cannot come back, the most first.
        max_restarts: restarts with one number of workers.
        grace_seconds: seconds that workers have to end after SIGTERM.
    """

    command: list[str]
    workers: int
    servers: int
    smaller: list[int]
    max_restarts: int
    grace_seconds: float


def main(*arguments: str) -> None:
    """Run the program."""
    sys.exit(asyncio.run(_supervise(_job(arguments))))


def _job(arguments: tuple[str, ...]) -> _Job:
    """Return the job that the flags and what follows them describe.

    Raises:
        UsageError: they make no sense.
    """
    count = FLAGS.workers
    minimum = FLAGS.min_workers or count
    check(
        minimum <= count,
        f"--min_workers={minimum} is more than --workers={count}; give fewer, or none",
    )
    words = list(arguments)
    module = words.pop(0) if words and not words[0].startswith("-") else _DEFAULT_MODULE
    check(words or module != _DEFAULT_MODULE, f"nothing to run: give {module}'s flags after --")
    check(_exists(module), f"there is no module {module}; flags of the workers follow --")
    known = _read_flags(words)
    check(
        minimum > 1 or count == 1 or known.strategy != "multi_worker_mirrored",
        "--min_workers=1: one worker alone does not train with --strategy=multi_worker_mirrored; "
        "leave out --strategy, or give --min_workers=2",
    )
    lanes = known.lanes or order.default_lanes(known.batch_size)
    return _Job(
        command=[sys.executable, "-m", module, *words],
        workers=count,
        servers=FLAGS.servers,
        smaller=restart_policy.smaller_counts(count, minimum, lanes),
        max_restarts=FLAGS.max_restarts,
        grace_seconds=FLAGS.grace_seconds,
    )


def _exists(module: str) -> bool:
    with contextlib.suppress(ImportError, ValueError):
        return importlib.util.find_spec(module) is not None
    return False


def _read_flags(words: list[str]) -> flags.FlagValues:
    """Return the workers' flags that decide how many workers there can be, those of flagfiles
    and of a recipe included."""
    values = flags.FlagValues()
    values.set_gnu_getopt(True)
    flags.DEFINE_integer("lanes", None, "", 1, flag_values=values)
    flags.DEFINE_integer("batch_size", 64, "", 1, flag_values=values)
    flags.DEFINE_string("strategy", "auto", "", flag_values=values)
    try:
        values(recipes.expand(["", *words]), known_only=True)
    except flags.Error as error:
        raise UsageError(str(error)) from None
    return values


async def _supervise(job: _Job) -> int:
    """Run the workers until they have finished or cannot go on; return the exit code."""
    output = processes.Output()
    requests = processes.StopRequests(output.say)
    attempts: list[Attempt] = []
    count = job.workers
    while True:
        started = time.monotonic()
        exits = await processes.run(
            job.command,
            _environments(count, job.servers),
            requests,
            job.grace_seconds,
            output,
            _single_restarts(count, job),
        )
        if requests.stop.done():
            for each in worker_exit.unsaved(exits):
                output.say(f"{each}; the last checkpoint is of before")
            return worker_exit.exit_code_after_signal(exits, requests.stop.result())
        # The chief has the end of a run with servers; what serves it ends after it.
        if all(each.code == 0 for each in (exits[:1] if job.servers else exits)):
            return 0
        cause = worker_exit.root_cause(exits)
        if cause.is_user_error:
            return cause.code
        attempts.append(Attempt(count, cause.worker, time.monotonic() - started))
        following = restart_policy.next_count(attempts, job.max_restarts, job.smaller)
        output.say(_consequence(cause, attempts, following, job.max_restarts))
        if following is None:
            return worker_exit.exit_code(cause.code)
        count = following


def _consequence(
    cause: WorkerExit,
    attempts: list[Attempt],
    following: int | None,
    max_restarts: int,
) -> str:
    """Say what has happened and what is done about it, in one line."""
    what = f"{cause} after {attempts[-1].seconds:.0f} s"
    restart = sum(attempt.workers == following for attempt in attempts)
    if following is None:
        return f"{what}; not started again (--max_restarts={max_restarts})"
    if restart:
        return (
            f"{what}; starting all again from the last checkpoint "
            f"(restart {restart} of {max_restarts})"
        )
    return (
        f"{what} and does not come back; going on from the last checkpoint with {following} "
        f"worker{'s' * (following > 1)} of {attempts[0].workers}"
    )


def _environments(count: int, servers: int) -> dict[str, dict[str, str]]:
    """Return what each process finds in its environment, by its name; the chief is the first."""
    common = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    if count == 1 and not servers:
        return {"worker 0": common}
    counts = {"worker": count}
    if servers:
        counts = {"chief": 1, "worker": count, "ps": servers, "evaluator": 1}
    return {task.name: {**common, "TF_CONFIG": task.to_json()} for task in on_this_machine(counts)}


def _single_restarts(count: int, job: _Job) -> dict[str, int]:
    """Return how often each process starts again by itself: of those that a run with servers goes
    on without."""
    names = [f"worker {index}" for index in range(count)] + ["evaluator"]
    return dict.fromkeys(names, job.max_restarts) if job.servers else {}


if __name__ == "__main__":
    program.run(main, if_unknown="flags of the workers follow --")
