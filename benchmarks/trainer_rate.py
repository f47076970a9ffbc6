"""How fast `trainer.task` trains, as a contender of `benchmarks.training`.

    python -m benchmarks.trainer_rate --first=50 --last=150 OUTPUT_DIR -- --data_dir=DATA …

The trainer runs as a user starts it, in a process of its own, and nothing in it is measured: what
counts is when its log lines were written. So all that it does between two steps is in the figure.
`--workers=2` starts several that train together; with `--pinned` each has a core of its own.
"""

import argparse
import pathlib

from benchmarks import runs
from benchmarks.peers import measure
from trainer import config as run_config


def main() -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--last", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--pinned", action="store_true")
    parser.add_argument("flags", nargs="*")
    asked = parser.parse_args()
    workdir = asked.output / "run"
    with runs.started(workdir, asked.flags, asked.workers, asked.pinned) as processes:
        runs.wait_for_step(workdir, asked.last, processes)
    rate = runs.steps_per_second(workdir, asked.first, asked.last)
    batch = run_config.read(str(workdir)).batch_size
    measure.write(asked.output, {"steps/s": rate, "images/s": rate * batch})


if __name__ == "__main__":
    main()
