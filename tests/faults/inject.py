"""Faults: what happens to a run, to whom, and when.

happened = inject(Fault("kill", "chief", "save"), run)    # starts the run, and breaks it
happened.moment                                           # "save, step 48, 9.2 s"
happened.codes                                            # [-9, 75]
"""

import contextlib
import dataclasses
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from headrace.errors import INTERRUPTED
from tests.faults import runs, small_disk
from tests.faults.runs import Run, Watch
from tests.trainer import workers
from trainer import run_dir

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGTERM, "truncate": signal.SIGKILL}

WHAT = ("kill", "stop", "truncate", "damage", "fill")

TOO_LATE = "too late: it had ended"

_POLL_SECONDS = 0.002
_GRACE_SECONDS = 15.0


@dataclasses.dataclass(frozen=True)
class Fault:
    """What happens: `kill`, with signal 9; `stop`, with SIGTERM; `truncate`, a kill after which the
    newest checkpoint is cut short; `damage` to a shard while it is read; `fill`, a full disk.

    Attributes:
        what: one of `WHAT`.
        whom: `all` processes, the `chief`, or the last `worker`; of a kill or a stop.
        when: one of `runs.PHASES`, or seconds after the start.
        seed: of what else is random in it.
    """

    what: str
    whom: str = "all"
    when: str | float = "step"
    seed: int = 0

    def __str__(self) -> str:
        if self.what == "fill":
            return self.what
        when = self.when if isinstance(self.when, str) else f"{self.when:.1f} s"
        return f"{self.what} {self.whom}, {when}"


@dataclasses.dataclass(frozen=True)
class Happened:
    """What came of it: the moment that was hit, exit codes, and what processes said of errors."""

    moment: str
    codes: list[int]
    errors: str


def inject(fault: Fault, run: Run) -> Happened:
    """Starts a run and lets a fault happen to it; returns when all its processes have ended."""
    rng = random.Random(fault.seed)
    if fault.what == "fill":
        return _fill(run, rng)
    watch = Watch(run.workdir)
    with runs.started(run) as processes:
        pids = [process.pid for process in processes]
        moment = strike(pids, watch, fault.when, lambda: _do(fault, run, pids))
        if moment.startswith("start-up") and fault.what in _SIGNALS:
            _give_up_waiting(processes)
        said = workers.ended(processes)
    if fault.what == "truncate" and moment != TOO_LATE:
        moment += _truncate(run.workdir, rng)
    if fault.what == "damage" and moment != TOO_LATE:
        _flip(run.data_dir)  # back
    return Happened(moment, [code for code, _, _ in said], "".join(words for _, _, words in said))


def wrong(fault: Fault, happened: Happened) -> str:
    """What is wrong with the way the processes ended; empty if nothing is.

    After a signal a process is dead or says "start me again", and so do those whose peer has gone;
    what a person must put right is said in one line.
    """
    allowed = {0, INTERRUPTED}
    if fault.what not in _SIGNALS:
        allowed |= {1}
    elif happened.moment.startswith("start-up"):  # Python does not listen yet
        allowed |= {-signal.SIGKILL, -signal.SIGTERM}
    elif happened.moment.startswith("end"):  # or no longer
        allowed |= {-_SIGNALS[fault.what]}
    elif fault.what != "stop":
        allowed |= {-signal.SIGKILL}
    if not set(happened.codes) <= allowed:
        return f"exit codes {happened.codes}: {happened.errors[-2000:]}"
    cause = {"damage": "is damaged", "fill": "cannot be written"}.get(fault.what, "")
    if 1 in happened.codes and ("Traceback" in happened.errors or cause not in happened.errors):
        return f"the cause is not said in one line: {happened.errors[-2000:]}"
    return ""


def finish(run: Run) -> str:
    """Starts a run and lets it end; what is wrong with the way it did, empty if nothing is."""
    with runs.started(run) as processes:
        said = workers.ended(processes)
    return "".join(f"exit code {code}: {words[-2000:]}" for code, _, words in said if code)


def strike(pids: Sequence[int], watch: Watch, when: str | float, deed: Callable[[], None]) -> str:
    """Does a deed at a moment, while all processes stand still; says which moment it was.

    It is looked at again when they stand still, so that a save that is struck is not over.

    Args:
        pids: of the processes.
        watch: made before they were started.
        when: as in `Fault`.
        deed: sends signals, or does something to files.

    Returns:
        What the run was at; `TOO_LATE`, with nothing done, if a process ended before the moment.
    """
    begun = time.monotonic()

    def has_come() -> bool:
        return watch.phase() == when if isinstance(when, str) else time.monotonic() - begun >= when

    while not any(has_ended(pid) for pid in pids):
        if has_come():
            with _held_still(pids):
                if has_come():
                    deed()
                    seconds = time.monotonic() - begun
                    return f"{watch.phase()} after step {watch.step()}, at {seconds:.1f} s"
        time.sleep(_POLL_SECONDS)
    return TOO_LATE


def has_ended(pid: int) -> bool:
    """Whether a process is there no more, or only waits for its parent to notice."""
    return _states(pid) <= set("ZX")


@contextlib.contextmanager
def _held_still(pids: Sequence[int]) -> Iterator[None]:
    _send(pids, signal.SIGSTOP)
    try:
        while any(_states(pid) - set("TZX") for pid in pids):
            time.sleep(_POLL_SECONDS / 10)
        yield
    finally:
        _send(pids, signal.SIGCONT)


def _send(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # its parent has seen it end
            os.kill(pid, number)


def _states(pid: int) -> set[str]:
    """What the threads of a process are at, see proc(5): R runs, T is stopped, Z has ended."""
    try:
        stats = [task.read_text() for task in pathlib.Path(f"/proc/{pid}/task").glob("*/stat")]
    except (FileNotFoundError, ProcessLookupError):  # a thread has ended meanwhile
        return _states(pid)
    return {stat.rpartition(")")[2].split()[0] for stat in stats}


def _do(fault: Fault, run: Run, pids: Sequence[int]) -> None:
    if fault.what == "damage":
        _flip(run.data_dir)
        return
    victims = {"all": pids, "chief": pids[:1], "worker": pids[-1:]}[fault.whom]
    _send(victims, _SIGNALS[fault.what])


def _give_up_waiting(processes: Sequence[subprocess.Popen]) -> None:
    """Ends workers that wait, at a start, for one that is dead: as the launcher does it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < deadline and any(p.poll() is None for p in processes):
            time.sleep(0.1)
        for process in processes:
            process.send_signal(number)


def _truncate(workdir: pathlib.Path, rng: random.Random) -> str:
    """Cuts a file of the newest checkpoint short, if there is one before it to go on from."""
    checkpoints = sorted((workdir / run_dir.CHECKPOINTS).glob("step-*"))
    if len(checkpoints) < 2:
        return "; no two checkpoints yet"
    newest = checkpoints[-1]
    file = rng.choice(sorted(newest.iterdir()))
    size = rng.randrange(file.stat().st_size)
    os.truncate(file, size)
    return f"; {newest.name}/{file.name} cut to {size} bytes"


def _flip(data_dir: pathlib.Path) -> None:
    """Inverts the bytes of a training shard in place; done twice, it is as it was."""
    shard = min(data_dir.glob("*-train.tfrecord-*"))
    inverted = bytes(byte ^ 0xFF for byte in shard.read_bytes())
    with open(shard, "r+b") as file:
        file.write(inverted)


def _fill(run: Run, rng: random.Random) -> Happened:
    """Runs where there is room for so many bytes more, at most about three checkpoints."""
    room = rng.randrange(4_000, 200_000)
    command = [sys.executable, "-m", "trainer.task", *run.flags]
    if run.workers > 1:
        launch = ("trainer.launch", f"--workers={run.workers}", "--max_restarts=0")
        command = [sys.executable, "-m", *launch, "--", *run.flags]
    ended = small_disk.run_on(run.workdir, room, command)
    return Happened(f"{room:,} bytes of room", [ended.returncode], ended.stderr)
