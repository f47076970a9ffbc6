"""A task for workers of any runner; they import this module, so it imports nothing large."""

import os
import pathlib
import threading
import time
import uuid


def meet(folder: pathlib.Path, phase: str, item: int) -> None:
    """A task that ends only once another worker is at one as well."""
    (folder / f"{phase}-worker-{os.getpid()}-{threading.get_ident()}").touch()
    deadline = time.monotonic() + 60
    while len(list(folder.glob(f"{phase}-worker-*"))) < 2:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{phase}: no second worker came")
        time.sleep(0.01)
    (folder / f"{phase}-done-{item}-{uuid.uuid4()}").touch()
