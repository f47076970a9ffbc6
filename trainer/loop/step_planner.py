"""When a run does what: pure arithmetic on steps."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Period:
    """Steps at which something is due: the multiples of some intervals, and the last one.

    >>> Period(100, (5, 12)).next_step(7)
    10
    """

    end: int
    intervals: tuple[int, ...]

    def next_step(self, step: int) -> int:
        """Return the first of these steps after `step`."""
        return next_event_step(step, self.end, *self.intervals)

    def includes(self, step: int) -> bool:
        """Return whether it is one of these steps."""
        return step == self.end or any(step % interval == 0 for interval in self.intervals)


def next_event_step(step: int, end: int, *intervals: int) -> int:
    """Return the first step after `step` that is the end or a multiple of one of the intervals.

    >>> next_event_step(7, 100, 5, 12)
    10
    """
    return min(end, *(step - step % interval + interval for interval in intervals))


def steps_per_loop(
    steps_to_event: int,
    seconds_per_step: float,
    target_seconds: float,
    min_steps_per_loop: int = 1,
) -> int:
    """Return how many steps to run in one call into the graph.

    As many as fill `target_seconds`, so that progress shows and signals are heard, and at least
    `min_steps_per_loop`, but never past the next event.
    """
    if seconds_per_step <= 0:
        return steps_to_event
    fitting = int(min(steps_to_event, target_seconds / seconds_per_step))
    return min(steps_to_event, max(min_steps_per_loop, fitting))
