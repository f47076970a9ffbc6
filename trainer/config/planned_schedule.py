"""How the learning rate of a run would go that nothing has trained yet.

    from trainer.config import planned_schedule

    planned_schedule.define()       # before the flags of data, some of which it reads

    def main() -> None:
        config, steps_per_epoch = planned_schedule.parse(card)

No TensorFlow is imported here.
"""

import dataclasses
from collections.abc import Iterator

from absl import flags

from headrace import config_flags
from headrace.errors import check
from input.dataset.dataset_dir import Card
from input.sampling import order
from trainer.config import splits
from trainer.config.data import DataConfig
from trainer.config.optimization import OptimizationConfig
from trainer.config.run import RunConfig
from trainer.config.schedule import ScheduleConfig, check_schedule
from trainer.config.training import TrainingConfig

# The flags that `define` makes are those of the program that calls it.
flags.disclaim_key_flags()

# Of other parts, what the rate hangs on.
_RATE, _LENGTH = ("learning_rate",), ("epochs", "steps")


def define() -> None:
    """Define the flags."""
    config_flags.define(ScheduleConfig)
    config_flags.define(OptimizationConfig, only=_RATE)
    config_flags.define(TrainingConfig, only=_LENGTH)


def given_flags() -> Iterator[str]:
    """Yield the names of the flags of `define` that were given."""
    names = map(config_flags.flag_name, dataclasses.fields(ScheduleConfig))
    for name in (*names, *_RATE, *_LENGTH):
        if flags.FLAGS[name].present:
            yield name


def parse(card: Card | None) -> tuple[RunConfig, int]:
    """Return a run, as far as its learning rate hangs on it, and the steps of its epochs; 1 of
    them where all lengths are in steps.

    Args:
        card: card of the dataset; None for lengths in steps alone.

    Raises:
        UsageError: there is no such schedule, or its length is not known.
        UserError: there is no such part to train on, or it is smaller than a batch.
    """
    schedule, data = config_flags.parse(ScheduleConfig), config_flags.parse(DataConfig)
    check_schedule(schedule)
    steps, epochs = flags.FLAGS.steps, flags.FLAGS.epochs
    check(
        (epochs is None) != (steps is None),
        "say how long to train: either `epochs` or `steps`, not both",
    )
    check(
        card or not (epochs or schedule.warmup_epochs or _counts_epochs(schedule)),
        "say how many steps an epoch has, by `data_dir` and `batch_size`; or give all lengths in "
        "steps: `steps`, `warmup_steps`, and unit=steps among `schedule_options`",
    )
    per_epoch = _steps_per_epoch(data, card) if card else 1
    steps = steps or epochs * per_epoch
    return (
        RunConfig(
            data=data,
            optimization=OptimizationConfig(learning_rate=flags.FLAGS.learning_rate),
            schedule=schedule,
            training=TrainingConfig(epochs=epochs, steps=steps),
        ),
        per_epoch,
    )


def _counts_epochs(schedule: ScheduleConfig) -> bool:
    values = schedule.values()
    return values["unit"] == "epochs" and not {"every", "at"}.isdisjoint(values)


def _steps_per_epoch(data: DataConfig, card: Card) -> int:
    records = splits.train_records(data.data_dir, card, data.train_split)
    lanes = data.lanes or order.default_lanes(data.batch_size)
    # Chunks decide which records a batch has, and not how many batches there are.
    whole = dataclasses.replace(data, lanes=lanes, shuffle_chunk=1, shuffle_window=1)
    order.check(whole.order(records))
    return whole.order(records).steps_per_epoch
