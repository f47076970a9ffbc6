"""When a run does what: pure arithmetic on steps."""


def next_stop(step: int, end: int, *intervals: int) -> int:
    """The first step after `step` that is the end or a multiple of one of the intervals.

    >>> next_stop(7, 100, 5, 12)
    10
    """
    return min(end, *(step - step % interval + interval for interval in intervals))


def steps_in_call(
    to_stop: int, seconds_per_step: float, target_seconds: float, least: int = 1
) -> int:
    """How many steps to run in one call into the graph.

    As many as fill `target_seconds`, so that progress shows and signals are heard, and at least
    `least`, but never past the next stop.
    """
    if seconds_per_step <= 0:
        return to_stop
    return min(to_stop, max(least, int(min(to_stop, target_seconds / seconds_per_step))))
