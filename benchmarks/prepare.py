"""Measures `beam_pipelines.prepare` against TFDS and FFCV, whole processes by the clock.

    python -m benchmarks.prepare --data_dir=ARCHIVES --json=prepare.json

cifar: 60,000 small JPEG files with a train and a test folder. photos: 2,000 photographs, five
copies of each of 400. memory: Headrace alone, 6,000 and 60,000 of the small files.

Headrace decodes every image, leaves out unsound ones, makes stratified splits (photos: three) and
sums channel statistics. TFDS stores the bytes of the files unseen, photos as one split. FFCV
decodes and encodes anew. A ratio is the contender's seconds by Headrace's in the same round: above
1, Headrace took less.
"""

import dataclasses
import datetime
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable

from absl import flags

import headrace
from benchmarks import folders, harness
from benchmarks.harness import OURS, Contender, Row, Run, RunError
from benchmarks.peers import environment

FLAGS = flags.FLAGS

PARTS = ("cifar", "photos", "memory")
PACKAGES = ["apache-beam", "ffcv", "numpy", "pillow", "tensorflow", "tensorflow-datasets"]
SCRIPTS = pathlib.Path(environment.__file__).parent

flags.DEFINE_string(
    "data_dir", "../shared/data", f"Where {folders.CIFAR} and {folders.PHOTOS} are."
)
flags.DEFINE_list("only", [], f"Which parts to run, of {', '.join(PARTS)}. Default: all.")
flags.DEFINE_integer("rounds", 3, "How often each contender runs.", 1)
flags.DEFINE_string("headrace_flags", "", "More flags for beam_pipelines.prepare, as in a shell.")
flags.DEFINE_string("cache_dir", "~/.cache/headrace/images", "Where archives are unpacked, once.")
flags.DEFINE_string("peers_env", "~/.cache/headrace/peers", "The peers' environment, built once.")
flags.DEFINE_string("json", None, "Write the figures to this file, too.")


@dataclasses.dataclass(frozen=True)
class Setup:
    """What all parts need.

    Attributes:
        archives: the folder of the archives.
        cache: where they are unpacked, and outputs written for as long as a run takes.
        rounds: how often each contender runs.
        headrace_flags: for `beam_pipelines.prepare`.
        peers_env: the peers' environment.
        failed: what did not install into it, and why.
    """

    archives: pathlib.Path
    cache: pathlib.Path
    rounds: int
    headrace_flags: list[str]
    peers_env: pathlib.Path
    failed: dict[str, str]


def main() -> None:
    """Runs the program."""
    asked = FLAGS.only or list(PARTS)
    headrace.check(
        set(asked) <= set(PARTS), f"--only={','.join(asked)}: expected some of {','.join(PARTS)}"
    )
    facts = {
        "date": datetime.date.today().isoformat(),
        "machine": harness.machine(),
        "load": harness.load(),
        "command": shlex.join(["python", "-m", "benchmarks.prepare", *sys.argv[1:]]),
    }
    peers_env = pathlib.Path(FLAGS.peers_env).expanduser()
    setup = Setup(
        archives=pathlib.Path(FLAGS.data_dir).expanduser(),
        cache=pathlib.Path(FLAGS.cache_dir).expanduser(),
        rounds=FLAGS.rounds,
        headrace_flags=shlex.split(FLAGS.headrace_flags),
        peers_env=peers_env,
        failed={} if asked == ["memory"] else environment.ensure(peers_env),
    )
    parts = {"cifar": cifar, "photos": photos, "memory": memory}
    rows = [row for part in PARTS if part in asked for row in parts[part](setup)]
    facts["versions"] = versions(peers_env)
    if facts["load"]["busy"]:
        print(f"\nthe machine was busy at the start: load average {facts['load']['average'][0]}")
    harness.print_table(rows)
    if FLAGS.json:
        harness.write_json(FLAGS.json, "prepare", rows, facts)


def cifar(setup: Setup) -> list[Row]:
    """Headrace and TFDS on 60,000 small JPEG files."""
    source = folders.cifar(setup.archives, setup.cache)
    return _compare("cifar", [_headrace(OURS, setup, source), *_tfds(setup, source)], setup)


def photos(setup: Setup) -> list[Row]:
    """Headrace, TFDS and FFCV on 2,000 photographs."""
    source = folders.photos(setup.archives, setup.cache)
    more = ["--encoding=keep", *(["--duplicates=allow"] if _has_flag("duplicates") else [])]
    contenders = [
        _headrace(OURS, setup, source, *more),
        *_tfds(setup, source),
        _peer("ffcv writer", "ffcv_writer.py", ["ffcv"], setup, source, _check_beton),
    ]
    return _compare("photos", contenders, setup)


def memory(setup: Setup) -> list[Row]:
    """Headrace's peak memory on a tenth and on all of the small files, and the growth."""
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


def versions(peers_env: pathlib.Path) -> dict[str, dict[str, str]]:
    """Versions in Headrace's environment and in the peers'."""
    found = {OURS: {OURS: headrace.__version__, **environment.versions(sys.executable, PACKAGES)}}
    if pathlib.Path(environment.python(peers_env)).exists():
        found["peers"] = environment.versions(environment.python(peers_env), PACKAGES)
    return found


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
) -> Contender:
    missing = [
        f"{package} did not install: {setup.failed[package]}"
        for package in needs
        if package in setup.failed
    ]
    interpreter = environment.python(setup.peers_env)
    command = [interpreter, str(SCRIPTS / script), str(source), "{output}"]
    return Contender(name, command, check, "; ".join(missing))


def _check_records(source: pathlib.Path) -> Callable[[pathlib.Path], None]:
    """As many records as files: Headrace and TFDS both write a dataset_info.json."""
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
    headrace.run(main)
