"""How workers ended, and what follows from it: who is to blame, and how many to start again.

Plain arithmetic on what `workers` saw; nothing here waits or starts anything.
"""

import dataclasses
import signal
from collections.abc import Sequence

from headrace.errors import INTERRUPTED

# A worker that died this soon after a start, twice in a row, cannot come back.
_SOON_SECONDS = 60.0

# Errors by which TensorFlow tells that another worker has gone.
_OF_PEERS = ("UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError")


class LastWords:
    """What a worker says on standard error about why it ends, and when it began to say so.

    Attributes:
        text: the error of its last traceback, or its last `error: …` line; empty for none.
        at: when that traceback or line began; None for none.
    """

    def __init__(self) -> None:
        self.text = ""
        self.at: float | None = None
        self._in_traceback = False

    def hear(self, line: str, now: float) -> None:
        """Takes the next line of standard error."""
        if line.startswith("Traceback (most recent call last)"):
            self._in_traceback, self.at = True, now
        elif line.startswith("error: "):
            self._in_traceback, self.text, self.at = False, line, now
        elif self._in_traceback and line and not line[0].isspace():
            self._in_traceback, self.text = False, line


@dataclasses.dataclass(frozen=True)
class Ending:
    """How one worker ended.

    Attributes:
        worker: its name.
        code: its exit code; minus the signal's number if a signal ended it.
        at: seconds of a steady clock, when its trouble began: its last words, or else its end.
        words: its last words, see `LastWords`.
        told: whether it had been told to stop before.
    """

    worker: str
    code: int
    at: float
    words: str = ""
    told: bool = False

    @property
    def failed(self) -> bool:
        """Whether it ended by itself with something undone."""
        stopped = self.told and self.code in (-signal.SIGTERM, -signal.SIGKILL)
        return self.code not in (0, INTERRUPTED) and not stopped

    @property
    def blames_peer(self) -> bool:
        """Whether it failed only because another worker had gone."""
        return any(name in self.words.split(":")[0] for name in _OF_PEERS)

    @property
    def is_mistake(self) -> bool:
        """Whether it ended on something that only the user can put right: starting it again would
        end the same way. A traceback has the exit code of an error, but not its line."""
        return self.code == 2 or (self.code == 1 and self.words.startswith("error: "))

    def __str__(self) -> str:
        if self.code < 0 and self.told:
            name = signal.Signals(-self.code).name
            return f"{self.worker} had not ended when it was killed ({name})"
        if self.code < 0:
            return f"{self.worker} was killed ({signal.Signals(-self.code).name})"
        if self.code == INTERRUPTED:
            return f"{self.worker} was interrupted"
        if self.code == 0:
            return f"{self.worker} ended too early"
        return f"{self.worker} failed ({self.words or f'exit code {self.code}'})"


def cause(endings: Sequence[Ending]) -> Ending:
    """The ending that brought the others about, of workers that did not all end well: the first to
    fail, leaving aside those that failed because a peer had gone."""
    failed = [ending for ending in endings if ending.failed]
    undone = failed or [ending for ending in endings if ending.code] or list(endings)
    return min(undone, key=lambda ending: (ending.blames_peer, ending.at))


def exit_code(code: int) -> int:
    """The exit code that stands for a worker's, as a shell gives it: 137 for a kill -9."""
    return code if code >= 0 else 128 - code


def unsaved(endings: Sequence[Ending]) -> list[Ending]:
    """The workers that have not ended well after they were told to stop, leaving aside those that
    lost a peer by it."""
    return [end for end in endings if end.code not in (0, INTERRUPTED) and not end.blames_peer]


def exit_code_after_signal(endings: Sequence[Ending], number: int) -> int:
    """The exit code of the launcher when a signal stopped it: that of the workers if all have
    finished or saved, or else the one that stands for the signal."""
    codes = {ending.code for ending in endings if not ending.blames_peer}
    return max(codes) if codes and not unsaved(endings) else 128 + number


@dataclasses.dataclass(frozen=True)
class Attempt:
    """A start that failed: with how many workers, which one was the cause, after how long."""

    workers: int
    culprit: str
    seconds: float


def sizes(workers: int, min_workers: int, lanes: int) -> list[int]:
    """How many workers may go on when fewer must, the most first.

    A number that does not divide the lanes is none: the batches would not be the same.
    """
    return [count for count in range(workers - 1, min_workers - 1, -1) if lanes % count == 0]


def next_workers(
    attempts: Sequence[Attempt], max_restarts: int, smaller: Sequence[int]
) -> int | None:
    """How many workers to start after the last failed attempt; None to give up.

    As many again, up to `max_restarts` times; then fewer, if that is allowed, counted afresh.
    Fewer at once when the same worker has died twice in a row soon after a start.

    Args:
        attempts: all of them, in order; at least one.
        max_restarts: for one number of workers.
        smaller: numbers of workers to go on with, the most first; empty to go on with no fewer.
    """
    now = attempts[-1].workers
    fewer = next((count for count in smaller if count < now), None)
    same = [attempt for attempt in attempts if attempt.workers == now]
    gone = (
        len(same) > 1
        and same[-1].culprit == same[-2].culprit
        and max(same[-1].seconds, same[-2].seconds) < _SOON_SECONDS
    )
    if len(same) > max_restarts or (gone and fewer):
        return fewer
    return now
