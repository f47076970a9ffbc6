"""Measures `beam_pipelines.prepare` against TFDS and FFCV, whole processes by the clock.

    python -m benchmarks.prepare --archives=ARCHIVES --json=prepare.json

cifar: 60,000 small JPEG files with a train and a test folder. photos: 2,000 photographs, five
copies of each of 400. memory: Headrace alone, 6,000 and 60,000 of the small files.

Headrace decodes every image, leaves out unsound ones, makes stratified splits (photos: three) and
sums channel statistics. TFDS stores the bytes of the files unseen, photos as one split. FFCV
decodes and encodes anew. A ratio is the contender's seconds by Headrace's in the same round: above
1, Headrace took less.
"""

import dataclasses
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable

from absl import flags

from benchmarks import folders, harness, reporting
from benchmarks.harness import OURS, Contender, Row, Run, RunError
from benchmarks.peers import environment
from headrace import program

FLAGS = flags.FLAGS

PARTS = ("cifar", "photos", "memory")
PACKAGES = ["apache-beam", "ffcv", "numpy", "pillow", "tensorflow", "tensorflow-datasets"]

flags.adopt_module_key_flags(reporting)
flags.DEFINE_string("headrace_flags", "", "More flags for beam_pipelines.prepare, as in a shell.")


@dataclasses.dataclass(frozen=True)
class Setup:
    """What all parts need.

    Attributes:
        archives: the folder of the archives.
        cache: where they are unpacked, and outputs written for as long as a run takes.
        rounds: how often each contender runs.
        headrace_flags: for `beam_pipelines.prepare`.
        failed: what did not install into the peers' environments, and why.
    """

    archives: pathlib.Path
    cache: pathlib.Path
    rounds: int
    headrace_flags: list[str]
    failed: dict[str, str]


def main() -> None:
    """Run the program."""
    asked = reporting.parts(PARTS)
    facts = reporting.facts("prepare")
    failed: dict[str, str] = {}
    if asked != ["memory"]:
        for name in environment.NAMES if "photos" in asked else ["tensorflow"]:
            failed |= environment.ensure(reporting.peers_env(), name)
    setup = Setup(
        archives=reporting.archives(),
        cache=reporting.cache(),
        rounds=FLAGS.rounds,
        headrace_flags=shlex.split(FLAGS.headrace_flags),
        failed=failed,
    )
    run = {"cifar": cifar, "photos": photos, "memory": memory}
    rows = [row for part in asked for row in run[part](setup)]
    reporting.report("prepare", rows, facts, PACKAGES)


def cifar(setup: Setup) -> list[Row]:
    """Compare Headrace and TFDS on 60,000 small JPEG files."""
    source = folders.cifar(setup.archives, setup.cache)
    return _compare("cifar", [_headrace(OURS, setup, source), *_tfds(setup, source)], setup)


def photos(setup: Setup) -> list[Row]:
    """Compare Headrace, TFDS and FFCV on 2,000 photographs."""
    source = folders.photos(setup.archives, setup.cache)
    more = ["--encoding=keep", *(["--duplicates=allow"] if _has_flag("duplicates") else [])]
    contenders = [
        _headrace(OURS, setup, source, *more),
        *_tfds(setup, source),
        _peer("ffcv writer", "ffcv_writer.py", ["ffcv"], setup, source, _check_beton, "loaders"),
    ]
    return _compare("photos", contenders, setup)


def memory(setup: Setup) -> list[Row]:
    """Return Headrace's peak memory on a tenth and on all of the small files, and the growth."""
    sources = [
        folders.cifar_tenth(setup.archives, setup.cache),
        folders.cifar(setup.archives, setup.cache),
    ]
    contenders = [
        _headrace(f"headrace, {folders.count(source):,} files", setup, source) for source in sources
    ]
    results = _run("memory", contenders, setup, watch_memory=True)
    rows = []
    for of, quantity in (("all processes", _tree_mib), ("largest process", _largest_mib)):
        rows += harness.rows(f"memory, {of}", results, quantity, "MiB")
        few, many = results.values()
        if not isinstance(few, str) and not isinstance(many, str):
            growth = [quantity(run) / quantity(own) for run, own in zip(many, few, strict=True)]
            rows.append(harness.row(f"memory, {of}: ten times the files", growth, "×"))
    return rows


def _compare(title: str, contenders: list[Contender], setup: Setup) -> list[Row]:
    return harness.rows(title, _run(title, contenders, setup))


def _run(
    title: str, contenders: list[Contender], setup: Setup, watch_memory: bool = False
) -> dict[str, list[Run] | str]:
    print(title, flush=True)
    with tempfile.TemporaryDirectory(dir=setup.cache) as scratch:
        return harness.in_turn(contenders, setup.rounds, pathlib.Path(scratch), watch_memory)


def _headrace(name: str, setup: Setup, source: pathlib.Path, *more: str) -> Contender:
    command = [sys.executable, "-m", "beam_pipelines.prepare", f"--source=folder:{source}"]
    command += ["--output_dir={output}/data", f"--name={source.name}", *more]
    return Contender(name, [*command, *setup.headrace_flags], _check_records(source))


def _tfds(setup: Setup, source: pathlib.Path) -> list[Contender]:
    plain, on_beam = ["tensorflow", "tensorflow-datasets"], ["apache-beam"]
    check = _check_records(source)
    return [
        _peer("tfds generator", "tfds_generator.py", plain, setup, source, check),
        _peer("tfds beam", "tfds_beam.py", plain + on_beam, setup, source, check),
    ]


def _peer(
    name: str,
    script: str,
    needs: list[str],
    setup: Setup,
    source: pathlib.Path,
    check: Callable[[pathlib.Path], None],
    env: str = "tensorflow",
) -> Contender:
    command = [*reporting.peer(script, env), str(source), "{output}"]
    return Contender(name, command, check, reporting.missing(needs, setup.failed))


def _check_records(source: pathlib.Path) -> Callable[[pathlib.Path], None]:
    """Make sure that there are as many records as files, by `dataset_info.json`."""
    expected = folders.count(source)

    def check(output: pathlib.Path) -> None:
        infos = [json.loads(path.read_text()) for path in output.rglob("dataset_info.json")]
        splits = [split for info in infos for split in info["splits"]]
        records = sum(int(length) for split in splits for length in split["shardLengths"])
        if records != expected:
            raise RunError(f"wrote {records:,} records of {expected:,} files")

    return check


def _check_beton(output: pathlib.Path) -> None:
    if not any(path.stat().st_size for path in output.glob("*.beton")):
        raise RunError("wrote no .beton file")


def _has_flag(name: str) -> bool:
    command = [sys.executable, "-m", "beam_pipelines.prepare", "--help"]
    text = subprocess.run(command, cwd=harness.ROOT, check=True, capture_output=True, text=True)
    return f"--{name}" in text.stdout


def _tree_mib(run: Run) -> float:
    return run.tree_mib


def _largest_mib(run: Run) -> float:
    return run.largest_mib


if __name__ == "__main__":
    program.run(main)
