"""Options of schedules, as a user gives them."""

import pytest

from headrace.errors import UsageError
from tests.trainer.configs import with_values
from trainer.config.run import RunConfig
from trainer.config.schedule import SCHEDULES, ScheduleConfig, check_schedule


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"piecewise"}))
def test_each_has_defaults(name):
    check_schedule(ScheduleConfig(name))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("cosine", {"rise": 0.1}, "has no option 'rise'; it has end, unit"),
        ("step", {"every": "ten"}, r"every is of the kind of 30\.0, received 'ten'"),
        ("step", {"every": True}, "every is of the kind of"),
        ("step", {"every": 0}, "every=0: expected more than 0"),
        ("step", {"factor": -0.1}, "factor=-0.1: expected 0 or more"),
        ("step", {"unit": "days"}, "unit=days: expected one of epochs, steps"),
        ("one_cycle", {"rise": 1}, "rise=1: expected a part of the run"),
        ("piecewise", {}, r'as in "at=\(30,60\);factors=\(0\.1,0\.01\)"; received at=\(\)'),
        ("piecewise", {"at": (2, 1), "factors": (1, 1)}, "which rise"),
        ("piecewise", {"at": (1,), "factors": (1, 1)}, "as many factors as epochs"),
        ("piecewise", {"at": 1, "factors": 1}, r"at is of the kind of \(\)"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_a_line(name, options, words):
    with pytest.raises(UsageError, match=words):
        check_schedule(ScheduleConfig(name, options))


def test_only_one_length_of_a_warm_up_is_taken():
    with pytest.raises(UsageError, match="both say how long"):
        check_schedule(ScheduleConfig(warmup_steps=3, warmup_epochs=1.0))


def test_a_rate_for_one_batch_size_is_scaled_to_another():
    config = with_values(RunConfig(), learning_rate=0.1, batch_size=512, base_batch_size=256)
    assert config.learning_rate == 0.2
    assert with_values(config, base_batch_size=0).learning_rate == 0.1
