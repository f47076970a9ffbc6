"""Puts a run together, from its config, and trains it; see `loop`.

In a cluster all workers do this, and the chief alone writes.
"""

import contextlib
import functools
import os
from collections.abc import Iterator

import keras
import tensorflow as tf

from headrace.errors import StoppedError, UserError
from input.dataset.dataset_dir import Card
from trainer import network, run_dir
from trainer.checkpoints import manager, warm_start
from trainer.config import resume
from trainer.config import run as run_config
from trainer.config.run import RunConfig
from trainer.distribution import cluster, parameter_server, strategies
from trainer.distribution.collectives import Together
from trainer.distribution.preemption import Interruption
from trainer.evaluation import sidecar_evaluator
from trainer.loop import train_step
from trainer.loop.train_loop import Loop, StopError
from trainer.optimization import optimizers
from trainer.reporting.progress import TrainingProgress
from trainer.run_data import Data


def train(
    config: RunConfig, card: Card, workdir: str, flagfile: str, allow_changes: bool = False
) -> dict[str, object] | None:
    """Trains to `config.steps`, or until patience ends it, from the last checkpoint in `workdir`
    where there is one.

    The config is written once the model stands and fits the checkpoint, so that a start that
    fails does not claim the run directory.

    Args:
        config: of the run.
        card: of the dataset in `config.data_dir`.
        workdir: the run directory; made if need be.
        flagfile: flags that repeat the run, for `flags.txt`.
        allow_changes: go on from a checkpoint of another dataset or other flags.

    Returns:
        What `result.json` holds: `steps`, `images_per_second`, under `splits` `rank1`, `rank5`,
        `loss` and `records` of what was watched and of every split that was not trained on,
        `evaluations_since_best`, and `bad_records`, how many training records were found damaged
        since this start. None when the minutes that were given ended before the steps did: the run
        is saved.

    Raises:
        UserError: the batch does not divide over the replicas, the checkpoint is of another
            model or run, a record is damaged, or the loss is no longer finite.
        StoppedError: a signal ended it, or another worker did; the run is saved as far as it could
            be.
    """
    members = cluster.find(os.environ)
    asynchronous = strategies.is_asynchronous(config.strategy, members)
    if asynchronous and members.task == "evaluator":
        return sidecar_evaluator.follow(config, card, workdir, members)
    if asynchronous and members.task != "chief":
        return parameter_server.serve(members, workdir, config.steps)
    with _peers(members):
        strategy = _make_strategy(config, members)
    # Of parameter servers the chief trains by itself, as far as batches and evaluation go.
    own = tf.distribute.get_strategy() if asynchronous else strategy
    strategies.check_batch_size(config.batch_size, own.num_replicas_in_sync, config.accumulate)
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    together = Together(own, None if asynchronous else members)
    with (
        Interruption(config.max_minutes) as interruption,
        _peers(members),
        run_dir.lock(workdir) if together.is_chief else contextlib.nullcontext(),
        TrainingProgress(config.steps, together.is_chief) as progress,
    ):
        data = Data(config, card, own, progress)
        mean_image = data.mean_image(workdir)
        with strategies.scope(strategy):
            model = network.build(config, mean_image)
            optimizer = optimizers.of(config, model)
            saved = manager.Checkpoints(
                workdir,
                model,
                optimizer,
                keep=config.keep,
                writes=together.is_chief,
                note=progress.note,
                fingerprint=resume.fingerprint(config),
            )
            start = saved.restore(allow_changes)
            if saved.changes:
                _take_up_changes(saved, config, optimizer, progress)
        _check_same_start(together, start, "--workdir")
        begins = bool(config.init_from) and not saved.found
        if begins:
            step = warm_start.load(config, model, optimizer, progress.note)
            _check_same_start(together, step, "--init_from")
        if together.is_chief:
            # All workers are here and have found the same in the directory: it may change now.
            run_dir.make(workdir, run_config.to_json(config), flagfile, mean_image)
        if begins:
            saved.save(0)  # from here on, whatever becomes of the other run is nothing to this one
        made = (strategy, model, optimizer, config.batch_size, data.class_weights())
        if asynchronous:
            compiled = parameter_server.compiled(
                *made,
                workers=len(members.addresses["worker"]),
                evaluated=network.build(config, mean_image),
                clip_norm=config.clip_norm,
            )
        else:
            compiled = train_step.compiled(
                *made,
                clip_norm=config.clip_norm,
                accumulate=config.accumulate,
                jit_compile=config.jit_compile,
            )
        loop = Loop(
            config, card, workdir, own, model, optimizer, saved, data, together,
            interruption, progress, compiled,
        )  # fmt: skip
        try:
            loop.train_from(start)
            return loop.finish()
        except StopError as stop:
            loop.save_and_stop(stop)
            return None


def _take_up_changes(
    saved: manager.Checkpoints,
    config: RunConfig,
    optimizer: keras.optimizers.Optimizer,
    progress: TrainingProgress,
) -> None:
    """Leaves nothing of what was restored that was true of the flags before only."""
    progress.note(f"going on with changes: {'; '.join(saved.changes.values())}")
    if resume.changes_optimizer(saved.changes):
        progress.note("the optimizer starts afresh")
    if "learning_rate" in saved.changes:
        optimizer.learning_rate = config.learning_rate
    if resume.changes_evaluation(saved.changes):
        saved.best.assign(float("-inf"))
        saved.waited.assign(0)
    saved.sums.assign([0.0, 0.0])
    saved.since.assign(saved.step)


def _make_strategy(config: RunConfig, members: cluster.Cluster | None) -> tf.distribute.Strategy:
    if strategies.is_asynchronous(config.strategy, members):
        return parameter_server.connect(members, functools.partial(print, flush=True))
    return strategies.create(
        config.strategy,
        members,
        devices=config.devices,
        communication=config.communication,
        tpu=config.tpu,
    )


@contextlib.contextmanager
def _peers(members: cluster.Cluster | None) -> Iterator[None]:
    """Says in one line that another process of the run is gone."""
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    ):
        if members is None:
            raise
        gone = "a parameter server" if members.has_servers else "another worker"
        raise StoppedError(
            f"{gone} is gone; start all of them again with the same command to go on from the "
            "last checkpoint"
        ) from None


def _check_same_start(together: Together, start: int, flag: str) -> None:
    """All workers must have found the same checkpoint.

    Raises:
        UserError: they have not.
    """
    total, square = together.sum(start, start * start)
    if total != together.workers * start or square != together.workers * start * start:
        raise UserError(
            f"this worker found the checkpoint of step {start} and others found another; give all "
            f"of them one {flag} that they share, as gs:// or on a shared disk, and in which no "
            "other run is training"
        )
