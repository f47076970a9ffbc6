"""One start of a run: what stays the same while it trains, and how it comes to its state.

In a cluster all workers do this, and the chief alone writes.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from headrace.errors import UserError
from input.dataset.dataset_dir import Card
from trainer import run_dir
from trainer.checkpoints import warm_start
from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.config import resume
from trainer.config import run as run_config
from trainer.config.run import RunConfig
from trainer.distribution import strategies
from trainer.distribution.collectives import Collectives
from trainer.loop import initial_weights
from trainer.optimization import ema, group_rates, optimizers, schedules, weight_groups
from trainer.reporting.progress import TrainingProgress
from trainer.run_data import Data
from trainer.transfer import plan, pretrained
from trainer.transfer.plan import Plan


@dataclasses.dataclass(frozen=True)
class Run:
    """What a start of a run has beside its state.

    Attributes:
        config: configuration of the run.
        card: card of its dataset.
        workdir: run directory.
        strategy: strategy that the model is trained under.
        data: data of the run.
        collectives: workers, which decide as one.
        progress: progress for the user.
    """

    config: RunConfig
    card: Card
    workdir: str
    strategy: tf.distribute.Strategy
    data: Data
    collectives: Collectives
    progress: TrainingProgress

    @property
    def steps_per_epoch(self) -> int:
        """The steps of an epoch."""
        return self.data.order.steps_per_epoch

    def logged(self) -> list[dict[str, Any]]:
        """Return the lines of the log; none in a process that writes none."""
        return run_dir.read_metrics(self.workdir) if self.collectives.is_chief else []

    def note_evaluation(self, step: int, split: str, result: dict[str, float]) -> None:
        """Tell the user what an evaluation gave."""
        self.progress.note_evaluation(step / self.steps_per_epoch, split, result)


def make_manager(run: Run, state: TrainState) -> CheckpointManager:
    """Make the manager of a run's checkpoints."""
    return CheckpointManager(
        run.workdir,
        state,
        max_to_keep=run.config.checkpoints.max_to_keep,
        writes=run.collectives.is_chief,
        note=run.progress.note,
        fingerprint=resume.fingerprint(run.config),
    )


def plan_transfer(run: Run, state: TrainState) -> Plan:
    """Plan which layers train when, and give each the learning rate that is its own.

    Raises:
        UserError: the model has no such layers or weights, or no dropout for `warm_start_epochs`.
    """
    of_groups = weight_groups.rate_factors(run.config.optimization, state.model)
    made = plan.make_plan(state.model, run.config, run.steps_per_epoch)
    of_layers = made.rate_factors(run.config.learning_rate)
    factors = {
        path: of_groups.get(path, 1.0) * of_layers.get(path, 1.0) for path in of_groups | of_layers
    }
    group_rates.scale_learning_rates(state.optimizer, factors)
    if (schedule := run.config.schedule).varies:
        steps = run.config.training.steps - made.dropout.end
        factor = schedules.make_factor(schedule, steps, run.steps_per_epoch)
        schedules.follow(state.optimizer, factor)
    return made


def reset_optimizer(run: Run, state: TrainState) -> None:
    """Let the optimizer of a run begin anew, from the weights as they are now."""
    with strategies.scope(run.strategy):
        fresh = optimizers.build(run.config, state.model)
    for variable, value in zip(state.optimizer.variables, fresh.variables, strict=True):
        variable.assign(value.numpy())
    ema.reset(state.optimizer)


def restore(run: Run, state: TrainState, manager: CheckpointManager, allow_changes: bool) -> None:
    """Restore the latest checkpoint, if there is one, on all workers the same.

    Raises:
        UserError: there is none that is sound, or it is of another model or run.
    """
    earlier_steps = run_config.steps_so_far(run.workdir)
    with strategies.scope(run.strategy):
        manager.restore(allow_changes)
    if earlier_steps and state.step:
        _note_schedule(run, state.step, earlier_steps)
    if manager.changes:
        run.progress.note(f"going on with changes: {'; '.join(manager.changes.values())}")
        _take_up_changes(run, state, manager.changes)
    check_same_step(run.collectives, state.step, "`workdir`")


def begin(
    run: Run,
    state: TrainState,
    manager: CheckpointManager,
    transfer: Plan,
    flagfile: str,
    mean_image: np.ndarray | None,
) -> None:
    """Write the run directory; a new run starts there from the weights of another, if it is to.

    Args:
        run: run.
        state: its state, restored.
        manager: manager of its checkpoints.
        transfer: which layers train when.
        flagfile: flags that repeat the run, for `flags.txt`.
        mean_image: see `run_dir.make`.

    Raises:
        UserError: the other run has no weights for this one, or not for a layer that is frozen; or
            weights are made of training images and one cannot be read; or a worker does not see
            the run directory, and is to read from it.
    """
    is_new = manager.latest_step is None
    starts_warm = is_new and _load_first_weights(run, state, transfer)
    if is_new and not starts_warm:
        initial_weights.load(run, state, mean_image)
    if run.collectives.is_chief:
        # All workers are here and have found the same in the directory: it may change now.
        run_dir.make(run.workdir, run_config.to_json(run.config), flagfile, mean_image)
    if run.config.training.restore_best:
        _check_shared(run)
    if starts_warm:
        manager.save()  # from here on, whatever becomes of the other run is nothing to this one


def _check_shared(run: Run) -> None:
    """Make sure that all workers see what the chief writes, as they read it at the end.

    Raises:
        UserError: one does not.
    """
    run.collectives.barrier()
    (workers,) = run.collectives.all_reduce_sum(float(run_config.exists(run.workdir)))
    if workers < run.collectives.workers:
        raise UserError(
            "`restore_best`: a worker does not see the run directory of the chief; give all of "
            "them one `workdir` that they share, as gs:// or on a shared disk"
        )


def _load_first_weights(run: Run, state: TrainState, transfer: Plan) -> bool:
    """Take weights over, if the run is to start from any; return whether it is."""
    config, note = run.config, run.progress.note
    if config.checkpoints.init_from:
        step, fresh = warm_start.load(config, state, note)
        check_same_step(run.collectives, step, "`init_from`")
    elif config.transfer.pretrained != "none":
        if not run.collectives.is_chief:
            run.collectives.barrier()  # it may download them, into a cache that workers share
        fresh = pretrained.load(config, state, note)
        if run.collectives.is_chief:
            run.collectives.barrier()
    else:
        return False
    transfer.check_fresh(fresh)
    return True


def announce(run: Run, state: TrainState, transfer: Plan, validation_split: str | None) -> None:
    """Tell the user what is trained, from where, and what is evaluated meanwhile."""
    config, note = run.config, run.progress.note
    replicas, order = run.strategy.num_replicas_in_sync, run.data.order
    held_out = f"{order.held_out:,} of them held out in turn, " * bool(order.held_out)
    note(
        f"{config.model.name}: {state.model.count_params():,} parameters, {replicas} "
        f"replica{'s' * (replicas > 1)}, {len(run.data.reader):,} training images, "
        f"{held_out}{run.steps_per_epoch} steps an epoch"
    )
    for line in transfer.describe():
        note(line)
    if state.step:
        note(f"resuming from the checkpoint at step {state.step}")
    if validation_split == "test" and "validation" not in run.card.splits:
        note("no validation split: the test split is watched in its place")


def _note_schedule(run: Run, step: int, earlier_steps: int) -> None:
    """Say where the rate jumps because the run has become longer or shorter."""
    schedule, steps = run.config.schedule, run.config.training.steps
    if not schedule.varies or steps == earlier_steps:
        return
    before, now = (
        run.config.learning_rate
        * float(schedules.make_factor(schedule, end, run.steps_per_epoch)(step))
        for end in (earlier_steps, steps)
    )
    if before != now:
        run.progress.note(
            f"the {schedule.name} schedule is that of {steps:,} steps from here on, and was that "
            f"of {earlier_steps:,}: the learning rate goes from {before:.3g} to {now:.3g}"
        )


def _take_up_changes(run: Run, state: TrainState, changes: Mapping[str, str]) -> None:
    """Leave nothing of what was restored that was true of the flags before only."""
    if resume.affected(changes, "optimizer"):
        schedule = ", and its schedule with it" * run.config.schedule.varies
        run.progress.note(f"the optimizer starts afresh{schedule}")
    if "learning_rate" in changes:
        state.base_learning_rate = run.config.learning_rate
    if resume.affected(changes, "evaluation"):
        state.forget_evaluations()
    state.reset_sums()


def check_same_step(collectives: Collectives, step: int, flag: str) -> None:
    """Make sure that all workers have found the same checkpoint.

    Raises:
        UserError: they have not.
    """
    total, square = collectives.all_reduce_sum(step, step * step)
    if total != collectives.workers * step or square != collectives.workers * step * step:
        raise UserError(
            f"this worker found the checkpoint of step {step} and others found another; give all "
            f"of them one {flag} that they share, as gs:// or on a shared disk, and in which no "
            "other run is training"
        )
