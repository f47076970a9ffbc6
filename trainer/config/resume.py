"""What must stay the same for a run to go on: in its run directory, and in each checkpoint.

    same = fingerprint(config)
    for line in differences(earlier, same).values(): …    # "`batch_size` was 16 and is 8"

All of it is read from the fields of the config: `on_resume="same"` says that a field must stay, and
`affects` what else has to begin afresh when it is allowed to change: the `optimizer`, the
`evaluation` (what the same weights are worth), the `mean_image`.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from headrace import config_flags, files
from headrace.errors import UserError
from trainer.config import formats, run
from trainer.config.run import RunConfig

# What to do about a run directory that holds another run.
REMEDY = "use the same values, another `workdir`, or `allow_changes` to go on with the new ones"

_FIXED = {
    name: field
    for name, (_, field) in run.FIELDS.items()
    if config_flags.traits_of(field).get("on_resume") == "same"
}


def fingerprint(config: RunConfig) -> dict[str, Any]:
    """Return what must stay the same for a run to go on, by name, as values that JSON holds."""
    config = run.fill_in(config)  # what was left out is what it is by now: no change
    values = {
        name: getattr(getattr(config, part), field.name)
        for name, (part, field) in run.FIELDS.items()
        if name in _FIXED
    }
    return json.loads(json.dumps(values))


def differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """Return what two fingerprints differ in, by name, and for each a line that says how.

    Args:
        earlier: fingerprint of a run, perhaps one that an earlier version wrote: what it lacks had
            its default.
        now: fingerprint of the run to be started.
    """
    before = {**fingerprint(RunConfig()), **formats.upgrade_names(earlier)}
    return {
        name: _difference(name, before[name], value)
        for name, value in now.items()
        if before[name] != value
    }


def affected(names: Iterable[str], what: str) -> bool:
    """Return whether changes of these fields affect the `optimizer`, or another thing like it."""
    return any(what in config_flags.traits_of(_FIXED[name]).get("affects", ()) for name in names)


def agree(workdir: str, config: RunConfig, what: str) -> bool:
    """Return whether the run in a run directory differs in nothing that affects `what`."""
    return not affected(differences(fingerprint(run.read(workdir)), fingerprint(config)), what)


def check_same_run(workdir: str, config: RunConfig, allow_changes: bool = False) -> None:
    """Make sure that a run directory, if it holds a run, holds this one.

    Args:
        workdir: path of the run directory.
        config: config of the run to be started.
        allow_changes: accept another dataset, model or other flags.

    Raises:
        UserError: it holds a run of another dataset, model or flags, all differences are named; or
            no run, but other files; or it is no directory.
    """
    try:
        folders, names = files.listing(workdir)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise UserError(f"`workdir`={workdir} is a file; name a folder") from None
    if not run.exists(workdir):
        if any(not name.startswith(".") for name in (*folders, *names)):
            raise UserError(
                f"`workdir`={workdir} has files in it but is no run directory; use an empty one"
            )
        return
    earlier = run.read(workdir)
    changes = differences(fingerprint(earlier), fingerprint(config))
    if changes and not allow_changes:
        data = f" (its dataset is {earlier.data.data_dir})" if "dataset" in changes else ""
        raise UserError(
            f"`workdir`={workdir} holds another run: {'; '.join(changes.values())}{data}; {REMEDY}"
        )


def _difference(name: str, before: object, after: object) -> str:
    if name == "dataset":
        return f"dataset was {str(before)[:12]} and is {str(after)[:12]}"
    return f"`{name}` was {_as_given(before)} and is {_as_given(after)}"


def _as_given(value: object) -> object:
    """Return a list of words as its flag takes it."""
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return ",".join(value)
    return value
