"""Objectives of a run: what is one, what is none, and which evaluations meet them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.config import objectives
from trainer.config.objectives import Objective
from trainer.config.training import MONITORS

HOLDS = {
    ">=": lambda one, other: one >= other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    "<": lambda one, other: one < other,
}
COMPARISONS = st.sampled_from(sorted(HOLDS))
OBJECTIVES = st.one_of(
    st.builds(Objective, st.sampled_from(["rank1", "rank5"]), COMPARISONS, st.floats(0, 1)),
    st.builds(Objective, st.just("loss"), COMPARISONS, st.floats(0, 1e6)),
)
# Few values, so that many are equal.
EIGHTHS = st.integers(0, 8).map(lambda number: number / 8)


@given(st.lists(OBJECTIVES, max_size=4), st.sampled_from(["", " "]))
def test_what_is_written_is_read_again(targets, space):
    text = f"{space},{space}".join(map(str, targets))
    spaced = text.replace("loss", f"loss{space}")
    assert objectives.parse(spaced, MONITORS) == targets


@given(
    st.lists(st.builds(Objective, st.sampled_from(MONITORS), COMPARISONS, EIGHTHS), max_size=3),
    st.fixed_dictionaries(dict.fromkeys(MONITORS, EIGHTHS)),
)
def test_all_of_them_must_be_met_and_none_is_never_met(targets, result):
    holds = [HOLDS[each.comparison](result[each.name], each.bound) for each in targets]
    assert objectives.are_met(targets, result) is (bool(holds) and all(holds))


def test_no_number_meets_nothing():
    for comparison in HOLDS:
        targets = objectives.parse(f"loss{comparison}1", MONITORS)
        assert not objectives.are_met(targets, {"loss": math.nan})
        assert not objectives.are_met(targets, {})


def test_names_are_those_that_evaluations_have():
    assert objectives.parse("f1>0.5", ["f1"]) == [Objective("f1", ">", 0.5)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rank1", "received 'rank1'"),
        ("rank1=0.9", ">=, <=, >, <"),
        ("rank1==0.9", "received 'rank1==0.9'"),
        ("rank1>=", "received 'rank1>='"),
        (">=0.9", "received '>=0.9'"),
        ("rank1>=0.9,", "received ''"),
        (",", "received ''"),
        ("rank1>=0.9 loss<1", "received"),
        ("rank1=>0.9", "received"),
        ("rank1>=>0.9", "received"),
        ("accuracy>=0.9", "no 'accuracy'; it has rank1, rank5, loss"),
        ("rank1>=nan", "nan is no number"),
        ("loss<inf", "inf is no number"),
        ("loss<one", "one is no number"),
        ("rank1>=93", "rank1 is a fraction of 1, as in rank1>=0.93"),
        ("rank5>-1", "fraction"),
    ],
)
def test_what_says_nothing_that_could_be_reached_is_refused(text, said):
    with pytest.raises(ValueError) as caught:
        objectives.parse(text, MONITORS)
    assert said in str(caught.value)
