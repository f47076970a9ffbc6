"""What every contender of `benchmarks.input_pipeline` does: takes batches, and says how fast.

    asked = measure.asked()                # of `python SCRIPT SOURCE OUTPUT_DIR --images=4000 …`
    measure.rate(batches(asked.source), asked)

The rate goes to OUTPUT_DIR/figures.json, from which the harness takes it.
"""

import argparse
import json
import pathlib
import time
from collections.abc import Iterable, Iterator

FIGURES = "figures.json"
# Of the task: a part of a photograph at 224×224, in batches of 64, by two workers or threads.
SIZE, BATCH, WORKERS = 224, 64, 2
AREA, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)


def asked() -> argparse.Namespace:
    """Return the command line: `source`, `output`, `images`, `warm_up`, `batch` and `dtype`."""
    return parser().parse_args()


def parser() -> argparse.ArgumentParser:
    """Return what reads such a command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--warm_up", type=int, default=500)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--dtype", default="uint8")
    return parser


def rate(batches: Iterable, asked: argparse.Namespace) -> None:
    """Take batches of images and write how many came in a second, after the warm-up.

    Args:
        batches: endless; each an array `[batch, …]`.
        asked: of the command line.

    Raises:
        SystemExit: a batch is larger, or of another type, than was asked for.
    """
    source = iter(batches)
    _take(source, asked.warm_up, asked)
    started = time.perf_counter()
    images = _take(source, asked.images, asked)
    write(asked.output, {"images/s": images / (time.perf_counter() - started)})


def write(output: pathlib.Path, figures: dict[str, float]) -> None:
    """Hand figures to the harness."""
    (output / FIGURES).write_text(json.dumps(figures))
    print(figures)


def _take(batches: Iterator, images: int, asked: argparse.Namespace) -> int:
    """Take as many batches as have so many images; return how many those were."""
    taken = 0
    while taken < images:
        batch = next(batches)
        dtype = str(getattr(batch.dtype, "name", batch.dtype)).rpartition(".")[2]
        if len(batch) > asked.batch or dtype != asked.dtype:
            raise SystemExit(
                f"expected at most {asked.batch} × {asked.dtype}. Received: {len(batch)} × {dtype}"
            )
        taken += len(batch)
    return taken
