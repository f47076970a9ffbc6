"""Iterative stratification, of the package of that name, in two cuts: train, then the other two.

    python iterative_stratification.py LABELS.npy SPLITS.npy SEED

Reads bool `[images, labels]`, writes the split of each image (0 for 80 %, 1 and 2 for 10 % each),
and prints the CPU seconds that it took. `MultilabelStratifiedShuffleSplit` is what the package's
documentation has for sizes; it cuts in two, so the second cut divides what the first left.
"""

import sys
import time

import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit


def main() -> None:
    """Run the program."""
    labels, output, seed = np.load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    started = time.process_time()
    splits = np.zeros(len(labels), np.int64)
    rest = _cut(labels, 0.2, seed)
    splits[rest] = 1
    splits[rest[_cut(labels[rest], 0.5, seed)]] = 2
    print(time.process_time() - started)
    np.save(output, splits)


def _cut(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return the smaller part of a cut."""
    cut = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    ((_, part),) = cut.split(labels, labels)
    return part


if __name__ == "__main__":
    main()
