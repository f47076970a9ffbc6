"""How fast `trainer.task` trains, as a contender of `benchmarks.training`.

    python -m benchmarks.trainer_rate --first=50 --last=150 OUTPUT_DIR -- --data_dir=DATA …

The trainer runs as a user starts it, in a process of its own, and nothing in it is measured: what
counts is when its log lines were written. So all that it does between two steps is in the figure.
`--workers=2` starts several that train together; with `--pinned` each has a core of its own. With
`--apart` each trains by itself, at the same time, and their rates are added up: what the machine
could give to workers that never wait for each other.
"""

import argparse
import contextlib
import pathlib

from benchmarks import runs
from benchmarks.peers import measure
from trainer.config import run as run_config


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--last", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--pinned", action="store_true")
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("flags", nargs="*")
    asked = parser.parse_args()
    cores = runs.cores(asked.workers) if asked.pinned else []
    if asked.apart:
        together, own = 1, [[core] for core in cores] or [[]] * asked.workers
    else:
        together, own = asked.workers, [cores]
    workdirs = [asked.output / f"run{number}" for number in range(len(own))]
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(runs.started(workdir, asked.flags, together, each))
            for workdir, each in zip(workdirs, own, strict=True)
        ]
        for workdir, processes in zip(workdirs, started, strict=True):
            runs.wait_for_step(workdir, asked.last, processes)
    rate = sum(runs.steps_per_second(workdir, asked.first, asked.last) for workdir in workdirs)
    batch = run_config.read(str(workdirs[0])).data.batch_size
    measure.write(asked.output, {"steps/s": rate, "images/s": rate * batch})


if __name__ == "__main__":
    main()
