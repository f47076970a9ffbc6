"""What the number that a run goes by says: which checkpoint is the best one, whether to lower the
learning rate, and when to end.

All of it follows from the evaluations so far, of which a checkpoint holds two numbers: the best
one, and how many there have been since.
"""

NAMES = ("rank1", "rank5", "loss")


def worth(result: dict[str, float], name: str) -> float:
    """How good an evaluation is, by the number of this name; more is better."""
    return -result[name] if name == "loss" else result[name]


def lowers(waited: int, plateau: int) -> bool:
    """Whether the learning rate goes down after an evaluation.

    Args:
        waited: evaluations since the best one, this one included; 0 if it is the best.
        plateau: how many of them lower it, each time anew; 0 for never.
    """
    return plateau > 0 and waited > 0 and waited % plateau == 0


def ends(waited: int, patience: int) -> bool:
    """Whether a run ends that has waited for so many evaluations; never with a patience of 0."""
    return 0 < patience <= waited
