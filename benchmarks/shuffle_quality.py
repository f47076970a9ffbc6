"""Measures how well orders of records are shuffled that were stored sorted by class.

    python -m benchmarks.shuffle_quality --json=shuffle-quality.json

Contenders: a uniform permutation; Headrace's shuffle of single records, as of local files, and of
chunks, as of a bucket, with the windows that it chooses by itself and without any; tf.data's
shuffle through a buffer. One epoch of each in turn, with another seed in every round.

displacement: mean distance between a record's place in the store and in the epoch; 1 is a uniform
shuffle's. lag 1, lag 128: how much likelier than by chance a record and the next one, or the one a
batch later, are of one class; 0 is a uniform shuffle's, 1 is always. batch: the variance of the
class counts of batches; 1 is a uniform shuffle's.
"""

import datetime
import functools
import shlex
import sys
from collections.abc import Callable

import numpy as np
from absl import flags

import headrace
from benchmarks import harness
from benchmarks.harness import OURS, Row
from benchmarks.peers import environment
from headrace import program
from headrace.errors import check
from headrace.tensorflow_import import import_tensorflow
from input.sampling.order import Order, default_window

FLAGS = flags.FLAGS

BATCH, LANES = 128, 8
CHUNKS, BUFFERS = (10, 100, 400), (1_000, 10_000)
PACKAGES = ["numpy", "tensorflow"]

flags.DEFINE_integer("records", 51_200, f"Records of an epoch; a multiple of {BATCH}.", 10 * BATCH)
flags.DEFINE_integer("rounds", 3, "How many epochs of each are measured.", 1)
flags.DEFINE_string("json", None, "Write the figures to this file, too.")


def main() -> None:
    """Run the program."""
    records = FLAGS.records
    check(records % BATCH == 0, f"--records={records}: expected a multiple of {BATCH}")
    facts = {
        "date": datetime.date.today().isoformat(),
        "machine": harness.machine(),
        "load": harness.load(),
        "versions": {
            OURS: {OURS: headrace.__version__, **environment.versions(sys.executable, PACKAGES)}
        },
        "command": shlex.join(["python", "-m", "benchmarks.shuffle_quality", *sys.argv[1:]]),
    }
    import_tensorflow()
    rows = measure(records, FLAGS.rounds)
    harness.print_table(rows)
    if FLAGS.json:
        harness.write_json(FLAGS.json, "shuffle_quality", rows, facts)


def measure(records: int, rounds: int) -> list[Row]:
    """Return a row for every measure of every contender, with its ratio to single records."""
    from benchmarks import shuffles  # with TensorFlow, takes seconds

    labels = shuffles.sorted_labels(records)
    measures = {
        "displacement": shuffles.displacement,
        "lag 1": lambda order: shuffles.autocorrelation(labels[order], 1),
        f"lag {BATCH}": lambda order: shuffles.autocorrelation(labels[order], BATCH),
        "batch": lambda order: shuffles.spread(labels[order], BATCH),
    }
    found: dict[tuple[str, str], list[float]] = {}
    for seed in range(rounds):
        for name, shuffle in contenders(records).items():
            order = shuffle(seed)
            for title, of in measures.items():
                found.setdefault((title, name), []).append(of(order))
    rows = []
    for title in measures:
        ours = found[title, OURS]
        for (measured, name), values in found.items():
            if measured == title:
                rows.append(harness.row(f"{title}: {name}", values, ""))
                # What is 0 for a good shuffle has no ratio.
                if not title.startswith("lag"):
                    rows[-1].ratio_to_headrace = round(harness.median_ratio(values, ours), 3)
    return rows


def contenders(records: int) -> dict[str, Callable[[int], np.ndarray]]:
    """Return, by name, what gives an epoch's order for a seed."""
    from benchmarks import shuffles  # with TensorFlow, takes seconds

    def ours(seed: int, chunk: int = 1, window: int = 1) -> np.ndarray:
        return shuffles.headrace(Order(records, BATCH, LANES, seed, chunk, window))

    found = {"uniform": lambda seed: shuffles.uniform(records, seed), OURS: ours}
    for chunk in CHUNKS:
        window = default_window(records, BATCH, chunk)
        for steps in (window, 1):
            name = f"{OURS}, chunk {chunk}, window {steps}"
            found[name] = functools.partial(ours, chunk=chunk, window=steps)
    for buffer in BUFFERS:
        found[f"tf.data, buffer {buffer:,}"] = functools.partial(_tf_data, records, buffer)
    return found


def _tf_data(records: int, buffer: int, seed: int) -> np.ndarray:
    from benchmarks import shuffles  # with TensorFlow, takes seconds

    return shuffles.tf_data(records, buffer, seed)


if __name__ == "__main__":
    program.run(main)
