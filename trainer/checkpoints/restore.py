"""Restores the network of a run that was trained, for those that do not train it further."""

import keras

from trainer import run_model
from trainer.checkpoints import manager
from trainer.config.run import RunConfig
from trainer.optimization import optimizers


def load_model(
    config: RunConfig, workdir: str, which: str, average: bool = False
) -> tuple[keras.Model, int]:
    """Build the network of a run and restore its weights from a checkpoint.

    Args:
        config: configuration of the run.
        workdir: the run directory.
        which: checkpoint, `latest` or `best`.
        average: take the moving average of the weights, of a run that was trained with one.

    Returns:
        The network, and the step of the checkpoint.

    Raises:
        UserError: there is no such checkpoint, or it does not fit the run's config.
    """
    model = run_model.build_from_run_dir(config, workdir)
    if not average:
        return model, manager.restore_model(workdir, model, which)
    optimizer = optimizers.of(config, model)
    step = manager.restore_model(workdir, model, which, optimizer=optimizer)
    optimizer.finalize_variable_values(model.trainable_variables)
    return model, step
