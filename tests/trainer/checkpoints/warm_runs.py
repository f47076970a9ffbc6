"""A run that was saved with all its variables at random, and one that starts from it."""

import numpy as np

from tests.trainer.configs import with_values
from trainer import run_dir, run_model
from trainer.checkpoints import warm_start
from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.config import run as run_config
from trainer.optimization import optimizers


class Saved:
    """A run that was saved at step 7 with all its variables at random."""

    def __init__(self, workdir, config, which="latest", **changes) -> None:
        self.config = with_values(config, **changes)
        self.workdir = str(workdir)
        self.model = run_model.build(self.config)
        self.optimizer = optimizers.build(self.config, self.model)
        rng = np.random.default_rng(3)
        for variable in self.model.weights + self.optimizer.variables[2:]:
            variable.assign(rng.normal(size=variable.shape))
        self.optimizer.variables[0].assign(7)
        run_dir.make(self.workdir, run_config.to_json(self.config), "")
        state = TrainState(self.model, self.optimizer)
        state.step = 7
        manager = CheckpointManager(self.workdir, state)
        if which == "best":
            manager.save_best()
        else:
            manager.save()
        manager.wait()


class New:
    """A run that starts from it."""

    def __init__(self, source: Saved, **changes) -> None:
        config = with_values(source.config, init_from=source.workdir, **changes)
        self.notes: list[str] = []
        self.model = run_model.build(config)
        self.optimizer = optimizers.build(config, self.model)
        self.before = values(self.model.weights)
        state = TrainState(self.model, self.optimizer)
        self.step, self.fresh = warm_start.load(config, state, self.notes.append)


def values(variables) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def assert_same(one, other) -> None:
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)
