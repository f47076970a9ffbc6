"""How fast a run trains."""

import dataclasses
import time
from collections.abc import Iterator


@dataclasses.dataclass
class Rate:
    """Images per second of the calls so far, the first left out: it traces and compiles."""

    images: int = 0
    seconds: float = 0.0
    calls: int = 0
    logged: tuple[int, float] = (0, 0.0)

    def add(self, images: int, seconds: float) -> float:
        """Counts a call; the rate of this call alone."""
        self.calls += 1
        if self.calls == 2:
            self.images, self.seconds, self.logged = 0, 0.0, (0, 0.0)
        self.images += images
        self.seconds += seconds
        return images / seconds

    def since_log(self) -> float:
        """The rate of the calls since this was asked last."""
        images, seconds = self.logged
        self.logged = self.images, self.seconds
        return (self.images - images) / (self.seconds - seconds)

    @property
    def mean(self) -> float:
        """The rate of all calls; 0 before there was one."""
        return self.images / self.seconds if self.seconds else 0.0


def time_batches(batches: Iterator, seconds: float) -> tuple[int, float]:
    """Take batches for so many seconds, one at least; return their number and the seconds."""
    started, count, elapsed = time.perf_counter(), 0, 0.0
    while not count or elapsed < seconds:
        next(batches)
        count += 1
        elapsed = time.perf_counter() - started
    return count, elapsed
