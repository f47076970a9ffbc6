"""What a strategy cannot give: read from the fields of the config (`unsupported=`)."""

from collections.abc import Mapping

from headrace import config_flags
from headrace.errors import UsageError
from trainer.config import run
from trainer.config.run import RunConfig


def check(config: RunConfig, strategy: str) -> None:
    """Make sure that a strategy has what a config asks of it.

    Raises:
        UsageError: it has not; the field is named, and what to do.
    """
    for name, (part, field) in run.FIELDS.items():
        value = getattr(getattr(config, part), field.name)
        reason = config_flags.traits_of(field).get("unsupported", {}).get(strategy)
        if isinstance(reason, Mapping) and value in reason:  # of this value alone
            raise UsageError(f"`{name}`={value} is not for `strategy`={strategy}: {reason[value]}")
        if isinstance(reason, str) and value != config_flags.default_of(field):
            raise UsageError(f"`{name}` is not for `strategy`={strategy}: {reason}")
