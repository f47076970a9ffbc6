"""What strategies cannot give, said by the fields."""

import dataclasses

import pytest

from headrace.errors import UsageError
from trainer.config import unsupported
from trainer.config.run import RunConfig

CASES = [
    ("central_storage", "optimization", "grad_accum_steps", 2),
    ("central_storage", "optimization", "jit_compile", True),
    ("central_storage", "model", "mixed_precision", "float16"),
    ("parameter_server", "optimization", "grad_accum_steps", 2),
    ("parameter_server", "optimization", "jit_compile", True),
    ("parameter_server", "model", "mixed_precision", "float16"),
    ("parameter_server", "distribution", "deterministic", True),
    ("parameter_server", "training", "patience", 1),
    ("parameter_server", "training", "reduce_lr_patience", 1),
    ("parameter_server", "data", "rotating_validation", 0.1),
]


@pytest.mark.parametrize(("strategy", "part", "field", "value"), CASES)
def test_it_is_named_with_what_to_do(strategy, part, field, value):
    config = RunConfig()
    changed = dataclasses.replace(getattr(config, part), **{field: value})
    with pytest.raises(UsageError, match=f"^`{field}`.* is not for `strategy`={strategy}: .+; "):
        unsupported.check(dataclasses.replace(config, **{part: changed}), strategy)


def test_other_strategies_and_values_have_it():
    config = RunConfig()
    for strategy in ("auto", "mirrored", "central_storage", "parameter_server"):
        unsupported.check(config, strategy)
    bfloat16 = dataclasses.replace(config.model, mixed_precision="bfloat16")
    for strategy in ("central_storage", "parameter_server"):
        unsupported.check(dataclasses.replace(config, model=bfloat16), strategy)
    for _, part, field, value in CASES:
        changed = dataclasses.replace(getattr(config, part), **{field: value})
        unsupported.check(dataclasses.replace(config, **{part: changed}), "mirrored")
