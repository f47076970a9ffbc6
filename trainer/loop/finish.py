"""How a start of a run ends: finished, with `result.json`, or stopped, to go on later."""

from headrace.errors import StoppedError, UserError
from trainer import run_dir
from trainer.checkpoints import restore
from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.config import splits
from trainer.distribution import strategies
from trainer.loop.actions.evaluate import Evaluator
from trainer.loop.start import Run, check_same_step
from trainer.loop.train_loop import StopError, TrainLoop
from trainer.reporting import curves
from trainer.reporting.run_report import RunReport


def finish(
    run: Run,
    state: TrainState,
    manager: CheckpointManager,
    loop: TrainLoop,
    evaluator: Evaluator,
    stopped: str,
) -> dict[str, object]:
    """Evaluate what is still to be evaluated and write `result.json`.

    Args:
        run: run.
        state: its state; with `restore_best` its weights are those of the best checkpoint then.
        manager: manager of its checkpoints.
        loop: loop that has trained it.
        evaluator: function of a split to its result.
        stopped: why it is the end, see `TrainLoop.run`.

    Returns:
        What it holds, see `train.train`.

    Raises:
        StopError: a worker is to stop.
        DivergedError: a loss is not finite, and the run gave nothing.
        UserError: there is no best checkpoint that is sound.
    """
    manager.save()  # as where patience ended the run
    restored = {}
    if run.config.training.restore_best:
        restored = {"restored_step": _restore_best(run, state, manager)}
        evaluator.forget()
    results = {}
    for split in splits.final_splits(
        run.config.data.data_dir,
        run.card,
        run.config.data.train_split,
        run.config.training.validation_split,
    ):
        results[split] = evaluator(split)
    (bad_records,) = run.collectives.all_reduce_sum(len(run.data.reader.bad))
    result = {
        "steps": state.step,
        "stopped": stopped,
        **restored,
        "images_per_second": round(loop.throughput.mean, 1) or _last_throughput(run.workdir),
        "splits": results,
        "evaluations_since_best": state.evals_since_best,
        "bad_records": int(bad_records),
    }
    manager.wait()
    if run.collectives.is_chief:
        curves.draw(run.workdir)
        RunReport(run.workdir, run.config, run.steps_per_epoch).write(result)
        run_dir.write_result(run.workdir, result)
    run.collectives.barrier()  # a worker that left would take the others' collectives with it
    return result


def _restore_best(run: Run, state: TrainState, manager: CheckpointManager) -> int:
    """Give the model the weights of the best checkpoint, with their average if the run keeps one;
    return its step. What is saved as the latest stays, for a run that is to train on.

    Raises:
        UserError: there is none that is sound, or another worker has none.
    """
    manager.wait()
    run.collectives.barrier()  # the chief has written it
    average = {"optimizer": state.optimizer} if run.config.optimization.keeps_average else {}
    note = run.progress.note
    step, failure = -1, None
    try:
        with strategies.scope(run.strategy):
            step = restore.restore_model(run.workdir, state.model, "best", note=note, **average)
    except UserError as error:
        failure = error
    (failures,) = run.collectives.all_reduce_sum(float(failure is not None))
    if failures:  # of one worker, which the others would wait for
        raise failure or UserError("another worker cannot read the best checkpoint, and says why")
    check_same_step(run.collectives, step, "`workdir`")
    note(f"the run ends with the best checkpoint, that of step {step:,}")
    return step


def stop(run: Run, state: TrainState, manager: CheckpointManager, error: StopError) -> None:
    """Save where the run is.

    Raises:
        StoppedError: it was a signal that ended it.
    """
    manager.save()
    manager.wait()
    run.collectives.barrier()
    where = f"stopped at step {state.step:,} of {run.config.training.steps:,}, and saved"
    if error.signalled:
        raise StoppedError(f"{where}; start it again with the same command to go on")
    run.progress.note(f"{where}: the time is up; resume with the same command")


def _last_throughput(workdir: str) -> object:
    """Return the last one in the log: of a run that was killed with nothing left to train."""
    rows = run_dir.read_metrics(workdir)
    return next((r["images_per_second"] for r in rows[::-1] if r["split"] == "train"), 0.0)
