"""How fast a run trains."""

import dataclasses
import time
from collections.abc import Iterator


@dataclasses.dataclass
class Throughput:
    """Images per second of the calls so far, the first left out: it traces and compiles."""

    images: int = 0
    seconds: float = 0.0
    calls: int = 0
    last_log: tuple[int, float] = (0, 0.0)

    def add(self, images: int, seconds: float) -> float:
        """Count a call; return the throughput of this call alone, in images per second."""
        self.calls += 1
        if self.calls == 2:
            self.images, self.seconds, self.last_log = 0, 0.0, (0, 0.0)
        self.images += images
        self.seconds += seconds
        return images / seconds

    def since_log(self) -> float:
        """Return the throughput since this was called last, in images per second."""
        images, seconds = self.last_log
        self.last_log = self.images, self.seconds
        return (self.images - images) / (self.seconds - seconds)

    @property
    def mean(self) -> float:
        """The throughput of all calls, in images per second; 0 before there was one."""
        return self.images / self.seconds if self.seconds else 0.0


def time_batches(batches: Iterator, seconds: float) -> tuple[int, float]:
    """Take batches for so many seconds, one at least; return their number and the seconds."""
    started, count, elapsed = time.perf_counter(), 0, 0.0
    while not count or elapsed < seconds:
        next(batches)
        count += 1
        elapsed = time.perf_counter() - started
    return count, elapsed
