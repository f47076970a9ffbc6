"""A worker for the tests of `trainer.launch`: does what is asked of it, without TensorFlow.

    python -m tests.trainer.launched FOLDER DEED …

A deed is `WHERE:WHAT`, or `WHERE:WHAT:VALUE`. WHERE is the worker's index, or the task of one that
is no worker, or `all`, and may have `@START` after it for one start only, counted from 0. Each
start leaves `FOLDER/INDEX-START.json`, with TF_CONFIG and the process's id; deeds are done in their
order, and then the worker ends well.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time


def main(folder: str, *deeds: str) -> None:
    config = json.loads(os.environ.get("TF_CONFIG", "null"))
    task: dict = config["task"] if config else {"type": "worker", "index": 0}
    index = task["index"] if task["type"] == "worker" else task["type"]
    here = pathlib.Path(folder)
    start = len(list(here.glob(f"{index}-*.json")))
    wanted = {str(index), "all", f"{index}@{start}", f"all@{start}"}
    started = here / f"{index}-{start}.json"
    started.with_suffix(".new").write_text(json.dumps({"config": config, "pid": os.getpid()}))
    started.with_suffix(".new").rename(started)
    for deed in deeds:
        where, what, value = [*deed.split(":", 2), "", ""][:3]
        if where in wanted:
            do(what, value, here, index)


def do(what: str, value: str, here: pathlib.Path, index: int | str) -> None:
    if what == "print":
        print(value)
    elif what == "print_bytes":
        sys.stdout.buffer.write(b"x" * int(value))
        sys.stdout.buffer.flush()
    elif what == "print_lines":
        for number in range(int(value)):
            stream = sys.stderr if number % 2 else sys.stdout
            print(f"{number} {'-' * 200} {number}", file=stream)
    elif what == "complain":
        print(value, file=sys.stderr)
    elif what == "ignore_sigterm":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif what == "save_on_sigterm":
        signal.signal(signal.SIGTERM, lambda *_: save(here, index))
    elif what == "child":
        child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
        (here / "child").write_text(str(child.pid))
    elif what == "ready":
        (here / f"{index}-ready").touch()
    elif what == "await":
        wait_for(here / value)
    elif what == "pause":
        time.sleep(float(value))
    elif what == "sleep":
        time.sleep(600)
    elif what == "exit":
        sys.exit(int(value))
    elif what == "die":
        os.kill(os.getpid(), int(value))
    elif what == "raise":
        raise type(value, (Exception,), {"__module__": "errors"})("so it is")
    else:
        raise ValueError(what)


def save(here: pathlib.Path, index: int | str) -> None:
    """Notes that it was told to stop, waits until it may, and ends as the trainer does."""
    with (here / f"{index}-told").open("a") as file:
        file.write("told\n")
    wait_for(here / "may-stop")
    sys.exit(75)


def wait_for(path: pathlib.Path) -> None:
    while not path.exists():
        time.sleep(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
