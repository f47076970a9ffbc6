"""Measures one-cycle rates and label smoothing on CIFAR-10 against a constant rate.

    python -m benchmarks.one_cycle --archives=ARCHIVES --json=one-cycle.json

A residual network of six modules, 58,246 parameters, is trained for as many epochs either way; all
else is the same. Both are evaluated once, on the test images, after the last step: nothing is
chosen by them. Each training is kept in `--scratch_dir`; what is there is not measured again.
"""

import json
import pathlib

from absl import flags

from benchmarks import datasets, folders, reporting, trial
from headrace import program

FLAGS = flags.FLAGS
CONSTANT = "constant rate"
WAYS = {
    CONSTANT: ["--learning_rate=0.05"],
    "one cycle and label smoothing": [
        "--learning_rate=0.2",
        "--schedule=one_cycle",
        "--label_smoothing=0.1",
    ],
}
EPOCHS = 10
TRAINING = [
    "--model=resnet_cifar",
    "--model_options=stages=(2,2,2);filters=(16,32,64,128)",
    "--optimizer=nesterov",
    "--batch_size=128",
    "--horizontal_flip",
    "--pad=4",
    f"--epochs={EPOCHS}",
    f"--eval_every={EPOCHS}",
]
PACKAGES = ["keras", "numpy", "tensorflow"]

flags.adopt_module_key_flags(reporting)


def main() -> None:
    """Run the program."""
    facts = reporting.facts("one_cycle")
    ways = reporting.parts(list(WAYS))
    data = datasets.headrace(folders.cifar(reporting.archives(), reporting.cache()), "raw")
    kept = reporting.cache() / "one-cycle"
    kept.mkdir(exist_ok=True)
    found: dict[str, dict[str, list[float]]] = {}
    for seed in range(FLAGS.rounds):
        for way in ways:
            for quantity, value in measure(way, seed, data, kept).items():
                found.setdefault(way, {}).setdefault(quantity, []).append(value)
    reporting.report("one_cycle", trial.rows(found, CONSTANT), facts, PACKAGES)


def measure(way: str, seed: int, data: pathlib.Path, kept: pathlib.Path) -> dict[str, float]:
    """Train one way, if that has not been done, and return what it reached and took."""
    file = kept / f"{way}, seed {seed}.json"
    if not file.exists():
        figures = trial.train(data, kept / "run", *TRAINING, *WAYS[way], f"--seed={seed}")
        file.write_text(json.dumps(figures))
        print(f"seed {seed}, {way}: {figures['rank-1']:.4f}", flush=True)
    return json.loads(file.read_text())


if __name__ == "__main__":
    program.run(main)
