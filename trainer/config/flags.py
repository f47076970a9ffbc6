"""The one place where flags of training are read: from flags to a `RunConfig`.

    from trainer.config import flags as training_flags

    training_flags.define()

    def main() -> None:
        config = training_flags.parse()         # what the flags say, checked by themselves
        card = dataset_dir.read_card(config.data.data_dir)
        config = training_flags.resolve(config, card)

No TensorFlow is imported here.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

from absl import flags

from headrace import config_flags, recipes
from headrace.errors import check
from input.augment import config as augment_config
from input.augment.config import PRESETS, Augmentation
from input.dataset.dataset_dir import Card
from input.loading import cache_policy
from models import registry
from trainer.config import data, loss, splits
from trainer.config import optimization as optimization_config
from trainer.config import run as run_config
from trainer.config.checkpoints import CheckpointsConfig
from trainer.config.data import DataConfig
from trainer.config.distribution import DistributionConfig
from trainer.config.model import ModelConfig
from trainer.config.optimization import OptimizationConfig
from trainer.config.run import RunConfig, dataset_config
from trainer.config.schedule import ScheduleConfig, check_schedule
from trainer.config.training import (
    TrainingConfig,
    check_evaluated,
    check_monitors,
    check_training,
)
from trainer.config.transfer import TransferConfig, check_transfer

# The flags that `define` makes are those of the program that calls it.
flags.disclaim_key_flags()

# In the order in which `--help` shows them.
_PARTS: dict[str, type] = {
    "model": ModelConfig,
    "transfer": TransferConfig,
    "optimization": OptimizationConfig,
    "schedule": ScheduleConfig,
    "training": TrainingConfig,
    "checkpoints": CheckpointsConfig,
    "distribution": DistributionConfig,
    "data": DataConfig,
}


def define() -> None:
    """Define all flags of a training run."""
    recipes.define()
    config_flags.define(*(part for name, part in _PARTS.items() if name != "data"))
    define_data()


def define_data() -> None:
    """Define the flags that say what the batches of a run are."""
    config_flags.define(DataConfig)
    config_flags.define(Augmentation, optional=True)


def parse() -> RunConfig:
    """Return the run that the flags describe, on a dataset not looked at yet.

    Raises:
        UsageError: flags exclude each other.
    """
    parts: dict[str, Any] = {name: config_flags.parse(part) for name, part in _PARTS.items()}
    config = RunConfig(**parts, augmentation=_augmentation(parts["data"]))
    _check_alone(config)
    return config


def parse_data() -> tuple[DataConfig, Augmentation]:
    """Return what the flags of `define_data` describe."""
    config = config_flags.parse(DataConfig)
    return config, _augmentation(config)


def given_data_flags() -> Iterable[str]:
    """Return the names of the flags of `define_data` that were given."""
    for part in (DataConfig, Augmentation):
        for field in dataclasses.fields(part):
            if flags.FLAGS[field.name].present:
                yield field.name


def resolve(config: RunConfig, card: Card) -> RunConfig:
    """Fill in what is left out, from the card of the dataset.

    Raises:
        UsageError: values make no sense together, or parts to train on and to watch share records.
        UserError: there is no such part, or what is trained on is smaller than a batch or cannot be
            kept as it should be.
    """
    resolved = data.resolve(config.data, card)
    augmentation, training = config.augmentation, config.training
    records = splits.train_records(resolved.data_dir, card, resolved.train_split)
    order = resolved.order(records)
    augment_config.check(augmentation, order.batch_size // order.lanes, resolved.preprocessing)
    cacheable = cache_policy.cacheable_preprocessing(
        card, resolved.preprocessing, augmentation.crop
    )
    cache_policy.choose(resolved.cache, card, records, cacheable)
    validation = (
        splits.rotating_split(resolved.data_dir, card)
        if order.held_out
        else splits.validation_split(
            resolved.data_dir, card, resolved.train_split, training.validation_split
        )
    )
    check_evaluated(training, validation)
    loss.check_labels(config.optimization.loss, card.multi_label)
    check_monitors(training, card.multi_label)
    model, saves, per_epoch = config.model, config.checkpoints, order.steps_per_epoch
    resolved_config = dataclasses.replace(
        config,
        model=dataclasses.replace(
            model, normalization=model.normalization or registry.normalization(model.name)
        ),
        dataset=dataset_config(card),
        data=resolved,
        training=dataclasses.replace(
            training,
            validation_split=validation,
            steps=training.steps or (training.epochs or 0) * per_epoch,
        ),
        checkpoints=dataclasses.replace(
            saves,
            save_every_steps=saves.save_every_steps or (saves.save_every_epochs or 1) * per_epoch,
        ),
    )
    return run_config.fill_in(resolved_config)


def _augmentation(config: DataConfig) -> Augmentation:
    return config_flags.parse(Augmentation, base=PRESETS[config.augment])


def _check_alone(config: RunConfig) -> None:
    """Make sure that flags go together, as far as they tell by themselves."""
    training, saves, optimization = config.training, config.checkpoints, config.optimization
    check_training(training)
    check(
        not (saves.save_every_steps and saves.save_every_epochs),
        "`save_every_steps` and `save_every_epochs` both say when to save; give one of them",
    )
    check_schedule(config.schedule)
    check_transfer(config.transfer, saves.init_from, optimization.learning_rate, training.epochs)
    check(
        not (config.schedule.varies and saves.init_optimizer == "restore"),
        "`init_optimizer`=restore: the `schedule` would go on at the step of that run; use reset",
    )
    check(
        saves.init_from or saves.init_optimizer == "reset",
        "`init_optimizer`=restore: say of which run, with `init_from`",
    )
    check(
        config.data.batch_sampling != "balanced" or optimization.class_weights == "none",
        "`batch_sampling`=balanced and `class_weights`=balanced do the same; give one of them",
    )
    check(
        not (config.data.rotating_validation and training.validation_split),
        "`rotating_validation` and `validation_split` both say what to evaluate while training; "
        "give one of them",
    )
    check(
        not config.data.rotating_validation or config.data.on_bad_record == "stop",
        "`on_bad_record`=skip trains on the next record in place of a damaged one, which "
        "`rotating_validation` may hold out; give one of them",
    )
    optimization_config.check(optimization)
    optimization_config.check_schedule_free(
        optimization, config.schedule.name, training.reduce_lr_patience
    )
    check(
        not (optimization.jit_compile and config.distribution.deterministic),
        "`jit_compile` and `deterministic`: XLA has no deterministic gradient of max pooling; "
        "give one of them",
    )
