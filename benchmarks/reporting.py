"""What the benchmarks have in common as programs: flags, parts, and the report at the end.

asked = reporting.parts(PARTS)
facts = reporting.facts("prepare")
…
reporting.report("prepare", rows, facts, PACKAGES)
"""

import datetime
import pathlib
import shlex
import sys
from collections.abc import Sequence

from absl import flags

import headrace
from benchmarks import folders, harness
from benchmarks.peers import environment
from headrace.errors import check

FLAGS = flags.FLAGS
SCRIPTS = pathlib.Path(environment.__file__).parent

flags.DEFINE_string(
    "archives", "../shared/data", f"Where {folders.CIFAR} and {folders.PHOTOS} are."
)
flags.DEFINE_list("only", [], "Which parts to run. Default: all.")
flags.DEFINE_integer("rounds", 3, "How often each contender runs.", 1)
flags.DEFINE_string("scratch_dir", "~/.cache/headrace/images", "What is made once, and scratch.")
flags.DEFINE_string(
    "peers_env", "~/.cache/headrace/environments", "The peers' environments, built once."
)
flags.DEFINE_string("json", None, "Write the figures to this file, too.")


def parts(known: Sequence[str]) -> list[str]:
    """Return the parts that `--only` asks for, in their own order.

    Raises:
        UsageError: there is no such part.
    """
    asked = FLAGS.only or list(known)
    check(set(asked) <= set(known), f"--only={','.join(asked)}: expected some of {','.join(known)}")
    return [part for part in known if part in asked]


def archives() -> pathlib.Path:
    """Return the folder of the archives."""
    return pathlib.Path(FLAGS.archives).expanduser()


def cache() -> pathlib.Path:
    """Return where archives are unpacked, and outputs written for as long as a run takes."""
    return pathlib.Path(FLAGS.scratch_dir).expanduser()


def peers_env() -> pathlib.Path:
    """Return where the peers' environments are."""
    return pathlib.Path(FLAGS.peers_env).expanduser()


def peer(script: str, env: str) -> list[str]:
    """Return how to start a script of `benchmarks/peers`: the command without its arguments."""
    return [environment.python(peers_env(), env), str(SCRIPTS / script)]


def missing(needs: Sequence[str], failed: dict[str, str]) -> str:
    """Return why a peer cannot run; empty if it can.

    Args:
        needs: the packages it needs.
        failed: which did not install, and why.
    """
    return "; ".join(f"{name} did not install: {failed[name]}" for name in needs if name in failed)


def facts(name: str) -> dict:
    """Return when, on which machine, how busy, by which command; asked before anything runs."""
    return {
        "date": datetime.date.today().isoformat(),
        "machine": harness.machine(),
        "load": harness.load(),
        "command": shlex.join(["python", "-m", f"benchmarks.{name}", *sys.argv[1:]]),
    }


def report(name: str, rows: Sequence[harness.Row], facts: dict, packages: list[str]) -> None:
    """Print the table, and write it where `--json` says.

    Args:
        name: of the benchmark.
        rows: of the table.
        facts: as `facts` gave them.
        packages: whose versions matter.
    """
    if facts["load"]["busy"]:
        print(f"\nthe machine was busy at the start: load average {facts['load']['average'][0]}")
    harness.print_table(rows)
    if FLAGS.json:
        facts = {**facts, "versions": _versions(packages)}
        harness.write_json(FLAGS.json, name, rows, facts)


def _versions(packages: list[str]) -> dict[str, dict[str, str]]:
    """Return the versions in Headrace's environment and in the peers'."""
    own = environment.versions(sys.executable, packages)
    found = {harness.OURS: {harness.OURS: headrace.__version__, **own}}
    for env in environment.NAMES:
        interpreter = environment.python(peers_env(), env)
        if pathlib.Path(interpreter).exists():
            found[f"peers, {env}"] = environment.versions(interpreter, packages)
    return found
