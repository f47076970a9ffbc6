"""Makes a run directory again and again, and is killed at another moment each time.

python -m tests.trainer.deaths RUN FOLDER

Makes directories in FOLDER with the config of the run directory RUN: `before-N`, killed before its
Nth operation on files, until one is whole; and `at-byte-N`, killed in the middle of a file.
"""

import itertools
import os
import pathlib
import resource
import signal
import sys

import numpy as np

from trainer import run_dir
from trainer.config import run as run_config

OPERATIONS = ("open", "os.mkdir", "os.rename")
BYTES = (0, 1, 40, 200)


def main(run: str, folder: str) -> None:
    config = run_config.to_json(run_config.read(run))

    def make(name: str) -> None:
        run_dir.make(f"{folder}/{name}", config, "--model=lenet\n" * 9, np.ones((8, 8, 1), "f4"))

    for number in itertools.count():
        name = f"before-{number}"
        if not died(lambda name=name: make(name), lambda n=number: die_before(n, folder)):
            break
    for size in BYTES:
        assert died(lambda n=size: make(f"at-byte-{n}"), lambda n=size: die_at_byte(n))


def died(deed, arm) -> bool:
    """Does something in a process of its own; whether that was killed."""
    child = os.fork()
    if not child:
        arm()
        deed()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or status == 0
    return os.WIFSIGNALED(status)


def die_before(number: int, folder: str) -> None:
    left = itertools.count(number, -1)

    def hear(event: str, arguments: tuple) -> None:
        if event in OPERATIONS and str(arguments[0]).startswith(folder) and not next(left):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)


def die_at_byte(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # a larger file kills
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


if __name__ == "__main__":
    main(sys.argv[1], str(pathlib.Path(sys.argv[2])))
