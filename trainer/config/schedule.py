"""How the learning rate of a run changes with its steps."""

import dataclasses
from typing import Any

from headrace.config_flags import option
from headrace.errors import check
from headrace.options import OptionsParser, check_numbers, check_options

# The options of each schedule with their defaults. Lengths are in epochs, or with `unit=steps` in
# steps; rates are parts of the run's.
SCHEDULES: dict[str, dict[str, object]] = {
    "constant": {},
    "step": {"every": 30.0, "factor": 0.1},
    "piecewise": {"at": (), "factors": ()},
    "polynomial": {"power": 1.0, "end": 0.0},
    "exponential": {"every": 1.0, "factor": 0.94},
    "inverse_time": {"every": 1.0, "decay": 1.0},
    "cosine": {"end": 0.0},
    "cyclic": {"every": 10.0, "growth": 1.0, "factor": 1.0, "end": 0.0},
    "one_cycle": {"rise": 0.3, "start": 0.04, "end": 0.0001},
    "triangular": {"rise": 0.5, "start": 0.0, "end": 0.0},
}
_UNITS = ("epochs", "steps")


@dataclasses.dataclass(frozen=True)
class ScheduleConfig:
    """The curve of the learning rate, of which `learning_rate` is the highest value."""

    name: str = option(
        "constant",
        "How the learning rate goes on from `learning_rate`. step: down by a factor every so "
        "many epochs. piecewise: by factors, from given epochs on. polynomial, cosine: down to a "
        "part of it at the end. exponential, inverse_time: down steadily, whatever the end. "
        "cyclic: cosines, one after the other. one_cycle: up, then down along a cosine. "
        "triangular: up, then down in a straight line.",
        flag="schedule",
        choices=tuple(SCHEDULES),
        on_resume="same",
    )
    options: dict[str, object] = option(
        {},
        'Options of the `schedule` as name=value, separated by semicolons: "every=10;factor=0.5". '
        "Lengths are in epochs, or with unit=steps in steps; docs/training.md has all of them.",
        flag="schedule_options",
        parser=OptionsParser(),
        on_resume="same",
    )
    warmup_epochs: float = option(
        0.0,
        "Raise the learning rate from nothing for so many epochs; the `schedule` begins then.",
        minimum=0.0,
        on_resume="same",
    )
    warmup_steps: int = option(
        0, "The same in steps, in place of `warmup_epochs`.", minimum=0, on_resume="same"
    )
    base_batch_size: int = option(
        0,
        "Batch size that `learning_rate` is for: with another one it is multiplied by the ratio "
        "of the two (Goyal et al., 2017). 0 to leave it as it is.",
        minimum=0,
        on_resume="same",
    )

    @property
    def varies(self) -> bool:
        """Whether the rate is ever another than the highest."""
        return bool(self.name != "constant" or self.warmup_epochs or self.warmup_steps)

    def values(self) -> dict[str, Any]:
        """Return the options of the schedule, with the defaults of those that are not given."""
        return {**SCHEDULES[self.name], "unit": "epochs", **self.options}


def check_schedule(schedule: ScheduleConfig) -> None:
    """Make sure that a schedule has such options.

    Raises:
        UsageError: it has not, or they make no sense.
    """
    name, values = schedule.name, schedule.values()
    defaults = {**SCHEDULES[name], "unit": "epochs"}
    what = f"`schedule`={name}"
    check_options(what, schedule.options, defaults)
    check_numbers(what, {key: value for key, value in values.items() if key != "unit"})
    check(
        values["unit"] in _UNITS,
        f"`schedule_options`: unit={values['unit']}: expected one of {', '.join(_UNITS)}",
    )
    check(
        not (schedule.warmup_steps and schedule.warmup_epochs),
        "`warmup_steps` and `warmup_epochs` both say how long; give one of them",
    )
    if name == "piecewise":
        _check_pieces(values)
    rise, every = values.get("rise", 0), values.get("every", 1)
    check(
        rise < 1,
        f"`schedule_options`: rise={rise:g}: expected a part of the run, from 0 to less than 1",
    )
    check(every > 0, f"`schedule_options`: every={every:g}: expected more than 0")


def _check_pieces(values: dict[str, Any]) -> None:
    at, factors = list(values["at"]), list(values["factors"])
    check(
        bool(at) and len(at) == len(factors) and at == sorted(set(at)),
        f"`schedule`=piecewise: expected as many factors as epochs that they begin at, which "
        f'rise, as in "at=(30,60);factors=(0.1,0.01)"; received at={tuple(at)} and '
        f"factors={tuple(factors)}",
    )
