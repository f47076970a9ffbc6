"""The picture of a learning rate."""

import io

import numpy as np
from PIL import Image

from trainer.reporting import schedule_curve


def picture(*arguments, **options) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(schedule_curve.draw(*arguments, **options))))


def test_what_was_logged_is_drawn_over_the_plan():
    rates = np.linspace(1, 0, 50)
    plan = picture(rates)
    np.testing.assert_array_equal(plan, picture(rates, {}))
    assert (plan != picture(rates, {10: 0.8, 20: 0.6})).any()
    assert (plan != picture(rates**2)).any()


def test_of_long_runs_the_ends_and_the_highest_are_drawn():
    rates = np.zeros(100_000)
    rates[54_321] = 1
    steps = schedule_curve.thin(rates)
    assert len(steps) <= 1001
    assert {0, 54_321, 99_999} <= set(steps)
    assert schedule_curve.thin(rates[:7]).tolist() == list(range(7))
