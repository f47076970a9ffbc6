"""When a run does what."""

from hypothesis import given
from hypothesis import strategies as st

from trainer.loop import step_planner

positive = st.integers(1, 1000)


@given(st.integers(0, 5000), positive, st.lists(positive, min_size=1, max_size=4))
def test_no_stop_is_passed(step, distance, intervals):
    end = step + distance
    stop = step_planner.next_event_step(step, end, *intervals)
    assert step < stop <= end
    assert stop == end or any(stop % interval == 0 for interval in intervals)
    assert not any(s % i == 0 for s in range(step + 1, stop) for i in intervals)


@given(positive, st.floats(0, 100), st.floats(0.1, 10))
def test_a_call_makes_progress_and_ends_at_the_stop(steps_to_event, seconds_per_step, target):
    count = step_planner.steps_per_loop(steps_to_event, seconds_per_step, target)
    assert 1 <= count <= steps_to_event
    if count > 1 and seconds_per_step > 0:
        assert count * seconds_per_step <= target * (1 + 1e-9)


@given(positive, st.floats(0, 100), st.floats(0.1, 10), positive)
def test_a_call_has_at_min_steps_the_steps_that_it_should_unless_it_stops_before(
    steps_to_event, seconds_per_step, target, min_steps
):
    count = step_planner.steps_per_loop(steps_to_event, seconds_per_step, target, min_steps)
    assert min(min_steps, steps_to_event) <= count <= steps_to_event
    assert count in (
        min_steps,
        step_planner.steps_per_loop(steps_to_event, seconds_per_step, target),
        steps_to_event,
    )
