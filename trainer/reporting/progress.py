"""What a person sees while a run trains: a live line on a terminal, plain lines elsewhere."""

import datetime
import sys
import time
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from headrace import program, stdio

_PLAIN_LINE_SECONDS = 10.0


class _Console(Console):
    """A console with which training goes on when nobody reads it any more."""

    def on_broken_pipe(self) -> None:
        """Write to nowhere from now on."""
        stdio.discard(sys.stdout)


def several_labels(result: Mapping[str, float]) -> str:
    """Say what there is of images of several labels, after other numbers of a split."""
    return f"  mAP {result['map']:.4f}  F1 {result['f1']:.4f}" if "map" in result else ""


class TrainingProgress:
    """Shows step, loss, rank-1, images/s, learning rate and time left.

    Use as a context manager; call `update` after every call into the graph, and `note` for a line
    that stays.
    """

    def __init__(self, steps: int, visible: bool = True) -> None:
        self._console = _Console(quiet=not visible)
        self._steps = steps
        self._first: tuple[int, float] | None = None
        self._last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=steps)

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def update(
        self,
        step: int,
        *,
        loss: float,
        rank1: float,
        images_per_second: float,
        learning_rate: float,
    ) -> None:
        """Show the state after `step`; on a terminal at once, elsewhere every ten seconds."""
        text = (
            f"loss {loss:.4f}  rank-1 {rank1:.4f}  {images_per_second:,.0f} images/s  "
            f"lr {learning_rate:.3g}  {self._time_left(step)} left"
        )
        self._bar.update(self._task, completed=step, description=text)
        now = time.monotonic()
        if not self._console.is_terminal and (
            now - self._last_line >= _PLAIN_LINE_SECONDS or step == self._steps
        ):
            self._last_line = now
            self.note(f"step {step}/{self._steps}  {text}")

    def count(self, activity: str, total: int) -> Callable[[int], None]:
        """Show something else that takes its time.

        Args:
            activity: what is done, such as `decoding train`.
            total: images that it is done to.

        Returns:
            A function to be called with the number of images that are done since its last call.
        """
        task = self._bar.add_task(activity, total=total)
        self.note(f"{activity}: {total:,} images")
        done, last = 0, time.monotonic()

        def advance(more: int) -> None:
            nonlocal done, last
            done += more
            self._bar.update(task, completed=done, visible=done < total)
            if not self._console.is_terminal and time.monotonic() - last >= _PLAIN_LINE_SECONDS:
                last = time.monotonic()
                self.note(f"{activity}: {done:,}/{total:,}")

        return advance

    def note(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(program.with_flags(line), highlight=False, soft_wrap=True, markup=False)

    def note_evaluation(self, epoch: float, split: str, result: Mapping[str, float]) -> None:
        """Print the metrics of a split."""
        self.note(
            f"epoch {epoch:g}  {split}: loss {result['loss']:.4f}  rank-1 {result['rank1']:.4f}  "
            f"rank-5 {result['rank5']:.4f}{several_labels(result)}"
        )

    def _time_left(self, step: int) -> str:
        """Return the time left, as text, at the pace since the first update: before that, time
        went into compiling."""
        now = time.monotonic()
        if self._first is None:
            self._first = step, now
        first_step, first_time = self._first
        if step == first_step:
            return "some time" if step < self._steps else "0:00:00"
        seconds = (now - first_time) * (self._steps - step) / (step - first_step)
        return str(datetime.timedelta(seconds=round(seconds)))
