"""Configs for tests: values by the names of flags, laid into the parts that they belong to."""

import dataclasses

from trainer.config import run
from trainer.config.run import RunConfig


def with_values(config: RunConfig, **values: object) -> RunConfig:
    """Return a config with other values of fields, which are named as their flags are."""
    parts = {
        part: dataclasses.replace(getattr(config, part), **fields)
        for part, fields in run.nest(values).items()
    }
    return dataclasses.replace(config, **parts)
