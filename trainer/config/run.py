"""What a run is: everything that decides its result, kept in the run directory as `config.json`.

Each part is a dataclass whose fields carry their help, their bounds and whether they may change
when a run goes on: flags, `config.json`, the check at a resume and the reference of flags are made
of them. A field more needs nothing but itself and its use.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import headrace
from headrace import config_flags, files
from headrace.config_flags import UnknownFieldsError, option
from headrace.errors import UserError
from input.augment.config import Augmentation
from input.dataset.dataset_dir import Card
from trainer import run_dir
from trainer.config import formats, loss, training
from trainer.config.checkpoints import CheckpointsConfig
from trainer.config.data import DataConfig
from trainer.config.distribution import DistributionConfig
from trainer.config.model import ModelConfig
from trainer.config.optimization import OptimizationConfig
from trainer.config.schedule import ScheduleConfig
from trainer.config.training import TrainingConfig
from trainer.config.transfer import TransferConfig


@dataclasses.dataclass(frozen=True)
class DatasetConfig:
    """What the model is built from, of the dataset's card."""

    fingerprint: str = option(
        "", flag="dataset", on_resume="same", affects=("mean_image", "evaluation")
    )
    classes: list[str] = option([], flag=None)
    channels: int = option(3, flag=None)
    mean: list[float] = option([], flag=None)
    std: list[float] = option([], flag=None)
    multi_label: bool = option(False, flag=None)


def dataset_config(card: Card) -> DatasetConfig:
    """Return what the model is built from, of a card."""
    return DatasetConfig(
        card.fingerprint, card.classes, card.channels, card.mean, card.std, card.multi_label
    )


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """A training run, in parts."""

    dataset: DatasetConfig = dataclasses.field(default_factory=DatasetConfig)
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    transfer: TransferConfig = dataclasses.field(default_factory=TransferConfig)
    optimization: OptimizationConfig = dataclasses.field(default_factory=OptimizationConfig)
    schedule: ScheduleConfig = dataclasses.field(default_factory=ScheduleConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    distribution: DistributionConfig = dataclasses.field(default_factory=DistributionConfig)
    checkpoints: CheckpointsConfig = dataclasses.field(default_factory=CheckpointsConfig)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of the model's input."""
        rows, columns = self.data.image_size
        return rows, columns, self.dataset.channels

    @property
    def learning_rate(self) -> float:
        """The learning rate that the schedule multiplies, for this size of a batch."""
        base = self.schedule.base_batch_size
        scale = self.data.batch_size / base if base else 1.0
        return self.optimization.learning_rate * scale

    @property
    def is_binary(self) -> bool:
        """Whether the model says of each class by itself whether it is there: by sigmoids."""
        name = loss.resolve(self.optimization.loss, self.dataset.multi_label)
        return loss.is_binary(name)


# Every field by the name that it goes by outside, which no two have in common, with its part.
FIELDS = {
    config_flags.flag_name(field): (part.name, field)
    for part in dataclasses.fields(RunConfig)
    for field in dataclasses.fields(part.type)  # type: ignore[arg-type]  # a class, no string
}


def fill_in(config: RunConfig) -> RunConfig:
    """Fill in what is left out and hangs on how many labels an image has: loss and monitor."""
    multi_label, step, course = config.dataset.multi_label, config.optimization, config.training
    name = loss.resolve(step.loss, multi_label)
    monitor = training.resolve_monitor(course.monitor, multi_label)
    return dataclasses.replace(
        config,
        optimization=dataclasses.replace(step, loss=name),
        training=dataclasses.replace(course, monitor=monitor),
    )


def nest(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return fields that lie side by side, by name, in their parts.

    Raises:
        UnknownFieldsError: a name is that of no field.
    """
    if unknown := sorted(values.keys() - FIELDS.keys()):
        raise UnknownFieldsError(", ".join(unknown))
    parts: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        part, field = FIELDS[name]
        parts.setdefault(part, {})[field.name] = value
    return parts


def to_json(config: RunConfig) -> str:
    """Return the text of `config.json`."""
    values = {"format": formats.FORMAT, **dataclasses.asdict(config)}
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def exists(workdir: str) -> bool:
    """Return whether a run has begun in a run directory."""
    return files.exists(f"{workdir}/{run_dir.CONFIG}")


def steps_so_far(workdir: str) -> int:
    """Return up to which step a run was to go when it was last started; 0 for a new one."""
    return read(workdir).training.steps if exists(workdir) else 0


def read(workdir: str, flag: str = "workdir") -> RunConfig:
    """Read `config.json`, of this format or an earlier one.

    Args:
        workdir: the run directory.
        flag: name of the flag that named it.

    Raises:
        UserError: there is none, it cannot be read, or a newer Headrace wrote it.
    """
    path = f"{workdir}/{run_dir.CONFIG}"
    if not exists(workdir):
        raise UserError(
            f"{workdir} is no run directory: it has no {run_dir.CONFIG}; "
            f"train with `python -m trainer.task`, or check `{flag}`"
        )
    try:
        values = json.loads(files.read(path))
        if not isinstance(values, dict):
            raise ValueError("it holds no object")
        written = int(values.pop("format", 1))
        if written > formats.FORMAT:
            raise UnknownFieldsError
        parts = nest(formats.upgrade_names(values)) if written == 1 else values
        config = config_flags.from_json(RunConfig, parts)
        if not config.model.name:
            raise ValueError("it names no model")
        return config
    except UnknownFieldsError as error:
        fields = f" with {error}" if str(error) else ""
        raise UserError(
            f"{path} is of format {written}{fields}, and this Headrace ({headrace.__version__}) "
            f"reads up to format {formats.FORMAT}: a newer one wrote it; install that, or use "
            f"another `{flag}`"
        ) from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}); use another `{flag}`") from None
