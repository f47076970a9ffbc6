"""What the number that a run goes by says: which checkpoint is the best one."""

NAMES = ("rank1", "rank5", "loss")


def worth(result: dict[str, float], name: str) -> float:
    """How good an evaluation is, by the number of this name; more is better."""
    return -result[name] if name == "loss" else result[name]
