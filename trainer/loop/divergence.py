"""Divergence: when a loss is far too high, and what is kept of a run that it ends.

RUN/diverged/step-00001234/
    batch.npz       what was trained on: image, label, record, and what else a batch has; loss
    images.png      the first of its images as they were trained on, under each its class
    about.json      why and when, the learning rate, and each record with its number and file

The batch is made again, as the stream is a function of the step. The weights of the step are gone:
losses of records are those of the latest checkpoint, without dropout.
"""

import dataclasses
import io
import json
import math

import numpy as np
import tensorflow as tf

from headrace import files
from headrace.errors import UserError
from trainer import run_dir, run_model
from trainer.checkpoints import restore
from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import DivergedError, TrainState
from trainer.loop.start import Run
from trainer.optimization import losses
from trainer.reporting import image_grid

# Of a picture that can still be looked at.
_IMAGES, _COLUMNS = 256, 16

_LOSS_RECORDS = 32


@dataclasses.dataclass
class DivergenceWatch:
    """Ends a run whose loss was below that of guessing and is far above it now.

    Attributes:
        factor: how many times as high as that of guessing it may be; 0 for any.
        guessing: loss of a model that gives all classes the same probability.
        has_learned: whether it was below that before.
    """

    factor: float
    guessing: float
    has_learned: bool = False

    def __call__(self, state: TrainState, loss: float) -> None:
        """Look at the mean loss of a log line.

        Raises:
            DivergedError: it is too high.
        """
        if self.factor and self.has_learned and loss > self.factor * self.guessing:
            what = (
                f"the loss is {loss:.4g}, more than {self.factor:g} times the {self.guessing:.4g} "
                "of guessing,"
            )
            raise DivergedError(what, state.step, state.step - 1)
        self.has_learned |= loss < self.guessing


def make_watch(run: Run) -> DivergenceWatch:
    """Make the watch of a run, which knows the losses that earlier starts have logged."""
    factor, card = run.config.training.stop_on_divergence, run.card
    if not factor:
        return DivergenceWatch(factor, math.inf)
    guessing = losses.of_guessing(
        run.config.optimization, len(card.classes), multi_label=card.multi_label
    )
    learned = any(row["split"] == "train" and row["loss"] < guessing for row in run.logged())
    (known,) = run.collectives.all_reduce_sum(float(learned))
    return DivergenceWatch(factor, guessing, known > 0)


def end(run: Run, state: TrainState, manager: CheckpointManager, error: DivergedError) -> UserError:
    """Keep the batch of a run that has diverged, by the chief; all workers call this.

    Args:
        run: run.
        state: its state, which is of no more use.
        manager: manager of its checkpoints.
        error: what is so.

    Returns:
        The error that ends the run: it names the folder, and what to do.
    """
    folder = f"{run.workdir}/{run_dir.DIVERGED}/step-{error.batch_step:08d}"
    kept = f"its batch is kept in {folder}"
    if run.collectives.is_chief:
        try:
            manager.wait()
            _write(run, state, error, folder)
        except (UserError, OSError, tf.errors.OpError) as problem:
            kept = f"its batch could not be kept ({str(problem).splitlines()[0]})"
    run.collectives.barrier()  # nobody takes the collectives of the chief with it
    rate = run.config.optimization.learning_rate
    last = manager.latest_step
    further = f", or with `allow_changes` go on from step {last:,}" if last else ""
    return UserError(
        f"{error.what} at step {error.step:,}: {kept}; lower `learning_rate` (now {rate:g}) and "
        f"start again in another `workdir`{further}"
    )


def _write(run: Run, state: TrainState, error: DivergedError, folder: str) -> None:
    batch = run.data.batch(error.batch_step)
    sources = run.data.reader.sources(batch["record"])
    batch["record"] = np.array([number for number, _ in sources], np.int64)
    step = _add_losses(run, batch)
    classes = run.card.classes
    names = ("record", "weight", "share", "loss")
    columns = {name: _json_numbers(batch[name]) for name in names if name in batch}
    records = [
        {"file_name": file_name, "class": name}
        for (_, file_name), name in zip(
            sources, image_grid.class_names(batch["label"], classes), strict=True
        )
    ]
    for name, values in columns.items():
        for record, value in zip(records, values, strict=True):
            record[name] = value
    about = {
        "reason": error.what,
        "step": error.batch_step,
        "noticed_at_step": error.step,
        "learning_rate": _learning_rate(state, error.batch_step),
        "train_split": run.config.data.train_split,
        "losses_by_checkpoint": step,
        "records": records,
    }
    with run_dir.writing(folder):
        files.make_folder(folder)
    arrays = io.BytesIO()
    np.savez(arrays, **batch)  # type: ignore[arg-type]  # NumPy's types know one keyword alone
    run_dir.write_atomic(f"{folder}/batch.npz", arrays.getvalue())
    images = image_grid.with_captions(batch, classes)[:_IMAGES]
    run_dir.write_atomic(f"{folder}/images.png", image_grid.draw(images, _COLUMNS, "PNG"))
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    run_dir.write_atomic(f"{folder}/about.json", text.encode())


def _add_losses(run: Run, batch: dict[str, np.ndarray]) -> int | None:
    """Add the `loss` of each record by the latest checkpoint; return the step of that, if there is
    one that is sound."""
    model = run_model.build_from_run_dir(run.config, run.workdir)
    try:
        step = restore.restore_model(run.workdir, model, "latest", note=run.progress.note)
    except UserError:
        return None
    loss_fn = losses.make_loss_fn(run.config.optimization, run.data.class_weights())
    parts = []
    for first in range(0, len(batch["label"]), _LOSS_RECORDS):
        part = {name: each[first : first + _LOSS_RECORDS] for name, each in batch.items()}
        parts.append(loss_fn(part, model(part["image"], training=False)).numpy())
    batch["loss"] = np.concatenate(parts)
    return step


def _learning_rate(state: TrainState, step: int) -> float:
    """Return the learning rate that a step was taken with; the state is of no use afterwards."""
    optimizer = getattr(state.optimizer, "inner_optimizer", state.optimizer)
    optimizer.iterations.assign(optimizer.iterations.numpy() - (state.step - step))
    return state.learning_rate


def _json_numbers(values: np.ndarray) -> list:
    """Return numbers as JSON has them, which has no infinite ones."""
    return [value if math.isfinite(value) else str(value) for value in values.tolist()]
