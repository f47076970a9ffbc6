"""A fixed part of a split, from which statistics are taken: the same whoever asks for it.

No TensorFlow is imported here.
"""

import numpy as np


def record_indices(records: int, count: int, run: int = 50) -> np.ndarray:
    """Choose records evenly over a split, in runs that can be read at once.

    Evenly, because records may be stored by class.

    Args:
        records: how many there are.
        count: how many to choose, at most; a multiple of `run`, of two runs or more.
        run: consecutive records that are chosen together.

    Returns:
        Indices in the split's stored order, rising, int64 `[min(count, records)]`.
    """
    if records <= count:
        return np.arange(records)
    runs = count // run
    starts = np.arange(runs) * (records - run) // (runs - 1)
    return (starts[:, None] + np.arange(run)).ravel()
