"""`mixed_precision`=auto: the chief measures in another process, and all workers take its choice.

    config = auto_precision.resolve(config, workdir, cluster, collectives, replicas, note)

A run that has begun keeps what it has: its run directory says it.
"""

import contextlib
import dataclasses
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from typing import TypeAlias

from trainer.config import precision, unsupported
from trainer.config import run as run_config
from trainer.config.precision import Candidate
from trainer.config.run import RunConfig
from trainer.distribution.cluster import Cluster
from trainer.distribution.collectives import Collectives

# All that is measured, with the start of the process that does it.
SECONDS = 20.0

# Between two looks at what the other workers say: a signal is heard there.
_POLL_SECONDS = 0.5

# What a chief's choices are, as it comes to one: None as long as it has none.
Choices: TypeAlias = Generator[Candidate | None, None, None]


def resolve(
    config: RunConfig,
    workdir: str,
    cluster: Cluster,
    collectives: Collectives,
    replicas: int,
    note: Callable[[str], None],
) -> RunConfig:
    """Return a config that says what a step is computed in, where this one says `auto`.

    All workers call this. They wait for the chief in short turns, in which each hears its signals.

    Args:
        config: configuration of the run; another one than `auto` is returned as it is.
        workdir: the run directory.
        cluster: processes of the run.
        collectives: workers, which decide as one.
        replicas: number of replicas that share a batch.
        note: function that shows the user a line.

    Raises:
        UsageError: the run has begun with what this strategy does not have.
        UserError: the run has begun, and its config cannot be read.
    """
    if config.model.mixed_precision != precision.AUTO:
        return config
    strategy = "parameter_server" if cluster.has_servers else config.distribution.strategy
    tries_xla = precision.may_try_xla(config, strategy, replicas)
    choose = _choose if collectives.is_chief else _await_chief
    code = 0.0
    with contextlib.closing(choose(config, workdir, tries_xla, replicas, note)) as choices:
        while not code:
            choice = next(choices)
            number = 1 + precision.CANDIDATES.index(choice) if choice else 0
            (code,) = collectives.all_reduce_sum(number)
    chosen = precision.with_candidate(config, precision.CANDIDATES[int(code) - 1])
    unsupported.check(chosen, strategy)
    return chosen


def _choose(
    config: RunConfig,
    workdir: str,
    tries_xla: bool,
    replicas: int,
    note: Callable[[str], None],
) -> Choices:
    """Yield None while speeds are measured, and then the choice."""
    jit_compile = config.optimization.jit_compile
    if run_config.exists(workdir):
        recorded = precision.recorded(workdir)
        # XLA may have been chosen where it can be had: this start may have other devices.
        compiles = jit_compile or (recorded.jit_compile and tries_xla)
        yield dataclasses.replace(recorded, jit_compile=compiles)
        return
    share = dataclasses.replace(config.data, batch_size=config.data.batch_size // replicas)
    with SpeedTrial(dataclasses.replace(config, data=share), tries_xla) as trial:
        while not trial.wait(_POLL_SECONDS):
            yield None
    choice = precision.choose(trial.rates, jit_compile)
    note(precision.summary(trial.rates, trial.obstacle, choice, replicas))
    yield choice


def _await_chief(*_: object) -> Choices:
    while True:
        yield None


class SpeedTrial:
    """A process that measures the speed of a run's step; it is killed at the end.

    Attributes:
        rates: images/s of each candidate that is measured; 0 of one that failed.
        obstacle: what kept the next candidate from being measured; empty for nothing.
    """

    def __init__(
        self,
        config: RunConfig,
        tries_xla: bool,
        seconds: float = SECONDS,
        command: Sequence[str] = (),
    ) -> None:
        """Start it.

        Args:
            config: configuration of the run, with a replica's share as its batch size.
            tries_xla: whether XLA is tried, where the config does not say so.
            seconds: seconds that it has, with its start.
            command: command that does what `step_speed` does; that by itself.
        """
        self.rates: dict[Candidate, float] = {}
        self.obstacle = ""
        self._jit_compile, self._tries_xla = config.optimization.jit_compile, tries_xla
        self._seconds, self._deadline = seconds, time.monotonic() + seconds
        self._is_over, self._unread = False, b""
        self._process: subprocess.Popen[bytes] | None = None
        request = {"config": json.loads(run_config.to_json(config)), "tries_xla": tries_xla}
        module = (sys.executable, "-m", "trainer.loop.step_speed", str(os.getpid()))
        try:
            # A file: a process that does not read would hold up who writes to its pipe.
            with tempfile.TemporaryFile() as stdin:
                stdin.write(json.dumps(request).encode())
                stdin.seek(0)
                self._process = subprocess.Popen(
                    command or module,
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=_environment(),
                )
        except OSError as error:
            self._end(f"not measured: {error.strerror}")

    def __enter__(self) -> "SpeedTrial":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process and self._process.stdout:
            self._process.kill()
            self._process.wait()  # what it had of a GPU is free then
            self._process.stdout.close()

    def wait(self, seconds: float) -> bool:
        """Take what is measured within so many seconds; return whether no more will be."""
        until = min(time.monotonic() + seconds, self._deadline)
        stdout = self._process.stdout if self._process else None
        while stdout and not self._is_over and (left := until - time.monotonic()) > 0:
            poll = select.poll()  # `select` has no descriptors above 1024
            poll.register(stdout, select.POLLIN)
            if poll.poll(1000 * left):
                self._read(stdout.fileno())
        if time.monotonic() >= self._deadline:
            self._end(f"not measured in {self._seconds:g} s")
        return self._is_over

    def _read(self, stdout: int) -> None:
        """Take the lines that are there, or the end."""
        read = os.read(stdout, 1 << 16)
        *lines, self._unread = (self._unread + read).split(b"\n")
        for line in lines:
            if not line.startswith(b"{"):  # what this Python says when it starts
                continue
            row = json.loads(line)
            candidate = Candidate(row["mixed_precision"], row["jit_compile"])
            self.rates[candidate] = row["images_per_second"]
        if not read or not self._next():
            self._end("ended its process")

    def _end(self, how: str) -> None:
        """Expect no more; `how` says what became of the next candidate, if there is one."""
        if not self._is_over and (candidate := self._next()):
            self.obstacle = f"{candidate} {how}"
        self._is_over = True

    def _next(self) -> Candidate | None:
        return precision.next_candidate(self.rates, self._jit_compile, self._tries_xla)


def _environment() -> dict[str, str]:
    """Return the environment of a process that is by itself, whatever cluster this one is of."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "TF_CONFIG" and not name.startswith("SLURM_")
    }
