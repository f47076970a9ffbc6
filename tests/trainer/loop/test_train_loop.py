"""The loop: where training stops, in which order actions act, and what a stop leaves."""

import itertools
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.configs import with_values
from tests.trainer.loop.actions.states import state
from trainer.checkpoints.train_state import DivergedError
from trainer.config.run import RunConfig
from trainer.distribution.cluster import Cluster
from trainer.distribution.collectives import Collectives
from trainer.distribution.preemption import Preemption
from trainer.loop import train_step
from trainer.loop.actions.action import Action
from trainer.loop.step_planner import Period
from trainer.loop.train_loop import StopError, TrainLoop
from trainer.loop.train_step import StepFns
from trainer.reporting.progress import TrainingProgress


class Recorder(Action):
    """An action that writes down where it acts."""

    end_reason = "nobody asks"

    def __init__(self, name: str, period: Period, acts: list, last: int | None = None) -> None:
        self.name, self.period, self.acts, self.last = name, period, acts, last
        self.by_clock: Iterator[bool] = itertools.repeat(False)
        self.owes = False

    def next_step(self, step: int) -> int:
        return self.period.next_step(step)

    def is_due(self, state) -> bool:
        return self.period.includes(state.step)

    def is_due_by_clock(self) -> bool:
        return next(self.by_clock)

    def is_owed(self, state) -> bool:
        return self.owes

    def ends_run(self, state) -> bool:
        return self.last is not None and state.step >= self.last

    def __call__(self, state) -> None:
        self.acts.append((self.name, state.step))


class Data:
    """Batches without content; tells from which step on they were asked for."""

    reader = None

    def __init__(self) -> None:
        self.starts: list[int] = []

    def training(self, start: int) -> list[int]:
        self.starts.append(start)
        return []


class Training:
    """A loop whose steps are counted only; each step of a batch of 4 has a loss of 8 and 2 hits."""

    def __init__(self, at, loss: float = 8.0, max_minutes=None, train=None, **options) -> None:
        self.state = at
        self.data = Data()
        self.calls: list[int] = []

        def count_steps(batches, count, sums):
            self.calls.append(int(count))
            return sums + int(count) * np.array([loss, 2.0, 0.0])

        config = with_values(RunConfig(), steps=20, batch_size=4, learning_rate=0.5)
        step_fns = StepFns(
            lambda: train or count_steps,
            lambda batches: {},
            lambda total: np.array([*total, 0.0]),
            lambda sums: sums[:2],
            **options,
        )
        self.preemption = Preemption(max_minutes)
        collectives = Collectives(tf.distribute.get_strategy(), Cluster())
        progress = TrainingProgress(20, False)
        self.loop = TrainLoop(
            config, at, cast(Any, self.data), step_fns, collectives, self.preemption, progress
        )


def test_training_stops_where_an_action_is_due_and_actions_act_in_their_order():
    acts: list = []
    training = Training(state())
    training.loop.run(
        [Recorder("log", Period(20, (5,)), acts), Recorder("save", Period(20, (10, 7)), acts)]
    )
    assert acts == [
        ("log", 5), ("save", 7), ("log", 10), ("save", 10), ("save", 14), ("log", 15),
        ("log", 20), ("save", 20),
    ]  # fmt: skip
    assert training.state.step == sum(training.calls) == 20
    assert training.loop.run([]) == "steps"
    assert training.calls[0] == 1
    assert training.data.starts == [0]


def test_a_run_goes_on_from_its_step_and_its_sums():
    training = Training(state(18, sums_from_step=16, metric_sums=np.array([16.0, 4.0])))
    training.loop.run([])
    assert training.data.starts == [18]
    assert training.state.metric_sums.tolist() == [32.0, 8.0]
    assert training.state.mean_metrics(4) == (2.0, 0.5)


def test_new_sums_begin_where_an_action_has_reset_them():
    class Reset(Recorder):
        def __call__(self, state) -> None:
            self.acts.append(state.mean_metrics(4))
            state.reset_sums()

    acts: list = []
    training = Training(state())
    training.loop.run([Reset("reset", Period(20, (8,)), acts)])
    assert acts == [(2.0, 0.5)] * 3


def test_an_action_can_end_the_run_also_before_it_begins():
    training = Training(state())
    reason = training.loop.run([Recorder("stop", Period(20, (6,)), [], last=12)])
    assert (training.state.step, reason) == (12, "nobody asks")
    again = Training(state(12))
    again.loop.run([Recorder("stop", Period(20, (6,)), [], last=12)])
    assert (again.state.step, again.data.starts) == (12, [])


def test_a_start_begins_with_what_is_owed_and_what_follows_it():
    acts: list = []
    actions = [Recorder(name, Period(20, (6,)), acts) for name in ("log", "evaluate", "save")]
    actions[1].owes = True
    Training(state(18)).loop.run(actions)
    assert acts[:2] == [("evaluate", 18), ("save", 18)]
    assert acts[2:] == [("log", 20), ("evaluate", 20), ("save", 20)]


def test_what_is_due_by_the_clock_is_done_before_the_next_call():
    acts: list = []
    action = Recorder("save", Period(20, (10,)), acts)
    action.by_clock = itertools.chain([False, True], itertools.repeat(False))
    Training(state()).loop.run([action])
    assert acts == [("save", 1), ("save", 10), ("save", 20)]


def test_a_signal_is_heard_at_the_end_of_a_call():
    training = Training(state())

    class Signal(Recorder):
        def __call__(self, state) -> None:
            training.preemption.signalled = True

    with pytest.raises(StopError) as caught:
        training.loop.run([Signal("signal", Period(20, (6,)), [])])
    assert caught.value.signalled
    assert training.state.step == 6


def test_a_start_gets_somewhere_however_little_time_it_has():
    training = Training(state(3), max_minutes=0.0)
    with pytest.raises(StopError) as caught:
        training.loop.run([])
    assert not caught.value.signalled
    assert training.state.step == 4


def test_a_loss_that_is_no_number_ends_the_run():
    with pytest.raises(DivergedError, match=r"^the loss is nan at step 0; lower `learning_rate`"):
        Training(state(), loss=float("nan")).loop.run([])


@pytest.mark.parametrize("bad", [2, 6, 7, 15, 19])
def test_the_step_is_named_whose_loss_is_no_number_first(bad):
    """However the run is cut into calls and into lines of the log."""

    class Reset(Recorder):
        def __call__(self, state) -> None:
            state.reset_sums()

    def train(batches, count, sums):
        for _ in range(int(count)):
            loss = float("nan") if next(steps) == bad else 8.0
            sums = train_step.add_to_sums(tf.constant(sums), tf.constant([loss, 2.0])).numpy()
        return sums

    steps = itertools.count(2)
    training = Training(
        state(2, sums_from_step=1, metric_sums=np.array([8.0, 2.0])),
        train=train,
        finite_steps=lambda sums: int(sums[2]),
    )
    with pytest.raises(DivergedError) as caught:
        training.loop.run([Reset("reset", Period(20, (7,)), [])])
    assert (caught.value.step, caught.value.batch_step) == (bad, bad)


def test_where_another_process_evaluates_no_evaluation_is_ever_owed():
    training = Training(state(3, last_eval_step=1), evaluates_inline=False, min_steps_per_loop=9)
    assert training.state.last_eval_step == 3
    training.loop.run([])
    assert training.state.last_eval_step == 20
    assert min(training.calls[1:-1], default=9) >= 9
