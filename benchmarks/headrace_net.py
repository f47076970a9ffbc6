"""Measures what each part of `models.headrace_net` is worth: short trainings that differ in one.

    python -m benchmarks.headrace_net --archives=ARCHIVES --json=headrace-net.json

A variant is trained on CIFAR-10 for two epochs by the recipe of airbench94 (Jordan, 94% on
CIFAR-10 in 3.29 Seconds on a Single GPU, 2024), shortened: SGD with Nesterov's momentum of .85, a
rate that rises to its peak in the first 23 % of the steps and then falls to 0, biases at 64 times
the rate, label smoothing .2, translation by up to 2 pixels, alternating flips, bfloat16; without
its average of weights (Lookahead). Each variant is in a process of its own and is kept in
`--scratch_dir`; what is there is not measured again.

rank-1: of all test images, and with the mean of the softmax of an image and its mirror image. CPU
seconds are the process's, of all threads, for training alone: a busy machine changes them least.
"""

import json
import pathlib
import subprocess
import sys

from absl import flags

from benchmarks import datasets, folders, harness, reporting
from benchmarks.harness import Row
from headrace import program

# Of airbench94, which the variants differ from.
BASE = {"widths": (64, 256, 256)}

# What is changed: options of the model, or `recipe.NAME`, see `headrace_net_run.Recipe`.
VARIANTS: dict[str, dict[str, object]] = {
    "base": {},
    "base with another seed": {"recipe.seed": 2},
    "no whitening": {"whitening": False},
    "no identity": {"identity": False},
    "batch norm with a factor": {"bn_scale": True},
    "GELU by tanh": {"activation": "gelu_tanh"},
    "widths 64-128-256 for 3 epochs": {"widths": (64, 128, 256), "recipe.epochs": 3},
    "average pooling": {"pooling": "average"},
    "base for 5 epochs": {"recipe.epochs": 5},
    "widths 64-128-256 for 7.5 epochs": {"widths": (64, 128, 256), "recipe.epochs": 7.5},
}
PACKAGES = ["keras", "numpy", "tensorflow"]

flags.adopt_module_key_flags(reporting)


def main() -> None:
    """Run the program."""
    facts = reporting.facts("headrace_net")
    names = reporting.parts(list(VARIANTS))
    records = datasets.headrace(folders.cifar(reporting.archives(), reporting.cache()), "raw")
    kept = reporting.cache() / "headrace-net"
    kept.mkdir(exist_ok=True)
    rows = [row for name in names for row in measure(name, records, kept)]
    reporting.report("headrace_net", rows, facts, PACKAGES)


def measure(name: str, records: pathlib.Path, kept: pathlib.Path) -> list[Row]:
    """Train a variant, if that has not been done, and return what it reached and took."""
    file = kept / f"{name}.json"
    if not file.exists():
        print(f"training {name}", flush=True)
        command = [sys.executable, "-m", "benchmarks.headrace_net_run"]
        command += [str(records), json.dumps({**BASE, **VARIANTS[name]}), str(file)]
        subprocess.run(command, cwd=harness.ROOT, check=True)
    figures = json.loads(file.read_text())
    return [
        harness.row(f"{name}: {quantity}", [value], unit)
        for quantity, (value, unit) in figures.items()
    ]


if __name__ == "__main__":
    program.run(main)
