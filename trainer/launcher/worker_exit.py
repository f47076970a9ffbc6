"""How workers ended, and which of them brought the others down.

Plain arithmetic on what `processes` saw; nothing here waits or starts anything.
"""

import dataclasses
import signal
from collections.abc import Sequence

from headrace.errors import INTERRUPTED

# Errors by which TensorFlow tells that another worker has gone.
_PEER_ERRORS = ("UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError")


class StderrTail:
    """What a worker says on standard error about why it ends, and when it began to say so.

    Attributes:
        error: the error of its last traceback, or its last `error: …` line; empty for none.
        seconds: clock at which that traceback or line began; None for none.
    """

    def __init__(self) -> None:
        self.error = ""
        self.seconds: float | None = None
        self._in_traceback = False

    def append(self, line: str, now: float) -> None:
        """Take the next line of standard error, shown when the clock was `now`."""
        if line.startswith("Traceback (most recent call last)"):
            self._in_traceback, self.seconds = True, now
        elif line.startswith("error: "):
            self._in_traceback, self.error, self.seconds = False, line, now
        elif self._in_traceback and line and not line[0].isspace():
            self._in_traceback, self.error = False, line


@dataclasses.dataclass(frozen=True)
class WorkerExit:
    """How one worker ended.

    Attributes:
        worker: its name.
        code: its exit code; minus the signal's number if a signal ended it.
        seconds: steady clock at which its trouble began: its error, or else its end.
        error: error that it ended on, see `StderrTail`; empty for none.
        was_signalled: whether it had been sent SIGTERM before.
    """

    worker: str
    code: int
    seconds: float
    error: str = ""
    was_signalled: bool = False

    @property
    def failed(self) -> bool:
        """Whether it ended by itself with something undone."""
        stopped = self.was_signalled and self.code in (-signal.SIGTERM, -signal.SIGKILL)
        return self.code not in (0, INTERRUPTED) and not stopped

    @property
    def blames_peer(self) -> bool:
        """Whether it failed only because another worker had gone."""
        return any(name in self.error.split(":")[0] for name in _PEER_ERRORS)

    @property
    def is_user_error(self) -> bool:
        """Whether it ended on something that only the user can put right: starting it again would
        end the same way. A traceback has the exit code of an error, but not its line."""
        return self.code == 2 or (self.code == 1 and self.error.startswith("error: "))

    def __str__(self) -> str:
        if self.code < 0 and self.was_signalled:
            name = signal.Signals(-self.code).name
            return f"{self.worker} had not ended when it was killed ({name})"
        if self.code < 0:
            return f"{self.worker} was killed ({signal.Signals(-self.code).name})"
        if self.code == INTERRUPTED:
            return f"{self.worker} was interrupted"
        if self.code == 0:
            return f"{self.worker} ended too early"
        return f"{self.worker} failed ({self.error or f'exit code {self.code}'})"


def root_cause(exits: Sequence[WorkerExit]) -> WorkerExit:
    """Return the exit that brought the others about, of workers that did not all end well: the
    first failure, leaving aside those that failed because a peer had gone."""
    failures = [each for each in exits if each.failed]
    candidates = failures or [each for each in exits if each.code] or list(exits)
    return min(candidates, key=lambda each: (each.blames_peer, each.seconds))


def exit_code(code: int) -> int:
    """Return the exit code that stands for a worker's, as a shell gives it: 137 for a kill -9."""
    return code if code >= 0 else 128 - code


def unsaved(exits: Sequence[WorkerExit]) -> list[WorkerExit]:
    """Return the exits of workers that did not end well after SIGTERM, leaving aside those that
    lost a peer by it."""
    return [each for each in exits if each.code not in (0, INTERRUPTED) and not each.blames_peer]


def exit_code_after_signal(exits: Sequence[WorkerExit], number: int) -> int:
    """Return the exit code of the launcher when a signal stopped it: that of the workers if all
    have finished or saved, or else the one that stands for the signal."""
    codes = {each.code for each in exits if not each.blames_peer}
    return max(codes) if codes and not unsaved(exits) else 128 + number
