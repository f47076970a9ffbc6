"""Trains a run from its config: state, steps, actions, loop, result.

In a cluster all workers do this, and the chief alone writes.
"""

import contextlib
import functools
import os
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from headrace.errors import StoppedError
from input.dataset.dataset_dir import Card
from trainer import run_dir, run_model
from trainer.checkpoints.train_state import DivergedError, TrainState
from trainer.config.run import RunConfig
from trainer.distribution import parameter_server, strategies, strategy_checks
from trainer.distribution.cluster import Cluster, Role
from trainer.distribution.collectives import Collectives
from trainer.distribution.preemption import Preemption
from trainer.evaluation import run_evaluation, sidecar_evaluator
from trainer.loop import async_step, auto_precision, divergence, start, train_step
from trainer.loop.actions.evaluate import Evaluator
from trainer.loop.finish import finish, stop
from trainer.loop.run_actions import make_actions
from trainer.loop.start import Run
from trainer.loop.train_loop import StopError, TrainLoop
from trainer.loop.train_step import StepFns
from trainer.reporting.progress import TrainingProgress
from trainer.run_data import Data


def train(
    config: RunConfig, card: Card, workdir: str, flagfile: str, allow_changes: bool = False
) -> dict[str, object] | None:
    """Train to `config.steps`, or until patience or an objective ends it, from the last checkpoint
    in `workdir` where there is one; or do for the run what else this process is there for.

    The config is written once the model stands and fits the checkpoint, so that a start that
    fails does not claim the run directory.

    Args:
        config: configuration of the run.
        card: card of the dataset in `config.data_dir`.
        workdir: run directory; made if need be.
        flagfile: flags that repeat the run, for `flags.txt`.
        allow_changes: whether to go on from a checkpoint of another dataset or other flags.

    Returns:
        What `result.json` holds: `steps`, `stopped`, why it is the end (`steps`, `patience` or
        `objective`), with `restore_best` `restored_step`, `images_per_second`, under `splits` the
        numbers (`eval_step.NUMBERS`) of the validation split and of every split that was not
        trained on, `evaluations_since_best`, and `bad_records`, how many training records were
        found damaged since this start. None where that is not written: by processes that do not
        train, and when the minutes that were given ended before the steps did: the run is saved.

    Raises:
        UserError: the batch does not divide over the replicas, the checkpoint is of another
            model or run, a record is damaged, or the loss is no longer finite, or far too high.
        StoppedError: a signal ended it, or another worker did; the run is saved as far as it could
            be.
    """
    cluster = Cluster.from_environment(os.environ)
    if cluster.role is Role.EVALUATOR:
        sidecar_evaluator.evaluate_checkpoints(config, card, workdir, cluster)
        return None
    if cluster.role is Role.SERVER:
        parameter_server.serve(
            cluster, workdir, config.training.steps, functools.partial(print, flush=True)
        )
        return None
    is_asynchronous = cluster.role is Role.COORDINATOR
    with _lost_peers(cluster):
        strategy = _make_strategy(config, cluster)
    # Of parameter servers the chief trains by itself, as far as batches and evaluation go.
    local_strategy = tf.distribute.get_strategy() if is_asynchronous else strategy
    replicas = local_strategy.num_replicas_in_sync
    strategy_checks.check_batch_size(
        config.data.batch_size, replicas, config.optimization.grad_accum_steps
    )
    keras.utils.set_random_seed(config.data.seed)
    if config.distribution.deterministic:
        tf.config.experimental.enable_op_determinism()
    collectives = Collectives(local_strategy, cluster)
    with (
        Preemption(config.training.max_minutes) as preemption,
        _lost_peers(cluster),
        run_dir.lock(workdir) if collectives.is_chief else contextlib.nullcontext(),
        TrainingProgress(config.training.steps, collectives.is_chief) as progress,
    ):
        config = auto_precision.resolve(
            config, workdir, cluster, collectives, replicas, progress.note
        )
        data = Data(config, card, local_strategy, progress)
        run = Run(config, card, workdir, strategy, data, collectives, progress)
        return _train(run, cluster, preemption, flagfile, allow_changes)


def _train(
    run: Run, cluster: Cluster, preemption: Preemption, flagfile: str, allow_changes: bool
) -> dict[str, object] | None:
    """Train to the end, from where the run is, or until this start is to stop."""
    config, data = run.config, run.data
    mean_image = data.mean_image(run.workdir)
    state = TrainState.create(config, run.strategy, mean_image)
    plan = start.plan_transfer(run, state)
    manager = start.make_manager(run, state)
    start.restore(run, state, manager, allow_changes)
    start.begin(run, state, manager, plan, flagfile, mean_image)
    plan.apply(state.step)
    step_fns = _make_step_fns(run, cluster, state, mean_image)
    split = config.training.validation_split if step_fns.evaluates_inline else None
    if split:
        manager.clear_best()
    loop = TrainLoop(config, state, data, step_fns, run.collectives, preemption, run.progress)
    evaluator = Evaluator(
        state,
        data,
        step_fns.evaluate,
        loop.sync_stop,
        config.dataset.multi_label,
        config.training.validation_split,
    )
    actions = make_actions(run, state, manager, loop, evaluator, plan, split)
    start.announce(run, state, plan, split)
    try:
        stopped = loop.run(actions)
        return finish(run, state, manager, loop, evaluator, stopped)
    except DivergedError as error:
        raise divergence.end(run, state, manager, error) from None
    except StopError as error:
        stop(run, state, manager, error)
        if cluster.role is Role.COORDINATOR:
            run_dir.write_time_up(run.workdir)
        return None


def _make_step_fns(
    run: Run, cluster: Cluster, state: TrainState, mean_image: np.ndarray | None
) -> StepFns:
    config = run.config
    arguments = (
        run.strategy,
        state.model,
        state.optimizer,
        config.data.batch_size,
        config.optimization,
        run.data.class_weights(),
    )
    make_evaluate = functools.partial(run_evaluation.make_evaluate, config)
    if cluster.role is Role.COORDINATOR:
        return async_step.make_step_fns(
            *arguments,
            make_evaluate=make_evaluate,
            workers=len(cluster.addresses["worker"]),
            local_model=run_model.build(config, mean_image),
        )
    return train_step.make_step_fns(*arguments, make_evaluate=make_evaluate)


def _make_strategy(config: RunConfig, cluster: Cluster) -> tf.distribute.Strategy:
    if cluster.role is Role.COORDINATOR:
        return parameter_server.connect(cluster, functools.partial(print, flush=True))
    return strategies.create(
        config.distribution.strategy,
        cluster,
        devices=config.distribution.devices,
        communication=config.distribution.communication,
        tpu=config.distribution.tpu,
    )


@contextlib.contextmanager
def _lost_peers(cluster: Cluster) -> Iterator[None]:
    """Say in one line that another process of the run is gone.

    Raises:
        StoppedError: it is.
    """
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    ):
        if not cluster.is_distributed:
            raise
        gone = "a parameter server" if cluster.has_servers else "another worker"
        raise StoppedError(
            f"{gone} is gone; start all of them again with the same command to go on from the "
            "last checkpoint"
        ) from None
