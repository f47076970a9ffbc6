"""Starts of a run in this process: a whole one, and the parts of one that has not trained yet."""

import dataclasses
import pathlib
from typing import Any

import tensorflow as tf

from input.dataset import dataset_dir
from tests.trainer.configs import with_values
from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.config import resume
from trainer.config import run as run_config
from trainer.distribution.cluster import Cluster
from trainer.distribution.collectives import Collectives
from trainer.distribution.preemption import Preemption
from trainer.loop import start, train, train_step
from trainer.loop.actions.evaluate import Evaluator
from trainer.loop.start import Run
from trainer.loop.train_loop import TrainLoop
from trainer.reporting.progress import TrainingProgress
from trainer.run_data import Data

# A process that takes each step alone, and is not the one that writes.
NOT_CHIEF = Cluster({"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"]}, "worker", 0)


def go_on(workdir: pathlib.Path, *, allow_changes=False, flagfile="", **changes) -> Any:
    """Starts a run again, with other flags."""
    before = run_config.read(str(workdir))
    config = with_values(before, deterministic=False, **changes)
    resume.check_same_run(str(workdir), config, allow_changes)
    card = dataset_dir.read_card(config.data.data_dir)
    return train.train(config, card, str(workdir), flagfile, allow_changes)


def names(folder: pathlib.Path) -> set[str]:
    """Names of the checkpoints in a folder."""
    return {path.name for path in folder.glob("step-*")}


@dataclasses.dataclass
class Start:
    """The parts of a start, restored where there is a checkpoint."""

    run: Run
    state: TrainState
    manager: CheckpointManager
    preemption: Preemption
    loop: TrainLoop
    evaluator: Evaluator


def restored(
    workdir: pathlib.Path,
    source: pathlib.Path | None = None,
    cluster: Cluster | None = None,
    **changes,
) -> Start:
    """Makes the parts of a start in `workdir`, of the run in `source` with other flags."""
    config = with_values(run_config.read(str(source or workdir)), deterministic=False, **changes)
    card = dataset_dir.read_card(config.data.data_dir)
    strategy = tf.distribute.get_strategy()
    collectives = Collectives(strategy, cluster or Cluster())
    progress, preemption = TrainingProgress(config.training.steps), Preemption()
    data = Data(config, card, strategy, progress)
    run = Run(config, card, str(workdir), strategy, data, collectives, progress)
    state = TrainState.create(config, strategy, data.mean_image(str(workdir)))
    manager = start.make_manager(run, state)
    start.restore(run, state, manager, allow_changes=False)
    step_fns = train_step.make_step_fns(
        strategy, state.model, state.optimizer, config.data.batch_size, config.optimization
    )
    loop = TrainLoop(config, state, data, step_fns, collectives, preemption, progress)
    evaluator = Evaluator(state, data, step_fns.evaluate, loop.sync_stop)
    return Start(run, state, manager, preemption, loop, evaluator)
