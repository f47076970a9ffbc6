"""How a start of a run ends: finished, with `result.json`, or stopped, to go on later."""

from headrace.errors import StoppedError
from trainer import run_dir
from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.config import splits
from trainer.loop.actions.evaluate import Evaluator
from trainer.loop.start import Run
from trainer.loop.train_loop import StopError, TrainLoop
from trainer.reporting import curves
from trainer.reporting.run_report import RunReport


def finish(
    run: Run, state: TrainState, manager: CheckpointManager, loop: TrainLoop, evaluator: Evaluator
) -> dict[str, object]:
    """Evaluate what is still to be evaluated and write `result.json`.

    Returns:
        What it holds, see `train.train`.

    Raises:
        StopError: a worker is to stop.
        UserError: a loss is not finite, and the run gave nothing.
    """
    manager.save()  # as where patience ended the run
    results = {}
    for split in splits.final_splits(
        run.config.data.data_dir,
        run.card,
        run.config.data.train_split,
        run.config.training.validation_split,
    ):
        results[split] = evaluator(split)
        loop.check_finite(results[split]["loss"])
    (bad_records,) = run.collectives.all_reduce_sum(len(run.data.reader.bad))
    result = {
        "steps": state.step,
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
