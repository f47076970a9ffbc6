"""What must stay the same for a run to go on: in its run directory, and in each checkpoint.

same = fingerprint(config)
for line in differences(saved, same).values(): …    # "--batch_size was 16 and is 8"
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping

from headrace import files
from headrace.errors import UserError
from trainer.config.run import RunConfig, exists, read

# What to do about a run directory that holds another run.
REMEDY = "use the same values, another --workdir, or --allow_changes to go on with the new ones"

# A run goes on only with the same values of these, unless that is allowed; the others may change
# between two starts. Users know them by these names.
_FIXED = {
    "dataset_fingerprint": "dataset",
    "train_split": "--train_split",
    "validation_split": "--validation_split",
    "model": "--model",
    "model_options": "--model_options",
    "image_size": "--image_size",
    "resize_to": "--resize_to",
    "resize": "--resize",
    "normalization": "--normalization",
    "batch_size": "--batch_size",
    "lanes": "--lanes",
    "batch_sampling": "--batch_sampling",
    "class_weights": "--class_weights",
    "chunk": "--chunk",
    "window": "--window",
    "optimizer": "--optimizer",
    "learning_rate": "--learning_rate",
    "mixed_precision": "--mixed_precision",
    "accumulate": "--accumulate",
    "clip_norm": "--clip_norm",
    "ema": "--ema",
    "seed": "--seed",
    "init_from": "--init_from",
    "init_checkpoint": "--init_checkpoint",
    "init_optimizer": "--init_optimizer",
    "monitor": "--monitor",
    "plateau": "--plateau",
    "plateau_factor": "--plateau_factor",
    "augmentation": "--augment and its flags",
}

# Of those: which variables the optimizer has is decided by these,
_OF_OPTIMIZER = ("optimizer", "mixed_precision", "ema")

# the mean image by these,
OF_MEAN_IMAGE = ("dataset_fingerprint", "train_split", "image_size", "resize_to", "resize")

# and what an evaluation of the same weights gives by these.
_OF_EVALUATION = (
    "dataset_fingerprint",
    "validation_split",
    "model_options",
    "image_size",
    "resize_to",
    "resize",
    "normalization",
    "mixed_precision",
    "ema",
    "monitor",
)


def fingerprint(config: RunConfig) -> dict[str, object]:
    """What must stay the same for a run to go on, of values that JSON holds."""
    values = json.loads(json.dumps(dataclasses.asdict(config)))
    return {name: values[name] for name in _FIXED}


def differences(earlier: Mapping[str, object], now: Mapping[str, object]) -> dict[str, str]:
    """What two fingerprints differ in, by name, and for each a line that says how."""
    return {
        name: _difference(name, earlier.get(name), now.get(name))
        for name in _FIXED
        if earlier.get(name) != now.get(name)
    }


def agree(workdir: str, config: RunConfig, names: Iterable[str]) -> bool:
    """Whether the run in a run directory has the same values of these fields."""
    earlier, now = fingerprint(read(workdir)), fingerprint(config)
    return all(earlier[name] == now[name] for name in names)


def changes_optimizer(names: Iterable[str]) -> bool:
    """Whether with these changes the optimizer has other variables."""
    return not set(_OF_OPTIMIZER).isdisjoint(names)


def changes_evaluation(names: Iterable[str]) -> bool:
    """Whether with these changes the same weights are evaluated otherwise."""
    return not set(_OF_EVALUATION).isdisjoint(names)


def check_same_run(workdir: str, config: RunConfig, allow_changes: bool = False) -> None:
    """Makes sure that a run directory, if it holds a run, holds this one.

    Args:
        workdir: the run directory.
        config: of the run to be started.
        allow_changes: it may be of another dataset, model or flags.

    Raises:
        UserError: it holds a run of another dataset, model or flags, all differences are named; or
            no run, but other files; or it is no directory.
    """
    try:
        folders, names = files.listing(workdir)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise UserError(f"--workdir={workdir} is a file; name a folder") from None
    if not exists(workdir):
        if any(not name.startswith(".") for name in (*folders, *names)):
            raise UserError(
                f"--workdir={workdir} has files in it but is no run directory; use an empty one"
            )
        return
    earlier = read(workdir)
    changed = differences(fingerprint(earlier), fingerprint(config))
    if changed and not allow_changes:
        data = f" (its dataset is {earlier.data_dir})" if "dataset_fingerprint" in changed else ""
        raise UserError(
            f"--workdir={workdir} holds another run: {'; '.join(changed.values())}{data}; {REMEDY}"
        )


def _difference(name: str, before: object, after: object) -> str:
    if name == "augmentation" and before and after:
        others = [flag for flag in {**before, **after} if before.get(flag) != after.get(flag)]
        lines = (f"{flag} was {before.get(flag)} and is {after.get(flag)}" for flag in others)
        return f"{_FIXED[name]}: {', '.join(lines)}"
    length = 12 if name == "dataset_fingerprint" else None
    return f"{_FIXED[name]} was {str(before)[:length]} and is {str(after)[:length]}"
