"""Measures how evenly images of several labels are divided, against iterative stratification.

    python -m benchmarks.multilabel_split --json=multilabel-split.json

The label sets are made, not of a dataset: label n is drawn with a chance of 1 / n (Zipf), two draws
an image on average, and each brings a partner of its own along in four of ten cases, so labels
occur together. Some images have none. 80, 10 and 10 per cent; another seed in every round.

Measures of Sechidis, Tsoumakas & Vlahavas, On the Stratification of Multi-Label Data, 2011; less is
better. LD: mean over labels and splits of the difference between the odds of a label in a split and
in all, in 1/10,000; LPD: the same of pairs of labels that occur; ED: mean difference between the
size of a split and what it should be, in images. worst: the largest distance of a label's count
from its quota, in images. CPU: seconds.

Contenders: Headrace; the package iterative-stratification, in an environment of its own; chance.
"""

import datetime
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time
from fractions import Fraction

import numpy as np
from absl import flags

import headrace
from beam_pipelines.planning import multilabel_split
from beam_pipelines.planning.controlled_rounding import round_quotas
from benchmarks import harness
from benchmarks.harness import OURS, Row
from benchmarks.peers import environment
from headrace import program

FLAGS = flags.FLAGS

SHARES = [Fraction(8, 10), Fraction(1, 10), Fraction(1, 10)]
SIZES = ((2_000, 20), (10_000, 80), (40_000, 80))  # images, labels
PEER, CHANCE, _ENV = "iterative-stratification", "chance", "stratification"
_DRAWS, _TOGETHER = 2.0, 0.4
_UNITS = {"LD": "1e-4", "LPD": "1e-4", "ED": "images", "worst": "images", "CPU": "s"}

flags.DEFINE_integer("rounds", 3, "How many sets of labels of each size are divided.", 1)
flags.DEFINE_string(
    "peers_env", "~/.cache/headrace/environments", "The peers' environments, built once."
)
flags.DEFINE_string("json", None, "Write the figures to this file, too.")


def main() -> None:
    """Run the program."""
    folder = pathlib.Path(FLAGS.peers_env).expanduser()
    failed = environment.ensure(folder, _ENV)
    peer = None if failed else environment.python(folder, _ENV)
    versions = {
        OURS: {OURS: headrace.__version__, **environment.versions(sys.executable, ["numpy"])}
    }
    if peer:
        versions[_ENV] = environment.versions(peer, [PEER, "numpy", "scikit-learn"])
    facts = {
        "date": datetime.date.today().isoformat(),
        "machine": harness.machine(),
        "load": harness.load(),
        "versions": versions,
        "command": shlex.join(["python", "-m", "benchmarks.multilabel_split", *sys.argv[1:]]),
    }
    rows = measure(peer, FLAGS.rounds)
    rows += [Row(name, None, "", error=reason) for name, reason in failed.items()]
    harness.print_table(rows)
    if FLAGS.json:
        harness.write_json(FLAGS.json, "multilabel_split", rows, facts)


def measure(peer: str | None, rounds: int) -> list[Row]:
    """Return a row for every measure of every contender and size, with its ratio to Headrace.

    Args:
        peer: interpreter of the peer's environment, if it installed.
        rounds: number of sets of labels of each size.
    """
    rows = []
    for images, labels in SIZES:
        found: dict[tuple[str, str], list[float]] = {}
        for seed in range(rounds):
            table = made_labels(images, labels, seed)
            for name, (splits, seconds) in divisions(table, peer, seed).items():
                for title, value in {**measures(table, splits), "CPU": seconds}.items():
                    found.setdefault((title, name), []).append(value)
        for (title, name), values in sorted(found.items(), key=lambda item: item[0][0]):
            rows.append(harness.row(f"{images:,} images, {title}: {name}", values, _UNITS[title]))
            if min(found[title, OURS]) > 0:
                ratio = harness.median_ratio(values, found[title, OURS])
                rows[-1].ratio_to_headrace = round(ratio, 3)
    return rows


def made_labels(images: int, labels: int, seed: int) -> np.ndarray:
    """Return which labels made images have: bool `[images, labels]`."""
    rng = np.random.default_rng(seed)
    chances = 1 / np.arange(1, labels + 1)
    partner = rng.integers(0, labels, labels)
    table = np.zeros((images, labels), bool)
    for row in table:
        drawn = rng.choice(labels, rng.poisson(_DRAWS), p=chances / chances.sum())
        row[drawn] = True
        row[partner[drawn[rng.random(len(drawn)) < _TOGETHER]]] = True
    return table


def divisions(
    table: np.ndarray, peer: str | None, seed: int
) -> dict[str, tuple[np.ndarray, float]]:
    """Return the split of each image and the CPU seconds that it took, of each contender."""
    sizes = round_quotas([len(table)], SHARES)[0]
    found = {CHANCE: (np.random.default_rng(seed).permutation(np.repeat(range(3), sizes)), 0.0)}
    started = time.process_time()
    units = [{tuple(np.flatnonzero(row).tolist()): 1} for row in table]
    splits = np.array(multilabel_split.divide(units, SHARES))
    found[OURS] = splits, time.process_time() - started
    if peer:
        found[PEER] = _peer(peer, table, seed)
    return found


def _peer(peer: str, table: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    script = pathlib.Path(__file__).parent / "peers" / "iterative_stratification.py"
    with tempfile.TemporaryDirectory() as folder:
        labels, splits = f"{folder}/labels.npy", f"{folder}/splits.npy"
        np.save(labels, table)
        command = [peer, str(script), labels, splits, str(seed)]
        seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return np.load(splits), float(seconds)


def measures(table: np.ndarray, splits: np.ndarray) -> dict[str, float]:
    """Return LD, LPD, ED and the worst distance of a label's count from its quota."""
    first, second = np.triu_indices(table.shape[1], 1)
    pairs = np.stack([table[:, a] & table[:, b] for a, b in zip(first, second, strict=True)], 1)
    parts = [splits == split for split in range(len(SHARES))]
    shares = [float(share) for share in SHARES]
    return {
        "LD": _distribution(table, parts),
        "LPD": _distribution(pairs, parts),
        "ED": float(
            np.mean(
                [abs(part.sum() - len(table) * s) for part, s in zip(parts, shares, strict=True)]
            )
        ),
        "worst": float(
            max(
                np.abs(table[part].sum(0) - table.sum(0) * s).max()
                for part, s in zip(parts, shares, strict=True)
            )
        ),
    }


def _distribution(table: np.ndarray, parts: list[np.ndarray]) -> float:
    """Return the mean difference of odds, in 1/10,000, of columns that are in some image."""
    table = table[:, table.any(0)]
    odds = _odds(table)
    return 1e4 * float(np.mean([np.abs(_odds(table[part]) - odds) for part in parts]))


def _odds(table: np.ndarray) -> np.ndarray:
    have = table.sum(0)
    return have / (len(table) - have)


if __name__ == "__main__":
    program.run(main)
