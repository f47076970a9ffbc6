"""Shows a person how far a job is: a bar on a terminal, a line every few seconds elsewhere."""

import threading
import time
from collections.abc import Callable, Iterable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_POLL_SECONDS = 0.2
_LINE_SECONDS = 10.0

Phase = tuple[str, int, int]


def watch(thread: threading.Thread, phase: Callable[[], Phase]) -> None:
    """Show the progress of a thread until it ends.

    Args:
        thread: thread that does the work.
        phase: returns the name of what is being done, how many images of it are, and of how many.
    """
    console = Console()
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} images  {task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    lines = _Lines()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, tuple] = {}
        alive = True
        while alive:
            thread.join(_POLL_SECONDS)
            alive = thread.is_alive()  # checked before the phase: the last look sees the end
            title, done, total = phase()
            if not console.is_terminal:
                lines.update(title, done, total)
                continue
            for earlier, (task, images, _) in tasks.items():
                if earlier != title:
                    bar.update(task, completed=images)
            if title not in tasks:
                task = bar.add_task(title, total=total, rate=0)
                tasks[title] = task, total, time.monotonic()
            task, _, start = tasks[title]
            rate = done / max(time.monotonic() - start, _POLL_SECONDS)
            bar.update(task, completed=done, rate=rate)
    if done >= total:  # else the thread failed
        lines.end()


def follow(title: str, total: int, counts: Iterable[int]) -> None:
    """Go through `counts` in a thread, and show how far it is.

    Args:
        title: name of what is being done.
        total: number of images in all.
        counts: does the work, and yields how many images are done so far.

    Raises:
        Exception: what `counts` raises.
    """
    done = 0
    failures: list[BaseException] = []

    def work() -> None:
        nonlocal done
        try:
            for count in counts:
                done = count
        except BaseException as error:  # raised again by the thread that waits
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    watch(thread, lambda: (title, done, total))
    if failures:
        raise failures[0]


class _Lines:
    """Plain lines: how far, now and then, and a last one for each phase."""

    def __init__(self) -> None:
        self._title, self._total = "", 0
        self._start = self._last_line = time.monotonic()

    def update(self, title: str, done: int, total: int) -> None:
        now = time.monotonic()
        if title != self._title:
            self.end()
            self._title, self._total, self._start, self._last_line = title, total, now, now
        elif now - self._last_line >= _LINE_SECONDS:
            self._last_line = now
            rate = done / (now - self._start)
            left = f"{(total - done) / rate:,.0f} s left" if rate else "starting"
            line = f"{title}: {done:,}/{total:,} images  {rate:,.0f} images/s  {left}"
            print(line, flush=True)

    def end(self) -> None:
        if self._title:
            seconds = time.monotonic() - self._start
            rate = self._total / max(seconds, _POLL_SECONDS)
            line = f"{self._title}: {self._total:,} images in {seconds:.1f} s ({rate:,.0f}/s)"
            print(line, flush=True)
            self._title = ""
