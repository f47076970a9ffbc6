"""What the number that a run goes by says: which checkpoint is the best one, whether to lower the
learning rate, and when to end.

All of it follows from the evaluations so far, of which a checkpoint holds two numbers: the best
score, and how many evaluations there have been since.
"""

NAMES = ("rank1", "rank5", "loss")


def score(result: dict[str, float], name: str) -> float:
    """Return how good an evaluation is, by the number of this name; more is better."""
    return -result[name] if name == "loss" else result[name]


def should_reduce_lr(evals_since_best: int, patience: int) -> bool:
    """Return whether the learning rate goes down after an evaluation.

    Args:
        evals_since_best: evaluations since the best one, this one included; 0 if it is the best.
        patience: how many of them lower it, each time anew; 0 for never.
    """
    return patience > 0 and evals_since_best > 0 and evals_since_best % patience == 0


def should_stop(evals_since_best: int, patience: int) -> bool:
    """Return whether a run ends after so many evaluations since the best one; with a patience of 0
    it never does."""
    return 0 < patience <= evals_since_best
