"""Which way to compute a step is chosen by the speeds that were measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import UserError
from tests.trainer.configs import with_values
from trainer.config import precision, run
from trainer.config.precision import Candidate
from trainer.config.run import RunConfig

FLOAT32, BFLOAT16 = Candidate("none"), Candidate("bfloat16")
FLOAT32_XLA, BFLOAT16_XLA = Candidate("none", True), Candidate("bfloat16", True)

# 0 for one that failed.
SPEEDS = st.one_of(st.just(0.0), st.floats(0.01, 1e6))


def measured(speeds: dict[Candidate, float], jit_compile: bool, tries_xla: bool, most: int = 9):
    """What is measured of these speeds, at most so many, as `step_speed` goes about it."""
    rates: dict[Candidate, float] = {}
    while candidate := precision.next_candidate(rates, jit_compile, tries_xla):
        if len(rates) == most:
            break
        rates[candidate] = speeds[candidate]
    return rates


TABLES = st.builds(
    measured,
    st.fixed_dictionaries(dict.fromkeys((FLOAT32, BFLOAT16, FLOAT32_XLA, BFLOAT16_XLA), SPEEDS)),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
)


@pytest.mark.parametrize(
    ("rates", "choice"),
    [
        ({}, FLOAT32),
        ({FLOAT32: 299}, FLOAT32),
        ({FLOAT32: 299, BFLOAT16: 894}, BFLOAT16),
        ({FLOAT32: 299, BFLOAT16: 894, BFLOAT16_XLA: 610}, BFLOAT16),
        ({FLOAT32: 299, BFLOAT16: 894, BFLOAT16_XLA: 1200}, BFLOAT16_XLA),
        ({FLOAT32: 299, BFLOAT16: 310, FLOAT32_XLA: 300}, FLOAT32),
        ({FLOAT32: 299, BFLOAT16: 150, FLOAT32_XLA: 400}, FLOAT32_XLA),
        # Memory that does not suffice for the plainer one may do for the other.
        ({FLOAT32: 0, BFLOAT16: 5}, BFLOAT16),
        ({FLOAT32: 299, BFLOAT16: 0, FLOAT32_XLA: 0}, FLOAT32),
        ({FLOAT32: 0, BFLOAT16: 0, FLOAT32_XLA: 0}, FLOAT32),
    ],
)
def test_the_choice_is_the_plainest_that_none_is_clearly_faster_than(rates, choice):
    assert precision.choose(rates, jit_compile=False) == choice


@given(TABLES)
def test_what_is_chosen_beside_the_plainest_was_measured_and_is_clearly_faster(rates):
    choice = precision.choose(rates, jit_compile=False)
    if choice != FLOAT32:
        slower = [FLOAT32, *([BFLOAT16] if choice == BFLOAT16_XLA else [])]
        assert all(rates[choice] > 1.05 * rates[each] for each in slower)


@given(TABLES)
def test_nothing_that_was_measured_is_faster_by_more_than_the_margins(rates):
    """Two steps up, each of 5 %, may both be left untaken."""
    choice = precision.choose(rates, jit_compile=False)
    if choice in rates:
        assert max(rates.values()) <= 1.05**2 * max(rates[choice], min(rates.values()))


@given(TABLES, st.integers(-8, 8))
def test_only_ratios_count(rates, power):
    scaled = {candidate: rate * 2.0**power for candidate, rate in rates.items()}
    for jit_compile in (False, True):
        assert precision.choose(scaled, jit_compile) == precision.choose(rates, jit_compile)


@given(TABLES)
def test_xla_stays_on_where_the_user_has_it_on(rates):
    assert precision.choose(rates, jit_compile=True).jit_compile


def test_xla_is_measured_of_the_faster_precision_alone_and_only_where_it_may_be():
    speeds = {FLOAT32: 299.0, BFLOAT16: 894.0, BFLOAT16_XLA: 610.0}
    assert list(measured(speeds, False, True)) == [FLOAT32, BFLOAT16, BFLOAT16_XLA]
    assert list(measured(speeds, False, False)) == [FLOAT32, BFLOAT16]
    slower = {FLOAT32: 299.0, BFLOAT16: 100.0, FLOAT32_XLA: 610.0}
    assert list(measured(slower, False, True)) == [FLOAT32, BFLOAT16, FLOAT32_XLA]
    for tries_xla in (False, True):
        compiled = {FLOAT32_XLA: 1.0, BFLOAT16_XLA: 2.0}
        assert list(measured(compiled, True, tries_xla)) == [FLOAT32_XLA, BFLOAT16_XLA]


@given(TABLES)
def test_workers_can_name_every_choice_by_its_number(rates):
    for jit_compile in (False, True):
        assert precision.choose(rates, jit_compile) in precision.CANDIDATES


def test_a_line_says_what_was_measured_what_not_and_what_was_chosen():
    rates = {FLOAT32: 1299.4, BFLOAT16: 894.0, BFLOAT16_XLA: 610.0}
    assert precision.summary(rates, "", BFLOAT16) == (
        "`mixed_precision`=auto: float32 1,299, bfloat16 894, bfloat16 with XLA 610 images/s: "
        "bfloat16"
    )
    assert precision.summary({FLOAT32: 299, BFLOAT16: 0}, "float32 with XLA ended", FLOAT32) == (
        "`mixed_precision`=auto: float32 299 images/s (bfloat16 failed, float32 with XLA ended): "
        "float32"
    )
    assert precision.summary({FLOAT32: 299, BFLOAT16: 9}, "", FLOAT32, 2) == (
        "`mixed_precision`=auto: float32 299, bfloat16 9 images/s of one replica: float32"
    )
    assert precision.summary({}, "float32 not measured in 20 s", FLOAT32) == (
        "`mixed_precision`=auto: nothing measured (float32 not measured in 20 s): float32"
    )


@pytest.mark.parametrize(
    ("strategy", "replicas", "values", "may"),
    [
        ("auto", 1, {}, True),
        ("multi_worker_mirrored", 1, {}, True),
        ("mirrored", 2, {}, False),
        ("central_storage", 1, {}, False),
        ("parameter_server", 1, {}, False),
        ("auto", 1, {"deterministic": True}, False),
    ],
)
def test_xla_is_tried_where_the_run_can_have_it(strategy, replicas, values, may):
    config = with_values(RunConfig(), mixed_precision="auto", **values)
    assert precision.may_try_xla(config, strategy, replicas) is may


def test_auto_is_what_the_run_directory_says_and_another_value_is_itself(tmp_path):
    chosen = with_values(RunConfig(), model="lenet", mixed_precision="bfloat16", jit_compile=True)
    (tmp_path / "config.json").write_text(run.to_json(chosen))
    auto = with_values(chosen, mixed_precision="auto", jit_compile=False)
    assert precision.as_recorded(auto, str(tmp_path)) == chosen
    explicit = with_values(chosen, mixed_precision="float16", jit_compile=False)
    assert precision.as_recorded(explicit, str(tmp_path)) == explicit
    with pytest.raises(UserError, match="is no run directory"):
        precision.as_recorded(auto, str(tmp_path / "none"))
