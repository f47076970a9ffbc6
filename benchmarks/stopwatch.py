"""`trainer.task` with a stopwatch in it, as a contender of `benchmarks.training`.

    python -m benchmarks.stopwatch --workdir=OUTPUT_DIR/run --calls=1 --goes_on=RUN …

Goes on with a copy of the run that `--goes_on` names, or from nothing, and ends after so many calls
into the graph. After one, the figure `start` is the seconds that it took from the start of the
process; what takes most of them is

    imports      Python, TensorFlow, Keras
    model        building the model
    restore      finding, checking and reading the checkpoint
    decoding     of the training split, to keep it in memory
    seek         making the batch stream, and its first batch
    first call   tracing and optimizing the graph, and one step; it waits for the first batch, too

After several, `seconds` and `steps/s` are those from the end of the first to the end of the last,
`saves` are counted, and `stands still` is the seconds that training does so for one.
"""

import functools
import pathlib
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import psutil
from absl import flags

from benchmarks.peers import measure
from headrace import program
from headrace.tensorflow_import import import_tensorflow
from trainer import task

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(task)
flags.DEFINE_integer("calls", None, "Calls into the graph after which to end.", 1, required=True)
flags.DEFINE_string("goes_on", None, "A run directory to go on from.")


class Stopwatch:
    """What the watched functions did, by a name for each.

    Attributes:
        seconds: that they took.
        calls: how often they were called.
        ends: of each call, in seconds since the start of the process.
        last: what each returned last.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self.ends: dict[str, list[float]] = {}
        self.last: dict[str, Any] = {}

    def watch(self, name: str, owner: object, function: str) -> None:
        """Watch a function of a module or class from now on."""
        setattr(owner, function, self.watched(name, getattr(owner, function)))

    def watched(self, name: str, function: Callable) -> Callable:
        """Return the same function, watched."""

        @functools.wraps(function)
        def timed(*arguments, **more):
            started = time.perf_counter()
            self.last[name] = function(*arguments, **more)
            self.seconds[name] += time.perf_counter() - started
            self.calls[name] += 1
            self.ends.setdefault(name, []).append(_since_start())
            return self.last[name]

        return timed


def main() -> None:
    """Run the program."""
    output = pathlib.Path(FLAGS.workdir).parent
    if FLAGS.goes_on:
        shutil.copytree(FLAGS.goes_on, FLAGS.workdir)
    import_tensorflow()
    from trainer import run_data
    from trainer.checkpoints.manager import CheckpointManager
    from trainer.loop import train, train_step

    imported, watch = _since_start(), Stopwatch()
    watch.watch("model", train.run_model, "build")
    watch.watch("restore", CheckpointManager, "restore")
    watch.watch("save", CheckpointManager, "save")
    watch.watch("decoding", run_data, "build_cache")
    watch.watch("stream", train.Data, "training")
    make_train_steps = train_step.make_train_steps

    def make_watched(*arguments, **more) -> Callable:
        train_steps = watch.watched("call", make_train_steps(*arguments, **more))
        counts = []

        def train_to_end(batches, count, sums):
            sums = train_steps(batches, count, sums)
            counts.append(int(count))
            if len(counts) == FLAGS.calls:
                one = FLAGS.calls == 1
                measure.write(output, _start(watch, imported) if one else _going(watch, counts))
                raise SystemExit
            return sums

        return train_to_end

    train_step.make_train_steps = make_watched
    task.main()


def _start(watch: Stopwatch, imported: float) -> dict[str, float]:
    seconds = watch.seconds
    started = time.perf_counter()
    next(iter(watch.last["stream"]))
    first_batch = time.perf_counter() - started
    return {
        "start": watch.ends["call"][0],
        "imports": imported,
        "model": seconds["model"],
        "restore": seconds["restore"],
        "decoding": seconds["decoding"],
        "seek": seconds["stream"] - seconds["decoding"] + first_batch,
        "first call": seconds["call"],
    }


def _going(watch: Stopwatch, counts: list[int]) -> dict[str, float]:
    ends, saves = watch.ends["call"], watch.calls["save"]
    seconds = ends[-1] - ends[0]
    return {
        "steps/s": sum(counts[1:]) / seconds,
        "seconds": seconds,
        "saves": saves,
        "stands still": watch.seconds["save"] / max(saves, 1),
    }


def _since_start() -> float:
    return time.time() - psutil.Process().create_time()


if __name__ == "__main__":
    program.run(main)
