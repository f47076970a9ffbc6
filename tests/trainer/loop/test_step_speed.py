"""What the process that measures does, by itself."""

import itertools
import os
import subprocess
import sys

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.headrace.test_parent_death import wait_until_gone
from tests.trainer.configs import with_values
from tests.trainer.loop.trials import TINY
from trainer.config.precision import Candidate
from trainer.loop import step_speed


@pytest.mark.parametrize(
    "values",
    [{}, {"mixed_precision": "bfloat16", "class_weights": "balanced"}, {"grad_accum_steps": 2}],
)
def test_the_step_of_a_config_has_a_speed(values):
    assert step_speed.images_per_second(with_values(TINY, **values)) > 0


def test_a_mean_image_need_not_be_known():
    config = with_values(TINY, normalization="mean_image")
    assert step_speed.images_per_second(config) > 0


def test_each_candidate_is_measured_as_the_config_that_a_run_would_have():
    seen = []

    def rate_of(config) -> float:
        seen.append((config.model.mixed_precision, config.optimization.jit_compile))
        return {"none": 1.0, "bfloat16": 2.0}[config.model.mixed_precision]

    result = dict(step_speed.measure(TINY, True, rate_of))
    assert seen == [("none", False), ("bfloat16", False), ("bfloat16", True)]
    assert result == {Candidate(*each): 2.0 if each[0] == "bfloat16" else 1.0 for each in seen}


def test_one_that_fails_does_not_keep_others_from_being_measured():
    def rate_of(config) -> float:
        if config.model.mixed_precision == "none":
            raise MemoryError
        return 3.0

    assert dict(step_speed.measure(TINY, False, rate_of)) == {
        Candidate("none"): 0.0,
        Candidate("bfloat16"): 3.0,
    }


@given(st.floats(1e-5, 100.0), st.floats(1.0, 1e4), st.floats(1.0, 1e3))
def test_neither_the_first_call_nor_a_disturbed_one_counts(step, warm_up, disturbance):
    calls: list[int] = []

    def seconds(steps: int) -> float:
        calls.append(steps)
        factor = {1: warm_up, 4: disturbance}.get(len(calls), 1.0)
        return steps * step * factor

    assert step_speed.seconds_per_step(seconds) == pytest.approx(step)
    assert len(calls) >= 5


@given(st.floats(1e-5, 100.0))
def test_few_steps_are_timed_where_they_are_long(step):
    calls: list[int] = []

    def seconds(steps: int) -> float:
        calls.append(steps)
        return steps * step

    step_speed.seconds_per_step(seconds)
    assert sum(calls) * step <= max(2.5, 5 * step)


# It starts what measures with a standard input that another process holds open, and waits.
PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "trainer.loop.step_speed", str(os.getpid())])
print(child.pid, flush=True)
child.wait()
"""


def test_it_is_killed_with_its_parent_whatever_it_does_then():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    for _ in itertools.takewhile(lambda _: not _has_asked(child), itertools.repeat(None)):
        assert parent.poll() is None
    parent.kill()
    parent.wait()
    wait_until_gone(child)  # and does not wait for the end of its standard input
    parent.stdin.close()
    parent.stdout.close()


def _has_asked(process: psutil.Process) -> bool:
    """Whether it has come to read its request: it has its standard output to itself by then."""
    return os.path.realpath(f"/proc/{process.pid}/fd/1") == os.devnull
