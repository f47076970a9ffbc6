"""The training loop: restore, train, log, evaluate, save, and finish with `result.json`.

At every stop the order is log, evaluate, save: so what a checkpoint's step has logged is all there
when a run resumes from it, and what came after it is dropped and made again. A run that is told to
stop saves wherever it is; sums that are not logged yet are part of the checkpoint, and an
evaluation that was due is made first when it goes on. A checkpoint knows the last evaluation that
counts in it, whatever the log says: none is counted twice, or not at all.

In a cluster all workers run this, step by step together, and the chief alone writes.
"""

import math
import time
from collections.abc import Iterable, Iterator

import keras
import tensorflow as tf

from headrace.errors import StoppedError, UserError
from input.dataset.dataset_dir import Card
from input.loading import read_records
from trainer import run_dir
from trainer.checkpoints import manager
from trainer.config import splits
from trainer.config.run import RunConfig
from trainer.distribution.collectives import Together
from trainer.distribution.preemption import Interruption
from trainer.evaluation import monitor
from trainer.loop import step_planner, train_step
from trainer.optimization import optimizers
from trainer.reporting import curves
from trainer.reporting.metrics_log import Journal
from trainer.reporting.progress import TrainingProgress
from trainer.reporting.throughput import Rate
from trainer.run_data import Data

_LOG_EVERY_STEPS = 50
_SECONDS_PER_CALL = 1.0


class StopError(Exception):
    """Training ends here, for now; `signalled`, or else because the time is up."""

    def __init__(self, signalled: bool) -> None:
        super().__init__()
        self.signalled = signalled


class Loop:
    """The state of one start of a run."""

    def __init__(
        self,
        config: RunConfig,
        card: Card,
        workdir: str,
        strategy: tf.distribute.Strategy,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        saved: manager.Checkpoints,
        data: Data,
        together: Together,
        interruption: Interruption,
        progress: TrainingProgress,
        compiled: train_step.Compiled,
    ) -> None:
        self.config, self.card, self.workdir = config, card, workdir
        self.strategy, self.model, self.optimizer = strategy, model, optimizer
        self.saved, self.data = saved, data
        self.together, self.interruption, self.progress = together, interruption, progress
        self.per_epoch = data.order.steps_per_epoch
        self.journal = Journal(workdir, self.per_epoch) if together.is_chief else None
        self.rate = Rate()
        self.compiled = compiled
        self.watched = config.validation_split if compiled.watches else None
        self.step = 0
        self.no_sums = train_step.first_sums(strategy)
        self.sums = train_step.first_sums(strategy, saved.sums.numpy())
        self.saved_at = time.monotonic()
        self.results: dict[str, dict[str, float]] = {}

    def train_from(self, start: int) -> None:
        """Trains to the end.

        Raises:
            StopError: before it, at a call's end, with nothing saved yet.
        """
        self.step, evaluated = start, int(self.saved.evaluated.numpy())
        if not self.compiled.watches:
            evaluated = start  # as far as another process has come to it
        if self.journal:
            self.journal.go_on(start, evaluated)
        self._announce(start)
        if evaluated < start and self._evaluates_at(start):
            self._evaluate_watched()
            self._save()
        if self._is_over():
            return
        batches = iter(self.data.training(start))
        while not self._is_over():
            self._train_to_next_stop(batches)
            if self._logs_at(self.step):
                self._log_training()
            if self._evaluates_at(self.step):
                self._evaluate_watched()
            if self._saves_at(self.step) or self._is_over():
                self._save()

    def finish(self) -> dict[str, object]:
        """Evaluates what is still to be evaluated and writes `result.json`.

        Raises:
            UserError: a loss is not finite, and the run gave nothing.
        """
        for split in splits.evaluated(self.config, self.card):
            if split not in self.results:
                self.results[split] = self._evaluate(split)
            self._check_finite(self.results[split]["loss"])
        (bad,) = self.together.sum(len(self.data.reader.bad))
        result = {
            "steps": self.step,
            "images_per_second": round(self.rate.mean, 1) or self._logged_rate(),
            "splits": self.results,
            "evaluations_since_best": int(self.saved.waited.numpy()),
            "bad_records": int(bad),
        }
        self.saved.wait()
        if self.together.is_chief:
            run_dir.write_result(self.workdir, result)
        self.together.wait()  # a worker that left would take the others' collectives with it
        return result

    def save_and_stop(self, stop: StopError) -> None:
        """Saves where the run is.

        Raises:
            StoppedError: it was a signal that ended it.
        """
        self._save()
        self.saved.wait()
        self.together.wait()
        where = f"stopped at step {self.step:,} of {self.config.steps:,}, and saved"
        if stop.signalled:
            raise StoppedError(f"{where}; start it again with the same command to go on")
        self.progress.note(f"{where}: the time is up; resume with the same command")

    def _logs_at(self, step: int) -> bool:
        every = min(_LOG_EVERY_STEPS, self.per_epoch)
        return step % every == 0 or step % self.per_epoch == 0 or self._saves_at(step)

    def _evaluates_at(self, step: int) -> bool:
        every = self.per_epoch * self.config.eval_every
        return self.watched is not None and (step == self.config.steps or step % every == 0)

    def _saves_at(self, step: int) -> bool:
        return step == self.config.steps or step % self.config.save_every_steps == 0

    def _is_over(self) -> bool:
        """The same for all workers: an all-reduce gives all of them the same bits."""
        waited = int(self.saved.waited.numpy())
        return self.step >= self.config.steps or monitor.ends(waited, self.config.patience)

    def _logged_rate(self) -> float:
        """The last rate in the log: of a run that was killed with nothing left to train."""
        rows = run_dir.read_metrics(self.workdir)
        return next((r["images_per_second"] for r in rows[::-1] if r["split"] == "train"), 0.0)

    def _announce(self, start: int) -> None:
        replicas = self.strategy.num_replicas_in_sync
        self.progress.note(
            f"{self.config.model}: {self.model.count_params():,} parameters, {replicas} "
            f"replica{'s' * (replicas > 1)}, {len(self.data.reader):,} training images, "
            f"{self.per_epoch} steps an epoch"
        )
        if start:
            self.progress.note(f"resuming from the checkpoint at step {start}")
        if self.watched == "test" and "validation" not in self.card.splits:
            self.progress.note("no validation split: the test split is watched in its place")

    def _train_to_next_stop(self, batches: Iterator) -> None:
        """Trains in calls of about a second; adds to the sums that wait for the next log line."""
        config = self.config
        stop = step_planner.next_stop(
            self.step,
            config.steps,
            min(_LOG_EVERY_STEPS, self.per_epoch),
            self.per_epoch,
            config.save_every_steps,
        )
        while self.step < stop:
            count = self._steps_to(stop)
            started = time.perf_counter()
            with read_records.reader_errors(self.data.reader):
                self.sums = self.compiled.train(batches, tf.constant(count, tf.int64), self.sums)
            self.saved.sums.assign(train_step.total(self.strategy, self.sums))
            seconds = time.perf_counter() - started
            self.step += count
            self.interruption.has_work = True
            loss, rank1 = self._means()
            self.progress.update(
                self.step,
                loss=loss,
                rank1=rank1,
                images_per_second=self.rate.add(count * config.batch_size, seconds),
                learning_rate=optimizers.rate(self.optimizer),
            )
            self._check_finite(loss)

    def _steps_to(self, stop: int) -> int:
        """How many steps the next call takes: the same for all workers, whatever their clocks say.

        Before the first call a step is run by itself.

        Raises:
            StopError: a worker was told to stop.
        """
        every = self.config.save_every_seconds
        due = bool(every) and time.monotonic() - self.saved_at >= every
        pace = self.config.batch_size / self.rate.mean if self.rate.calls else _SECONDS_PER_CALL
        due, pace = self._heed(due, pace)
        if due:
            self._save()
        least = self.compiled.least if self.rate.calls else 1
        return step_planner.steps_in_call(
            stop - self.step, pace / self.together.workers, _SECONDS_PER_CALL, least
        )

    def _heed(self, *values: float) -> list[float]:
        """Sums values over all workers.

        Raises:
            StopError: one of them was told to stop.
        """
        told, late = self.interruption.signalled, self.interruption.time_is_up
        told, late, *sums = self.together.sum(told, late, *values)
        if told or late:
            raise StopError(signalled=told > 0)
        return sums

    def _means(self) -> tuple[float, float]:
        """Loss and rank-1 of what was trained on since the last log line."""
        images = (self.step - int(self.saved.since.numpy())) * self.config.batch_size
        loss, rank1 = (self.saved.sums.numpy() / images).tolist()
        return loss, rank1

    def _log_training(self) -> None:
        loss, rank1 = self._means()
        self._log(
            "train",
            {
                "loss": loss,
                "rank1": rank1,
                "images_per_second": round(self.rate.since_log(), 1),
                "learning_rate": optimizers.rate(self.optimizer),
            },
        )
        self.saved.sums.assign([0.0, 0.0])
        self.sums = self.no_sums
        self.saved.since.assign(self.step)

    def _log(self, split: str, values: dict[str, float]) -> None:
        if self.journal:
            self.journal.log(self.step, split, values)

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise UserError(
                f"the loss is {loss} at step {self.step}; lower --learning_rate "
                f"(now {self.config.learning_rate:g}) and start again in another --workdir"
            )

    def _save(self) -> None:
        if not self.compiled.watches:
            self.saved.evaluated.assign(self.step)
        self.saved.save(self.step)
        self.saved_at = time.monotonic()

    def _evaluate_watched(self) -> None:
        result = self._evaluate(self.watched)
        self.results = {self.watched: result}
        self._log(self.watched, result)
        self.saved.save_best(self.step, monitor.worth(result, self.config.monitor))
        if self.together.is_chief:
            curves.draw(self.workdir)
        self.progress.note_evaluation(self.step / self.per_epoch, self.watched, result)
        self._follow()

    def _follow(self) -> None:
        """Does what the run's number asks for."""
        config, waited = self.config, int(self.saved.waited.numpy())
        since = f"{config.monitor} has not been better for {waited} evaluation{'s' * (waited > 1)}"
        if monitor.lowers(waited, config.plateau):
            lower = optimizers.rate(self.optimizer) * config.plateau_factor
            self.optimizer.learning_rate = lower
            self.progress.note(f"{since}: the learning rate is {lower:.3g} from now on")
        if monitor.ends(waited, config.patience):
            self.progress.note(f"{since}: the run ends")

    def _evaluate(self, split: str) -> dict[str, float]:
        batches, reader = self.data.evaluation(split)
        with read_records.reader_errors(reader), optimizers.averaged(self.model, self.optimizer):
            result = self.compiled.evaluate(self._heeding(batches))
        return {name: result[name] for name in ("rank1", "rank5", "loss", "records")}

    def _heeding(self, batches: Iterable) -> Iterator:
        """The same batches; stops between them where a worker was told to."""
        for batch in batches:
            self._heed()
            yield batch
