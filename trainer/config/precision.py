"""`mixed_precision`=auto: in which ways a step can be computed, and which of them speeds choose.

    rates: dict[Candidate, float] = {}
    while candidate := precision.next_candidate(rates, jit_compile=False, tries_xla=True):
        rates[candidate] = …                            # images/s; 0 where it failed
    precision.choose(rates, jit_compile=False)          # Candidate("bfloat16", jit_compile=False)

Plain arithmetic: `trainer.loop.step_speed` measures, and `trainer.loop.auto_precision` decides.
"""

import dataclasses
import itertools
from collections.abc import Mapping

from headrace.errors import UsageError
from trainer.config import run, unsupported
from trainer.config.run import RunConfig

AUTO = "auto"

# By how much a way must be faster than a plainer one. Two measurements of the same step, in a
# second each, differ by a few percent; and a plainer one has fewer surprises.
_CLEARLY = 1.05


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A way to compute a step.

    Attributes:
        mixed_precision: what layers compute in: `none`, which is float32, `bfloat16` or `float16`.
        jit_compile: whether XLA compiles the step.
    """

    mixed_precision: str = "none"
    jit_compile: bool = False

    def __str__(self) -> str:
        name = "float32" if self.mixed_precision == "none" else self.mixed_precision
        return f"{name} with XLA" if self.jit_compile else name


# All that a run can have recorded, in an order that its workers agree on.
CANDIDATES = tuple(
    Candidate(name, compiles)
    for name, compiles in itertools.product(("none", "bfloat16", "float16"), (False, True))
)


def next_candidate(
    rates: Mapping[Candidate, float], jit_compile: bool, tries_xla: bool
) -> Candidate | None:
    """Return what is to be measured next: float32, bfloat16, then the faster one with XLA.

    Args:
        rates: images/s of what is measured already.
        jit_compile: whether all is compiled by XLA, because the user said so.
        tries_xla: whether XLA is tried otherwise.
    """
    for candidate in (Candidate("none", jit_compile), Candidate("bfloat16", jit_compile)):
        if candidate not in rates:
            return candidate
    compiled = dataclasses.replace(_faster_precision(rates, jit_compile), jit_compile=True)
    return compiled if tries_xla and compiled not in rates else None


def choose(rates: Mapping[Candidate, float], jit_compile: bool) -> Candidate:
    """Return the plainest way that no other is clearly faster than, of what was measured in time.

    Args:
        rates: images/s by candidate, as far as they were measured; 0 of one that failed.
        jit_compile: as for `next_candidate`.
    """
    plain = _faster_precision(rates, jit_compile)
    return _faster(rates, plain, dataclasses.replace(plain, jit_compile=True))


def may_try_xla(config: RunConfig, strategy: str, replicas: int) -> bool:
    """Return whether XLA may be chosen for a run whose user has not asked for it.

    Of several replicas it may not: XLA compiles their gradients only, if their model has no batch
    normalisation, and what is measured on one replica, where it compiles the update too, would not
    tell of them.
    """
    if replicas > 1 or config.distribution.deterministic:
        return False
    try:
        unsupported.check(with_candidate(config, Candidate(jit_compile=True)), strategy)
    except UsageError:
        return False
    return True


def with_candidate(config: RunConfig, candidate: Candidate) -> RunConfig:
    """Return a config that computes a step in this way."""
    return dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, mixed_precision=candidate.mixed_precision),
        optimization=dataclasses.replace(config.optimization, jit_compile=candidate.jit_compile),
    )


def recorded(workdir: str) -> Candidate:
    """Return how the run in a run directory computes its steps.

    Raises:
        UserError: there is no such run, or its config cannot be read.
    """
    config = run.read(workdir)
    return Candidate(config.model.mixed_precision, config.optimization.jit_compile)


def as_recorded(config: RunConfig, workdir: str) -> RunConfig:
    """Return a config in which `auto` is what the run in a run directory computes in.

    Raises:
        UserError: it says `auto`, and there is no such run, or its config cannot be read.
    """
    if config.model.mixed_precision != AUTO:
        return config
    return with_candidate(config, recorded(workdir))


def summary(
    rates: Mapping[Candidate, float], obstacle: str, choice: Candidate, replicas: int = 1
) -> str:
    """Return a line for the user.

    Args:
        rates: as for `choose`.
        obstacle: what kept the next candidate from being measured; empty for nothing.
        choice: what was chosen.
        replicas: number of replicas of the run, one of which was measured.
    """
    unit = "images/s" if replicas == 1 else "images/s of one replica"
    speeds = ", ".join(f"{each} {rate:,.0f}" for each, rate in rates.items() if rate)
    failures = [f"{each} failed" for each, rate in rates.items() if not rate]
    obstacles = ", ".join(filter(None, (*failures, obstacle)))
    measured = f"{speeds} {unit}" if speeds else "nothing measured"
    return f"`mixed_precision`={AUTO}: {measured}{f' ({obstacles})' if obstacles else ''}: {choice}"


def _faster_precision(rates: Mapping[Candidate, float], jit_compile: bool) -> Candidate:
    return _faster(rates, Candidate("none", jit_compile), Candidate("bfloat16", jit_compile))


def _faster(rates: Mapping[Candidate, float], plain: Candidate, other: Candidate) -> Candidate:
    """Return the other way if it is clearly faster; a plain way that was not measured stays."""
    if plain not in rates:
        return plain
    return other if rates.get(other, 0.0) > _CLEARLY * rates[plain] else plain
