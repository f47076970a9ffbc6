"""Measures how many images a second the step of a run takes, in each way to compute it.

    python -m trainer.loop.step_speed PARENT < REQUEST

A process of its own: its parent (`auto_precision`) kills it when the time is up, as nothing ends a
compilation by XLA before it is done, and goes on if it dies. PARENT is the parent's process ID.
REQUEST is JSON: `config`, which is a config as `config.json` has it, with a replica's share as its
batch size, and `tries_xla`. It writes a line of JSON for each candidate as soon as it is measured:

    {"mixed_precision": "bfloat16", "jit_compile": false, "images_per_second": 894.2}

The step is the run's own, of its model and optimizer, on one device of the kind that the run has;
only its batches are of random pixels, and always the same.
"""

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING

import numpy as np

from headrace import config_flags, parent_death
from headrace.tensorflow_import import import_tensorflow
from trainer.config import precision
from trainer.config.precision import Candidate
from trainer.config.run import RunConfig
from trainer.distribution import devices, strategies

if TYPE_CHECKING:  # it takes seconds, and must find its environment set
    import tensorflow as tf

# A call of several steps is timed, and the median of some calls counts: on machines that do other
# things as well, a mean would be that of the worst one. Where steps are slow, fewer calls do.
_CALL_SECONDS = 0.1
_CALLS, _LEAST_CALLS = 7, 3
_SECONDS = 1.5


def main() -> None:
    """Measure what standard input asks for."""
    parent_death.kill_with_parent(int(sys.argv[1]))
    output = _take_stdout()
    request = json.load(sys.stdin)
    request["config"].pop("format")
    config = config_flags.from_json(RunConfig, request["config"])
    import_tensorflow()
    devices.configure(config.distribution.logical_devices, config.distribution.memory_limit_mb)
    if config.distribution.deterministic:
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    for candidate, rate in measure(config, request["tries_xla"], images_per_second):
        line = {
            "mixed_precision": candidate.mixed_precision,
            "jit_compile": candidate.jit_compile,
            "images_per_second": rate,
        }
        print(json.dumps(line), file=output, flush=True)


def measure(
    config: RunConfig, tries_xla: bool, rate_of: Callable[[RunConfig], float]
) -> Iterator[tuple[Candidate, float]]:
    """Yield candidates with their images/s, 0 for one that failed, as they are measured.

    Args:
        config: configuration of the run.
        tries_xla: whether XLA is tried, where the config does not say so.
        rate_of: function of a config with a candidate in it to its images/s.
    """
    rates: dict[Candidate, float] = {}
    jit_compile = config.optimization.jit_compile
    while candidate := precision.next_candidate(rates, jit_compile, tries_xla):
        try:
            rates[candidate] = rate_of(precision.with_candidate(config, candidate))
        except Exception:  # as when memory does not suffice: another one may still do
            rates[candidate] = 0.0
        yield candidate, rates[candidate]
        gc.collect()  # the memory of its model is there for the next one


def images_per_second(config: RunConfig) -> float:
    """Build model and optimizer of a config, and return how many images a second its steps take."""
    import keras
    import tensorflow as tf

    from trainer.checkpoints.train_state import TrainState
    from trainer.loop import train_step

    keras.utils.set_random_seed(config.data.seed)
    strategy = _strategy(config)
    state = TrainState.create(config, strategy, np.zeros(config.input_shape, np.float32))
    train_steps = train_step.make_train_steps(
        strategy,
        state.model,
        state.optimizer,
        config.data.batch_size,
        config.optimization,
        _class_weights(config),
    )
    iterator = iter(strategy.experimental_distribute_dataset(_batches(config)))
    sums = train_step.first_sums(strategy)

    def seconds(steps: int) -> float:
        nonlocal sums
        started = time.perf_counter()
        sums = train_steps(iterator, tf.constant(steps, tf.int64), sums)
        train_step.total(strategy, sums)  # waits for a GPU, too
        return time.perf_counter() - started

    return config.data.batch_size / seconds_per_step(seconds)


def seconds_per_step(seconds: Callable[[int], float]) -> float:
    """Return how long a step takes, by the median of several calls.

    Args:
        seconds: function that takes so many steps and returns how long that took.
    """
    seconds(1)  # traces and compiles, and kernels are chosen
    pilot = seconds(1)
    steps = max(1, round(_CALL_SECONDS / max(pilot, 1e-6)))
    if steps > 1:
        pilot = seconds(steps)
    calls = max(_LEAST_CALLS, min(_CALLS, int(_SECONDS / max(pilot, 1e-6))))
    return statistics.median(seconds(steps) for _ in range(calls)) / steps


def _strategy(config: RunConfig) -> "tf.distribute.Strategy":
    """Return the strategy of one replica: the first device of those named, or of all."""
    first = config.distribution.devices[:1]
    return (
        strategies.create("mirrored", devices=first) if first else strategies.create("one_device")
    )


def _batches(config: RunConfig) -> "tf.data.Dataset":
    """Return one batch without end: uint8 `[batch, rows, columns, channels]`, int64 `[batch]`."""
    import tensorflow as tf

    rng, size = np.random.default_rng(0), config.data.batch_size
    batch = {
        "image": rng.integers(0, 256, (size, *config.input_shape), np.uint8),
        "label": rng.integers(0, len(config.dataset.classes), size),
    }
    return tf.data.Dataset.from_tensors(batch).repeat()


def _class_weights(config: RunConfig) -> np.ndarray | None:
    """Return weights that cost what the run's cost, float32 `[classes]`; None for none."""
    if config.optimization.class_weights == "none":
        return None
    return np.ones(len(config.dataset.classes), np.float32)


def _take_stdout() -> IO[str]:
    """Return standard output, to which nothing else in this process writes from now on."""
    output = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return output


if __name__ == "__main__":
    main()
