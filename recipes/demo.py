"""`make demo`: the whole path on scikit-learn's handwritten digits, 1,797 real scans.

Writes the digits as PNG files in class folders and then runs the commands that a user would,
printing each first. Everything goes to demo/, which is made anew.
"""

import json
import pathlib
import shlex
import shutil
import subprocess
import sys

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

ROOT = pathlib.Path("demo")
MARGIN = 2
SHOWN = ("3/0003.png", "5/0005.png", "8/0008.png")
COMMANDS = (
    "python -m beam_pipelines.prepare --source=folder:demo/digits --output_dir=demo/data "
    "--splits=train:0.8,validation:0.1,test:0.1",
    "python -m trainer.task --recipe=digits_lenet --data_dir=demo/data "
    "--workdir=demo/run --strategy=auto",
    "python -m trainer.evaluate --workdir=demo/run --split=test",
    "python -m trainer.export --workdir=demo/run",
    "python -m trainer.predict --workdir=demo/run "
    + " ".join(f"demo/digits/{file}" for file in SHOWN),
)


def main() -> None:
    """Run the demo; stop at the first command that fails, with its exit code."""
    shutil.rmtree(ROOT, ignore_errors=True)
    write_digits(ROOT / "digits")
    for command in COMMANDS:
        print(f"\n$ {command}", flush=True)
        arguments = shlex.split(command)[1:]
        code = subprocess.run([sys.executable, *arguments], check=False).returncode
        if code:
            sys.exit(code)
    print_summary()


def write_digits(folder: pathlib.Path) -> None:
    """Write the 8×8 scans, of 17 grey levels, as `CLASS/NUMBER.png`.

    Each gets a margin of two pixels, so that a digit fills two thirds of the image, as those that
    LeNet-5 was made for.
    """
    digits = load_digits()
    for number, (scan, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.pad(np.round(scan * (255 / 16)).astype(np.uint8), MARGIN)
        Image.fromarray(pixels).save(path)


def print_summary() -> None:
    """Print the numbers and where everything is."""
    evaluation = json.loads((ROOT / "run/evaluation-test.json").read_text())
    result = json.loads((ROOT / "run/result.json").read_text())
    rows = {
        "test rank-1": f"{evaluation['rank1']:.4f}",
        "test rank-5": f"{evaluation['rank5']:.4f}",
        "training": f"{result['images_per_second']:,.0f} images/s",
        "report": "demo/data/report.html",
        "curves": "demo/run/curves.png",
        "exported model": "demo/run/export/0001",
    }
    print()
    for name, value in rows.items():
        print(f"{name:<15} {value}")


if __name__ == "__main__":
    main()
