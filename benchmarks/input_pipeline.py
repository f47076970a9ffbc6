"""Measures Headrace's batch stream against its peers: images a second, on all cores.

    python -m benchmarks.input_pipeline --archives=ARCHIVES --json=input-pipeline.json

photos: 2,000 photographs (400, five times each), a random part of 8 to 100 % of the area at
224×224, flipped or not, in batches of 64. cifar: 50,000 images of 32×32 stored as bare pixels,
pad-and-crop by 4 and flip, in batches of 256; Headrace's are kept in memory, as in training.
determinism: Headrace with its contract and without. seek: seconds from nothing to the first batch,
at step 0 and at step 1,000,000. memory: the peak of Headrace's process on 2,000 and on 20,000
photographs.

Contenders are in scripts of their own, which say what each does. Files are in the page cache, and
a warm-up goes before. A ratio is the contender's figure by Headrace's of the same round: below 1,
Headrace was quicker (in seek: took longer).
"""

import dataclasses
import pathlib
import sys
import tempfile
from collections.abc import Callable, Sequence

from absl import flags

from benchmarks import datasets, folders, harness, reporting
from benchmarks.harness import OURS, Contender, Row, Run, RunError
from benchmarks.peers import environment
from headrace import program

FLAGS = flags.FLAGS

PARTS = ("photos", "cifar", "determinism", "seek", "memory")
PACKAGES = ["array-record", "ffcv", "grain", "keras", "numpy", "nvidia-dali-cuda120"]
PACKAGES += ["opencv-python", "pillow", "simplejpeg", "tensorflow", "torch", "torchvision"]
LATE_STEP = 1_000_000

_RATE, _SECONDS = "images/s", "s"
_PHOTOS = ["--images=4000", "--warm_up=1000"]
_CIFAR = ["--images=50000", "--warm_up=10000", "--batch=256"]
_FLOAT = "--dtype=float32"

flags.adopt_module_key_flags(reporting)


@dataclasses.dataclass(frozen=True)
class Peer:
    """A contender that is not Headrace.

    Attributes:
        name: in the table, with the type of its output.
        script: in `benchmarks/peers`.
        env: the environment it runs in.
        needs: packages without which it cannot.
        source: makes what it reads.
        more: arguments.
    """

    name: str
    script: str
    env: str
    needs: Sequence[str]
    source: Callable[[], pathlib.Path]
    more: Sequence[str] = ()


def main() -> None:
    """Run the program."""
    asked = reporting.parts(PARTS)
    facts = reporting.facts("input_pipeline")
    failed: dict[str, str] = {}
    if {"photos", "cifar"} & set(asked):
        for name in environment.NAMES:
            failed |= environment.ensure(reporting.peers_env(), name)
    run = {
        "photos": lambda: photos(failed),
        "cifar": lambda: cifar(failed),
        "determinism": determinism,
        "seek": seek,
        "memory": memory,
    }
    rows = [row for part in asked for row in run[part]()]
    reporting.report("input_pipeline", rows, facts, PACKAGES)


def photos(failed: dict[str, str]) -> list[Row]:
    """Return all on the photographs."""
    folder = folders.photos(reporting.archives(), reporting.cache())

    def files() -> pathlib.Path:
        return folder

    def records() -> pathlib.Path:
        return datasets.headrace(folder, "keep")

    def beton(mode: str) -> Callable[[], pathlib.Path]:
        return lambda: datasets.beton(folder, mode)

    tf_data = ("photos_tf_data.py", "tensorflow", ["tensorflow"], records)
    dali = ("photos_dali.py", "loaders", ["nvidia-dali-cuda120"], files)
    ffcv = ("photos_ffcv.py", "loaders", ["ffcv", "torch"])
    peers = [
        Peer(
            "libjpeg-turbo, decodes only", "photos_turbojpeg.py", "loaders", ["simplejpeg"], files
        ),
        Peer("plain tf.data, uint8", *tf_data),
        Peer("plain tf.data, float32", *tf_data, [_FLOAT]),
        Peer("FFCV, uint8", *ffcv, beton("keep")),
        Peer("FFCV, float32", *ffcv, beton("keep"), [_FLOAT]),
        Peer("FFCV, uint8, JPEG quality 90", *ffcv, beton("jpg")),
        Peer("DALI on CPU, uint8", *dali),
        Peer("DALI on CPU, float32", *dali, [_FLOAT]),
        Peer("Keras, float32", "photos_keras.py", "tensorflow", ["keras"], files, [_FLOAT]),
        Peer("torch, uint8", "photos_torch.py", "loaders", ["torch", "torchvision"], files),
        Peer(
            "Grain, uint8",
            "photos_grain.py",
            "loaders",
            ["grain", "array-record", "opencv-python"],
            lambda: datasets.array_record(folder),
        ),
    ]
    return _compare("photos", [_headrace(OURS, records(), *_PHOTOS)], peers, _PHOTOS, failed)


def cifar(failed: dict[str, str]) -> list[Row]:
    """Return all on CIFAR-10's training images."""
    folder = folders.cifar(reporting.archives(), reporting.cache())
    train = folder / "train"

    def records() -> pathlib.Path:
        return datasets.headrace(folder, "raw")

    tf_data = ("tensorflow", ["tensorflow", "keras"], records)
    peers = [
        Peer(
            "FFCV, uint8",
            "cifar_ffcv.py",
            "loaders",
            ["ffcv", "torch"],
            lambda: datasets.beton(train, "raw"),
        ),
        Peer("plain tf.data, uint8", "cifar_tf_data.py", *tf_data),
        Peer("Keras, float32", "cifar_keras.py", *tf_data, [_FLOAT]),
        Peer("torch, uint8", "cifar_torch.py", "loaders", ["torch", "torchvision"], lambda: train),
    ]
    ours = [
        _headrace(OURS, records(), *_CIFAR, "--kept"),
        _headrace("headrace, read from disk", records(), *_CIFAR),
    ]
    return _compare("cifar", ours, peers, _CIFAR, failed)


def determinism() -> list[Row]:
    """Return what the contract costs."""
    records = datasets.headrace(folders.photos(reporting.archives(), reporting.cache()), "keep")
    without = "headrace without its contract"
    contenders = [
        _headrace(OURS, records, *_PHOTOS),
        _headrace(without, records, *_PHOTOS, "--without_contract"),
    ]
    results = _run("determinism", contenders)
    made = harness.rows("determinism", results, _figure(_RATE), _RATE)
    return made + _pairs("determinism: cost", results, "%", lambda on, off: (off / on - 1) * 100)


def seek() -> list[Row]:
    """Return how long the first batch takes, of a run from the start and of one far on."""
    records = datasets.headrace(folders.photos(reporting.archives(), reporting.cache()), "keep")
    contenders = [
        _headrace(f"headrace, step {step:,}", records, "--first_batch", f"--start_step={step}")
        for step in (0, LATE_STEP)
    ]
    results = _run("seek", contenders)
    made = harness.rows("seek", results, _figure(_SECONDS), _SECONDS)
    return made + _pairs("seek: late by early", results, "×", lambda early, late: late / early)


def memory() -> list[Row]:
    """Return the peak of few and of many photographs."""
    make = (folders.photos, folders.many_photos)
    sources = [each(reporting.archives(), reporting.cache()) for each in make]
    contenders = [
        _headrace(
            f"headrace, {folders.count(source):,} photographs",
            datasets.headrace(source, "keep"),
            "--images=10000",
        )
        for source in sources
    ]
    results = _run("memory", contenders, watch_memory=True)
    made = harness.rows("memory", results, _mib, "MiB")
    return made + _pairs("memory: many by few", results, "×", lambda few, many: many / few, _mib)


def _compare(
    title: str,
    ours: Sequence[Contender],
    peers: Sequence[Peer],
    arguments: Sequence[str],
    failed: dict[str, str],
) -> list[Row]:
    contenders = [*ours, *(_contender(peer, arguments, failed) for peer in peers)]
    return harness.rows(title, _run(title, contenders), _figure(_RATE), _RATE)


def _contender(peer: Peer, arguments: Sequence[str], failed: dict[str, str]) -> Contender:
    missing = reporting.missing(peer.needs, failed)
    command = reporting.peer(peer.script, peer.env)
    if not missing:
        try:
            command += [str(peer.source()), "{output}", *arguments, *peer.more]
        except RunError as error:
            missing = str(error)
    return Contender(peer.name, command, missing=missing)


def _headrace(name: str, records: pathlib.Path, *more: str) -> Contender:
    command = [sys.executable, "-m", "benchmarks.headrace_stream", str(records), "{output}"]
    return Contender(name, [*command, *more])


def _run(
    title: str, contenders: Sequence[Contender], watch_memory: bool = False
) -> dict[str, list[Run] | str]:
    print(title, flush=True)
    with tempfile.TemporaryDirectory(dir=reporting.cache()) as scratch:
        return harness.in_turn(contenders, FLAGS.rounds, pathlib.Path(scratch), watch_memory)


def _pairs(
    name: str,
    results: dict[str, list[Run] | str],
    unit: str,
    of: Callable[[float, float], float],
    quantity: Callable[[Run], float] | None = None,
) -> list[Row]:
    """Return a row of what is formed, round by round, of the figures of two contenders."""
    one, other = results.values()
    if isinstance(one, str) or isinstance(other, str):
        return []
    quantity = quantity or _figure(*one[0].figures)
    formed = [of(quantity(a), quantity(b)) for a, b in zip(one, other, strict=True)]
    return [harness.row(name, formed, unit)]


def _figure(name: str) -> Callable[[Run], float]:
    return lambda run: run.figures[name]


def _mib(run: Run) -> float:
    return run.tree_mib


if __name__ == "__main__":
    program.run(main)
