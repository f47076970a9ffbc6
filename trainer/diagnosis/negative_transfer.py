"""Weights of others that do more harm than good: negative transfer.

It shows within five to ten epochs (Ferlitsch, The Idiomatic Programmer, 2019, on transfer
learning): a network that knows images already is then far better than chance, and gets better.
"""

from trainer.diagnosis.curves import Curve, Curves, Setting

# Epochs in which it shows.
FIRST_EPOCH, LAST_EPOCH = 5, 10
# Times the rank-1 of guessing, or parts of what is above it, that are still about as bad: of two
# classes half again would be three quarters.
_TIMES_CHANCE, _PART_ABOVE = 1.5, 0.1
# A rank-1 that has not risen by this much since the first epoch stagnates, and one that has fallen
# by more diverges; above a half that may as well be a last layer that had learnt all at once.
_RISE, _FALL, _POOR = 0.02, 0.05, 0.5


def negative_transfer(curves: Curves, setting: Setting) -> str | None:
    """Find a run that began with other weights and is no better than chance, or no better than at
    its first epoch."""
    curve = curves.validation if len(curves.validation) else curves.train
    if not setting.transfer or not _is_time(curve):
        return None
    first, last, epoch = curve.rank1[0], curve.rank1[-1], curve.epoch[-1]
    chance = setting.chance
    near_chance = min(_TIMES_CHANCE * chance, chance + _PART_ABOVE * (1 - chance))
    if last <= near_chance:
        what = f"rank-1 is {last:.3f}, and guessing gives {chance:.3f}"
    elif len(curve) > 1 and last < first - _FALL:
        what = f"rank-1 has fallen from {first:.3f} to {last:.3f}"
    elif len(curve) > 1 and last < min(_POOR, first + _RISE):
        what = f"rank-1 has not risen from {first:.3f} (now {last:.3f})"
    else:
        return None
    return (
        f"after {epoch:g} epochs from other weights (`{setting.transfer}`) {what}: they may be of "
        f"images too unlike these (negative transfer); try {_remedy(setting)}, and compare"
    )


def _is_time(curve: Curve) -> bool:
    """Return whether the last point is in these epochs, or the first one after them."""
    if not len(curve) or curve.epoch[-1] < FIRST_EPOCH:
        return False
    return bool(curve.epoch[-1] <= LAST_EPOCH or len(curve) < 2 or curve.epoch[-2] < FIRST_EPOCH)


def _remedy(setting: Setting) -> str:
    layers = "more layers to train (`unfreeze`), " if setting.transfer == "pretrained" else ""
    return f"a lower `learning_rate`, {layers}or no `{setting.transfer}` at all"
