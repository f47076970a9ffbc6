"""What a run does besides training, as its config has it; the order is a promise."""

import functools

from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.config import objectives
from trainer.config.training import MONITORS
from trainer.loop import divergence, start
from trainer.loop.actions.action import Action
from trainer.loop.actions.draw_curves import DrawCurves
from trainer.loop.actions.early_stopping import EarlyStopping
from trainer.loop.actions.end_warm_start import EndWarmStart
from trainer.loop.actions.evaluate import Evaluate, Evaluator
from trainer.loop.actions.log_metrics import LogMetrics
from trainer.loop.actions.plot_weight_norm import PlotWeightNorm
from trainer.loop.actions.reduce_learning_rate import ReduceLearningRate
from trainer.loop.actions.report_signs import ReportSigns
from trainer.loop.actions.save_best import SaveBest
from trainer.loop.actions.save_checkpoint import SaveCheckpoint
from trainer.loop.actions.stop_when import StopWhen
from trainer.loop.actions.unfreeze import Unfreeze
from trainer.loop.start import Run
from trainer.loop.step_planner import Period
from trainer.loop.train_loop import TrainLoop
from trainer.reporting.metrics_log import MetricsLog
from trainer.reporting.run_report import RunReport
from trainer.transfer.plan import Plan

_LOG_EVERY_STEPS = 50


def make_actions(
    run: Run,
    state: TrainState,
    manager: CheckpointManager,
    loop: TrainLoop,
    evaluator: Evaluator,
    plan: Plan,
    split: str | None,
) -> list[Action]:
    """Make what the run does besides training, in the order in which it is done at a step.

    Args:
        run: run.
        state: its state, restored.
        manager: manager of its checkpoints.
        loop: loop that does them.
        evaluator: function of a split to its result.
        plan: which layers train when.
        split: what to evaluate while it trains; None for nothing.
    """
    config, per_epoch, note = run.config, run.steps_per_epoch, run.progress.note
    metrics_log = _open_log(run, state)
    log = metrics_log.log if metrics_log else _log_nowhere
    watch = divergence.make_watch(run)
    end, metric = config.training.steps, config.training.monitor
    saves = Period(end, (config.checkpoints.save_every_steps,))
    logs = Period(
        end, (min(_LOG_EVERY_STEPS, per_epoch), per_epoch, config.checkpoints.save_every_steps)
    )
    evaluations = Period(end, (per_epoch * config.training.eval_every,))
    evaluation_actions: list[Action] = []
    if split:
        evaluation_actions = [
            Evaluate(evaluations, split, evaluator, metric, log, run.note_evaluation),
            SaveBest(manager),
            DrawCurves(run.workdir, run.collectives.is_chief),
            ReportSigns(RunReport(run.workdir, config, per_epoch), note, run.collectives.is_chief),
            ReduceLearningRate(
                config.training.reduce_lr_patience, config.training.reduce_lr_factor, metric, note
            ),
            EarlyStopping(config.training.patience, metric, note),
            _make_stop_when(run, split, evaluator),
        ]
    return [
        EndWarmStart(
            plan.dropout,
            functools.partial(start.reset_optimizer, run, state),
            loop.remake_steps,
            note,
        ),
        Unfreeze(plan, loop.remake_steps, note),
        LogMetrics(logs, config.data.batch_size, loop.throughput.since_log, log, watch),
        PlotWeightNorm(logs, metrics_log.plot if metrics_log else _log_nowhere),
        *evaluation_actions,
        SaveCheckpoint(saves, config.checkpoints.save_every_seconds, manager),
    ]


def _make_stop_when(run: Run, split: str, evaluator: Evaluator) -> StopWhen:
    """Make what ends the run at its objectives; it knows the last evaluation of earlier starts."""
    targets = objectives.parse(run.config.training.stop_when, MONITORS)
    if targets:
        evaluator.recall(split, run.logged(), run.collectives)
    return StopWhen(targets, split, evaluator, run.progress.note)


def _open_log(run: Run, state: TrainState) -> MetricsLog | None:
    """Return the log, from where the run is on; None in a process that writes nothing."""
    if not run.collectives.is_chief:
        return None
    metrics_log = MetricsLog(run.workdir, run.steps_per_epoch)
    metrics_log.resume_at(state.step, state.last_eval_step)
    return metrics_log


def _log_nowhere(step: int, split: str, values: dict[str, float]) -> None:
    """Log nothing."""
